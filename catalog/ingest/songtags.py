"""Tags of a song in the tables of artists, albums, credits and genres.

An artist is known as soon as some song credits it for sure. Then songs by "A & B" become songs by A
and B, also those that were catalogued before (`Artist.lead_key`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

from catalog.files.credits import MAIN, Credit, credits_of, lead_key
from catalog.files.names import folded, is_various
from catalog.files.tags import TAGS_VERSION, Tags
from catalog.models import Album, Artist, Genre, Song, SongCredit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_CREDITED: Final = frozenset({"title", "artist"})
_OF_ALBUM: Final = frozenset({"artist", "album", "year"})
_MOST_AGAIN: Final = 10_000


class Names:
    """Artists, albums and genres that are looked up, or made, while some files are written.

    Each is asked of the database once. Use one object within one transaction only.
    """

    def __init__(self) -> None:
        self._artists: dict[str, Artist] = {}
        self._albums: dict[tuple[str, int | None], Album] = {}
        self._genres: dict[str, Genre] = {}

    def forget(self) -> None:
        """Ask for everything again: some artist or album may have been deleted."""
        self.__init__()  # type: ignore[misc]

    def learn(self, artists: Iterable[str], albums: Iterable[str]) -> None:
        """Look up artists and albums by their keys, in two queries."""
        self.artists(artists)
        for album in Album.objects.filter(key__in=set(albums)):
            self._albums.setdefault((album.key, album.artist_id), album)

    def is_artist(self, key: str) -> bool:
        """Whether some artist has the key."""
        return bool(self.artists([key]))

    def artists(self, keys: Iterable[str]) -> dict[str, Artist]:
        """Return the known ones of the artists with these keys."""
        unseen = [key for key in keys if key not in self._artists]
        if unseen:
            self._artists |= {
                artist.key: artist for artist in Artist.objects.filter(key__in=unseen)
            }
        return {key: self._artists[key] for key in keys if key in self._artists}

    def artist(self, credit: Credit, sort_name: str = "") -> Artist:
        """Return the artist of a credit, made if need be; it learns what it does not have yet."""
        known = self.artists([credit.key]).get(credit.key)
        if known is None:
            known, _ = Artist.objects.get_or_create(
                key=credit.key,
                defaults={
                    "name": credit.name,
                    "sort_name": sort_name,
                    "lead_key": lead_key(credit.name),
                    "musicbrainz_id": credit.musicbrainz_id,
                },
            )
            self._artists[credit.key] = known
        _fill_in(known, sort_name=sort_name, musicbrainz_id=credit.musicbrainz_id)
        return known

    def album(
        self, song: Song, tags: Tags, artist: Artist | None, *, is_compilation: bool
    ) -> Album:
        """Return the album that a song names, made if need be; it gets the songs' first year."""
        key = folded(song.album), artist.pk if artist else None
        if key not in self._albums:
            self._albums[key], _ = Album.objects.get_or_create(
                key=key[0],
                artist=artist,
                defaults={
                    "title": song.album,
                    "year": song.year,
                    "musicbrainz_id": tags.musicbrainz_album_id,
                    "is_compilation": is_compilation,
                },
            )
        album = self._albums[key]
        _fill_in(album, musicbrainz_id=tags.musicbrainz_album_id)
        if song.year and (album.year is None or album.year > song.year):
            album.year = song.year
            Album.objects.filter(pk=album.pk, year__isnull=True).update(year=song.year)
            Album.objects.filter(pk=album.pk, year__gt=song.year).update(year=song.year)
        return album

    def genres(self, names: Iterable[str]) -> list[Genre]:
        """Return the genres with these names, made if need be, each once."""
        wanted = {key: name[:200] for name in names if (key := folded(name))}
        for key, name in wanted.items():
            if key not in self._genres:
                self._genres[key], _ = Genre.objects.get_or_create(key=key, defaults={"name": name})
        return [self._genres[key] for key in wanted]


def _fill_in(row: Artist | Album, **values: str) -> None:
    """Write the values that the row does not have yet."""
    missing = {name: value for name, value in values.items() if value and not getattr(row, name)}
    if missing:
        type(row).objects.filter(pk=row.pk).update(**missing)
        for name, value in missing.items():
            setattr(row, name, value)


