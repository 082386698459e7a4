"""Requests that schemathesis makes up, in a number that CI has no time for.

`python -m benchmarks.fuzz_api --requests 20000` sends at least so many to every operation of the
schema, as a stranger, a listener and staff. It ends with an
error if one answer is not what the schema says.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

PAGE: Final = Path(__file__).resolve().parents[1] / "tests/recommender/api/test_schemathesis.py"


class Counter:
    """Counts the requests and the failures of a run (a plugin of pytest)."""

    def __init__(self) -> None:
        self.requests = self.failures = self.tests = 0

    def pytest_collection_finish(self) -> None:
        case_class: Any = sys.modules["schemathesis"].Case
        call = case_class.call

        def counted(case: Any, *args: Any, **kwargs: Any) -> Any:
            self.requests += 1
            return call(case, *args, **kwargs)

        case_class.call = counted

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.tests += report.when == "call"
        self.failures += report.failed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000, help="at least so many")
    parser.add_argument("--examples", type=int, default=50, help="random ones of an operation")
    parser.add_argument("--only", default="", help="operations, by an expression of pytest's -k")
    given = parser.parse_args()
    os.environ["AFFETTI_TEST_EXAMPLES"] = str(given.examples)
    counter, begun = Counter(), time.monotonic()
    arguments = ["-q", "-p", "no:cacheprovider", "--tb=short", str(PAGE)]
    pytest.main([*arguments, "-k", given.only] if given.only else arguments, plugins=[counter])
    seconds = time.monotonic() - begun
    print(
        f"{counter.requests} requests to {counter.tests} operations and accounts in "
        f"{seconds:.0f} s, {counter.failures} failures"
    )
    if counter.requests < given.requests:
        print(f"Fewer than {given.requests}: give more --examples.")
    return int(counter.failures > 0 or counter.requests < given.requests)


if __name__ == "__main__":
    sys.exit(main())
