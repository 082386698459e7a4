"""Errors of the recommender.

::

    RecommenderError
    ├── IndexMissingError         code INDEX_MISSING: no such build on disk
    ├── IndexCorruptError         code INDEX_CORRUPT: bytes differ from their checksums
    ├── IndexVersionError         code INDEX_VERSION: written in a format this code does not read
    ├── IndexBusyError            code INDEX_BUSY: another process is building
    ├── IndexUnreadableError      code INDEX_UNREADABLE: cannot be read now; the build may be whole
    ├── DiskShortError            code DISK_SHORT: too little free space to build
    ├── MediaBusyError            code MEDIA_BUSY: too much of it at once; try again soon
    ├── SongUnplayableError       code SONG_UNPLAYABLE: its file cannot be decoded
    ├── TranscodingOffError       code TRANSCODING_OFF: no ffmpeg, or it is not to be used
    ├── IdempotencyError          its own code, IDEMPOTENCY_…, and details
    ├── PreconditionFailedError   code PRECONDITION_FAILED: it has changed since it was read
    ├── CursorInvalidError        code CURSOR_INVALID: no page of this list begins there
    ├── FileRefusedError          code FILE_INVALID: a file that a listener brings is not read
    ├── BackupError               its own code, BACKUP_…: a backup cannot be made or restored
    ├── PlaylistRequestError      its own code, one of `PlaylistErrorCode`, and details
    └── AccountError              its own code, one of `AccountErrorCode`, and details

Two more are Django's SuspiciousOperation: BodyTooLargeError and QueryTooLongError.

Messages are in the language of the request; codes and names of fields are not translated.

The HTTP response to each is in `recommender.error_answers`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from django.core.exceptions import (
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.utils.translation import gettext

if TYPE_CHECKING:
    from collections.abc import Mapping


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


class MediaBusyError(RecommenderError):
    """Too many covers, waveforms or conversions are being made; try again soon."""

    code = "MEDIA_BUSY"


class SongUnplayableError(RecommenderError):
    """The file of a song cannot be decoded; the message says why."""

    code = "SONG_UNPLAYABLE"


class TranscodingOffError(RecommenderError):
    """Songs are not converted here."""

    code = "TRANSCODING_OFF"


class CursorInvalidError(RecommenderError):
    """A cursor is damaged, or of another list."""

    code = "CURSOR_INVALID"


class FileRefusedError(RecommenderError):
    """A file of a listener cannot be read; `details` says why, and where in it."""

    code = "FILE_INVALID"

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.details: dict[str, object] = dict(details or {})


class FilePieceError(RecommenderError):
    """A piece of a file does not go on where the last one ended; `offset` is that place."""

    code = "CONFLICT"

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class BodyTooLargeError(RequestDataTooBig):
    """A body has more bytes than its address takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            gettext("The body is too large; this address takes %(limit)s bytes.") % {"limit": limit}
        )


class QueryTooLongError(SuspiciousOperation):
    """The query of an address has more bytes than any page needs."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            gettext("The query of the address is longer than %(limit)s bytes.") % {"limit": limit}
        )


class PreconditionFailedError(RecommenderError):
    """A client would change what it has not seen as it is now."""

    code = "PRECONDITION_FAILED"


class IdempotencyErrorCode(enum.StrEnum):
    """Why a request with an `Idempotency-Key` is neither done nor answered as before."""

    KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    """The key was sent with another request."""
    IN_FLIGHT = "IDEMPOTENCY_IN_FLIGHT"
    """The request with this key has not ended; `details["began_at"]` says when it began."""
    REFUSED = "IDEMPOTENCY_REFUSED"
    """The answer may hold a secret, which is not stored."""


class IdempotencyError(RecommenderError):
    """A request with a key is refused; `details` is plain JSON for the client."""

    def __init__(
        self, code: IdempotencyErrorCode, message: str, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code: str = code.value
        self.details: dict[str, object] = dict(details or {})


class AccountErrorCode(enum.StrEnum):
    """Why an account or a token is not made, changed or deleted."""

    REQUEST_INVALID = "REQUEST_INVALID"
    """A value is not accepted; `details` has the field's name."""
    PERMISSION_DENIED = "PERMISSION_DENIED"
    """A token asks for more than it has itself."""
    LAST_ADMIN = "LAST_ADMIN"
    """Without this account nobody could administer the installation."""
    LINK_INVALID = "LINK_INVALID"
    """A link to set up, to join or to choose a password is wrong, used or too old."""


class AccountError(RecommenderError):
    """A listener's account cannot be changed like this; `field` is what was sent wrong."""

    def __init__(self, code: AccountErrorCode, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.code: str = code.value
        self.field = field
