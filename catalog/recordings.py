"""Which songs are the same recording in several files: album, best-of, remaster, other codec.

Two songs are one recording if their encoded audio is the same; or if they have the same
`recording_key` (first artist, title without packaging), about the same length, and sound the same:
by their acoustic fingerprints where Chromaprint is installed, else by embeddings of almost the same
direction. Each song is compared once, when it has been analysed, with the few songs that share its
hash or its key and length; so the cost grows with the number of songs.

What staff decided (`recordings_join`, `recordings_split`) is never changed by `recordings_link`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from catalog.errors import FileUnusableError, PathError, StoreAwayError
from catalog.files.fingerprint import fingerprint, is_fingerprinting_there, is_same_sound
from catalog.models import Library, Recording, Song, SongEmotion
from catalog.selectors import song_file
from mer.prediction import EMBEDDING_DIM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import QuerySet

SAME_COSINE: Final = 0.95
"""Embeddings of one recording in several files are at least so similar."""
SAME_SECONDS: Final = 2.0
SAME_SHARE: Final = 0.01
"""Lengths of one recording differ by at most `SAME_SECONDS` or this share of the length."""
MOST_COMPARED: Final = 50
"""Each song is compared with at most so many others."""
SONGS_AT_ONCE: Final = 200
_RECORDINGS_LOCK: Final = 0x6166665F72656364
"""Key of the PostgreSQL advisory lock on recordings; no other code takes it."""
_LOSSLESS: Final = frozenset(
    (".flac", ".wav", ".aiff", ".aif", ".ape", ".wv", ".tta", ".alac", ".dsf", ".au", ".caf")
)


def recordings_link(*, model_version: str, most: int = 2_000) -> int:
    """Compare songs that were not compared yet, at most `most`; return how many were.

    A song waits until it has an emotion by that model: without one it may match nothing.
    """
    emotions = SongEmotion.objects.filter(song=OuterRef("pk"), model_version=model_version)
    waiting = Song.objects.filter(
        Exists(emotions),
        is_recording_checked=False,
        is_available=True,
        status=Song.Status.ANALYSED,
    )
    done = 0
    while done < most:
        page = list(waiting.select_related("library").order_by("pk")[:SONGS_AT_ONCE])
        if not page:
            break
        # Fingerprints are made here, before the database is locked.
        found = _found(page, model_version)
        done += _write(page, found)
    return done


@transaction.atomic
def recordings_join(*, song_ids: Iterable[int]) -> Recording:
    """Make the songs one recording, by decision of staff; it leaves their other files alone."""
    recordings_lock()
    songs = list(Song.objects.select_for_update().filter(pk__in=list(song_ids)).order_by("pk"))
    left = {song.recording_id for song in songs if song.recording_id}
    recording = Recording.objects.create()
    _update(songs, recording=recording, is_recording_manual=True)
    _settle([recording.pk, *left])
    return recording


@transaction.atomic
def recordings_split(*, song_ids: Iterable[int]) -> None:
    """Make each of the songs a recording of its own, by decision of staff."""
    recordings_lock()
    songs = list(Song.objects.select_for_update().filter(pk__in=list(song_ids)).order_by("pk"))
    left = {song.recording_id for song in songs if song.recording_id}
    # The others stay together by the same decision, or the next comparison would bring one back.
    _update(list(Song.objects.filter(recording__in=left)), is_recording_manual=True)
    for song in songs:
        _update([song], recording=Recording.objects.create(), is_recording_manual=True)
    _settle([song.recording_id for song in songs] + list(left))


@transaction.atomic
def recordings_release(*, song_ids: Iterable[int]) -> None:
    """Forget what staff decided about the songs; they are compared again."""
    recordings_lock()
    songs = list(Song.objects.select_for_update().filter(pk__in=list(song_ids)))
    left = {song.recording_id for song in songs if song.recording_id}
    _update(songs, recording=None, is_recording_manual=False, is_recording_checked=False)
    _settle(list(left))


@transaction.atomic
def recordings_settle(*, recording_ids: Iterable[int]) -> None:
    """Rank the files that are left of recordings, after songs of them were deleted."""
    recordings_lock()
    _settle(recording_ids)


def recording_files(song: Song) -> QuerySet[Song]:
    """Return the other songs of the same recording whose files are there, best first."""
    if song.recording_id is None:
        return Song.objects.none()
    others = Song.objects.filter(recording=song.recording_id, is_available=True)
    return others.exclude(pk=song.pk).order_by("recording_rank", "pk")


@transaction.atomic
def _write(page: Sequence[Song], found: Mapping[int, Sequence[int]]) -> int:
    """Link the songs that have not changed since they were compared; return the length of page."""
    recordings_lock()
    locked = Song.objects.select_for_update().filter(pk__in=list(found)).in_bulk()
    is_linked = False
    unchanged = [
        song.pk
        for song in page
        if song.pk in locked and _compared(locked[song.pk]) == _compared(song)
    ]
    for pk in unchanged:
        now = locked[pk]
        if not found[pk] and now.recording_id is None and not is_linked:
            continue
        # Those before may have linked it.
        now.refresh_from_db(fields=["recording", "is_recording_manual"])
        matches = Song.objects.select_related("recording").in_bulk(found[pk])
        _link(now, [matches[match] for match in found[pk] if match in matches])
        is_linked = True
    Song.objects.filter(pk__in=unchanged).update(is_recording_checked=True)
    return len(page)


def recordings_lock() -> None:
    """Wait until no other transaction links songs, or two could wait for each other's rows."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_RECORDINGS_LOCK])
    # SQLite: the transaction is IMMEDIATE, so it is the only one that writes.


