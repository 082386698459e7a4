"""Children that crash, hang, explode or lie cost one call each, and nothing else."""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mer.audio import child
from mer.audio.child import run_in_child
from mer.errors import (
    AudioCrashError,
    AudioDecodeError,
    AudioMemoryError,
    AudioSilentError,
    AudioTimeoutError,
)
from tests.places import ROOT

FILE = Path("/nowhere/song.mp3")


def identity(path, value):
    return path, value


def process_id(path):
    return os.getpid()


def segfault(path):
    ctypes.string_at(0)


def die(path, number):
    os.kill(os.getpid(), number)


def leave(path):
    os._exit(3)


def hang(path):
    while True:
        pass


def sleep(path, seconds):
    time.sleep(seconds)


def explode(path):
    return len([bytes(256 * 1024**2) for _ in range(64)])


def allocate_array(path):
    return float(np.ones(2**31).sum())


def stumble(path):
    raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte")


def find_silence(path):
    raise AudioSilentError(path, "is silent")


def run_out_of_disk(path):
    raise OSError(errno.EIO, "Input/output error")


def evil(path):
    class Evil:
        def __reduce__(self):
            return os.system, ("true",)

    return Evil()


def borrowed(path):
    return subprocess.Popen


def print_much(path):
    os.write(1, b"noise\n")
    os.write(2, b"[src/libmpg123/layer3.c] error: part2_3_length\n")
    return len(list(Path("/proc/self/fd").iterdir()))


def variables(path):
    return sorted(os.environ)


def is_torch_loaded(path):
    return "torch" in sys.modules, "django" in sys.modules


def die_once(path, mark):
    if not Path(mark).exists():
        Path(mark).mkdir()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second"


def open_many(path):
    return len([Path("/dev/null").open() for _ in range(1000)])


@pytest.fixture(autouse=True)
def _children_end():
    yield
    child._pool.close()


def test_values_and_arrays_come_back_writable():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    path, value = run_in_child(identity, FILE, array)
    assert path == FILE
    np.testing.assert_array_equal(value, array)
    value[0, 0] = 5


def test_names_that_are_not_utf8_come_back():
    path = Path(os.fsdecode(b"/nowhere/\xe9\xff.mp3"))
    assert run_in_child(identity, path, 1)[0] == path


def absolute(path):
    return path.absolute()


def test_a_warm_child_knows_the_folder_of_a_relative_path(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert run_in_child(absolute, Path("song.mp3")) == folder / "song.mp3"
    second.rmdir()
    assert run_in_child(absolute, FILE) == FILE


def test_a_child_stays_warm():
    assert run_in_child(process_id, FILE) == run_in_child(process_id, FILE) != os.getpid()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGBUS])
def test_a_crash_has_a_code_and_the_next_call_works(number):
    with pytest.raises(AudioCrashError, match=rf"song\.mp3: ends the decoder \({number.name}\)"):
        run_in_child(die, FILE, number)
    assert run_in_child(identity, FILE, 1)[1] == 1


def test_a_real_segmentation_fault_and_an_exit_are_crashes():
    for function in (segfault, leave):
        with pytest.raises(AudioCrashError):
            run_in_child(function, FILE)


def test_one_death_is_forgiven(tmp_path):
    assert run_in_child(die_once, FILE, str(tmp_path / "mark")) == "second"


@pytest.mark.parametrize(("function", "args"), [(hang, ()), (sleep, (60,))])
def test_a_hang_has_a_code(function, args):
    start = time.monotonic()
    with pytest.raises(AudioTimeoutError, match="within 1 s"):
        run_in_child(function, FILE, *args, timeout_seconds=1)
    assert time.monotonic() - start < 10
    assert run_in_child(identity, FILE, 1)[1] == 1


@pytest.mark.parametrize("function", [explode, allocate_array])
def test_an_explosion_has_a_code(function):
    with pytest.raises(AudioMemoryError, match="2 GiB"):
        run_in_child(function, FILE)


def test_an_error_without_a_code_names_the_file():
    with pytest.raises(AudioDecodeError, match=r"song\.mp3: cannot be read \(UnicodeDecodeError"):
        run_in_child(stumble, FILE)


def test_an_error_with_a_code_is_raised_as_it_is():
    with pytest.raises(AudioSilentError) as caught:
        run_in_child(find_silence, FILE)
    assert (caught.value.path, caught.value.reason) == (FILE, "is silent")


def test_an_error_of_the_machine_stays_one():
    with pytest.raises(OSError, match="Input/output error") as caught:
        run_in_child(run_out_of_disk, FILE)
    assert caught.value.errno == errno.EIO


def test_open_files_are_limited():
    with pytest.raises(OSError, match="Too many open files"):
        run_in_child(open_many, FILE)


@pytest.mark.parametrize("function", [evil, borrowed])
def test_an_answer_runs_no_code_in_the_parent(function):
    with pytest.raises((AudioCrashError, AudioDecodeError)):
        run_in_child(function, FILE)


def test_the_child_prints_nothing_and_holds_few_files(capfd):
    assert run_in_child(print_much, FILE) < 10
    assert capfd.readouterr() == ("", "")


def test_the_child_has_no_secrets_and_no_torch(monkeypatch):
    monkeypatch.setenv("AFFETTI_SECRET_KEY", "x")
    monkeypatch.setenv("DATABASE_URL", "x")
    assert not [name for name in run_in_child(variables, FILE) if name in {
        "AFFETTI_SECRET_KEY", "DATABASE_URL"}]  # fmt: skip
    assert run_in_child(is_torch_loaded, FILE) == (False, False)


def test_threads_have_children_of_their_own():
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: run_in_child(sleep, FILE, 0.2), range(3)))
    assert 1 < len(child._pool._idle) <= child.WARM_CHILDREN


def test_children_are_replaced(monkeypatch):
    monkeypatch.setattr(child, "CALLS_OF_A_CHILD", 2)
    ids = [run_in_child(process_id, FILE) for _ in range(4)]
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_after_a_fork_both_processes_read():
    mine = run_in_child(process_id, FILE)
    pid = os.fork()
    if pid == 0:
        is_other = run_in_child(process_id, FILE) != mine
        child._pool.close()
        os._exit(0 if is_other else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert run_in_child(process_id, FILE) == mine


def test_a_child_ends_with_a_killed_parent():
    code = (
        "import time; from pathlib import Path; from mer.audio.child import run_in_child;"
        "from tests.mer.audio.test_child import process_id;"
        "print(run_in_child(process_id, Path('x')), flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_errors_pickle():
    for error in (AudioSilentError(FILE, "x"), AudioCrashError("a", "b")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.path, str(again)) == (type(error), error.path, str(error))
