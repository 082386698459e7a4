"""The one header that Django 5.2 does not set by itself: Content-Security-Policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
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
