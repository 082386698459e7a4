"""What a format of playlist files is, and what it can write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

from django.utils.translation import gettext

from recommender.errors import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catalog.models import Song


_NO_TEXT: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
"""What XML 1.0 cannot hold, and the control characters that it discourages."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def plain_text(text: str) -> str:
    """Return a text without control characters, for formats that may hold several lines."""
    return _NO_TEXT.sub("", text).strip()


def location_uri(location: str) -> str:
    """Return an address as it is, and a path of this machine as a URI."""
    if _SCHEME.match(location):
        return location
    path = quote(location)
    return f"file://{path}" if path.startswith("/") else path


class ExportEntry(Protocol):
    """A song of a list, with its score and why it is there."""

    @property
    def position(self) -> int: ...
    @property
    def song(self) -> Song: ...
    @property
    def score(self) -> float | None: ...
    @property
    def reason(self) -> Mapping[str, object] | None: ...


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A song as a playlist file names it; what the file does not say is empty or None."""

    location: str = ""
    title: str = ""
    artist: str = ""
    album: str = ""
    identifiers: tuple[str, ...] = ()
    duration_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FilePlaylist:
    """What a playlist file says."""

    name: str
    entries: tuple[FileEntry, ...]


def unreadable(reason: str) -> FileRefusedError:
    """Return the error of a file that is not of its format."""
    return FileRefusedError(
        gettext("The file cannot be read (%(reason)s). Export the list again.") % {"reason": reason}
    )


class Write(Protocol):
    """Returns the text of a file, which is stored in UTF-8.

    `notes` are sentences on the list for people; a format without comments leaves them out.
    `location` gives the address or path of a song, empty for one without audio; an empty `name` is
    no name. Tags of songs are anyone's text: whatever has a meaning in the format is escaped or
    removed.
    """

    def __call__(
        self,
        entries: Sequence[ExportEntry],
        *,
        location: Callable[[Song], str],
        name: str = "",
        notes: Sequence[str] = (),
    ) -> str: ...


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format of playlist files."""

    name: str
    """For people."""
    suffix: str
    """Of the file and of its address; names the format in commands."""
    media_type: str
    write: Write
    read: Callable[[str], FilePlaylist]
    """Raises `FileRefusedError`."""
