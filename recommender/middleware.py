"""What every page gets: a Content-Security-Policy, and an answer to whatever its view raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.http.multipartparser import MultiPartParserError

from recommender.errors import error_answer, error_log
from recommender.web.views.errors import error_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

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


_DJANGOS: Final = (
    Http404,
    PermissionDenied,
    BadRequest,
    SuspiciousOperation,
    MultiPartParserError,
)


class ErrorMiddleware:
    """Answers the exceptions of pages by the table of `recommender.errors`.

    Django logs its own exceptions and bugs, and answers them through `error_view`. The API's views
    answer theirs in `recommender.api.errors`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the answer to what a view raised; None leaves it to Django."""
        answer = error_answer(exception)
        if answer.is_bug or isinstance(exception, _DJANGOS):
            return None
        error_log(request, exception, answer)
        return error_response(request, answer)
