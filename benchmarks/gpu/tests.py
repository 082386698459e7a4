"""Runs the tests that need a CUDA device; of their fixtures only those that need no Django."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.gpu.section import started

_CONFIG = """[pytest]
markers =
    data
    slow
    gpu
"""


def main() -> None:
    section = started()
    root = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "pytest.ini")
        config.write_text(_CONFIG)
        command = [sys.executable, "-m", "pytest", "-q", "-rs", "-m", "gpu", "-c", str(config)]
        options = ["--rootdir", str(root), "--noconftest", "--import-mode=importlib"]
        plugins = ["-p", "no:cacheprovider", "-p", "no:django", "-p", "tests.mer.conftest"]
        names = sorted({str(path) for path in root.glob("tests/mer/**/test_*.py")
                        if "mark.gpu" in path.read_text()})  # fmt: skip
        found = subprocess.run(
            [*command, *options, *plugins, *names], capture_output=True, text=True, check=False
        )
    print(found.stdout[-6000:], found.stderr[-2000:])
    lines = found.stdout.strip().splitlines()
    section.say(f"`pytest -m gpu`: {lines[-1].strip('= ') if lines else 'no output'}.")
    noted = [line for line in lines if line.startswith(("FAILED", "ERROR", "SKIPPED"))]
    if noted:
        section.say("\n```text\n" + "\n".join(line[:160] for line in noted[:20]) + "\n```")


if __name__ == "__main__":
    main()