def _compared(song: Song) -> tuple[object, ...]:
    return song.audio_sha256, song.recording_key, song.duration_seconds


def _link(song: Song, matches: Sequence[Song]) -> None:
    """Put a song to the songs that it is one recording with."""
    if song.is_recording_manual:
        _settle([song.recording_id])
        return
    left = song.recording_id
    recording = _recording_of(matches)
    if recording is not None or left is not None:
        _update([song], recording=recording)
    if recording is not None:
        free = [match for match in matches if not match.is_recording_manual]
        others = {match.recording_id for match in free} - {None, recording.pk}
        manual = Song.objects.filter(recording__in=others, is_recording_manual=True)
        others -= set(manual.values_list("recording_id", flat=True))
        merged = Q(recording__in=others) | Q(pk__in=[m.pk for m in free if m.recording_id is None])
        _update(list(Song.objects.filter(merged)), recording=recording)
        _settle([recording.pk, *others])
    if left is not None:
        _settle([left])


def _recording_of(matches: Sequence[Song]) -> Recording | None:
    """Return the recording that a song with these matches belongs to; None if it is alone."""
    if not matches:
        return None
    chosen = [match for match in matches if match.is_recording_manual and match.recording_id]
    known = [match for match in matches if match.recording_id]
    first = next(iter(chosen or known), None)
    return first.recording if first else Recording.objects.create()


def _found(page: Sequence[Song], model_version: str) -> dict[int, list[int]]:
    """Return the matches of each song of a page; most songs share neither hash nor key."""
    hashes = _shared("audio_sha256", [song.audio_sha256 for song in page if song.has_audio_hash])
    keys = _shared("recording_key", [song.recording_key for song in page if song.recording_key])
    return {
        song.pk: _matches(song, model_version)
        if song.has_audio and (song.audio_sha256 in hashes or song.recording_key in keys)
        else []
        for song in page
    }


def _shared(field: str, values: Sequence[str]) -> set[str]:
    """Return the values that more than one available song has."""
    if not values:
        return set()
    songs = Song.objects.filter(is_available=True, **{f"{field}__in": values}).order_by()
    counts = songs.values(field).annotate(n=Count("pk")).filter(n__gt=1)
    return set(counts.values_list(field, flat=True))


