"""What staff change of many songs at once: texts, and whether they are in the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from catalog.errors import PathError
from catalog.files.names import folded
from catalog.ingest.songtags import song_texts_refresh
from catalog.models import IngestFailure, Song
from catalog.selectors import song_path
from catalog.work.queue import songs_analyse_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CORRECTABLE: Final = ("title", "artist", "album", "genre", "year")
_OF_THE_MODEL: Final = frozenset({"title", "artist", "lyrics"})
"""Texts that the model reads, so that a song is analysed again when they change."""


@transaction.atomic
def songs_correct(*, song_ids: Iterable[int], changes: Mapping[str, str | int | None]) -> int:
    """Give songs the texts of `changes`, by names of `CORRECTABLE`; return how many changed.

    An ingest keeps them until the file itself changes. Credits, albums and genres follow. Songs
    with another title or artist are analysed again.
    """
    if unknown := changes.keys() - set(CORRECTABLE):
        raise ValueError(f"cannot be corrected: {', '.join(sorted(unknown))}")
    count, again = 0, []
    songs = Song.objects.select_for_update(of=("self",)).select_related("album_entry")
    for song in songs.filter(pk__in=list(song_ids)).order_by("pk"):
        changed = {name for name, value in changes.items() if getattr(song, name) != value}
        if not changed:
            continue
        _correct(song, {name: changes[name] for name in changed})
        count += 1
        if not changed.isdisjoint(_OF_THE_MODEL):
            again.append(song.pk)
    if again:
        songs_analyse_again(song_ids=again)
    return count


@transaction.atomic
def song_complete(*, song: Song, values: Mapping[str, Any]) -> bool:
    """Give a song the columns of `values`, as `songs_correct`; return whether any differs.

    Beside `CORRECTABLE` these are album_artist, language, is_explicit, bpm,
    musicbrainz_recording_id and lyrics.
    """
    changed = {name: value for name, value in values.items() if getattr(song, name) != value}
    if not changed:
        return False
    is_input = not _OF_THE_MODEL.isdisjoint(changed)
    _correct(song, changed)
    if is_input:
        songs_analyse_again(song_ids=[song.pk])
    return True


def _correct(song: Song, values: dict[str, Any]) -> None:
    changed = set(values)
    if "lyrics" in values:
        values |= {"lyrics_source": "admin", "lyrics_note": ""}  # an ingest keeps these
        song.forget_lyrics()
    if "album_artist" in values:
        changed.add("album")
    if "title" in values:
        values["is_title_from_name"] = False
    # An album artist that was the artist stays so.
    is_same = folded(song.album_artist) == folded(song.artist)
    if "artist" in values and "album_artist" not in values and is_same:
        values["album_artist"] = values["artist"] if song.album_artist else ""
    for name, value in values.items():
        setattr(song, name, value)
    song.save(update_fields=[*values, "updated_at"])
    song_texts_refresh(song=song, changed=changed)


@transaction.atomic
def songs_remove(*, song_ids: Iterable[int]) -> int:
    """Take songs out of the library; return how many. Their files stay where they are.

    No list shows them, and no ingest adds them again, wherever it finds their bytes or their audio,
    until `songs_restore` is called. What listeners said of them is kept.
    """
    songs = Song.objects.select_for_update().filter(pk__in=list(song_ids), is_available=True)
    count = 0
    for song in songs.order_by("pk"):
        IngestFailure.objects.update_or_create(
            library_id=song.library_id,
            relative_path=song.relative_path,
            defaults={
                "file_size_bytes": song.file_size_bytes,
                "file_mtime_ns": song.file_mtime_ns,
                "code": IngestFailure.REMOVED,
                "message": IngestFailure.REMOVED_MESSAGE,
                "song": song,
            },
        )
        count += 1
        song.is_available, song.is_removed = False, True
        song.save(update_fields=["is_available", "is_removed", "updated_at"])
    return count


@transaction.atomic
def songs_restore(*, song_ids: Iterable[int]) -> int:
    """Put removed songs back whose files are still there; return how many."""
    songs = Song.objects.select_for_update(of=("self",)).select_related("library")
    restored = []
    for song in songs.filter(pk__in=list(song_ids), is_removed=True).order_by("pk"):
        is_taken = Song.objects.filter(
            library=song.library, relative_path=song.relative_path, is_available=True
        ).exists()
        if not is_taken and _is_there(song):
            restored.append(song.pk)
    if restored:
        # Copies have such rows, too. Those of former versions name no song; the files of other
        # songs are read once more and get theirs again.
        named = Q(song__in=restored) | Q(song=None)
        IngestFailure.objects.filter(named, code=IngestFailure.REMOVED).delete()
    return Song.objects.filter(pk__in=restored).update(
        is_available=True, is_removed=False, updated_at=timezone.now()
    )


def _is_there(song: Song) -> bool:
    if not song.has_audio:  # its row may have left the table; the next import says so
        return True
    try:
        song_path(song)
    except PathError:
        return False
    return True
