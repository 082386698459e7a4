"""What a format of playlist files is, and what it can write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catalog.models import Song


class ExportEntry(Protocol):
    """A song of a list, with its score and why it is there."""

    @property
    def position(self) -> int: ...
    @property
    def song(self) -> Song: ...
    @property
    def score(self) -> float: ...
    @property
    def reason(self) -> Mapping[str, object]: ...


class Write(Protocol):
    """Returns the text of a file, which is stored in UTF-8.

    `notes` are sentences on the list for people; a format without comments leaves them out.
    `location` gives the address or path of a song; an empty `name` is no name. Tags of songs are
    anyone's text: whatever has a meaning in the format is escaped or removed.
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
