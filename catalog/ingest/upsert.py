"""The results of a scan, written to the database. Call each function inside a transaction.

A song is identified by its bytes, not by its path. A file with bytes that no song has is a song's
file with other tags if its audio is that of the song, by `Song.audio_sha256`:

=====================  ==============================  =======================================
the file is            the song at that path           outcome
=====================  ==============================  =======================================
new                    none                            added
new                    had other bytes                 changed: it gets the new bytes
known, at this path    the same                        unchanged (or changed: other lyrics)
known, elsewhere,      none, or had other bytes and    duplicates: the file adds nothing
and still there        has lost its file now
known, elsewhere,      none, or had other bytes and    moved: the known song is here now
no longer there        has lost its file now
known by its audio     none, or had other audio and    moved: the known song is here now, with
only, and no longer    has lost its file now           the new tags
there
known by its audio     none                            added: two songs that sound the same
only, and still there
=====================  ==============================  =======================================

A song is analysed again only if `Song.input_sha256` differs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from django.db import connection, transaction
from django.db.models import Value
from django.db.models.functions import Concat

from catalog.errors import PathError
from catalog.files.scan import FileStamp, audio_hash, stamp_of
from catalog.files.tags import UNREAD_NOTE
from catalog.ingest.songtags import song_tags_store
from catalog.models import NO_AUDIO_HASH, IngestFailure, KnownCopy, Library, Song
from catalog.paths import to_stored
from catalog.selectors import library_find, song_path
from catalog.work.queue import PENDING_AGAIN
from mer.lyrics import clean_lyrics, mend

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from catalog.files.lyrics import Lyrics
    from catalog.files.scan import FileFacts
    from catalog.files.tags import Tags


_MOST_ALIKE: Final = 100
"""So many songs with the same audio are looked at."""
PASSING_CODES: Final = frozenset({"FILE_UNREADABLE", "FILE_CHANGING"})
"""Failures that may disappear without a change of the file, so the file is read again."""
_LIBRARIES_LOCK: Final = 0x6166665F6C696273
"""Key of the PostgreSQL advisory lock on the set of libraries; no other code takes it."""


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

    Libraries inside the new one become part of it, with their songs. Calls wait for each other, so
    that no library can lie inside another.
    """
    _libraries_lock()
    if library := library_find(folder):
        return library
    root = to_stored(folder)
    name = root[-200:].rsplit("/", 1)[-1]
    library = Library.objects.create(root=root, name=name)
    # `startswith` ignores case in SQLite, so the path is compared again below.
    for inner in Library.objects.filter(root__startswith=root.rstrip("/") + "/"):
        if not inner.path.is_relative_to(folder):
            continue
        prefix = Value(to_stored(inner.path.relative_to(folder)) + "/")
        moved = {"library": library, "relative_path": Concat(prefix, "relative_path")}
        inner.songs.update(**moved)
        inner.failures.update(**moved)
        inner.copies.update(**moved)
        inner.delete()
    return library


