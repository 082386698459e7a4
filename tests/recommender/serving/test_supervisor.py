from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from recommender.serving import supervisor
from recommender.serving.supervisor import Program
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Each process writes its number to a file of its own name, and then does what the last word says.
PROGRAM = """
import os, pathlib, signal, subprocess, sys, time
folder, name, act = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with (folder / name).open("a") as file:
    file.write(f"{os.getpid()} {time.monotonic()}\\n")
if act == "die":
    sys.exit(3)
if act == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if act == "parent":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "grandchild").write_text(str(child.pid))
time.sleep(600)
"""
SUPERVISOR = f"""
import sys
from recommender.serving import supervisor
from recommender.serving.supervisor import Program, Supervisor
supervisor.STOP_SECONDS = 1.0
folder, *acts = sys.argv[1:]
names = [act.partition("=") for act in acts]
Supervisor([
    Program(name, (sys.executable, "-c", {PROGRAM!r}, folder, name, act)) for name, _, act in names
]).run()
"""


class Run:
    def __init__(self, folder: Path, *acts: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(folder), *acts],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lives(self, name: str) -> list[tuple[int, float]]:
        """Return (pid, start) of every process that the program has had."""
        path = self.folder / name
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [(int(pid), float(at)) for pid, at in (line.split() for line in lines)]

    def wait(self, condition: Callable[[], object], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def started(*acts: str) -> Run:
        runs.append(Run(tmp_path, *acts))
        return runs[-1]

    yield started
    for run in runs:
        run.process.send_signal(signal.SIGTERM)
        run.process.communicate(timeout=15)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_process_that_dies_starts_again_and_the_others_go_on(
    number: signal.Signals, start: Callable[..., Run]
) -> None:
    run = start("web=live", "worker=live")
    run.wait(lambda: run.lives("web") and run.lives("worker"))
    os.kill(run.lives("web")[0][0], number)
    run.wait(lambda: len(run.lives("web")) == 2)
    assert len(run.lives("worker")) == 1
    assert is_alive(run.lives("worker")[0][0])


def test_the_delay_grows(start: Callable[..., Run]) -> None:
    run = start("bad=die", "web=live")
    run.wait(lambda: len(run.lives("bad")) == 4)
    starts = [at for _, at in run.lives("bad")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert gaps == [pytest.approx(delay, abs=0.7) for delay in (1, 2, 4)]
    assert len(run.lives("web")) == 1


def test_a_program_that_cannot_start_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    popen, failures = subprocess.Popen, [OSError(11, "Resource temporarily unavailable")]

    def short_of_processes(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        if failures:
            raise failures.pop()
        return popen(*args, **kwargs)

    monkeypatch.setattr(supervisor.subprocess, "Popen", short_of_processes)
    child = supervisor._Child(Program("web", ("sleep", "600")))
    child.keep()
    assert not child.is_alive()
    monkeypatch.setattr(child, "_start_at", 0.0)
    child.keep()
    assert child.is_alive()
    child.send(signal.SIGKILL)
    child.wait()


def test_a_program_is_nicer_than_its_supervisor(tmp_path: Path) -> None:
    code = f"import os; open({str(tmp_path / 'niceness')!r}, 'w').write(str(os.nice(0)))"
    child = supervisor._Child(Program("worker", (sys.executable, "-c", code), niceness=3))
    child.keep()
    child.wait()
    assert (tmp_path / "niceness").read_text() == str(min(19, os.nice(0) + 3))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_all(number: signal.Signals, start: Callable[..., Run]) -> None:
    run = start("web=live", "worker=deaf", "parent=parent")
    run.wait(lambda: (run.folder / "grandchild").exists() and run.lives("worker"))
    pids = [run.lives(name)[0][0] for name in ("web", "worker", "parent")]
    run.process.send_signal(number)
    assert run.process.wait(timeout=10) == 0
    assert not any(is_alive(pid) for pid in pids)


def test_what_a_dead_process_leaves_behind_ends_too(start: Callable[..., Run]) -> None:
    run = start("parent=parent")
    run.wait(lambda: (run.folder / "grandchild").exists())
    grandchild = int((run.folder / "grandchild").read_text())
    os.kill(run.lives("parent")[0][0], signal.SIGKILL)
    run.wait(lambda: len(run.lives("parent")) == 2)
    run.wait(lambda: not is_alive(grandchild) or _is_zombie(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_processes_end_with_a_killed_supervisor(start: Callable[..., Run]) -> None:
    run = start("web=live")
    run.wait(lambda: run.lives("web"))
    run.process.kill()
    run.process.wait()
    pid = run.lives("web")[0][0]
    run.wait(lambda: not is_alive(pid) or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return done.stdout.strip() in (b"", b"Z")
