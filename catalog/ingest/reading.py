"""The files of a batch, read outside any transaction."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError

from catalog.errors import STORE_ERRORS, FileUnusableError, PathError, machine_errors_raise
from catalog.files.lyrics import ONLINE, ONLINE_REFUSED, Lyrics, lyrics_find
from catalog.files.scan import FileFacts, Found, Kind, audio_hash, read_file
from catalog.files.tags import TAGS_VERSION, Tags, read_tags
from catalog.ingest.upsert import PASSING_CODES, Alike, copy_has_its_song, songs_alike
from catalog.models import IngestFailure, KnownCopy, Library, Song
from catalog.paths import FileStamp, at_hand, is_gone, stamp_of
from catalog.storable import not_finite, storable_text
from mer.audio.patches import probe
from mer.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

_NO_STAMP: Final = FileStamp(0, 0)


@dataclass(frozen=True, slots=True)
class _Known:
    """The rows of one path."""

    song: Song | None
    failure: IngestFailure | None
    copy: KnownCopy | None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A song whose file is unchanged, with what it did not have yet, or has otherwise."""

    song: Song
    lyrics: Lyrics | None
    audio_sha256: str | None
    tags: Tags | None
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading one file.

    At most one of `facts`, `failure` and `kept` is set; none if the file is gone, or is an
    unchanged copy. `known` is what the catalogue says of the path, and `alike` of the audio.
    """

    name: str
    stamp: FileStamp
    known: _Known
    is_copy: bool = False
    facts: FileFacts | None = None
    failure: tuple[str, str] | None = None
    kept: _Kept | None = None
    alike: Alike = field(default_factory=Alike)

    @property
    def is_vanished(self) -> bool:
        """Whether there is no such file any more."""
        return not (self.kept or self.facts or self.failure or self.is_copy)

    @property
    def unread_tags(self) -> str:
        """Why the tags could not be read; empty if they were, or were not needed."""
        tags = self.facts.tags if self.facts else self.kept.tags if self.kept else None
        return tags.note if tags and tags.is_unread else ""


def files_read(library: Library, batch: Sequence[tuple[str, Found]], end: float) -> list[Reading]:
    """Read the files of a batch; after `end` no other one is begun."""
    at = {"library": library, "relative_path__in": [name for name, _ in batch]}
    # Of several songs with one path, the available one comes last and wins.
    songs = {s.relative_path: s for s in Song.objects.filter(**at).order_by("is_available", "pk")}
    failures = {f.relative_path: f for f in IngestFailure.objects.filter(**at)}
    copies = {c.relative_path: c for c in KnownCopy.objects.filter(**at)}
    readings = []
    for name, found in batch:
        known = _Known(songs.get(name), failures.get(name), copies.get(name))
        readings.append(_read_one(library, name, found, known))
        if time.monotonic() > end:
            break
    return _compared(readings)


def _compared(readings: list[Reading]) -> list[Reading]:
    """Return the readings with what songs have the same audio; most have none."""
    hashes = {reading.facts.audio_sha256 for reading in readings if reading.facts} - {""}
    songs = Song.objects.filter(audio_sha256__in=hashes).order_by()
    known = set(songs.values_list("audio_sha256", flat=True).distinct()) if hashes else set()
    return [
        replace(reading, alike=songs_alike(here=reading.known.song, facts=reading.facts))
        if reading.facts and reading.facts.audio_sha256 in known
        else reading
        for reading in readings
    ]


def _read_one(library: Library, name: str, found: Found, known: _Known) -> Reading:
    """Read a file, unless it is unchanged since it became a song or a copy, or failed."""
    if found.kind is Kind.REFUSED:
        return Reading(name, _NO_STAMP, known, failure=(PathError.code, found.reason))
    root, path = library.path, library.path / found.relative
    song, failure, stamp = known.song, known.failure, _NO_STAMP
    try:
        stamp = stamp_of(path)
        is_known = failure is not None and stamp == _stamp_in(failure)
        is_removed = failure is not None and is_known and failure.code == IngestFailure.REMOVED
        if is_removed or (song and song.is_removed and stamp == _stamp_in(song)):
            removed = IngestFailure.REMOVED, IngestFailure.REMOVED_MESSAGE
            return Reading(name, stamp, known, failure=removed)
        if song and stamp == _stamp_in(song):
            return Reading(name, stamp, known, kept=_kept(song, root, found.relative))
        if known.copy and stamp == _stamp_in(known.copy) and copy_has_its_song(known.copy):
            return Reading(name, stamp, known, is_copy=True)
        if failure and is_known and failure.code not in PASSING_CODES:
            return Reading(name, stamp, known, failure=(failure.code, failure.message))
        facts = read_file(root, found.relative, max_bytes=settings.AFFETTI_MAX_FILE_BYTES)
    except (SoftTimeLimitExceeded, DatabaseError, *STORE_ERRORS):
        raise
    except Exception as error:  # the edge of one file: no file may stop the others
        if is_gone(path):
            return Reading(name, stamp, known)
        return Reading(name, stamp, known, failure=_failure_of(path, error))
    if field_name := not_finite(facts):
        reason = f"its {field_name} is not a finite number; write its tags again, or convert it"
        return Reading(name, stamp, known, failure=("FILE_NOT_FINITE", reason))
    return Reading(name, stamp, known, facts=facts)


def _kept(song: Song, root: Path, relative: Path) -> _Kept:
    """Return what the song of an unchanged file does not have yet; most have all."""
    path, is_old = root / relative, song.tags_version < TAGS_VERSION
    audio, tags, media_type = None, None, ""
    if is_old or not song.audio_sha256 or not song.media_type:
        with at_hand(path, known=_stamp_in(song)) as here:
            # Songs from before that column get the hash once, when nothing else is read.
            audio = None if song.audio_sha256 else audio_hash(here)
            tags = read_tags(here, relative) if is_old else None
            media_type = "" if song.media_type else _media_type(here)
    lyrics = _new_lyrics(song, root, path, None if tags and tags.is_unread else tags)
    return _Kept(song, lyrics, audio, tags, media_type)


def _media_type(path: Path) -> str:
    """Return the media type of a file that is a song already; empty if it cannot be told."""
    try:
        return probe(path).media_type
    except AudioError:
        return ""


def _failure_of(path: Path, error: Exception) -> tuple[str, str]:
    """Return the code and the reason for which a file cannot become a song."""
    machine_errors_raise(error)
    if isinstance(error, AudioError | PathError | FileUnusableError):
        return error.code, storable_text(str(getattr(error, "reason", error)))
    if isinstance(error, OSError):
        return "FILE_UNREADABLE", storable_text(str(error.strerror or error))
    logger.exception("%s: an unexpected error while it was read", path)
    what = f"{type(error).__name__}: {error}".replace(str(path), path.name)
    return "FILE_READ_FAILED", storable_text(
        f"reading it raised {what}; the file is probably damaged: convert it to another format, or "
        "write its tags again"
    )


def _stamp_in(row: Song | IngestFailure | KnownCopy) -> FileStamp:
    return FileStamp(row.file_size_bytes, row.file_mtime_ns)


def _new_lyrics(song: Song, root: Path, path: Path, tags: Tags | None) -> Lyrics | None:
    """Return the lyrics of an unchanged file if they differ from the song's, else None.

    Without `tags` those in the tags are not read again, and only files beside it count.
    """
    if song.lyrics_source == "admin" or (song.lyrics_source == "tag" and tags is None):
        return None
    lyrics = lyrics_find(path=path, root=root, tag_lyrics=tags.lyrics if tags else "")
    is_online = song.lyrics_source == ONLINE or song.lyrics_note.startswith(ONLINE_REFUSED)
    if is_online and not lyrics.text:
        return None
    is_same = (lyrics.text, lyrics.note) == (song.lyrics, song.lyrics_note)
    is_refused = not tags and lyrics.text == song.lyrics and "in the tags" in song.lyrics_note
    return None if is_same or is_refused else lyrics
