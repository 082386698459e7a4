"""The web server: waitress, with deadlines for slow clients.

One thread exchanges bytes with all clients; a few more run requests. A request reaches a thread
when all of it has come, and a song's file is sent by the first thread alone. So slow, idle or
paused clients hold a connection and no thread.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher
from waitress.utilities import RequestEntityTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

IDLE_SECONDS: Final = 30.0
"""A connection without a request is closed after this long."""
HEADER_SECONDS: Final = 15.0
"""From the first byte of a request, its headers have to come within this time."""
BODY_SECONDS: Final = 45.0
"""From the first byte of a request, all of it has to come within this time."""
WRITE_SECONDS: Final = 180.0
"""A client that takes no byte of its answer for this long is cut off; a player asks again."""
PROBES: Final = ("/healthz", "/readyz")
"""Addresses that have a thread of their own each."""
MAX_HEADER_BYTES: Final = 48 * 1024
MAX_CONNECTIONS: Final = 1000
"""Above it, the connections that have been silent longest are closed."""
_FILES_WANTED: Final = 4096
_FILES_KEPT: Final = 200
"""Open files that are left for everything but connections."""
_CHECK_SECONDS: Final = 1.0
_LOOK: Final = socket.MSG_PEEK | socket.MSG_DONTWAIT
_MOST_UNREAD: Final = 64
"""Pieces that are read and thrown away when a connection is closed."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; OSError if the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def serve(
    application: Callable[..., Any],
    listener: socket.socket,
    *,
    threads: int,
) -> None:
    """Answer requests until SIGINT or SIGTERM; other processes may share the listener."""
    server = _Server(
        application,
        _sock=listener,
        sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
        bind_socket=False,
        adj=_adjustments(listener, threads),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    server.run()


def _exit(*_: Any) -> NoReturn:
    sys.exit(0)


def _adjustments(listener: socket.socket, threads: int) -> Adjustments:
    return Adjustments(
        sockets=[listener],
        threads=threads,
        connection_limit=min(MAX_CONNECTIONS, (_files_allowed() - _FILES_KEPT) // 2),
        asyncore_use_poll=True,
        asyncore_loop_timeout=1,
        # The deadlines of `_Server` take the place of waitress's own.
        cleanup_interval=10**9,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1,
        expose_tracebacks=False,
        log_socket_errors=False,
        ident=None,
        # Without a proxy of ours, a client could forge what a proxy says.
        clear_untrusted_proxy_headers=not settings.PROXY_COUNT,
    )


def _files_allowed() -> int:
    """Return how many files the process may open, after raising the number where it is low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return _FILES_WANTED if soft == resource.RLIM_INFINITY else soft


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Has an answer for every request that cannot be read; waitress closes some without one."""

    def received(self, data: bytes) -> int:
        used = int(super().received(data))
        longest = self.adj.max_request_body_size
        is_open = not self.completed  # type: ignore[has-type]  # waitress has no types
        if self.chunked and is_open and self.body_rcv.chunk_remainder > longest:
            self.error = RequestEntityTooLarge(f"exceeds max_body of {longest}")
            self.completed = True
        if self.error:
            # Nobody waits for the body that waitress would ask the client to send.
            self.expect_continue = False
        return used

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except (ParsingError, TransferEncodingNotImplemented):
            raise
        except ValueError as error:  # a length of thousands of digits, a host such as "["
            raise ParsingError("The request line or a header is invalid") from error
        is_chunked = self.chunked or "TRANSFER_ENCODING" in self.headers
        if is_chunked and (self.version != "1.1" or "CONTENT_LENGTH" in self.headers):
            # A proxy may take the other of the two lengths, and see other requests than we do.
            raise ParsingError("Content-Length and Transfer-Encoding contradict each other")


class _Channel(HTTPChannel):  # type: ignore[misc]
    """One connection, with the times at which its client last did something."""

    parser_class = _Parser

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.moved_at = self.asked_at = time.monotonic()
        super().__init__(*args, **kwargs)

    def received(self, data: bytes) -> bool:
        self.moved_at = time.monotonic()
        if self.request is None:
            self.asked_at = self.moved_at
        return bool(super().received(data))

    def _flush_some(self, do_close: bool = True) -> bool:  # noqa: FBT001, FBT002  waitress's
        is_moved = bool(super()._flush_some(do_close))
        if is_moved:
            self.moved_at = time.monotonic()
        return is_moved

    # A channel that was closed in this turn of the loop must not be polled: its file descriptor may
    # be that of a new client before the events are read.
    def readable(self) -> bool:
        return self.connected and bool(super().readable())

    def writable(self) -> bool:
        return self.connected and bool(super().writable())

    def handle_close(self) -> None:
        # To close while bytes of the client are unread resets the connection, and the client loses
        # the answer, for example that its headers are too long. Waitress closes some twice.
        if self.connected and self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                for _ in range(_MOST_UNREAD):
                    if not self.socket.recv(65536):
                        break
        super().handle_close()

    def check_client_disconnected(self) -> bool:
        """Whether the client has closed the connection while its request is answered.

        Requests find it in their environment. Waitress reads nothing meanwhile, so it cannot tell.
        """
        try:
            return not self.connected or not self.socket.recv(1, _LOOK)
        except BlockingIOError:
            return False
        except (OSError, AttributeError):  # closed by the other thread just now
            return True

    def is_overdue(self, now: float) -> bool:
        """Whether the client has let a deadline pass."""
        silence = now - self.moved_at
        if self.total_outbufs_len:
            return silence > WRITE_SECONDS
        if self.requests:
            return False  # the client waits for us
        if self.request is None:
            return silence > IDLE_SECONDS
        limit = BODY_SECONDS if self.request.headers_finished else HEADER_SECONDS
        return now - self.asked_at > limit


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """Closes the connections of clients that let a deadline pass, or of the most silent ones."""

    channel_class = _Channel
    task_dispatcher: ThreadedTaskDispatcher
    _check_at = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A probe is answered while every other thread waits, for example for the database.
        self._probes = {path: ThreadedTaskDispatcher() for path in PROBES}
        for dispatcher in self._probes.values():
            dispatcher.set_thread_count(1)
        super().__init__(*args, **kwargs)

    def add_task(self, task: _Channel) -> None:
        probe = self._probes.get(getattr(task.requests[0], "path", ""))
        if probe is None:
            super().add_task(task)
        else:
            probe.add_task(task)

    def readable(self) -> bool:
        """Waitress asks this in every turn of its loop."""
        now = time.monotonic()
        is_full = len(self._map) >= self.adj.connection_limit
        if now >= self._check_at or is_full:
            self._check_at = now + _CHECK_SECONDS
            channels = list(self.active_channels.values())
            overdue = [channel for channel in channels if channel.is_overdue(now)]
            for channel in overdue or (_most_silent(channels) if is_full else ()):
                # Not `will_close`, which waits until the client takes bytes again.
                channel.handle_close()
        return bool(super().readable())


def _most_silent(channels: list[_Channel]) -> list[_Channel]:
    """Return a tenth of the channels: those whose clients were silent longest."""
    waiting = [channel for channel in channels if not channel.requests]
    return sorted(waiting, key=lambda channel: channel.moved_at)[: max(1, len(channels) // 10)]
