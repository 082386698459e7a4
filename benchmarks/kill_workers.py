"""Kill two workers at random moments of scans and analyses: is anything lost, doubled, given up?

::

    python -m benchmarks.kill_workers --mode embedded --kills 200
    python -m benchmarks.kill_workers --mode full --kills 200

`full` uses PostgreSQL and Redis at ``AFFETTI_TEST_POSTGRES_URL`` and ``AFFETTI_TEST_REDIS_URL``, in
a database of its own; it empties the Redis database. A kill takes about six seconds.
The exit status is 1 unless nothing was lost, doubled or given up and all healed within 120 s.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.integration.kills import KillReport, workers_kill
from tests.integration.stack import Migrated, Stack


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=["embedded", "full"], default="embedded")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--logs", type=Path, help="folder for the logs of the processes")
    options = parser.parse_args()
    start, migrated = time.monotonic(), Migrated()

    def tell(report: KillReport) -> None:
        if report.kills % 10 == 0:
            print(f"{time.monotonic() - start:6.0f} s: {report.kills} kills", file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="affetti-kills-") as folder:
        stack = Stack(Path(folder), is_full=options.mode == "full")
        try:
            stack.migrate(migrated)
            report = workers_kill(stack, kills=options.kills, seed=options.seed, on_kill=tell)
        finally:
            stack.close()
            if options.logs:
                shutil.copytree(
                    folder,
                    options.logs,
                    ignore=shutil.ignore_patterns("music", "indexes", "broker"),
                )
            migrated.close()
    print(f"mode {options.mode}, seed {options.seed}, {time.monotonic() - start:.0f} s")
    for name, value in asdict(report).items():
        print(f"{name:>16}  {value:.1f}" if isinstance(value, float) else f"{name:>16}  {value}")
    print("good" if report.is_good else "NOT GOOD")
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
