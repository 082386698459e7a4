"""Runs functions that read untrusted files in child processes, with limits on what they may use.

A damaged file can crash a decoder, hang it, or make it ask for all memory. In a child process that
costs one file: the child is killed, the error names the file, and the next file gets a new child.

A few children stay warm, one for each thread that reads. A child imports the function that it is
asked to run and what that needs; it has none of the parent's environment but paths and locale. Its
output is discarded, so decoders print nothing over a progress bar. It ends with its parent.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import io
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from mer.errors import (
    AudioCrashError,
    AudioDecodeError,
    AudioMemoryError,
    AudioTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

MEMORY_LIMIT_BYTES: Final = 2 * 1024**3
"""Address space of one child."""
OPEN_FILES_LIMIT: Final = 64
LEAST_TIMEOUT_SECONDS: Final = 60.0
MOST_TIMEOUT_SECONDS: Final = 600.0
CALLS_OF_A_CHILD: Final = 500
"""After so many calls a child is replaced, because decoders leak memory."""
WARM_CHILDREN: Final = 4

_SLOWEST_BYTES_PER_SECOND: Final = 1e6  # of the compressed file, on a busy machine
_PARENT_CHECK_SECONDS: Final = 5.0
_ALARM_MARGIN_SECONDS: Final = 10
_MOST_ANSWER_BYTES: Final = 1024**3
_READ_BYTES: Final = 1024 * 1024
_LENGTH: Final = struct.Struct("<Q")
_KEPT_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONUTF8")
# Classes that an answer may hold, besides those of this product. Nothing else is unpickled: a
# decoder that a file has taken over must not run code in the parent.
_TRUSTED: Final = frozenset(
    {("builtins", name) for name in ("set", "frozenset", "bytearray", "complex", "slice", "range")}
    | {
        ("pathlib", "PosixPath"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
    }
)

_is_child = False


def run_in_child(
    function: Callable[P, T],
    *args: Any,
    timeout_seconds: float | None = None,
    **kwargs: Any,
) -> T:
    """Call ``function(path, ...)`` on an untrusted file in a child process.

    Parameters
    ----------
    function : callable
        Importable by its name.
    *args, **kwargs
        Picklable arguments. The first one is the path of the file.
    timeout_seconds : float or None
        None is a limit that grows with the file, from `LEAST_TIMEOUT_SECONDS` to
        `MOST_TIMEOUT_SECONDS`.

    Returns
    -------
    object
        What the function returns: plain values, arrays, and objects of this product.

    Raises
    ------
    AudioCrashError, AudioTimeoutError, AudioMemoryError
        If the child dies, twice; does not answer in time; or needs more memory than its limit.
    AudioDecodeError
        If the function raises an exception without a code.
    OSError
        If no child can be started, or the function raises it.
    Exception
        With a code: as the function raises it.

    Notes
    -----
    Inside a child the function is called directly.
    """
    if _is_child:
        return function(*args, **kwargs)
    path = Path(args[0])
    seconds = _timeout(path) if timeout_seconds is None else timeout_seconds
    request = pickle.dumps(
        (_folder(), function.__module__, function.__qualname__, args, kwargs, seconds)
    )
    try:
        answer = _pool.call(request, seconds)
    except TimeoutError as error:
        raise AudioTimeoutError(
            path, f"was not read within {seconds:.0f} s; convert it to another format"
        ) from error
    except (ChildProcessError, pickle.UnpicklingError) as error:
        raise AudioCrashError(
            path, f"ends the decoder ({error}); convert it to another format"
        ) from error
    is_good, value = answer
    if is_good:
        result: T = value
        return result
    raise _error_of(path, value)


def _error_of(path: Path, value: Exception | str) -> Exception:
    if isinstance(value, Exception):
        return value
    if value == MemoryError.__name__:
        return AudioMemoryError(
            path,
            f"needs more than {MEMORY_LIMIT_BYTES // 1024**3} GiB of memory to read; "
            "convert it to another format",
        )
    return AudioDecodeError(path, f"cannot be read ({value}); convert it to another format")


def _folder() -> str:
    """Return the working folder; the root if it is deleted."""
    try:
        return str(Path.cwd())
    except OSError:
        return os.sep


def _timeout(path: Path) -> float:
    try:
        seconds = LEAST_TIMEOUT_SECONDS + path.stat().st_size / _SLOWEST_BYTES_PER_SECOND
    except OSError:  # the function will say what is wrong with the file
        return LEAST_TIMEOUT_SECONDS
    return min(MOST_TIMEOUT_SECONDS, seconds)


# --- parent ------------------------------------------------------------------------------------


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        is_ours = module.partition(".")[0] in ("mer", "catalog") and "." not in name
        found = None
        if is_ours or (module, name) in _TRUSTED:
            found = getattr(importlib.import_module(module), name)
        elif module == "builtins" and name.endswith("Error"):
            found = super().find_class(module, name)
        if found is None or (is_ours and not isinstance(found, type)):
            raise pickle.UnpicklingError(f"its answer holds a {module}.{name}")
        return found


class _Child:
    """A child process: requests go in by its standard input, answers come by a pipe of its own."""

    def __init__(self) -> None:
        requests, to_child = os.pipe()
        self._answers, from_child = os.pipe()
        self._requests = os.fdopen(to_child, "wb")
        os.set_blocking(self._answers, False)
        code = f"from mer.audio.child import serve; serve({from_child})"
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own code
                [sys.executable, "-B", "-W", "ignore", "-c", code],
                stdin=requests,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[from_child],
                env=_environment(),
            )
        except OSError:
            self._close_pipes()
            raise
        finally:
            os.close(requests)
            os.close(from_child)
        self.calls = 0

    def call(self, request: bytes, seconds: float) -> tuple[bool, Any]:
        """Return the answer; TimeoutError, or ChildProcessError if the child dies."""
        self.calls += 1
        end = time.monotonic() + seconds
        try:
            self._requests.write(_LENGTH.pack(len(request)) + request)
            self._requests.flush()
        except BrokenPipeError:
            raise ChildProcessError(self._fate()) from None
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, end))
        if length > _MOST_ANSWER_BYTES:
            raise ChildProcessError(f"an answer of {length} bytes")
        answer: tuple[bool, Any] = _Unpickler(io.BytesIO(self._read(length, end))).load()
        return answer

    def _read(self, length: int, end: float) -> bytes:
        parts: list[bytes] = []
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while length:
            left = end - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError
            part = os.read(self._answers, min(length, _READ_BYTES))
            if not part:
                raise ChildProcessError(self._fate())
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _fate(self) -> str:
        """Return how the child ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=5)
            if code < 0:
                return signal.Signals(-code).name
            return f"exit status {code}"
        return "it closed its pipe"

    def close(self) -> None:
        """End the child."""
        self._process.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Close this process's ends of the pipes; an idle child then ends."""
        self._close_pipes()
        if self._process.returncode is None:  # the parent's child, after a fork
            self._process.returncode = 0

    def _close_pipes(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # of what a dead child has not read
            self._requests.close()
        os.close(self._answers)


class _Pool:
    """The warm children of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Child] = []

    def call(self, request: bytes, seconds: float) -> tuple[bool, Any]:
        """Call in a warm child; if it dies, once more in a new one.

        The first death may be another's: the system ended it for memory, or an operator did.
        """
        try:
            return self._call(self._take(), request, seconds)
        except ChildProcessError:
            return self._call(_Child(), request, seconds)

    def close(self) -> None:
        """End the idle children."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()

    def forget(self) -> None:
        """After a fork: the children belong to the parent."""
        idle, self._idle, self._lock = self._idle, [], threading.Lock()
        for child in idle:
            child.forget()

    def _take(self) -> _Child:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Child()

    def _call(self, child: _Child, request: bytes, seconds: float) -> tuple[bool, Any]:
        is_kept = False
        try:
            answer = child.call(request, seconds)
            with self._lock:
                if child.calls < CALLS_OF_A_CHILD and len(self._idle) < WARM_CHILDREN:
                    self._idle.append(child)
                    is_kept = True
        finally:
            if not is_kept:
                child.close()
        return answer


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    folders = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)
    return kept | threads | {"PYTHONPATH": folders}


