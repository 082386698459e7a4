"""The backend: connections that give up a silent server."""

from __future__ import annotations

import time
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.db.backends.postgresql import base

from recommender import deadlines

if TYPE_CHECKING:
    from collections.abc import Generator


class ServerSilentError(psycopg.OperationalError):
    """The server does not answer; the connection is closed."""


class Connection(psycopg.Connection[Any]):
    """A connection whose every wait for the server is bounded."""

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for the server; ServerSilentError if it says nothing for too long."""
        return super().wait(self._impatient(gen), *args, **kwargs)

    def _impatient(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        allowed = deadlines.silence_allowed()
        if allowed is None:
            return (yield from gen)
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                # psycopg asks ten times a second, with nothing ready.
                elif deadlines.is_given_up() or time.monotonic() - heard > allowed:
                    self.pgconn.finish()
                    raise ServerSilentError("the server has stopped answering")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


_driver: Final = ModuleType("psycopg")
"""psycopg as Django's backend reads it, with our connections."""
vars(_driver).update(vars(psycopg), connect=Connection.connect)


class DatabaseWrapper(base.DatabaseWrapper):
    Database = _driver

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        if deadlines.is_serving():
            limit = f"-c statement_timeout={deadlines.STATEMENT_SECONDS}s"
            params["options"] = f"{params.get('options', '')} {limit}".strip()
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if deadlines.is_given_up():
            raise ServerSilentError("the server has not answered for some seconds")
        return super().get_new_connection(conn_params)

    def is_usable(self) -> bool:
        with deadlines.silence_at_most(deadlines.CHECK_SECONDS):
            return bool(super().is_usable())
