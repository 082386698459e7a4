"""How the API answers an exception; what it answers is in `recommender.errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.signals import got_request_exception
from rest_framework.views import set_rollback

from recommender.error_answers import error_answer, error_log

if TYPE_CHECKING:
    from django.http import HttpRequest, JsonResponse


def exception_handler(exc: Exception, context: dict[str, Any]) -> JsonResponse:
    """Turn any exception into the one error shape; bugs are reported as Django reports them."""
    set_rollback()
    answer = error_answer(exc)
    request: HttpRequest = context["request"]._request
    if answer.is_bug:
        # The signal that Django itself sends: error reporters and the test client listen to it.
        got_request_exception.send(sender=exception_handler, request=request)
    error_log(request, exc, answer)
    return answer.json()
