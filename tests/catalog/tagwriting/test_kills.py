"""A process that writes tags is killed at random moments, on a database of its own."""

from __future__ import annotations

import subprocess
import sys

from tests.places import ROOT


def test_kills_harm_no_file() -> None:
    command = [sys.executable, "-m", "benchmarks.kill_write_back", "--kills", "5", "--seed", "7"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.stdout.endswith("good\n"), result.stdout + result.stderr
    assert result.returncode == 0
