"""The HTTP response to any exception.

`error_answer` reads one table for API, pages and middleware. An exception that is not in the table
is a bug: the status is 500, and `error_log` logs it with its traceback. Messages are in the
language of the request; codes and names of fields are not translated.
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
    NON_FIELD_ERRORS,
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
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.settings import api_settings

from catalog.errors import (
    JobStateError,
    PathError,
    TagWritingError,
    TransientError,
    VersionError,
)
from mer.errors import CheckpointError, EncoderMissingError, PackageMissingError
from recommender.errors import (
    AccountError,
    AccountErrorCode,
    BodyTooLargeError,
    CursorInvalidError,
    DiskShortError,
    FilePieceError,
    FileRefusedError,
    IdempotencyError,
    IdempotencyErrorCode,
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    IndexUnreadableError,
    IndexVersionError,
    MediaBusyError,
    PlaylistErrorCode,
    PlaylistRequestError,
    PreconditionFailedError,
    QueryTooLongError,
    SongUnplayableError,
    TranscodingOffError,
)
from recommender.shortening import MAX_MESSAGE_BYTES, MAX_NAMED, details_cut, text_cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.http import HttpRequest
    from django.utils.functional import _StrPromise


logger = logging.getLogger(__name__)


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
    JOB_STATE_INVALID = "JOB_STATE_INVALID"
    TAGS_NOT_WRITABLE = "TAGS_NOT_WRITABLE"
    VERSION_UNKNOWN = "VERSION_UNKNOWN"
    VERSION_EMPTY = "VERSION_EMPTY"
    VERSION_NO_FORMER = "VERSION_NO_FORMER"
    LINK_INVALID = "LINK_INVALID"
    WORDS_NOT_UNDERSTOOD = "WORDS_NOT_UNDERSTOOD"
    WORDS_UNAVAILABLE = "WORDS_UNAVAILABLE"
    SONG_UNPLAYABLE = "SONG_UNPLAYABLE"
    TRANSCODING_OFF = "TRANSCODING_OFF"
    CONFLICT = "CONFLICT"
    PATH_INVALID = "PATH_INVALID"
    FILE_INVALID = "FILE_INVALID"
    CURSOR_INVALID = "CURSOR_INVALID"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_IN_FLIGHT = "IDEMPOTENCY_IN_FLIGHT"
    IDEMPOTENCY_REFUSED = "IDEMPOTENCY_REFUSED"
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
    heading: _StrPromise
    words: _StrPromise | Callable[[Any], str]
    """The message, or a function of the exception that returns it."""


RETRY_AFTER_SECONDS: Final = 10
"""Seconds a client should wait before it repeats a request that was answered with 503."""


def _api_words(error: exceptions.APIException) -> str:
    if isinstance(error.detail, dict):
        return _fields_words(error.detail)
    parts = error.detail if isinstance(error.detail, list) else [error.detail]
    return " ".join(map(str, parts))


_OF_NO_FIELD: Final = (api_settings.NON_FIELD_ERRORS_KEY, NON_FIELD_ERRORS)


def _fields_words(problems: Mapping[str, Any]) -> str:
    """Return what is wrong with fields of the body, or with parameters of the query."""
    named = {str(name): value for name, value in problems.items() if name not in _OF_NO_FIELD}
    if not named:
        found = itertools.chain.from_iterable(problems.values())
        return " ".join(str(one) for one in found)
    name, first = next(iter(named.items()))
    if len(problems) == 1 and isinstance(first, list) and _is_text(first):
        return f"`{name}`: {first[0]}"
    words = ngettext(
        "This is not valid: %(names)s. The details say why.",
        "These are not valid: %(names)s. The details say why.",
        len(named),
    )
    return words % {"names": ", ".join(f"`{one}`" for one in itertools.islice(named, MAX_NAMED))}


def _is_text(problems: Sequence[object]) -> bool:
    return len(problems) == 1 and isinstance(problems[0], str)


def _size_words(error: RequestDataTooBig) -> str:
    if isinstance(error, BodyTooLargeError):
        return str(error)
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return gettext("The body is larger than %(limit)s bytes.") % {"limit": limit}


def _throttled_words(error: Any) -> str:
    if error.wait is None:
        return gettext("Too many requests came from here. Try again in some seconds.")
    seconds = int(error.wait)
    words = ngettext(
        "Too many requests came from here. Try again in %(seconds)s second.",
        "Too many requests came from here. Try again in %(seconds)s seconds.",
        seconds,
    )
    return words % {"seconds": seconds}


def _invalid(code: ErrorCode, words: _StrPromise | Callable[[Any], str]) -> _Row:
    return _Row(HTTPStatus.BAD_REQUEST, code, _("Bad request"), words)


def _of_api(status: HTTPStatus, code: ErrorCode, heading: _StrPromise | None = None) -> _Row:
    return _Row(status, code, heading or _("Bad request"), _api_words)


def _away(words: _StrPromise | Callable[[Any], str]) -> _Row:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return _Row(status, ErrorCode.UNAVAILABLE, _("Not available now"), words)


def _no_playlist(status: HTTPStatus, code: PlaylistErrorCode) -> _Row:
    return _Row(status, ErrorCode(code.value), _("No playlist this time"), str)


_UNREADABLE: Final = _invalid(ErrorCode.BAD_REQUEST, _("The server could not read this request."))
_DATABASE: Final = _away(
    _("The database cannot be used now. Try again later. The reason is in the server's log.")
)
_MODEL: Final = _away(
    _("The model cannot be used now. Try again later. The reason is in the server's log.")
)
_INDEX: Final = _away(
    _(
        "The index of the songs cannot be used now. Try again later. "
        "The reason is in the server's log."
    )
)
_BUG: Final = _Row(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.INTERNAL_ERROR,
    _("Something broke"),
    _("The server failed. The reason is in its log."),
)
_CHANGED: Final = _Row(
    HTTPStatus.CONFLICT,
    ErrorCode.CONFLICT,
    _("Changed meanwhile"),
    _("Another request has made, changed or deleted what this one needs. Try again."),
)

_TABLE: Final[Mapping[type[BaseException], _Row]] = {
    Http404: _Row(
        HTTPStatus.NOT_FOUND,
        ErrorCode.NOT_FOUND,
        _("Not found"),
        _("There is nothing at this address that you may see."),
    ),
    PermissionDenied: _Row(
        HTTPStatus.FORBIDDEN,
        ErrorCode.PERMISSION_DENIED,
        _("Not for you"),
        _("You may not see or do this."),
    ),
    BadRequest: _UNREADABLE,
    MultiPartParserError: _UNREADABLE,
    SuspiciousOperation: _UNREADABLE,
    RequestDataTooBig: _Row(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ErrorCode.REQUEST_TOO_LARGE,
        _("Too much"),
        _size_words,
    ),
    QueryTooLongError: _Row(
        HTTPStatus.REQUEST_URI_TOO_LONG, ErrorCode.REQUEST_TOO_LARGE, _("Too much"), str
    ),
    exceptions.ValidationError: _of_api(HTTPStatus.BAD_REQUEST, ErrorCode.REQUEST_INVALID),
    exceptions.ParseError: _of_api(HTTPStatus.BAD_REQUEST, ErrorCode.PARSE_FAILED),
    exceptions.NotAuthenticated: _of_api(
        HTTPStatus.UNAUTHORIZED, ErrorCode.NOT_AUTHENTICATED, _("Log in first")
    ),
    exceptions.AuthenticationFailed: _of_api(
        HTTPStatus.UNAUTHORIZED, ErrorCode.AUTHENTICATION_FAILED, _("Log in first")
    ),
    exceptions.PermissionDenied: _of_api(
        HTTPStatus.FORBIDDEN, ErrorCode.PERMISSION_DENIED, _("Not for you")
    ),
    exceptions.NotFound: _of_api(HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND, _("Not found")),
    exceptions.MethodNotAllowed: _of_api(
        HTTPStatus.METHOD_NOT_ALLOWED, ErrorCode.METHOD_NOT_ALLOWED
    ),
    exceptions.NotAcceptable: _of_api(HTTPStatus.NOT_ACCEPTABLE, ErrorCode.NOT_ACCEPTABLE),
    exceptions.UnsupportedMediaType: _of_api(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ErrorCode.UNSUPPORTED_MEDIA_TYPE
    ),
    exceptions.Throttled: _Row(
        HTTPStatus.TOO_MANY_REQUESTS, ErrorCode.THROTTLED, _("Too many attempts"), _throttled_words
    ),
    JobStateError: _Row(
        HTTPStatus.CONFLICT, ErrorCode.JOB_STATE_INVALID, _("The job has changed"), str
    ),
    TagWritingError: _Row(
        HTTPStatus.CONFLICT, ErrorCode.TAGS_NOT_WRITABLE, _("Tags cannot be written"), str
    ),
    PathError: _invalid(ErrorCode.PATH_INVALID, str),
    FileRefusedError: _invalid(ErrorCode.FILE_INVALID, str),
    PreconditionFailedError: _Row(
        HTTPStatus.PRECONDITION_FAILED, ErrorCode.PRECONDITION_FAILED, _("Changed meanwhile"), str
    ),
    CursorInvalidError: _invalid(ErrorCode.CURSOR_INVALID, str),
    FilePieceError: _Row(HTTPStatus.CONFLICT, ErrorCode.CONFLICT, _("The file came in parts"), str),
    IntegrityError: _CHANGED,
    ObjectDoesNotExist: _CHANGED,  # views look up what they are about with a 404 before
    ValidationError: _invalid(ErrorCode.REQUEST_INVALID, lambda error: " ".join(error.messages)),
    # What cannot be reached or used now.
    OperationalError: _DATABASE,
    InterfaceError: _DATABASE,
    CheckpointError: _MODEL,
    EncoderMissingError: _MODEL,
    PackageMissingError: _MODEL,
    MediaBusyError: _away(str),
    SongUnplayableError: _Row(
        HTTPStatus.CONFLICT, ErrorCode.SONG_UNPLAYABLE, _("This song cannot be played"), str
    ),
    TranscodingOffError: _Row(
        HTTPStatus.CONFLICT, ErrorCode.TRANSCODING_OFF, _("This song cannot be converted"), str
    ),
    IndexBusyError: _INDEX,
    IndexCorruptError: _INDEX,
    IndexMissingError: _INDEX,
    IndexVersionError: _INDEX,
    IndexUnreadableError: _INDEX,
    DiskShortError: _away(
        _("The disk cannot be used now. Try again later. The reason is in the server's log.")
    ),
    TransientError: _away(
        _(
            "Something that this needs cannot be used now. Try again later. "
            "The reason is in the server's log."
        )
    ),
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
_KEYED: Final[Mapping[str, _Row]] = {
    code.value: _Row(status, ErrorCode(code.value), _("Bad request"), str)
    for code, status in {
        IdempotencyErrorCode.KEY_REUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
        IdempotencyErrorCode.IN_FLIGHT: HTTPStatus.CONFLICT,
        IdempotencyErrorCode.REFUSED: HTTPStatus.BAD_REQUEST,
    }.items()
}
_ACCOUNTS: Final[Mapping[str, _Row]] = {
    AccountErrorCode.REQUEST_INVALID: _invalid(ErrorCode.REQUEST_INVALID, str),
    AccountErrorCode.PERMISSION_DENIED: _Row(
        HTTPStatus.FORBIDDEN, ErrorCode.PERMISSION_DENIED, _("Not for you"), str
    ),
    AccountErrorCode.LAST_ADMIN: _Row(
        HTTPStatus.CONFLICT, ErrorCode.LAST_ADMIN, _("The last admin"), str
    ),
    AccountErrorCode.LINK_INVALID: _Row(
        HTTPStatus.NOT_FOUND, ErrorCode.LINK_INVALID, _("This link does not work"), str
    ),
}

_VERSIONS: Final[Mapping[str, _Row]] = {
    code.value: _Row(status, code, _("Not this model"), str)
    for code, status in {
        ErrorCode.VERSION_UNKNOWN: HTTPStatus.NOT_FOUND,
        ErrorCode.VERSION_EMPTY: HTTPStatus.CONFLICT,
        ErrorCode.VERSION_NO_FORMER: HTTPStatus.CONFLICT,
    }.items()
}


def error_codes(status: int) -> list[ErrorCode]:
    """Return the codes of the error responses with a status, in the order of `ErrorCode`."""
    tables = (_TABLE, _PLAYLISTS, _KEYED, _ACCOUNTS)
    rows = (*(row for table in tables for row in table.values()), _BUG)
    found = {row.code for row in rows if row.status == status}
    return [code for code in ErrorCode if code in found]


def error_answer(error: BaseException | None) -> ErrorAnswer:
    """Return the response to the request that raised `error`."""
    row = _row(error)
    words = row.words(error) if callable(row.words) else str(row.words)
    return ErrorAnswer(
        row.status,
        row.code,
        str(row.heading),
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
    if isinstance(error, IdempotencyError):
        return _KEYED[error.code]
    if isinstance(error, VersionError) and error.code in _VERSIONS:
        return _VERSIONS[error.code]
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
    if isinstance(error, PlaylistRequestError | FileRefusedError | IdempotencyError):
        return error.details
    if isinstance(error, CursorInvalidError):
        return {"cursor": [str(error)]}
    if isinstance(error, FilePieceError):
        return {"offset": error.offset}
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
