"""Errors of the recommender, and the HTTP response to any exception.

::

    RecommenderError
    ├── IndexMissingError         code INDEX_MISSING: no such build on disk
    ├── IndexCorruptError         code INDEX_CORRUPT: bytes differ from their checksums
    ├── IndexVersionError         code INDEX_VERSION: written in a format this code does not read
    ├── IndexBusyError            code INDEX_BUSY: another process is building
    ├── IndexUnreadableError      code INDEX_UNREADABLE: cannot be read now; the build may be whole
    ├── DiskShortError            code DISK_SHORT: too little free space to build
    ├── BackupError               its own code, BACKUP_…: a backup cannot be made or restored
    ├── PlaylistRequestError      its own code, one of `PlaylistErrorCode`, and details
    └── AccountError              its own code, one of `AccountErrorCode`, and details

Two more are Django's SuspiciousOperation: BodyTooLargeError and QueryTooLongError.

`error_answer` reads one table for API, pages and middleware. An exception that is not in the table
is a bug: the status is 500, and `error_log` logs it with its traceback.
"""

from __future__ import annotations

import enum
import itertools
import logging
import sqlite3
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, JsonResponse
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions

from catalog.errors import PathError, TransientError
from mer.errors import CheckpointError, EncoderMissingError, PackageMissingError
from recommender.shortening import MAX_MESSAGE_BYTES, MAX_NAMED, details_cut, text_cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest

logger = logging.getLogger(__name__)


class RecommenderError(Exception):
    """Base of every error raised on purpose by the recommender."""

    code = "RECOMMENDER_ERROR"


class IndexMissingError(RecommenderError):
    """A build's directory, or a file of it, is not there."""

    code = "INDEX_MISSING"


class IndexCorruptError(RecommenderError):
    """A build's bytes do not match its checksums or structure."""

    code = "INDEX_CORRUPT"


class IndexVersionError(RecommenderError):
    """A build was written in a format this code does not read."""

    code = "INDEX_VERSION"


class IndexBusyError(RecommenderError):
    """Another process is building the index now; try again when it is done."""

    code = "INDEX_BUSY"


class IndexUnreadableError(RecommenderError):
    """A build cannot be read now, for want of open files, memory or permission.

    Nothing says that it is damaged, so it is kept.
    """

    code = "INDEX_UNREADABLE"


class DiskShortError(RecommenderError):
    """The disk has too little free space for a new build; the former build stays in use."""

    code = "DISK_SHORT"


class BackupError(RecommenderError):
    """A backup cannot be made or restored; `code` is the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PlaylistErrorCode(enum.StrEnum):
    """Why a playlist or a list of similar songs cannot be made."""

    REQUEST_INVALID = "REQUEST_INVALID"
    """A field is unknown, of the wrong type or out of range; `details["field"]` names it."""
    CATALOG_EMPTY = "CATALOG_EMPTY"
    """No song has been analysed yet."""
    NO_SONG_MATCHES = "NO_SONG_MATCHES"
    """The filters and exclusions leave no song."""
    SONG_NOT_FOUND = "SONG_NOT_FOUND"
    """A seed song does not exist or its file is gone; `details["song_ids"]` lists them."""
    SONG_NOT_ANALYSED = "SONG_NOT_ANALYSED"
    """A seed song has no emotion yet; `details["song_ids"]` lists them."""
    HISTORY_EMPTY = "HISTORY_EMPTY"
    """The listener has listened to no analysed song yet, or nobody is logged in."""
    WORDS_NOT_UNDERSTOOD = "WORDS_NOT_UNDERSTOOD"
    """Nothing of the words is understood; `details["not_understood"]` lists them."""
    WORDS_UNAVAILABLE = "WORDS_UNAVAILABLE"
    """The files of the model that serves are not here; `details["field"]` names the words."""


class PlaylistRequestError(RecommenderError):
    """A request cannot be fulfilled; `details` is plain JSON for the client."""

    def __init__(
        self, code: PlaylistErrorCode, message: str, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code: str = code.value
        self.message = message
        self.details: dict[str, object] = dict(details or {})


class BodyTooLargeError(RequestDataTooBig):
    """A body has more bytes than its address takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is too large; this address takes {limit} bytes.")


