"""What every page gets: a Content-Security-Policy, and a plain word when something is away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from catalog.errors import TransientError
from mer.errors import CheckpointError, EncoderMissingError, PackageMissingError
from recommender.errors import (
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    IndexVersionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

logger = logging.getLogger(__name__)

_AWAY = (
    TransientError,
    CheckpointError,
    EncoderMissingError,
    PackageMissingError,
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    IndexVersionError,
)

_POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# Swagger UI (and nothing else here) writes style attributes.
_SWAGGER_POLICY = _POLICY | {"style-src": "'self' 'unsafe-inline'"}
_SWAGGER_PATH = "/api/docs/"


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let pages load only Affetti's own files and run no inline script or style."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        policy = _SWAGGER_POLICY if request.path == _SWAGGER_PATH else _POLICY
        response["Content-Security-Policy"] = "; ".join(f"{k} {v}" for k, v in policy.items())
        return response

    return middleware


class UnavailableMiddleware:
    """Answers 503 where a page needs a model or an index that cannot be used now.

    The API turns its own errors into answers (`recommender.api.errors`), before this sees them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn what says that something is away into its page; leave the rest to Django."""
        from recommender.web.views import unavailable

        if not isinstance(exception, _AWAY):
            return None
        logger.warning("%s answered 503: %s", request.path, exception, exc_info=exception)
        return unavailable(request)
