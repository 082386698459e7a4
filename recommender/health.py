"""Probes: whether this process runs, and whether it can do its work."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from celery import current_app
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from catalog import analysis
from mer.errors import CheckpointError
from recommender.errors import RETRY_AFTER_SECONDS, RecommenderError
from recommender.index import index_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

_BROKER_TIMEOUT_SECONDS: Final = 2


class NotReadyError(Exception):
    """A part cannot be used; the message says what to do."""


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process runs."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if every part can be used, else 503 with the same body."""
    checks = {name: _checked(check) for name, check in _CHECKS.items()}
    is_ready = all(check["ok"] for check in checks.values())
    return JsonResponse(
        {"status": "ready" if is_ready else "not ready", "checks": checks},
        status=HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        headers={} if is_ready else {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _checked(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"ok": True, **check()}
    except NotReadyError as error:
        return {"ok": False, "message": str(error)}


def _database() -> dict[str, Any]:
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        raise NotReadyError("The database does not answer; see DATABASE_URL.") from error
    if waiting:
        raise NotReadyError(f"{len(waiting)} migrations wait: run manage.py migrate.")
    return {"vendor": connection.vendor}


def _model() -> dict[str, Any]:
    try:
        return {"version": analysis.model_version()}
    except CheckpointError as error:
        raise NotReadyError(f"{error.code}: the checkpoint cannot be used.") from error


def _index() -> dict[str, Any]:
    try:
        status = index_status()
    except (Error, CheckpointError, RecommenderError) as error:
        raise NotReadyError("The state of the index cannot be read.") from error
    # Without a build, or with an old one, songs are read from the database: slower, not wrong.
    return {
        "build": status.build,
        "songs": status.songs,
        "tail": status.tail,
        "is_stale": status.is_stale,
    }


def _broker() -> dict[str, Any]:
    try:
        with current_app.connection_for_write(connect_timeout=_BROKER_TIMEOUT_SECONDS) as broker:
            broker.ensure_connection(max_retries=1, timeout=_BROKER_TIMEOUT_SECONDS)
    except (OperationalError, OSError) as error:
        raise NotReadyError("The broker does not answer; see REDIS_URL.") from error
    return {"transport": broker.transport_cls}


_CHECKS: Final = {"database": _database, "model": _model, "index": _index, "broker": _broker}