class SongTags:
    """What the tags of a song say: columns in `values`, and rows that `write` adds.

    The song's own texts win over those of `tags` where they differ, because staff corrected them.
    Call everything inside a transaction.
    """

    def __init__(self, song: Song, tags: Tags, names: Names | None = None) -> None:
        self._song = song
        self._names = names = names or Names()
        is_own = song.artist == tags.artist
        self._credits = credits_of(
            tags.artist_values if is_own else [song.artist],
            title=song.title,
            artists=tags.artists if is_own else (),
            musicbrainz_ids=tags.musicbrainz_artist_ids if is_own else (),
            is_known=names.is_artist,
        )
        keys = [credit.key for credit in self._credits]
        known = names.artists(keys)
        self.fresh = [key for key in keys if key not in known]
        sort_name = tags.artist_sort if len(self._credits) == 1 else ""
        self._artists = [names.artist(credit, sort_name) for credit in self._credits]
        self._genres = names.genres(tags.genres if song.genre == tags.genre else [song.genre])
        self.artist_key = keys[0] if keys else ""
        self.values: dict[str, object] = {
            "album_entry": _album(song, tags, self._credits, names),
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

    def write(self, *, is_new: bool) -> None:
        """Write credits and genres of the saved song; one that `is_new` has none yet."""
        song, names = self._song, self._names
        if song.artist_key != self.artist_key:  # `Song.save` knows the text alone
            song.artist_key = self.artist_key
            Song.objects.filter(pk=song.pk).update(artist_key=self.artist_key)
        if is_new:
            _credits_add(song, self._credits, self._artists)
            song.genres.add(*self._genres)
        else:
            _credits_replace(song, self._credits, self._artists)
            song.genres.set(self._genres)
            names.forget()
        if self.fresh:
            _split_again(list(self.fresh))
            names.forget()

    def credit_rows(self) -> list[SongCredit]:
        """Return the credits of the saved song, not saved."""
        return _credit_rows(self._song, self._credits, self._artists)

    def genre_rows(self) -> list[Any]:
        """Return the rows that join the saved song and its genres, not saved."""
        through = Song.genres.through
        return [through(song_id=self._song.pk, genre_id=genre.pk) for genre in self._genres]


def fresh_tags_write(fresh: Sequence[SongTags]) -> None:
    """Do what `write` does, for many new songs at once; their `artist_key` is saved already."""
    SongCredit.objects.bulk_create(credit for told in fresh for credit in told.credit_rows())
    Song.genres.through.objects.bulk_create(row for told in fresh for row in told.genre_rows())
    keys = {key for told in fresh for key in told.fresh}
    if keys:
        # Few names are those with which a known "A & B" begins.
        leads = Artist.objects.filter(lead_key__in=keys).values_list("lead_key", flat=True)
        _split_again(list(set(leads)))


def song_tags_store(*, song: Song, tags: Tags) -> None:
    """Write what the tags of a saved song say. Call it inside a transaction."""
    told = SongTags(song, tags)
    Song.objects.filter(pk=song.pk).update(**told.values)
    for name, value in told.values.items():
        setattr(song, name, value)
    told.write(is_new=False)


def song_credits_refresh(*, song: Song) -> None:
    """Write the credits of a song anew, from its texts alone; for songs that staff corrected."""
    _split_again(_refresh(song))


def song_texts_refresh(*, song: Song, changed: Collection[str]) -> None:
    """Write what follows from the texts of a saved song that staff corrected in `changed`."""
    if not _CREDITED.isdisjoint(changed):
        song_credits_refresh(song=song)
    if not _OF_ALBUM.isdisjoint(changed):
        _album_refresh(song)
    if "genre" in changed:
        song.genres.set(Names().genres([song.genre]))


def _album_refresh(song: Song) -> None:
    """Put a song on the album that its texts name; an album that loses its last song goes."""
    before = song.album_entry
    tags = Tags(
        album_artist=song.album_artist,
        is_compilation=before is not None and before.is_compilation,
    )
    names = Names()
    credits = credits_of([song.artist], title=song.title, is_known=names.is_artist)
    song.album_entry = _album(song, tags, credits, names)
    Song.objects.filter(pk=song.pk).update(album_entry=song.album_entry)
    if before is not None and before != song.album_entry:
        Album.objects.filter(pk=before.pk, songs__isnull=True).delete()


def _refresh(song: Song) -> list[str]:
    names = Names()
    credits = credits_of([song.artist], title=song.title, is_known=names.is_artist)
    known = names.artists([credit.key for credit in credits])
    _credits_replace(song, credits, [names.artist(credit) for credit in credits])
    song.artist_key = credits[0].key if credits else ""
    # The index reads the songs that changed.
    Song.objects.filter(pk=song.pk).update(artist_key=song.artist_key, updated_at=timezone.now())
    return [credit.key for credit in credits if credit.key not in known]


def _split_again(keys: list[str]) -> None:
    """Split the names "A & B" whose first part has just become known."""
    budget = _MOST_AGAIN
    while keys and budget > 0:
        songs = Song.objects.filter(credits__artist__lead_key=keys.pop()).distinct()
        for song in songs.order_by("pk")[:budget]:
            keys += _refresh(song)
            budget -= 1


def _credits_replace(song: Song, credits: Sequence[Credit], artists: Sequence[Artist]) -> None:
    """Replace the credits of a song; artists without any song or album go."""
    before = set(song.credits.values_list("artist_id", flat=True))
    song.credits.all().delete()
    _credits_add(song, credits, artists)
    left = before - {artist.pk for artist in artists}
    Artist.objects.filter(pk__in=left, credits__isnull=True, albums__isnull=True).delete()


def _credits_add(song: Song, credits: Sequence[Credit], artists: Sequence[Artist]) -> None:
    SongCredit.objects.bulk_create(_credit_rows(song, credits, artists))


def _credit_rows(
    song: Song, credits: Sequence[Credit], artists: Sequence[Artist]
) -> list[SongCredit]:
    return [
        SongCredit(song=song, artist=artist, role=credit.role, position=position, name=credit.name)
        for position, (credit, artist) in enumerate(zip(credits, artists, strict=True))
    ]


def _album(song: Song, tags: Tags, credits: Sequence[Credit], names: Names) -> Album | None:
    if not folded(song.album):
        return None
    by = tags.album_artist
    is_compilation = tags.is_compilation or is_various(by)
    artist = None
    if by and not is_various(by):
        owners = credits_of([by], is_known=names.is_artist)
        artist = names.artist(owners[0]) if owners else None
    elif not is_compilation:
        artist = next((names.artist(credit) for credit in credits if credit.role == MAIN), None)
    return names.album(song, tags, artist, is_compilation=is_compilation)