class QueryTooLongError(SuspiciousOperation):
    """The query of an address has more bytes than any page needs."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The query of the address is longer than {limit} bytes.")


class AccountErrorCode(enum.StrEnum):
    """Why an account or a token is not made, changed or deleted."""

    REQUEST_INVALID = "REQUEST_INVALID"
    """A value is not accepted; `details` has the field's name."""
    PERMISSION_DENIED = "PERMISSION_DENIED"
    """A token asks for more than it has itself."""
    LAST_ADMIN = "LAST_ADMIN"
    """Without this account nobody could administer the installation."""


class AccountError(RecommenderError):
    """A listener's account cannot be changed like this; `field` is what was sent wrong."""

    def __init__(self, code: AccountErrorCode, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.code: str = code.value
        self.field = field


# --- The response to an exception --------------------------------------------------------------


class ErrorCode(enum.StrEnum):
    """Every `code` in error responses of the API; stable, for programs."""

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
    LAST_ADMIN = "LAST_ADMIN"
    WORDS_NOT_UNDERSTOOD = "WORDS_NOT_UNDERSTOOD"
    WORDS_UNAVAILABLE = "WORDS_UNAVAILABLE"
    CONFLICT = "CONFLICT"
    PATH_INVALID = "PATH_INVALID"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL_ERROR = "INTERNAL_ERROR"


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The response to a failed request; `heading` is the title of the page."""

    status: HTTPStatus
    code: ErrorCode
    heading: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_bug(self) -> bool:
        """Whether the server itself is at fault."""
        return self.status == HTTPStatus.INTERNAL_SERVER_ERROR

    def json(self) -> JsonResponse:
        """Return the one error shape of the API."""
        body = {"code": self.code, "message": self.message, "details": self.details}
        return JsonResponse(body, status=self.status, headers=self.headers)


@dataclass(frozen=True, slots=True)
class _Row:
    status: HTTPStatus
    code: ErrorCode
    heading: str
    words: str | Callable[[Any], str]
    """The message, or a function of the exception that returns it."""


RETRY_AFTER_SECONDS: Final = 10
"""Seconds a client should wait before it repeats a request that was answered with 503."""


def _api_words(error: exceptions.APIException) -> str:
    if isinstance(error.detail, dict):
        names = ", ".join(map(str, itertools.islice(error.detail, MAX_NAMED)))
        return f"The request is not valid; see details for: {names}."
    parts = error.detail if isinstance(error.detail, list) else [error.detail]
    return " ".join(map(str, parts))


def _size_words(error: RequestDataTooBig) -> str:
    if isinstance(error, BodyTooLargeError):
        return str(error)
    return f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes."


def _throttled_words(error: Any) -> str:
    seconds = "some" if error.wait is None else int(error.wait)
    return f"Too many requests came from here. Try again in {seconds} seconds."


def _invalid(code: ErrorCode, words: str | Callable[[Any], str]) -> _Row:
    return _Row(HTTPStatus.BAD_REQUEST, code, "Bad request", words)


def _of_api(status: HTTPStatus, code: ErrorCode, heading: str = "Bad request") -> _Row:
    return _Row(status, code, heading, _api_words)


def _away(what: str) -> _Row:
    words = f"{what} cannot be used now. Try again later. The reason is in the server's log."
    return _Row(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, "Not available now", words)


def _no_playlist(status: HTTPStatus, code: PlaylistErrorCode) -> _Row:
    return _Row(status, ErrorCode(code.value), "No playlist this time", str)


_UNREADABLE: Final = _invalid(ErrorCode.BAD_REQUEST, "The server could not read this request.")
_DATABASE: Final = _away("The database")
_MODEL: Final = _away("The model")
_INDEX: Final = _away("The index of the songs")
_BUG: Final = _Row(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.INTERNAL_ERROR,
    "Something broke",
    "The server failed. The reason is in its log.",
)
_CHANGED: Final = _Row(
    HTTPStatus.CONFLICT,
    ErrorCode.CONFLICT,
    "Changed meanwhile",
    "Another request has made, changed or deleted what this one needs. Try again.",
)

_TABLE: Final[Mapping[type[BaseException], _Row]] = {
    Http404: _Row(
        HTTPStatus.NOT_FOUND,
        ErrorCode.NOT_FOUND,
        "Not found",
        "There is nothing at this address that you may see.",
    ),
    PermissionDenied: _Row(
        HTTPStatus.FORBIDDEN,
        ErrorCode.PERMISSION_DENIED,
        "Not for you",
        "You may not see or do this.",
    ),
    BadRequest: _UNREADABLE,
    MultiPartParserError: _UNREADABLE,
    SuspiciousOperation: _UNREADABLE,
    RequestDataTooBig: _Row(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ErrorCode.REQUEST_TOO_LARGE,
        "Too much",
        _size_words,
    ),
    QueryTooLongError: _Row(
        HTTPStatus.REQUEST_URI_TOO_LONG, ErrorCode.REQUEST_TOO_LARGE, "Too much", str
    ),
    exceptions.ValidationError: _of_api(HTTPStatus.BAD_REQUEST, ErrorCode.REQUEST_INVALID),
    exceptions.ParseError: _of_api(HTTPStatus.BAD_REQUEST, ErrorCode.PARSE_FAILED),
    exceptions.NotAuthenticated: _of_api(
        HTTPStatus.UNAUTHORIZED, ErrorCode.NOT_AUTHENTICATED, "Log in first"
    ),
    exceptions.AuthenticationFailed: _of_api(
        HTTPStatus.UNAUTHORIZED, ErrorCode.AUTHENTICATION_FAILED, "Log in first"
    ),
    exceptions.PermissionDenied: _of_api(
        HTTPStatus.FORBIDDEN, ErrorCode.PERMISSION_DENIED, "Not for you"
    ),
    exceptions.NotFound: _of_api(HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND, "Not found"),
    exceptions.MethodNotAllowed: _of_api(
        HTTPStatus.METHOD_NOT_ALLOWED, ErrorCode.METHOD_NOT_ALLOWED
    ),
    exceptions.NotAcceptable: _of_api(HTTPStatus.NOT_ACCEPTABLE, ErrorCode.NOT_ACCEPTABLE),
    exceptions.UnsupportedMediaType: _of_api(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ErrorCode.UNSUPPORTED_MEDIA_TYPE
    ),
    exceptions.Throttled: _Row(
        HTTPStatus.TOO_MANY_REQUESTS, ErrorCode.THROTTLED, "Too many attempts", _throttled_words
    ),
    PathError: _invalid(ErrorCode.PATH_INVALID, str),
    IntegrityError: _CHANGED,
    ObjectDoesNotExist: _CHANGED,  # views look up what they are about with a 404 before
    ValidationError: _invalid(ErrorCode.REQUEST_INVALID, lambda error: " ".join(error.messages)),
    # What cannot be reached or used now.
    OperationalError: _DATABASE,
    InterfaceError: _DATABASE,
    CheckpointError: _MODEL,
    EncoderMissingError: _MODEL,
    PackageMissingError: _MODEL,
    IndexBusyError: _INDEX,
    IndexCorruptError: _INDEX,
    IndexMissingError: _INDEX,
    IndexVersionError: _INDEX,
    IndexUnreadableError: _INDEX,
    DiskShortError: _away("The disk"),
    TransientError: _away("Something that this needs"),
}
_PLAYLISTS: Final[Mapping[str, _Row]] = {
    # Those with 409 mean that the present catalogue cannot fulfil a valid request.
    code.value: _no_playlist(status, code)
    for code, status in {
        PlaylistErrorCode.REQUEST_INVALID: HTTPStatus.BAD_REQUEST,
        PlaylistErrorCode.SONG_NOT_FOUND: HTTPStatus.NOT_FOUND,
        PlaylistErrorCode.CATALOG_EMPTY: HTTPStatus.CONFLICT,
        PlaylistErrorCode.NO_SONG_MATCHES: HTTPStatus.CONFLICT,
        PlaylistErrorCode.SONG_NOT_ANALYSED: HTTPStatus.CONFLICT,
        PlaylistErrorCode.HISTORY_EMPTY: HTTPStatus.CONFLICT,
        PlaylistErrorCode.WORDS_NOT_UNDERSTOOD: HTTPStatus.BAD_REQUEST,
        PlaylistErrorCode.WORDS_UNAVAILABLE: HTTPStatus.CONFLICT,
    }.items()
}
_ACCOUNTS: Final[Mapping[str, _Row]] = {
    AccountErrorCode.REQUEST_INVALID: _invalid(ErrorCode.REQUEST_INVALID, str),
    AccountErrorCode.PERMISSION_DENIED: _Row(
        HTTPStatus.FORBIDDEN, ErrorCode.PERMISSION_DENIED, "Not for you", str
    ),
    AccountErrorCode.LAST_ADMIN: _Row(
        HTTPStatus.CONFLICT, ErrorCode.LAST_ADMIN, "The last admin", str
    ),
}


def error_answer(error: BaseException | None) -> ErrorAnswer:
    """Return the response to the request that raised `error`."""
    row = _row(error)
    words = row.words if isinstance(row.words, str) else row.words(error)
    return ErrorAnswer(
        row.status,
        row.code,
        row.heading,
        text_cut(words, MAX_MESSAGE_BYTES),
        details_cut(_details(error, row)),
        _headers(error, row),
    )


def error_log(request: HttpRequest, error: BaseException, answer: ErrorAnswer) -> None:
    """Log a failure of the server with its traceback; the client's own errors are not logged."""
    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    level = logging.ERROR if answer.is_bug else logging.WARNING
    what = (request.method, request.path, answer.status, error)
    logger.log(level, "%s %s answered %d: %s", *what, exc_info=error)


def _row(error: BaseException | None) -> _Row:
    if isinstance(error, PlaylistRequestError):
        return _PLAYLISTS[error.code]
    if isinstance(error, AccountError):
        return _ACCOUNTS[error.code]
    if _is_wrong_statement(error):
        return _BUG
    return next((_TABLE[cls] for cls in type(error).__mro__ if cls in _TABLE), _BUG)


_RACES: Final = (
    *(sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, "23505"),
    *(sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, "23503"),
)
"""A row that there may be once, and one that is not there any more, by SQLite and SQLSTATE."""


def _is_wrong_statement(error: BaseException | None) -> bool:
    """Whether a statement is wrong: SQLite knows no such table, or a value can never be stored."""
    cause = getattr(error, "__cause__", None)
    code = getattr(cause, "sqlite_errorcode", None) or getattr(cause, "sqlstate", None)
    if isinstance(error, IntegrityError):
        return code not in _RACES
    return code == sqlite3.SQLITE_ERROR


def _details(error: BaseException | None, row: _Row) -> Mapping[str, Any]:
    if isinstance(error, PlaylistRequestError):
        return error.details
    if isinstance(error, AccountError):
        return {error.field: [str(error)]} if error.field else {}
    if isinstance(error, exceptions.APIException) and isinstance(error.detail, dict):
        return error.detail
    if row.code == ErrorCode.UNAVAILABLE:
        return {"cause": getattr(error, "code", "DATABASE")}
    return {}


def _headers(error: BaseException | None, row: _Row) -> Mapping[str, str]:
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = str(header)
    if row.code == ErrorCode.UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait))
    return headers
