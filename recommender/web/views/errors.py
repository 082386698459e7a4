"""The answer to a request that failed outside the API's own views."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.template import loader

from recommender.error_answers import error_answer

if TYPE_CHECKING:
    from django.http import HttpRequest

    from recommender.error_answers import ErrorAnswer


def error_response(request: HttpRequest, answer: ErrorAnswer) -> HttpResponse:
    """Return an answer as JSON below /api/ and as a page elsewhere."""
    if request.path.startswith("/api/"):
        return answer.json()
    context = {
        "status": answer.status.value,
        "heading": answer.heading,
        "message": answer.message,
    }
    # A page that is given the request reads the session, which needs the database.
    known = request if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else None
    page = loader.render_to_string("error.html", context, known)
    return HttpResponse(page, status=answer.status, headers=answer.headers)


def error_view(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer what Django catches: handler400, handler403, handler404 and handler500.

    Django calls handler500 without the exception, but while it handles it. So failures in
    middleware come here, too.
    """
    return error_response(request, error_answer(exception or sys.exc_info()[1]))
