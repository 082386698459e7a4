"""What Affetti's processes run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError

from recommender.latency import shared_file
from recommender.serving.server import listen
from recommender.serving.supervisor import Program

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from django.core.management.base import CommandParser

THREADS: Final = 8
WORKER_NICENESS: Final = 10
"""Requests have the processor first, while songs are analysed and an index is built."""
_CELERY: Final = (sys.executable, "-m", "celery", "--quiet", "--app", "recommender")


def serve_arguments_add(parser: CommandParser) -> None:
    """Add the options of the web processes to a command."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="Address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8000, help="Port (default: 8000)")
    parser.add_argument("--processes", type=int, default=1, help="Web processes (default: 1)")
    parser.add_argument(
        "--threads",
        type=int,
        default=THREADS,
        help=f"Threads of each that run requests (default: {THREADS})",
    )


def web_listen(*, host: str, port: int, **_: Any) -> socket.socket:
    """Return the socket that all web processes share; CommandError if the port is taken."""
    try:
        return listen(host, port)
    except OSError as error:
        raise CommandError(
            f"Port {port} cannot be used ({error.strerror}); is Affetti running already? "
            "Name another with --port."
        ) from error


def web_programs(
    listener: socket.socket, *, processes: int, threads: int, **_: Any
) -> Sequence[Program]:
    """Return the web processes, which share a socket: what one leaves another accepts."""
    command = (sys.executable, "-m", "recommender", "serve", "--threads", str(threads))
    counts = shared_file(processes)
    options = ("--fd", str(listener.fileno()), "--latency-fd", str(counts.fileno()))
    return [
        Program(
            f"web {slot + 1}",
            (*command, *options, "--latency-slot", str(slot)),
            {"OMP_NUM_THREADS": "1"},  # one thread a request: requests share the cores
            (listener, counts),
        )
        for slot in range(processes)
    ]


def background_programs() -> Sequence[Program]:
    """Return the worker, which scans and analyses, the scheduler, and the watcher of libraries."""
    worker = (*_CELERY, "worker", "--queues", "ingest,analysis", "--pool", "solo")
    return [
        Program(
            "worker",
            (*worker, "--loglevel", "warning", "--hostname", "affetti@%h"),
            niceness=WORKER_NICENESS,
        ),
        Program("scheduler", (*_CELERY, "beat", "--loglevel", "warning")),
        Program(
            "watcher",
            (sys.executable, "-m", "recommender", "watch"),
            {"OMP_NUM_THREADS": "1"},
            niceness=WORKER_NICENESS,
        ),
    ]
