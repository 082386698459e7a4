"""The state of an ingest job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from catalog.ingest.upsert import Outcome
from catalog.storable import storable_text

MAX_NOTES: Final = 100


@dataclass(frozen=True, slots=True)
class Fate:
    """What an ingest does with one file; `what` is a key of `IngestState` that counts files.

    `name` is below the library's root. `code` is that of a failure. `reason` says why the file
    failed or is left out; it is empty for a file that becomes or stays a song.
    """

    what: str
    name: str
    code: str = ""
    reason: str = ""


def fate_ignore(_: Fate) -> None:
    """Do nothing: an ingest that nobody looks at counts files and names only some."""


@dataclass(slots=True)
class IngestState:
    """The state of an ingest, as `BackgroundJob.result` stores it.

    `phase` is scanning, analysing or done. `cursor` is the last file written, below the path of the
    job. The other numbers count files. `failed` counts the files that did not become songs; once
    the ingest is done it also counts the songs whose analysis failed. `removed` files are of songs
    that staff removed. `ignored` files are no audio. `unread` files are audio of formats that are
    not read: all are counted by suffix, the first are named. `left_out` counts names that `LeftOut`
    names. `vanished` files went during the scan. Of `tags_unread` files the reader of tags crashed
    or hung; they keep the tags that are stored. `missing` songs are gone, or left out now. `linked`
    are the jobs of folders behind links.
    """

    phase: str = "scanning"
    cursor: str = ""
    added: int = 0
    unchanged: int = 0
    duplicates: int = 0
    changed: int = 0
    moved: int = 0
    restored: int = 0
    failed: int = 0
    removed: int = 0
    ignored: int = 0
    unread: int = 0
    unread_suffixes: dict[str, int] = field(default_factory=dict)
    unread_files: list[str] = field(default_factory=list)
    left_out: int = 0
    vanished: int = 0
    tags_unread: int = 0
    missing: int = 0
    analysed: int = 0
    notes: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)

    @property
    def scanned(self) -> int:
        """Return the number of files that were dealt with."""
        written: int = sum(getattr(self, outcome) for outcome in Outcome)
        return written + self.vanished

    def note(self, text: str) -> None:
        """Add a note for the admin, up to `MAX_NOTES`."""
        if text and len(self.notes) < MAX_NOTES:
            self.notes.append(storable_text(text))