def _matches(song: Song, model_version: str) -> list[int]:
    """Return the ids of the songs that are the same recording, the surest first."""
    files = Song.objects.filter(is_available=True, library__kind=Library.Kind.FOLDER)
    others = files.exclude(pk=song.pk).order_by("pk")
    same: list[int] = []
    if song.has_audio_hash:
        equal = others.filter(audio_sha256=song.audio_sha256)
        same += equal.values_list("pk", flat=True)[:MOST_COMPARED]
    if not song.recording_key or not song.duration_seconds:
        return same
    margin = max(SAME_SECONDS, SAME_SHARE * song.duration_seconds)
    between = (song.duration_seconds - margin, song.duration_seconds + margin)
    alike = others.filter(
        recording_key=song.recording_key,
        duration_seconds__range=between,
        status=Song.Status.ANALYSED,
    ).exclude(pk__in=same)
    candidates = list(alike.select_related("library").defer("lyrics")[:MOST_COMPARED])
    if candidates:
        same += _same_sounds(song, candidates, model_version)
    return same


def _same_sounds(song: Song, candidates: Sequence[Song], model_version: str) -> list[int]:
    """Return the ids of the candidates that sound the same, the most similar first."""
    held = SongEmotion.objects.filter(
        song__in=[song.pk, *(candidate.pk for candidate in candidates)],
        model_version=model_version,
    ).values_list("song_id", "fused_embedding")
    vectors = {song_id: np.frombuffer(data, "<f4") for song_id, data in held}
    nothing = np.zeros(EMBEDDING_DIM, np.float32)
    own = vectors.get(song.pk, nothing)
    cosines = {c.pk: float(own @ vectors.get(c.pk, nothing)) for c in candidates}
    compared = (song, *candidates) if is_fingerprinting_there() else ()
    prints = {one.pk: song_fingerprint(one) for one in compared}
    near = [
        candidate.pk
        for candidate in candidates
        if (
            is_same_sound(prints[song.pk], prints[candidate.pk])
            if prints.get(song.pk) and prints.get(candidate.pk)
            else cosines[candidate.pk] >= SAME_COSINE
        )
    ]
    return sorted(near, key=lambda pk: (-cosines[pk], pk))


def song_fingerprint(song: Song) -> bytes:
    """Return the fingerprint of a song's file, made on first use; empty if there is none."""
    if not song.fingerprint:
        try:
            with song_file(song) as path:
                song.fingerprint = fingerprint(path)
        except (PathError, FileUnusableError, StoreAwayError):
            return b""
        if song.fingerprint:
            Song.objects.filter(pk=song.pk).update(fingerprint=song.fingerprint)
    return bytes(song.fingerprint)


def _settle(recording_ids: Iterable[int | None]) -> None:
    """Rank the files of recordings, and end recordings that have one file."""
    wanted = [pk for pk in dict.fromkeys(recording_ids) if pk is not None]
    few = Recording.objects.filter(pk__in=wanted).annotate(n=Count("songs")).filter(n__lt=2)
    for recording in few:
        _update(list(recording.songs.all()), recording=None, recording_rank=0)
        recording.delete()
    for pk in wanted:
        ranked = sorted(Song.objects.filter(recording=pk).defer("lyrics"), key=_worth)
        for rank, song in enumerate(ranked):
            if song.recording_rank != rank:
                _update([song], recording_rank=rank)


def _worth(song: Song) -> tuple[object, ...]:
    """Return what songs of one recording are ordered by: lossless, tags, bitrate, age."""
    suffix = song.relative_path[song.relative_path.rfind(".") :].lower()
    tags = (song.title, song.artist, song.album, song.genre, song.year, song.lyrics_source)
    bitrate = song.file_size_bytes / (song.duration_seconds or 1.0)
    return suffix not in _LOSSLESS, -sum(map(bool, tags)), -round(bitrate, -3), song.pk


def _update(songs: Sequence[Song], **values: object) -> None:
    """Change songs without their texts, so that a worker's writes are left alone."""
    for name, value in values.items():
        for song in songs:
            setattr(song, name, value)
    Song.objects.filter(pk__in=[song.pk for song in songs]).update(
        **values, updated_at=timezone.now()
    )
