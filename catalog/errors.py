"""Errors of the catalogue. `code` is stable; the message is for an admin.

::

    CatalogError
    ├── TransientError            code TRANSIENT: Celery tries again
    │   └── StoreAwayError        code STORE_AWAY: an object store does not answer
    └── PermanentError            recorded, and not tried again until the file changes
        ├── PathError             code PATH_INVALID: absent, unreadable, or outside
        │   └── StoreRefusedError code STORE_REFUSED: no credentials, rights, bucket or package
        ├── FilesVanishedError    code FILES_VANISHED
        ├── UploadError           its own code, UPLOAD_…: a file from a browser is not taken
        ├── FileUnusableError     FILE_TOO_LARGE, FILE_CHANGING, FILE_UNREADABLE or FILE_CHANGED;
        │                         TAGS_…: tags of a file are not written
        ├── BundleError           BUNDLE_UNREADABLE, BUNDLE_VERSION, BUNDLE_MODEL, BUNDLE_SIGNATURE
        ├── TagWritingError       code TAGS_NOT_WRITABLE: no file of it may be written
        │   └── TagRunBusyError   another process has the run now
        ├── JobStateError         code JOB_STATE_INVALID
        ├── VersionError          VERSION_UNKNOWN, VERSION_EMPTY, VERSION_SERVES, VERSION_NO_FORMER
        └── ModelAwayError        code MODEL_AWAY: a former version's files are not here
"""

from __future__ import annotations

import errno
from typing import Final

_OF_THE_MACHINE: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}
)


class CatalogError(Exception):
    """Base of every error that the catalogue raises on purpose."""

    code = "CATALOG_ERROR"


class TransientError(CatalogError):
    """Something outside is unavailable; trying again later may work."""

    code = "TRANSIENT"


class StoreAwayError(TransientError):
    """An object store does not answer; nothing is known of what it holds."""

    code = "STORE_AWAY"


class PermanentError(CatalogError):
    """Trying again fails until something changes."""

    code = "PERMANENT"


class PathError(PermanentError):
    """A path is absent, unreadable or outside every catalogue root."""

    code = "PATH_INVALID"


class StoreRefusedError(PathError):
    """An object store cannot be used as the settings are; nothing is known of what it holds."""

    code = "STORE_REFUSED"


STORE_ERRORS: Final = (StoreAwayError, StoreRefusedError)
"""Errors that say nothing of a file, and must not count against it."""


def store_errors_raise(error: BaseException) -> None:
    """Raise TransientError for one of `STORE_ERRORS`: nobody knows whether the file is there."""
    if isinstance(error, STORE_ERRORS):
        raise TransientError(str(error)) from error


class FilesVanishedError(PermanentError):
    """So many files are gone at once that a disk may be missing."""

    code = "FILES_VANISHED"


class FileUnusableError(PermanentError):
    """A file cannot become a song; `code` is the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[FileUnusableError], tuple[str, str]]:
        """Pickle by the arguments, so that a child process can raise it in its parent."""
        return type(self), (self.code, str(self))


class UploadError(PermanentError):
    """A file is not taken from a browser; `code` is the reason.

    `offset` is how many bytes of it are here, if the browser may go on from there.
    """

    def __init__(self, code: str, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.offset = offset


class BundleError(PermanentError):
    """A bundle of analyses is not taken; `code` is the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TagWritingError(PermanentError):
    """Tags of files may not be written, or not now."""

    code = "TAGS_NOT_WRITABLE"


class TagRunBusyError(TagWritingError):
    """Another process writes or undoes a run now."""


class JobStateError(PermanentError):
    """A job cannot change to the requested state."""

    code = "JOB_STATE_INVALID"


def machine_errors_raise(error: BaseException) -> None:
    """Raise TransientError if `error` or its cause says that the machine lacks something.

    Too many open files, a full disk or too little memory are no fault of the file at hand.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _OF_THE_MACHINE:
            raise TransientError(f"the machine lacks something: {cause.strerror}") from error
        cause = cause.__cause__


class VersionError(PermanentError):
    """A model version cannot serve or be deleted; `code` is the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ModelAwayError(PermanentError):
    """Words cannot be rated by the version that serves, because its files are not here."""

    code = "MODEL_AWAY"

    def __init__(self, version: str) -> None:
        super().__init__(f"the files of the model version {version} are not here")
        self.version = version
