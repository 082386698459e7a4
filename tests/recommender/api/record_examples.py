"""`python -m tests.recommender.api.record_examples [--all]`: record the examples of the schema.

Without `--all`, those that are missing or do not fit. A test does it, because it needs a database.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.places import ROOT

if __name__ == "__main__":
    os.environ["RECORD_EXAMPLES"] = "all" if "--all" in sys.argv else "1"
    page = ROOT / "tests/recommender/api/test_examples.py"
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", str(page), "-k", "record"]))
