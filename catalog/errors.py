"""Errors of the catalogue; `code` is stable, the message is for an admin.

::

    CatalogError
    ├── TransientError            tried again by Celery
    └── PermanentError            recorded, never tried again until the file changes
        ├── PathError             code PATH_INVALID: absent, unreadable, or outside
        ├── FileUnusableError     its own code, of those below
        └── JobStateError         code JOB_STATE_INVALID
"""

from __future__ import annotations


class CatalogError(Exception):
    """Base of every error raised on purpose by the catalogue."""

    code = "CATALOG_ERROR"


class TransientError(CatalogError):
    """Something outside is away for now; trying again later may work."""

    code = "TRANSIENT"


class PermanentError(CatalogError):
    """Trying again will not help until something changes."""

    code = "PERMANENT"


class PathError(PermanentError):
    """A path is absent, unreadable or outside every catalogue root."""

    code = "PATH_INVALID"


class FileUnusableError(PermanentError):
    """A file cannot become a song; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class JobStateError(PermanentError):
    """A job cannot make the asked-for change of state."""

    code = "JOB_STATE_INVALID"
