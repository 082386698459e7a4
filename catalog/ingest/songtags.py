"""Tags of a song in the tables of artists, albums, credits and genres.

An artist is known as soon as some song credits it for sure. Then songs by "A & B" become songs by A
and B, also those that were catalogued before (`Artist.lead_key`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils import timezone

from catalog.files.credits import MAIN, Credit, credits_of, lead_key
from catalog.files.names import folded, is_various
from catalog.files.tags import TAGS_VERSION
from catalog.models import Album, Artist, Genre, Song, SongCredit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalog.files.tags import Tags

_MOST_AGAIN: Final = 10_000


def song_tags_store(*, song: Song, tags: Tags) -> None:
    """Write credits, album, genres and numbers of a saved song. Call it inside a transaction.

    The song's own texts win over those of `tags` where they differ, because staff corrected them.
    """
    is_own = song.artist == tags.artist
    credits = credits_of(
        tags.artist_values if is_own else [song.artist],
        title=song.title,
        artists=tags.artists if is_own else (),
        musicbrainz_ids=tags.musicbrainz_artist_ids if is_own else (),
        is_known=_is_known,
    )
    sort_name = tags.artist_sort if len(credits) == 1 else ""
    fresh = _credits_write(song, credits, sort_name=sort_name)
    song.genres.set(_genres(tags.genres if song.genre == tags.genre else [song.genre]))
    values = {
        "artist_key": credits[0].key if credits else "",
        "album_entry": _album(song, tags, credits),
        "album_artist": tags.album_artist,
        "track_number": tags.track_number,
        "disc_number": tags.disc_number,
        "bpm": tags.bpm,
        "language": tags.language,
        "is_explicit": tags.is_explicit,
        "replaygain_db": tags.replaygain_db,
        "mood_tags": list(tags.moods),
        "musicbrainz_recording_id": tags.musicbrainz_recording_id,
        "tags_note": tags.note,
        "tags_version": 0 if tags.is_unread else TAGS_VERSION,
    }
    Song.objects.filter(pk=song.pk).update(**values)
    for name, value in values.items():
        setattr(song, name, value)
    _split_again(fresh)


def song_credits_refresh(*, song: Song) -> None:
    """Write the credits of a song anew, from its texts alone; for songs that staff corrected."""
    _split_again(_refresh(song))


def _refresh(song: Song) -> list[str]:
    credits = credits_of([song.artist], title=song.title, is_known=_is_known)
    fresh = _credits_write(song, credits)
    song.artist_key = credits[0].key if credits else ""
    # The index reads the songs that changed.
    Song.objects.filter(pk=song.pk).update(artist_key=song.artist_key, updated_at=timezone.now())
    return fresh


def _split_again(keys: list[str]) -> None:
    """Split the names "A & B" whose first part has just become known."""
    budget = _MOST_AGAIN
    while keys and budget > 0:
        songs = Song.objects.filter(credits__artist__lead_key=keys.pop()).distinct()
        for song in songs.order_by("pk")[:budget]:
            keys += _refresh(song)
            budget -= 1


def _is_known(key: str) -> bool:
    return Artist.objects.filter(key=key).exists()


def _credits_write(song: Song, credits: Sequence[Credit], *, sort_name: str = "") -> list[str]:
    """Replace the credits of a song; return the keys of artists that are new."""
    keys = [credit.key for credit in credits]
    known = set(Artist.objects.filter(key__in=keys).values_list("key", flat=True))
    before = set(song.credits.values_list("artist_id", flat=True))
    song.credits.all().delete()
    rows = [
        SongCredit(
            song=song,
            artist=_artist(credit, sort_name),
            role=credit.role,
            position=position,
            name=credit.name,
        )
        for position, credit in enumerate(credits)
    ]
    SongCredit.objects.bulk_create(rows)
    left = before - {row.artist_id for row in rows}
    Artist.objects.filter(pk__in=left, credits__isnull=True, albums__isnull=True).delete()
    return [key for key in keys if key not in known]


def _artist(credit: Credit, sort_name: str = "") -> Artist:
    artist, _ = Artist.objects.get_or_create(
        key=credit.key,
        defaults={
            "name": credit.name,
            "sort_name": sort_name,
            "lead_key": lead_key(credit.name),
            "musicbrainz_id": credit.musicbrainz_id,
        },
    )
    missing = {
        name: value
        for name, value in (("sort_name", sort_name), ("musicbrainz_id", credit.musicbrainz_id))
        if value and not getattr(artist, name)
    }
    if missing:
        Artist.objects.filter(pk=artist.pk).update(**missing)
    return artist


def _album(song: Song, tags: Tags, credits: Sequence[Credit]) -> Album | None:
    key = folded(song.album)
    if not key:
        return None
    by = tags.album_artist
    is_compilation = tags.is_compilation or is_various(by)
    artist = None
    if by and not is_various(by):
        owners = credits_of([by], is_known=_is_known)
        artist = _artist(owners[0]) if owners else None
    elif not is_compilation:
        artist = next((_artist(credit) for credit in credits if credit.role == MAIN), None)
    album, _ = Album.objects.get_or_create(
        key=key,
        artist=artist,
        defaults={
            "title": song.album,
            "year": song.year,
            "musicbrainz_id": tags.musicbrainz_album_id,
            "is_compilation": is_compilation,
        },
    )
    if tags.musicbrainz_album_id and not album.musicbrainz_id:
        Album.objects.filter(pk=album.pk).update(musicbrainz_id=tags.musicbrainz_album_id)
    if song.year:
        # The first year that any of its songs has.
        Album.objects.filter(pk=album.pk, year__isnull=True).update(year=song.year)
        Album.objects.filter(pk=album.pk, year__gt=song.year).update(year=song.year)
    return album


def _genres(names: Iterable[str]) -> list[Genre]:
    genres = {}
    for name in names:
        if key := folded(name):
            genres[key], _ = Genre.objects.get_or_create(key=key, defaults={"name": name[:200]})
    return list(genres.values())
