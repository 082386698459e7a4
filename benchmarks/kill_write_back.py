"""Kill a process that writes tags into files, and undoes it, at random moments: is a file harmed?

::

    python -m benchmarks.kill_write_back --kills 100

The process writes new moods into six files of six formats, writes over them, and undoes both, again
and again. After each kill every file must be a whole one, with its former tags or with new ones. In
the end all is undone: every file must have its first bytes, no copy may be left, and the catalogue
must know every file. It uses a temporary SQLite database. A kill takes about a second.
The exit status is 1 unless all of that holds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import django
from django.core.management import call_command


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="affetti-write-back-") as folder:
        music = _set_up(Path(folder))
        from benchmarks.write_back_kills import KillReport, writer_kill  # noqa: PLC0415

        def tell(report: KillReport) -> None:
            if report.kills % 10 == 0:
                print(f"{time.monotonic() - start:6.0f} s: {report.kills} kills", file=sys.stderr)

        report = writer_kill(music, kills=options.kills, seed=options.seed, on_kill=tell)
    print(f"seed {options.seed}, {time.monotonic() - start:.0f} s")
    for name, value in asdict(report).items():
        print(f"{name:>16}  {value}")
    print("good" if report.is_good else "NOT GOOD")
    return 0 if report.is_good else 1


def _set_up(folder: Path) -> Path:
    """Make an empty catalogue in a folder, and return the folder for its files."""
    music = folder / "music"
    music.mkdir()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "recommender.settings",
        "AFFETTI_VAR_DIR": str(folder / "var"),
        "DATABASE_URL": f"sqlite:///{folder / 'affetti.sqlite3'}",
        "AFFETTI_CATALOG_ROOTS": str(music),
        "AFFETTI_SECRET_KEY": "only-for-this-measurement",
        "REDIS_URL": "",
    }
    django.setup()
    call_command("migrate", verbosity=0)
    return music


if __name__ == "__main__":
    sys.exit(main())
