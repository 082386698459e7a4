"""One error shape on every path of the API: ``{"code", "message", "details"}``."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.views import set_rollback

from catalog.errors import CatalogError, PathError
from mer.errors import MerError
from recommender.errors import PlaylistErrorCode, PlaylistRequestError, RecommenderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

logger = logging.getLogger(__name__)


class ErrorCode(enum.StrEnum):
    """Every `code` that the API answers with; stable, for programs."""

    REQUEST_INVALID = "REQUEST_INVALID"
    PARSE_FAILED = "PARSE_FAILED"
    BAD_REQUEST = "BAD_REQUEST"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    NOT_AUTHENTICATED = "NOT_AUTHENTICATED"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    THROTTLED = "THROTTLED"
    CATALOG_EMPTY = "CATALOG_EMPTY"
    NO_SONG_MATCHES = "NO_SONG_MATCHES"
    SONG_NOT_FOUND = "SONG_NOT_FOUND"
    SONG_NOT_ANALYSED = "SONG_NOT_ANALYSED"
    HISTORY_EMPTY = "HISTORY_EMPTY"
    PATH_INVALID = "PATH_INVALID"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL_ERROR = "INTERNAL_ERROR"


_BY_EXCEPTION: dict[type[exceptions.APIException], ErrorCode] = {
    exceptions.ValidationError: ErrorCode.REQUEST_INVALID,
    exceptions.ParseError: ErrorCode.PARSE_FAILED,
    exceptions.NotAuthenticated: ErrorCode.NOT_AUTHENTICATED,
    exceptions.AuthenticationFailed: ErrorCode.AUTHENTICATION_FAILED,
    exceptions.PermissionDenied: ErrorCode.PERMISSION_DENIED,
    exceptions.NotFound: ErrorCode.NOT_FOUND,
    exceptions.MethodNotAllowed: ErrorCode.METHOD_NOT_ALLOWED,
    exceptions.NotAcceptable: ErrorCode.NOT_ACCEPTABLE,
    exceptions.UnsupportedMediaType: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    exceptions.Throttled: ErrorCode.THROTTLED,
}
_BY_STATUS = {
    HTTPStatus.BAD_REQUEST: ErrorCode.BAD_REQUEST,
    HTTPStatus.FORBIDDEN: ErrorCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.SERVICE_UNAVAILABLE: ErrorCode.UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR: ErrorCode.INTERNAL_ERROR,
}
_PLAYLIST_STATUS = {
    PlaylistErrorCode.REQUEST_INVALID: HTTPStatus.BAD_REQUEST,
    PlaylistErrorCode.SONG_NOT_FOUND: HTTPStatus.NOT_FOUND,
}
"""The others mean that the catalogue, as it is now, cannot meet a valid request: 409."""
RETRY_AFTER_SECONDS = 10


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    code: ErrorCode
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def error_response(status: HTTPStatus, message: str) -> JsonResponse:
    """Return an error from outside the API's own views, in the one shape."""
    return _response(_Answer(status, _BY_STATUS[status], message))


def playlist_error_status(error: PlaylistRequestError) -> HTTPStatus:
    """Return the HTTP status that says why no list can be made."""
    return _PLAYLIST_STATUS.get(PlaylistErrorCode(error.code), HTTPStatus.CONFLICT)


def exception_handler(exc: Exception, context: dict[str, Any]) -> JsonResponse:
    """Turn any exception into the one error shape; unknown ones are logged and answered 500."""
    set_rollback()
    answer = _expected(exc)
    if answer is None:
        request: HttpRequest = context["request"]._request
        # The signal that Django itself sends: error reporters and the test client listen to it.
        got_request_exception.send(sender=exception_handler, request=request)
        logger.error("%s %s failed", request.method, request.path, exc_info=exc)
        answer = _Answer(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            ErrorCode.INTERNAL_ERROR,
            "The server failed; its log says why.",
        )
    return _response(answer)


def _response(answer: _Answer) -> JsonResponse:
    body = {"code": answer.code, "message": answer.message, "details": answer.details}
    return JsonResponse(body, status=answer.status, headers=answer.headers)


def _expected(exc: Exception) -> _Answer | None:
    match exc:
        case Http404():
            return _from_api(exceptions.NotFound("Nothing with this id is here for you."))
        case PermissionDenied():
            return _from_api(exceptions.PermissionDenied())
        case exceptions.APIException():
            return _from_api(exc)
        case RequestDataTooBig():
            return _Answer(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                ErrorCode.REQUEST_TOO_LARGE,
                f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.",
            )
        case PlaylistRequestError():
            status = playlist_error_status(exc)
            return _Answer(status, ErrorCode(exc.code), exc.message, exc.details)
        case PathError():
            return _Answer(HTTPStatus.BAD_REQUEST, ErrorCode.PATH_INVALID, str(exc))
        case RecommenderError() | CatalogError() | MerError():
            logger.warning("answered 503: %s", exc, exc_info=exc)
            return _Answer(
                HTTPStatus.SERVICE_UNAVAILABLE,
                ErrorCode.UNAVAILABLE,
                f"What this answer needs cannot be used now ({exc.code}); ask again later.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
    return None


def _from_api(error: exceptions.APIException) -> _Answer:
    code = next(_BY_EXCEPTION[cls] for cls in type(error).__mro__ if cls in _BY_EXCEPTION)
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = str(header)
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(int(wait))
    if isinstance(error.detail, dict):
        message = f"The request is not valid; see details for: {', '.join(error.detail)}."
        return _Answer(error.status_code, code, message, error.detail, headers)
    parts = error.detail if isinstance(error.detail, list) else [error.detail]
    message = " ".join(map(str, parts))
    return _Answer(error.status_code, code, message, headers=headers)