def _libraries_lock() -> None:
    """Wait until no other transaction changes the set of libraries."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LIBRARIES_LOCK])
    # SQLite: the transaction is IMMEDIATE, so it is the only one that writes.


def song_upsert(
    *,
    library: Library,
    relative_path: str,
    facts: FileFacts,
    lost: frozenset[int] = frozenset(),
) -> Outcome:
    """Write a file that could be read, by the table above; `lost` is from `songs_lost`."""
    here = Song.objects.filter(
        library=library, relative_path=relative_path, is_available=True
    ).first()
    same = Song.objects.filter(content_sha256=facts.content_sha256).first()
    IngestFailure.objects.filter(library=library, relative_path=relative_path).delete()
    if same is None and (moved := _retagged(here, facts, lost)):
        if here:
            _lose(here)
        outcome, song = Outcome.MOVED, moved
    elif same is None:
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


def song_keep(
    *,
    song: Song,
    lyrics: Lyrics | None,
    audio_sha256: str | None = None,
    tags: Tags | None = None,
    media_type: str = "",
) -> Outcome:
    """Write that a song's file is unchanged.

    `lyrics` are new lyrics beside it, or None. `audio_sha256` is given for a song that has none yet
    because it is older than that column, so is `media_type`, and `tags` for one whose tags an older
    reader has read. Tags that could not be read change nothing.
    """
    tags = None if tags and tags.is_unread else tags
    if media_type:
        song.media_type = media_type
        Song.objects.filter(pk=song.pk).update(media_type=media_type)
    outcome = Outcome.UNCHANGED if song.is_available else Outcome.RESTORED
    values: dict[str, object] = {"is_available": True}
    if audio_sha256 is not None:
        song.audio_learn(audio_sha256)
        Song.objects.filter(pk=song.pk).update(
            audio_sha256=song.audio_sha256, is_recording_checked=False
        )
    before = song.input_sha256
    if lyrics:
        values |= {
            "lyrics": lyrics.text,
            "lyrics_source": lyrics.source,
            "lyrics_note": lyrics.note,
        }
        if lyrics.text != song.lyrics:
            song.forget_lyrics()
            outcome = Outcome.CHANGED
    if tags:
        values |= _mended_texts(song, tags)
    _set(song, values)
    if before != song.input_sha256:
        values |= PENDING_AGAIN
        outcome = Outcome.CHANGED
    if outcome is not Outcome.UNCHANGED or len(values) > 1:
        _save(song, values)
    if tags:
        song_tags_store(song=song, tags=tags)
    return outcome


def _mended_texts(song: Song, tags: Tags) -> dict[str, object]:
    """Return the texts of `tags` for those of an older song that a wrong code page spoiled."""
    values: dict[str, object] = {}
    if song.tags_note.startswith(UNREAD_NOTE):
        return _texts(tags)
    if tags.is_title_from_name and song.title == tags.title:
        values["is_title_from_name"] = True
    spoiled = ("title", "artist", "album", "genre")
    mended, page = mend([getattr(song, name) for name in spoiled])
    if page and tags.note:
        values |= {
            name: text
            for name, text in zip(spoiled, mended, strict=True)
            if text == getattr(tags, name)
        }
    return values


def _texts(tags: Tags) -> dict[str, object]:
    return {
        "title": tags.title,
        "artist": tags.artist,
        "album": tags.album,
        "genre": tags.genre,
        "year": tags.year,
        "is_title_from_name": tags.is_title_from_name,
    }


def copy_upsert(*, library: Library, relative_path: str, facts: FileFacts) -> None:
    """Remember that a file has the bytes of a song that is elsewhere."""
    KnownCopy.objects.update_or_create(
        library=library,
        relative_path=relative_path,
        defaults={
            "file_size_bytes": facts.stamp.size_bytes,
            "file_mtime_ns": facts.stamp.mtime_ns,
            "content_sha256": facts.content_sha256,
        },
    )


def copy_has_its_song(copy: KnownCopy) -> bool:
    """Return whether the song with the bytes of a copy is still in its place."""
    songs = Song.objects.filter(content_sha256=copy.content_sha256, is_available=True)
    song = songs.select_related("library").first()
    return song is not None and _is_in_place(song)


def failure_upsert(
    *, library: Library, relative_path: str, stamp: FileStamp, code: str, message: str
) -> Outcome:
    """Write that a file cannot become a song.

    A song at that path becomes unavailable, unless the failure may pass: a disk with errors must
    not empty the catalogue.
    """
    if code not in PASSING_CODES:
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


def songs_lost(*, here: Song | None, facts: FileFacts) -> frozenset[int]:
    """Return the ids of the songs with the audio of a file that have lost their own files.

    It may hash files, so call it before the transaction of `song_upsert`.
    """
    return frozenset(song.pk for song in _alike(here, facts) if not _has_its_audio(song))


def _alike(here: Song | None, facts: FileFacts) -> list[Song]:
    """Return the songs with the audio of a file, if that is not the song `here` at its path."""
    if here is not None and not here.is_available:
        here = None
    if not facts.audio_sha256 or (here and here.audio_sha256 in {"", facts.audio_sha256}):
        return []
    songs = Song.objects.filter(audio_sha256=facts.audio_sha256).select_related("library")
    return list(songs.order_by("pk")[:_MOST_ALIKE])


def _retagged(here: Song | None, facts: FileFacts, lost_before: frozenset[int]) -> Song | None:
    """Return the song that lost its file and has the audio of this one, which has other tags.

    Songs of `lost_before` may have been found again since, elsewhere.
    """
    lost = [
        song
        for song in _alike(here, facts)
        if not song.is_available or (song.pk in lost_before and not _is_in_place(song))
    ]
    tags = facts.tags

    def difference(song: Song) -> tuple[bool, bool, int]:
        return song.album != tags.album, song.title != tags.title, song.pk

    return min(lost, key=difference, default=None)


def _fill(song: Song, library: Library, relative_path: str, facts: FileFacts) -> bool:
    """Save the facts of a file; return whether the song must be analysed again."""
    if song.content_sha256 == facts.content_sha256 and not song.audio_sha256:
        song.audio_learn(facts.audio_sha256)
    before = song.input_sha256
    is_same_audio = song.has_audio_hash and song.audio_sha256 == facts.audio_sha256
    values: dict[str, object] = {
        "fingerprint": song.fingerprint if is_same_audio else b"",
        "library": library,
        "relative_path": relative_path,
        "is_available": True,
        "content_sha256": facts.content_sha256,
        "audio_sha256": facts.audio_sha256 or NO_AUDIO_HASH,
        "file_size_bytes": facts.stamp.size_bytes,
        "file_mtime_ns": facts.stamp.mtime_ns,
        "duration_seconds": facts.duration_seconds,
        "media_type": facts.media_type,
        "is_recording_checked": False,
    }
    # Tags that could not be read take nothing away from a song that has some.
    keeps_tags = song.pk is not None and facts.tags.is_unread
    if not keeps_tags:
        values |= _texts(facts.tags)
    if not (keeps_tags and song.lyrics_source == "tag"):
        values |= {
            "lyrics_note": facts.lyrics.note,
            "lyrics": facts.lyrics.text,
            "lyrics_source": facts.lyrics.source,
        }
        if song.pk is not None and clean_lyrics(song.lyrics) != clean_lyrics(facts.lyrics.text):
            song.forget_lyrics()
    if keeps_tags:
        values |= {"tags_note": facts.tags.note, "tags_version": 0}
    _set(song, values)
    is_changed = before != song.input_sha256 or song.status == Song.Status.FAILED
    _save(song, {**values, **PENDING_AGAIN} if is_changed else values)
    if not keeps_tags:
        song_tags_store(song=song, tags=facts.tags)
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


def _has_its_audio(song: Song) -> bool:
    """Whether the song still has its file, maybe with other tags than at the last ingest."""
    if not song.is_available or _is_in_place(song):
        return song.is_available
    try:
        return audio_hash(song_path(song)) == song.audio_sha256
    except (OSError, PathError):
        return False


def _is_in_place(song: Song) -> bool:
    try:
        stamp = stamp_of(song_path(song))
    except (OSError, PathError):
        return False
    return stamp == FileStamp(song.file_size_bytes, song.file_mtime_ns)
