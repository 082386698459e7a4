"""Runs the sections of the GPU check, each in a process with a time limit, and writes the report.

A section appends Markdown to a file as it goes. So one that fails or takes too long keeps what it
has measured, says why it stopped, and the others run.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

SECTIONS: Final = {
    "networks": ("Songs a second from log-mel on the device", 180),
    "files": ("Songs a second from files", 75),
    "vectors": ("faiss-gpu: a million songs", 100),
    "tests": ("The CUDA tests", 85),
    "training": ("Training of the house network", 45),
}
"""Title and time limit in seconds; together under eight minutes."""
_PAGE: Final = """# One GPU

`make gpu-check` (or `benchmarks/gpu_check.sh docs/results/gpu.md`) writes this page on one card.
"""


def main() -> None:
    """Run the sections that are asked for."""
    parser = argparse.ArgumentParser(description="Measure Affetti on one GPU.")
    parser.add_argument("report", type=Path, nargs="?", help="Markdown file; default: print only")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument("--patience", type=float, default=1.0, help="factor of the time limits")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SECTIONS,
        default=list(SECTIONS),
        help="replace these sections in the report",
    )
    arguments = parser.parse_args()
    start = time.monotonic()
    is_whole = list(arguments.only) == list(SECTIONS)
    head, bodies = "", {}
    if not is_whole and arguments.report is not None and arguments.report.exists():
        head, bodies = _read(arguments.report)
    if not head:
        head = f"{_PAGE}\n{_machine(arguments.device)}"
    note = "**Not measured: a rehearsal of the program, whose figures say nothing.**\n"
    if (arguments.quick or arguments.device == "cpu") and note not in head:
        head += f"\n{note}"
    for name in arguments.only:
        title, limit = SECTIONS[name]
        print(f"=== {name}", flush=True)
        limit *= arguments.patience
        bodies[title] = _section(name, limit, arguments.device, is_quick=arguments.quick)
        _write(arguments.report, head, bodies)
    print(f"All of it took {time.monotonic() - start:.0f} s.\n")


def _read(report: Path) -> tuple[str, dict[str, str]]:
    """Return what precedes the first section of a report, and the sections by title."""
    head, *sections = f"\n{report.read_text()}".split("\n## ")
    pairs = (section.partition("\n\n") for section in sections)
    return head.removeprefix("\n"), {title: body for title, _, body in pairs}


def _write(report: Path | None, head: str, bodies: dict[str, str]) -> None:
    if report is not None:
        parts = [head.strip(), *(f"## {title}\n\n{body.strip()}" for title, body in bodies.items())]
        report.write_text("\n\n".join(parts) + "\n")


def _section(name: str, limit: float, device: str, *, is_quick: bool) -> str:
    """Return the Markdown of a section, as far as it came."""
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder, "out.md"), Path(folder, "log")
        out.touch()
        command = [sys.executable, "-m", f"benchmarks.gpu.{name}", device, str(out)]
        start = time.monotonic()
        with log.open("wb") as file:
            child = subprocess.Popen(
                [*command, "quick" if is_quick else "full"],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = child.wait(limit)
                reason = f"It ended with status {code}" if code else ""
            except subprocess.TimeoutExpired:
                reason = f"It was stopped after {limit:.0f} s"
            finally:
                _kill(child)
        said = log.read_text(errors="replace")
        print(said[-9000:], flush=True)
        body = out.read_text()
        if reason:
            tail = [line[:160] for line in said.strip().splitlines()[-6:]]
            body += "\n".join([f"\n{reason}:\n", "```text", *tail, "```", ""])
        took = f"This section took {time.monotonic() - start:.0f} s"
        day = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
        return f"{body}\n{took}, on {_card(device)}, {day}.\n"


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _machine(device: str) -> str:
    """Return the card, its driver, the versions and the date."""
    import torch  # noqa: PLC0415  # seconds; --help does without

    rows = {
        "card": _card(device),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "Python, torch, CUDA of torch": f"{platform.python_version()}, {torch.__version__}, "
        f"{torch.version.cuda}",
        "faiss": _faiss(),
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items()), ""])


def _card(device: str) -> str:
    import torch  # noqa: PLC0415  # as above

    if device != "cuda" or not torch.cuda.is_available():
        return "no card (CPU)"
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return f"{torch.cuda.get_device_name()}, {memory:.0f} GiB, driver {_driver()}"


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.split("\n")[0]


def _faiss() -> str:
    """Return the version of FAISS and of which build it is, asked in a process of its own."""
    code = "import faiss; print(faiss.__version__, 'gpu' if hasattr(faiss, 'knn_gpu') else 'cpu')"
    try:
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return "does not load"
    return found.stdout.strip()


if __name__ == "__main__":
    main()
