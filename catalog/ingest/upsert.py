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
known, and removed     any                             removed: the file adds nothing
by staff
=====================  ==============================  =======================================

Of several songs that a file may be by its audio, it is the one at its path, else one of the same
album, title, or that was in the library until now; else a removed one. A removed song that still
has its own file elsewhere is passed over if another song in the library has the audio.

A song is analysed again only if `Song.input_sha256` differs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from django.db import connection, transaction
from django.db.models import Q, Value
from django.db.models.functions import Concat

from catalog.errors import STORE_ERRORS, FileUnusableError, PathError
from catalog.estimates import ESTIMATED
from catalog.files.lyrics import ONLINE
from catalog.files.scan import audio_hash
from catalog.files.tags import UNREAD_NOTE
from catalog.ingest.songtags import Names, SongTags, song_tags_store
from catalog.models import (
    NO_AUDIO_HASH,
    IngestFailure,
    KnownCopy,
    Library,
    LyricsLookup,
    Song,
)
from catalog.paths import FileStamp, stamp_of, to_stored
from catalog.selectors import library_find, song_file, song_path
from catalog.work.queue import PENDING_AGAIN
from mer.lyrics import clean_lyrics, mend

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from catalog.files.lyrics import Lyrics
    from catalog.files.scan import FileFacts
    from catalog.files.tags import Tags


logger = logging.getLogger(__name__)

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
    REMOVED = "removed"


@transaction.atomic
def library_ensure(*, folder: Path) -> Library:
    """Return the library that contains `folder`, which is resolved; create it if there is none.

    Libraries inside the new one become part of it, with their songs; it is watched as one of them
    was. Calls wait for each other, so that no library can lie inside another.
    """
    libraries_lock()
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
        inner.tag_writes.update(**moved)
        if library.watch == Library.Watch.OFF:
            library.watch = inner.watch
            library.rescan_hours = library.rescan_hours or inner.rescan_hours
            library.save(update_fields=["watch", "rescan_hours"])
        inner.delete()
    return library


def libraries_lock() -> None:
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
    alike: Alike,
    names: Names,
) -> Outcome:
    """Write a file that could be read, by the table above; `alike` is from `songs_alike`.

    A failure of the file that is stored stays; `failures_forget` deletes it.
    """
    here, same = _here_and_same(library, relative_path, facts.content_sha256)
    at = library.pk, relative_path
    moved = _retagged(here, at, facts, alike.lost) if same is None and alike.is_any else None
    if (known := same or moved) and known.is_removed:
        return _stay_away(known, library, relative_path, facts.stamp)
    if moved:
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
    is_changed = _fill(song, library, relative_path, facts, names)
    return Outcome.CHANGED if outcome is Outcome.UNCHANGED and is_changed else outcome


def _here_and_same(
    library: Library, relative_path: str, content_sha256: str
) -> tuple[Song | None, Song | None]:
    """Return the available song at a path and the song with these bytes, which may be one."""
    at = {"library": library, "relative_path": relative_path, "is_available": True}
    found = list(Song.objects.filter(Q(**at) | Q(content_sha256=content_sha256)).order_by("pk"))
    same = next((song for song in found if song.content_sha256 == content_sha256), None)
    place = library.pk, relative_path
    here = [s for s in found if s.is_available and (s.library_id, s.relative_path) == place]
    return (same if same in here else next(iter(here), None)), same


