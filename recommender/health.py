"""Probes: whether this process runs, and whether it can do its work."""

from __future__ import annotations

import tempfile
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import redis
from celery import current_app
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, Error, InterfaceError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from catalog import analysis
from mer.errors import CheckpointError, EncoderMissingError
from recommender.deadlines import silence_at_most
from recommender.error_answers import RETRY_AFTER_SECONDS
from recommender.errors import RecommenderError
from recommender.index import index_status
from recommender.operations import operation_warnings
from recommender.throttles import throttled

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

CHECK_SECONDS: Final = 2.0
"""A part that has not answered after this counts as one that does not answer."""


class NotReadyError(Exception):
    """A part cannot be used; `code` is stable, the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Probe:
    """One check, run in a thread of its own, of which there is one at a time.

    A check that hangs holds its thread until it ends, and no request.
    """

    def __init__(self, name: str, check: Callable[[], dict[str, Any]]) -> None:
        self._name, self._check = name, check
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._result: dict[str, Any] = {}

    def begin(self) -> None:
        """Start the check, unless it runs."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def answer(self, *, until: float) -> dict[str, Any]:
        """Return the result, or that there is none at the time `until` of the monotonic clock."""
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, until - time.monotonic()))
            if not thread.is_alive():
                return self._result
        message = f"No answer within {CHECK_SECONDS:g} s."
        return {"ok": False, "code": f"{self._name.upper()}_SILENT", "message": message}

    def _run(self) -> None:
        # What an unforeseen error leaves; it must not be the result of an earlier run.
        result: dict[str, Any] = {
            "ok": False,
            "code": f"{self._name.upper()}_FAILED",
            "message": "The check itself failed; the log says why.",
        }
        try:
            with silence_at_most(CHECK_SECONDS):
                result = {"ok": True, **self._check()}
        except NotReadyError as error:
            result = {"ok": False, "code": error.code, "message": str(error)}
        finally:
            self._result = result
            connections.close_all()


@throttled("")
@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process runs."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if every part can be used, else 503 with the same body.

    Warnings do not make it 503: without a worker, pages and playlists work. Strangers read codes
    alone.
    """
    checks = readiness()
    warnings = checks.pop("warnings")
    is_ready = all(check["ok"] for check in checks.values())
    is_staff = checks["database"]["ok"] and _is_staff(request)
    return JsonResponse(
        {
            "status": "ready" if is_ready else "not ready",
            "checks": checks if is_staff else {name: _brief(c) for name, c in checks.items()},
            "warnings": [w if is_staff else w["code"] for w in warnings.get("found", [])],
        },
        status=HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        headers={} if is_ready else {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def readiness() -> dict[str, dict[str, Any]]:
    """Run every check side by side; return their results, `warnings` among them."""
    until = time.monotonic() + CHECK_SECONDS
    for probe in _PROBES.values():
        probe.begin()
    return {name: probe.answer(until=until) for name, probe in _PROBES.items()}


def _is_staff(request: HttpRequest) -> bool:
    try:
        return bool(request.user.is_staff)
    except (DatabaseError, InterfaceError):
        return False


def _brief(check: dict[str, Any]) -> dict[str, Any]:
    return {key: check[key] for key in ("ok", "code") if key in check}


def _database() -> dict[str, Any]:
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        raise NotReadyError(
            "DATABASE_AWAY", "The database does not answer; see DATABASE_URL."
        ) from error
    if waiting:
        raise NotReadyError(
            "MIGRATIONS_WAIT", f"{len(waiting)} migrations wait: run manage.py migrate."
        )
    return {"vendor": connection.vendor}


def _model() -> dict[str, Any]:
    try:
        return {"version": analysis.model_files_check()}
    except (CheckpointError, EncoderMissingError) as error:
        raise NotReadyError(error.code, str(error)) from error


def _index() -> dict[str, Any]:
    try:
        status = index_status()
    except (Error, CheckpointError, RecommenderError) as error:
        raise NotReadyError("INDEX_UNKNOWN", "The state of the index cannot be read.") from error
    # Without a build, or with an old one, songs are read from the database: slower, not wrong.
    return {
        "build": status.build,
        "songs": status.songs,
        "tail": status.tail,
        "is_stale": status.is_stale,
    }


def _broker() -> dict[str, Any]:
    if settings.REDIS_URL:
        return _redis()
    try:
        with current_app.connection_for_write() as broker:
            folders = broker.transport_options or {}
    except OSError as error:
        raise NotReadyError("BROKER_AWAY", f"The broker cannot be used: {error}.") from error
    if folder := folders.get("data_folder_out"):
        _write(Path(folder), code="BROKER_AWAY")
    return {"transport": broker.transport_cls}


def _redis() -> dict[str, Any]:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=CHECK_SECONDS,
        socket_connect_timeout=CHECK_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        with client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        raise NotReadyError(
            "BROKER_AWAY", "The broker does not answer; see REDIS_URL. Playlists do without it."
        ) from error
    return {"transport": "redis"}


def _storage() -> dict[str, Any]:
    for folder in {settings.VAR_DIR, settings.AFFETTI_INDEX_DIR}:
        if folder == settings.VAR_DIR or folder.exists():
            _write(folder, code="STORAGE_NOT_WRITABLE")
    return {"folder": str(settings.VAR_DIR)}


def _write(folder: Path, *, code: str) -> None:
    """Write a file as large as a page of the database, and delete it."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise NotReadyError(
            code,
            f"{folder} cannot be written: {error.strerror}. Free space, or change its rights.",
        ) from error


def _warnings() -> dict[str, Any]:
    try:
        found = operation_warnings()
    except (Error, OSError, CheckpointError, RecommenderError) as error:
        raise NotReadyError("WARNINGS_UNKNOWN", f"Not known: {error}") from error
    return {"found": [{"code": w.code, "message": w.message} for w in found]}


_PROBES: Final = {
    check.__name__.lstrip("_"): Probe(check.__name__.lstrip("_"), check)
    for check in (_database, _model, _index, _broker, _storage, _warnings)
}