_pool = _Pool()
atexit.register(_pool.close)
os.register_at_fork(after_in_child=_pool.forget)


# --- child -------------------------------------------------------------------------------------


def serve(answers: int) -> None:
    """Answer requests until standard input ends or the parent is gone; the child's main loop."""
    global _is_child  # true for the whole life of this process
    _is_child = True
    parent = os.getppid()
    for ignored in (signal.SIGINT, signal.SIGTERM):  # meant for the parent, which ends this one
        signal.signal(ignored, signal.SIG_IGN)
    _limit()
    with os.fdopen(answers, "wb") as out, os.fdopen(0, "rb", buffering=0) as requests:
        while request := _request(requests, parent):
            folder, *call, seconds = pickle.loads(request)  # noqa: S301  # the parent's
            with contextlib.suppress(OSError):
                os.chdir(folder)  # the parent's of now: the path may be relative
            # If the parent is gone, nothing else ends a decoder that hangs.
            signal.alarm(int(seconds) + _ALARM_MARGIN_SECONDS)
            answer = _answer(*call)
            signal.alarm(0)
            out.write(_LENGTH.pack(len(answer)) + answer)
            out.flush()


def _limit() -> None:
    import resource  # noqa: PLC0415  # only in a child

    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY_LIMIT_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES_LIMIT),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # not every system has every limit
            resource.setrlimit(kind, (limit, limit))


def _request(requests: io.FileIO, parent: int) -> bytes:
    """Return the next request; empty if there is none any more."""
    while not select.select([requests], [], [], _PARENT_CHECK_SECONDS)[0]:
        if os.getppid() != parent:
            return b""
    head = requests.read(_LENGTH.size)
    if not head:
        return b""
    (length,) = _LENGTH.unpack(head)
    request = b""
    while len(request) < length:
        part = requests.read(length - len(request))
        if not part:
            return b""
        request += part
    return request


def _answer(module: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    try:
        function = getattr(importlib.import_module(module), name)
        answer = pickle.dumps((True, function(*args, **kwargs)), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        answer = pickle.dumps((False, MemoryError.__name__))
    except Exception as error:  # the edge of one file
        is_known = isinstance(error, OSError) and type(error).__module__ == "builtins"
        coded = _coded(error) if is_known or hasattr(error, "code") else None
        answer = coded or pickle.dumps((False, f"{type(error).__name__}: {error}"))
    return answer


def _coded(error: Exception) -> bytes | None:
    """Pickle an error with a code; None if its class cannot be pickled."""
    try:
        answer = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
        _Unpickler(io.BytesIO(answer)).load()
    except (pickle.PickleError, TypeError, AttributeError):
        return None
    return answer
