"""Starts processes, and starts one again when it dies; the others go on."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from typing import IO

logger = logging.getLogger(__name__)

LONGEST_DELAY_SECONDS: Final = 60.0
"""The delay before a restart doubles with every death in a row, from one second up to this."""
STEADY_SECONDS: Final = 60.0
"""A process that lived this long is restarted without the delay of its earlier deaths."""
STOP_SECONDS: Final = 15.0
"""Processes that are told to end and have not after this long are killed."""
_POLL_SECONDS: Final = 0.1
_SET_PARENT_DEATH_SIGNAL: Final = 1


@dataclass(frozen=True)
class Program:
    """What one process runs."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    inherited: Sequence[socket.socket | IO[bytes]] = ()
    """Open files and sockets, which keep the numbers that they have here."""
    niceness: int = 0
    """Above 0, the processor is given to programs of a lower niceness first."""


class Supervisor:
    """Keeps one process of each program running until SIGINT or SIGTERM ends them all.

    Every process leads a process group of its own. So Ctrl-C reaches the supervisor alone, and what
    a process leaves behind ends with it. A second signal kills them at once.
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        self._children = [_Child(program) for program in programs]
        self._signals = 0

    def run(self) -> None:
        """Return after all processes have ended."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        try:
            while not self._signals:
                for child in self._children:
                    child.keep()
                time.sleep(_POLL_SECONDS)
        finally:
            self._stop()

    def _on_signal(self, *_: Any) -> None:
        self._signals += 1

    def _stop(self) -> None:
        for child in self._children:
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.is_alive() for child in self._children):
            if time.monotonic() > deadline or self._signals > 1:
                break
            time.sleep(_POLL_SECONDS)
        for child in self._children:
            child.send(signal.SIGKILL)
        for child in self._children:
            child.wait()


def _process_prepare(niceness: int) -> None:
    """Set the niceness, and have Linux end the process when a supervisor is killed and cannot."""
    os.nice(niceness)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


class _Child:
    """One program, its present process and its deaths in a row."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._started_at = 0.0
        self._start_at = 0.0

    def keep(self) -> None:
        """Start the process if its time has come; note its death."""
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self._start()
        elif not self.is_alive():
            self._died(self._process.returncode)

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Signal the whole process group, of which parts may outlive its leader."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def wait(self) -> None:
        if self._process is not None:
            self._process.wait()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own commands
                self._program.command,
                env=os.environ | self._program.env,
                pass_fds=[inherited.fileno() for inherited in self._program.inherited],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=partial(_process_prepare, self._program.niceness),
            )
        except OSError as error:
            # For want of memory or of processes, which may pass; the others must go on.
            self._start_later(f"could not start: {error}")

    def _died(self, code: int) -> None:
        self.send(signal.SIGKILL)
        self._process = None
        self._start_later(f"ended (signal {-code})" if code < 0 else f"ended (exit code {code})")

    def _start_later(self, how: str) -> None:
        now = time.monotonic()
        is_steady = now - self._started_at >= STEADY_SECONDS
        self._deaths = 1 if is_steady else self._deaths + 1
        delay = min(LONGEST_DELAY_SECONDS, 2.0 ** (self._deaths - 1))
        self._start_at = now + delay
        logger.warning("%s %s; it starts again in %.0f s.", self._program.name, how, delay)
