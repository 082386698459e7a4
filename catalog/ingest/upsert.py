"""The results of a scan, written to the database. Call each function inside a transaction.

A song is identified by its bytes, not by its path:

=====================  ==============================  =======================================
the bytes are          the song at that path           outcome
=====================  ==============================  =======================================
new                    none                            added
new                    had other bytes                 changed: it gets the new bytes
known, at this path    the same                        unchanged (or changed: other lyrics)
known, elsewhere,      none, or had other bytes and    duplicates: the file adds nothing
and still there        has lost its file now
known, elsewhere,      none, or had other bytes and    moved: the known song is here now
no longer there        has lost its file now
=====================  ==============================  =======================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Concat

from catalog.errors import PathError
from catalog.files.scan import FileStamp, stamp_of
from catalog.models import IngestFailure, Library, Song
from catalog.paths import to_stored
from catalog.selectors import library_find, song_path
from catalog.work.queue import PENDING_AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from catalog.files.lyrics import Lyrics
    from catalog.files.scan import FileFacts


class Outcome(StrEnum):
    """The outcome for one file; the values are keys of `BackgroundJob.result`."""

    ADDED = "added"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicates"
    CHANGED = "changed"
    MOVED = "moved"
    RESTORED = "restored"
    FAILED = "failed"


@transaction.atomic
def library_ensure(*, folder: Path) -> Library:
    """Return the library that contains `folder`, which is resolved; create it if there is none.

    Libraries inside the new one become part of it, with their songs.
    """
    if library := library_find(folder):
        return library
    root = to_stored(folder)
    name = root[-200:].rsplit("/", 1)[-1]
    # Another process may create it at the same moment; then that one is found.
    library, _ = Library.objects.get_or_create(root=root, defaults={"name": name})
    # `startswith` ignores case in SQLite, so the path is compared again below.
    for inner in Library.objects.filter(root__startswith=root.rstrip("/") + "/"):
        if not inner.path.is_relative_to(folder):
            continue
        prefix = Value(to_stored(inner.path.relative_to(folder)) + "/")
        moved = {"library": library, "relative_path": Concat(prefix, "relative_path")}
        inner.songs.update(**moved)
        inner.failures.update(**moved)
        inner.delete()
    return library


def song_upsert(*, library: Library, relative_path: str, facts: FileFacts) -> Outcome:
    """Write a file that could be read, by the table above."""
    here = Song.objects.filter(
        library=library, relative_path=relative_path, is_available=True
    ).first()
    same = Song.objects.filter(content_sha256=facts.content_sha256).first()
    IngestFailure.objects.filter(library=library, relative_path=relative_path).delete()
    if same is None:
        outcome = Outcome.CHANGED if here else Outcome.ADDED
        song = here or Song(library=library)
    elif same == here:
        outcome, song = Outcome.UNCHANGED, same
    else:
        if here:
            _lose(here)
        if same.is_available and _is_in_place(same):
            return Outcome.DUPLICATE
        outcome, song = Outcome.MOVED, same
    is_changed = _fill(song, library, relative_path, facts)
    return Outcome.CHANGED if outcome is Outcome.UNCHANGED and is_changed else outcome


def song_keep(*, song: Song, lyrics: Lyrics | None) -> Outcome:
    """Write that a song's file is unchanged; `lyrics` are new lyrics beside it, or None."""
    outcome = Outcome.UNCHANGED if song.is_available else Outcome.RESTORED
    values: dict[str, object] = {"is_available": True}
    if lyrics:
        values |= {"lyrics": lyrics.text, "lyrics_source": lyrics.source, **PENDING_AGAIN}
        song.forget_lyric_lines()
        outcome = Outcome.CHANGED
    if outcome is not Outcome.UNCHANGED:
        _save(song, values)
    return outcome


def failure_upsert(
    *, library: Library, relative_path: str, stamp: FileStamp, code: str, message: str
) -> Outcome:
    """Write that a file cannot become a song; a song at that path becomes unavailable."""
    for song in Song.objects.filter(
        library=library, relative_path=relative_path, is_available=True
    ):
        _lose(song)
    IngestFailure.objects.update_or_create(
        library=library,
        relative_path=relative_path,
        defaults={
            "file_size_bytes": stamp.size_bytes,
            "file_mtime_ns": stamp.mtime_ns,
            "code": code,
            "message": message,
        },
    )
    return Outcome.FAILED


def _fill(song: Song, library: Library, relative_path: str, facts: FileFacts) -> bool:
    """Save the facts of a file; return whether the song must be analysed again."""
    before = song.input_sha256
    values = {
        "library": library,
        "relative_path": relative_path,
        "is_available": True,
        "content_sha256": facts.content_sha256,
        "file_size_bytes": facts.stamp.size_bytes,
        "file_mtime_ns": facts.stamp.mtime_ns,
        "duration_seconds": facts.duration_seconds,
        "title": facts.tags.title,
        "artist": facts.tags.artist,
        "album": facts.tags.album,
        "genre": facts.tags.genre,
        "year": facts.tags.year,
        "lyrics": facts.lyrics.text,
        "lyrics_source": facts.lyrics.source,
    }
    if song.pk is not None and song.lyrics != facts.lyrics.text:
        song.forget_lyric_lines()
    _set(song, values)
    is_changed = before != song.input_sha256 or song.status == Song.Status.FAILED
    _save(song, {**values, **PENDING_AGAIN} if is_changed else values)
    return is_changed


def _set(song: Song, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        setattr(song, name, value)


def _save(song: Song, values: Mapping[str, object]) -> None:
    """Save only these values, because a worker may be writing others of the same song."""
    _set(song, values)
    song.save(update_fields=None if song.pk is None else [*values, "updated_at"])


def _lose(song: Song) -> None:
    _save(song, {"is_available": False})


def _is_in_place(song: Song) -> bool:
    try:
        stamp = stamp_of(song_path(song))
    except (OSError, PathError):
        return False
    return stamp == FileStamp(song.file_size_bytes, song.file_mtime_ns)
