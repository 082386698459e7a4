"""Errors of the recommender; `code` is stable, the message is for whoever asked.

::

    RecommenderError
    ├── IndexMissingError         code INDEX_MISSING: no such build on disk
    ├── IndexCorruptError         code INDEX_CORRUPT: bytes differ from their checksums
    ├── IndexVersionError         code INDEX_VERSION: written in a format this code does not read
    ├── IndexBusyError            code INDEX_BUSY: another process is building
    └── PlaylistRequestError      its own code, one of `PlaylistErrorCode`, and details
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

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


class PlaylistErrorCode(enum.StrEnum):
    """Why a playlist or a list of similar songs cannot be made."""

    REQUEST_INVALID = "REQUEST_INVALID"
    """A field is unknown, of the wrong type or out of range; `details["field"]` names it."""
    CATALOG_EMPTY = "CATALOG_EMPTY"
    """No song has been analysed yet."""
    NO_SONG_MATCHES = "NO_SONG_MATCHES"
    """Songs there are, but the filters and exclusions leave none."""
    SONG_NOT_FOUND = "SONG_NOT_FOUND"
    """A seed song does not exist or its file is gone; `details["song_ids"]` lists them."""
    SONG_NOT_ANALYSED = "SONG_NOT_ANALYSED"
    """A seed song has no emotion yet; `details["song_ids"]` lists them."""
    HISTORY_EMPTY = "HISTORY_EMPTY"
    """The listener has heard no analysed song yet, or nobody is signed in."""


class PlaylistRequestError(RecommenderError):
    """A request cannot be met as it stands; `details` is plain JSON for the client."""

    def __init__(
        self, code: PlaylistErrorCode, message: str, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code: str = code.value
        self.message = message
        self.details: dict[str, object] = dict(details or {})