def failures_forget(*, library: Library, relative_paths: Collection[str]) -> None:
    """Delete the failures of files that have become songs."""
    IngestFailure.objects.filter(library=library, relative_path__in=relative_paths).delete()


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
    reader has read. Tags that could not be read change nothing. A song whose analysis failed for a
    reason that may have passed is analysed again.
    """
    tags = None if tags and tags.is_unread else tags
    has_passed = song.status == Song.Status.FAILED and song.failure_code in PASSING_CODES
    is_complete = song.is_available and audio_sha256 is None and not (lyrics or tags or media_type)
    if is_complete and not has_passed:
        return Outcome.UNCHANGED
    if media_type:
        song.media_type = media_type
        Song.objects.filter(pk=song.pk).update(media_type=media_type)
    outcome = Outcome.UNCHANGED if song.is_available else Outcome.RESTORED
    # Not of a song that was available: staff may have removed it since it was read.
    values: dict[str, object] = {} if song.is_available else {"is_available": True}
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
        outcome = Outcome.CHANGED
    if has_passed or before != song.input_sha256:
        values |= PENDING_AGAIN
    if outcome is not Outcome.UNCHANGED or values:
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
    *,
    library: Library,
    relative_path: str,
    stamp: FileStamp,
    code: str,
    message: str,
    removed: Song | None = None,
) -> Outcome:
    """Write that a file cannot become a song, or may not, because staff removed the song `removed`.

    A row that names that song keeps it if it is not given again. A song at that path becomes
    unavailable, unless the failure may pass: a disk with errors must not empty the catalogue.
    """
    if code not in PASSING_CODES:
        for song in Song.objects.filter(
            library=library, relative_path=relative_path, is_available=True
        ):
            _lose(song)
    named = {} if code == IngestFailure.REMOVED and removed is None else {"song": removed}
    IngestFailure.objects.update_or_create(
        library=library,
        relative_path=relative_path,
        defaults={
            "file_size_bytes": stamp.size_bytes,
            "file_mtime_ns": stamp.mtime_ns,
            "code": code,
            "message": message,
            **named,
        },
    )
    return Outcome.REMOVED if code == IngestFailure.REMOVED else Outcome.FAILED


def _stay_away(song: Song, library: Library, relative_path: str, stamp: FileStamp) -> Outcome:
    """Write that a file is of a removed song; the song follows its file, to be restored there."""
    if (song.library_id, song.relative_path) != (library.pk, relative_path) and not _is_in_place(
        song
    ):
        _save(song, {"library": library, "relative_path": relative_path})
    return failure_upsert(
        library=library,
        relative_path=relative_path,
        stamp=stamp,
        code=IngestFailure.REMOVED,
        message=IngestFailure.REMOVED_MESSAGE,
        removed=song,
    )


@dataclass(frozen=True, slots=True)
class Alike:
    """Whether songs have the audio of a file, and the ids of those that lost their own files."""

    is_any: bool = False
    lost: frozenset[int] = frozenset()


def songs_alike(*, here: Song | None, facts: FileFacts) -> Alike:
    """Return what songs have the audio of a file, if that is not the song `here` at its path.

    It may hash files, so call it before the transaction of `song_upsert`.
    """
    alike = _alike(here, facts)
    lost = frozenset(song.pk for song in alike if not _has_its_audio(song))
    return Alike(is_any=bool(alike), lost=lost)


def _alike(here: Song | None, facts: FileFacts) -> list[Song]:
    """Return the songs with the audio of a file, if that is not the song `here` at its path."""
    if here is not None and not here.is_available:
        here = None
    if not facts.audio_sha256 or (here and here.audio_sha256 in {"", facts.audio_sha256}):
        return []
    songs = Song.objects.filter(audio_sha256=facts.audio_sha256).select_related("library")
    return list(songs.order_by("pk")[:_MOST_ALIKE])


def _retagged(
    here: Song | None, at: tuple[int, str], facts: FileFacts, lost_before: frozenset[int]
) -> Song | None:
    """Return the song that has the audio of the file at `at` and lost its own, or was removed.

    Songs of `lost_before` may have been found again since, elsewhere.
    """
    alike = _alike(here, facts)
    has_another = any(song.is_available for song in alike)

    def is_at(song: Song) -> bool:
        return (song.library_id, song.relative_path) == at

    def is_lost(song: Song) -> bool:
        if song.is_removed:
            return is_at(song) or not has_another or not _is_in_place(song)
        return not song.is_available or (song.pk in lost_before and not _is_in_place(song))

    def difference(song: Song) -> tuple[object, ...]:
        differs = song.album != facts.tags.album, song.title != facts.tags.title
        return not is_at(song), *differs, not song.is_available, not song.is_removed, song.pk

    return min(filter(is_lost, alike), key=difference, default=None)


def _fill(song: Song, library: Library, relative_path: str, facts: FileFacts, names: Names) -> bool:
    """Save the facts of a file; return whether the song must be analysed again."""
    if song.content_sha256 == facts.content_sha256 and not song.audio_sha256:
        song.audio_learn(facts.audio_sha256)
    before = song.input_sha256
    is_same_audio = song.content_sha256 == facts.content_sha256 or (
        song.has_audio_hash and song.audio_sha256 == facts.audio_sha256
    )
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
    if not is_same_audio:
        values |= dict.fromkeys(ESTIMATED)  # of another sound
    # Tags that could not be read take nothing away from a song that has some.
    keeps_tags = song.pk is not None and facts.tags.is_unread
    if not keeps_tags:
        values |= _texts(facts.tags)
    names_before = (song.title, song.artist)
    names_after = names_before if keeps_tags else (facts.tags.title, facts.tags.artist)
    is_same_song = is_same_audio and names_before == names_after
    if song.pk is not None and not is_same_song:
        LyricsLookup.objects.filter(song=song).delete()  # it is another question
    keeps_online = song.lyrics_source == ONLINE and is_same_song and not facts.lyrics.text
    if not keeps_online and not (keeps_tags and song.lyrics_source == "tag"):
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
    told = None if keeps_tags else SongTags(song, facts.tags, names)
    if told:
        values |= told.values
    is_changed = before != song.input_sha256 or song.status == Song.Status.FAILED
    is_new = song.pk is None
    _save(song, {**values, **PENDING_AGAIN} if is_changed else values)
    if told:
        told.write(is_new=is_new)
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
        with song_file(song) as path:
            return audio_hash(path) == song.audio_sha256
    except (*STORE_ERRORS, FileUnusableError):  # nobody knows: the object does not come whole
        return True
    except (OSError, PathError):
        return False


def _is_in_place(song: Song) -> bool:
    """Whether a song has its file; as nobody knows it of a store that is away, it is believed."""
    try:
        stamp = stamp_of(song_path(song))
    except STORE_ERRORS as error:
        logger.warning("%s: taken as in its place: %s", song.shown_title, error)
        return True
    except (OSError, PathError):
        return False
    return stamp == FileStamp(song.file_size_bytes, song.file_mtime_ns)
