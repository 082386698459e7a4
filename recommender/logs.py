"""What the log says: a line or a JSON object a record, with the ids of its request, task and job.

The ids are in context variables (`structlog.contextvars`), so code that logs need not know them.
`catalog.work.jobs` binds the job that a worker works on; the web process and the tasks bind theirs
here.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import structlog
from celery.signals import setup_logging, task_postrun, task_prerun
from django.conf import settings
from django.core.signals import request_finished
from django.dispatch import receiver
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

HEADER: Final = "X-Request-ID"
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
requests_logger = logging.getLogger("affetti.requests")


class LineFormatter(logging.Formatter):
    """A line a record; what is known of its context comes last, as ``[request_id=4f1c…]``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        line = super().formatMessage(record)
        known = " ".join(f"{name}={value}" for name, value in sorted(get_contextvars().items()))
        return f"{line} [{known}]" if known else line


def json_formatter() -> logging.Formatter:
    """Return a formatter that writes a JSON object a line, with what `extra` gave.

    Fields: ``timestamp`` (ISO 8601, UTC), ``level``, ``logger``, ``event``, the ids, and
    ``exception`` where there is one.
    """
    steps: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=steps,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
    )


def request_log_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Give each request an id, in the log and in the header `HEADER` of its answer.

    An id that a proxy gave is kept if AFFETTI_PROXY_COUNT says that there is a proxy. With
    AFFETTI_LOG_REQUESTS each request is logged by the name of its route. Its address is not
    logged: it holds what listeners ask for, and secrets of shared links.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        clear_contextvars()
        request_id = _request_id(request)
        bind_contextvars(request_id=request_id)
        start = time.perf_counter()
        response = get_response(request)
        response[HEADER] = request_id  # an answer that was closed has ended the context
        if settings.AFFETTI_LOG_REQUESTS:
            _log(request, response, time.perf_counter() - start)
        return response

    return middleware


@receiver(request_finished)
def _request_ended(**_: Any) -> None:
    """Forget the id only now: Django logs refused requests after the last middleware."""
    clear_contextvars()


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get(HEADER, "") if settings.PROXY_COUNT else ""
    return given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex


def _log(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    match = request.resolver_match
    route = match.view_name or match.route if match else "other"
    fields = {
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "seconds": round(seconds, 4),
    }
    text = "%(method)s %(route)s %(status)d %(seconds).4f s"
    requests_logger.info(text, fields, extra=fields)


@setup_logging.connect
def _own_logging(loglevel: int, **_: Any) -> None:
    """Log in workers as elsewhere: Celery sets up no log where this signal has a receiver."""
    logging.getLogger().setLevel(loglevel)


@task_prerun.connect
def _task_started(task_id: str, task: Any, **_: Any) -> None:
    clear_contextvars()
    bind_contextvars(task_id=task_id, task=task.name)


@task_postrun.connect
def _task_ended(**_: Any) -> None:
    clear_contextvars()
