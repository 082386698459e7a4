"""Tags in the tables: artists, credits, albums, genres, notes; what the model gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mutagen
import pytest
from django.urls import reverse
from mutagen.id3 import TIT2, TPE1, USLT

from catalog.analysis import _song_input, songs_analyse
from catalog.models import Album, Artist, Genre, Song, SongCredit
from recommender.index.reader import index_snapshot_forget
from recommender.playlists import PlaylistRequest, playlist_generate
from tests.catalog.conftest import write_tone
from tests.factories import SongFactory
from tests.made_tags import tone_in_code_page, tone_with_id3

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client

    from catalog.models import BackgroundJob

    Ingest = Callable[..., BackgroundJob]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def tagged(path: Path, *, hz: float = 440.0, **tags: Any) -> Path:
    write_tone(path, hz=hz)
    file = mutagen.File(path)
    for name, value in tags.items():
        file[name] = value
    file.save()
    return path


@pytest.mark.parametrize("reverse_order", [False, True])
def test_one_artist_however_the_credit_is_written(
    music_dir: Path,
    ingest: Ingest,
    reverse_order: bool,
) -> None:
    artists = ["A feat. B", "A ft. C", "A & D", "A; E", "A", "a", "A; E"]
    for number, artist in enumerate(reversed(artists) if reverse_order else artists):
        tagged(music_dir / f"{number}.flac", hz=200 + 20 * number, title="T", artist=artist)
    ingest()
    assert set(Song.objects.values_list("artist_key", flat=True)) == {"a"}
    assert set(Artist.objects.values_list("key", flat=True)) == set("abcde")
    song = Song.objects.get(artist="A feat. B")
    credits = song.credits.values_list("name", "role", "position")
    assert list(credits) == [("A", "main", 0), ("B", "featured", 1)]


@pytest.mark.usefixtures("fake_pipeline")
def test_a_list_has_one_song_of_an_artist_however_the_credit_is_written(
    music_dir: Path, ingest: Ingest
) -> None:
    artists = ["A feat. B", "A ft. C", "A & D", "A; E", "A", "a", "Zed"]
    for number, artist in enumerate(artists):
        path = music_dir / f"{number}.flac"
        tagged(path, hz=200 + 20 * number, title=f"T{number}", artist=artist)
    ingest()
    index_snapshot_forget()
    songs_analyse(song_ids=list(Song.objects.values_list("pk", flat=True)), worker="w")
    made = playlist_generate(
        request=PlaylistRequest(moods=(("calm", 1.0),), count=7, max_per_artist=1, min_match=0)
    )
    songs = Song.objects.filter(pk__in=[entry.song_id for entry in made.entries])
    assert sorted(songs.values_list("artist_key", flat=True)) == ["a", "zed"]


def test_album_genres_and_numbers(music_dir: Path, ingest: Ingest) -> None:
    for number in (1, 2):
        tagged(
            music_dir / f"{number}.flac",
            hz=200 + 20 * number,
            title=f"T{number}",
            artist=f"Guest {number}",
            albumartist="Ada",
            album="Blue",
            genre=["Rock", "Indie"],
            date="2001",
            tracknumber="3/9",
        )
    tagged(music_dir / "3.flac", hz=300, title="T", artist="X", album="Hits", compilation="1")
    ingest()
    assert list(Album.objects.values_list("title", "artist__name", "year", "is_compilation")) == [
        ("Blue", "Ada", 2001, False),
        ("Hits", None, None, True),
    ]
    assert Song.objects.filter(album_entry__title="Blue", track_number=3).count() == 2
    assert set(Genre.objects.values_list("name", flat=True)) == {"Rock", "Indie"}


def test_a_retagged_song_leaves_no_artist_behind(music_dir: Path, ingest: Ingest) -> None:
    path = tagged(music_dir / "a.flac", title="T", artist="Before")
    ingest()
    file = mutagen.File(path)
    file["artist"] = "After"
    file.save()
    ingest()
    assert list(Artist.objects.values_list("name", flat=True)) == ["After"]
    assert SongCredit.objects.get().artist.name == "After"


def test_songs_from_before_get_their_credits_once(music_dir: Path, ingest: Ingest) -> None:
    tone_in_code_page(music_dir / "a.mp3", "cp1251", title="Кукушка", artist="Виктор")
    ingest()
    spoiled = {"title": "Êóêóøêà", "artist": "Âèêòîð", "tags_version": 0, "tags_note": ""}
    Song.objects.update(**spoiled)
    SongCredit.objects.all().delete()
    ingest()
    song = Song.objects.get()
    assert (song.title, song.artist, song.status) == ("Кукушка", "Виктор", "pending")
    assert "Windows-1251" in song.tags_note
    assert song.credits.get().name == "Виктор"


def test_corrections_of_staff_outlive_a_new_reader_of_tags(music_dir: Path, ingest: Ingest) -> None:
    tagged(music_dir / "a.flac", title="T", artist="A", lyrics="words of the file")
    ingest()
    song = Song.objects.get()
    song.title, song.artist, song.tags_version = "Right", "Other", 0
    song.lyrics, song.lyrics_source = "mine", "admin"
    song.save()
    ingest()
    song.refresh_from_db()
    assert (song.title, song.artist, song.lyrics) == ("Right", "Other", "mine")
    assert song.credits.get().name == "Other"


@pytest.mark.parametrize("name", ["Track 01.wav", "AUD-20190301-WA0003.wav", "07.wav"])
def test_a_stand_in_is_shown_but_not_given_to_the_model(
    music_dir: Path, ingest: Ingest, client: Client, name: str
) -> None:
    path = write_tone(music_dir / name)
    ingest()
    song = Song.objects.get()
    given = _song_input(song, song.path)
    assert (given.title, given.artist) == (None, None)
    assert song.title == path.stem
    assert path.stem in client.get(reverse("song", args=[song.pk])).content.decode()
    before = song.input_sha256
    song.title = "Track 02"
    assert song.input_sha256 == before


def test_a_number_in_a_tag_is_a_title(music_dir: Path, ingest: Ingest) -> None:
    tone_with_id3(music_dir / "x.mp3", TIT2(encoding=3, text="1979"), TPE1(encoding=3, text="A"))
    ingest()
    song = Song.objects.get()
    assert _song_input(song, song.path).title == "1979"


def test_refused_lyrics_leave_a_reason_on_page_and_in_api(
    music_dir: Path, ingest: Ingest, client: Client
) -> None:
    frame = USLT(encoding=3, lang="eng", desc="", text="No lyrics found")
    tone_with_id3(music_dir / "x.mp3", TIT2(encoding=3, text="T"), frame)
    ingest()
    song = Song.objects.get()
    assert (song.lyrics, song.lyrics_source) == ("", "")
    reason = "the lyrics in the tags ignored: a note that there are no lyrics"
    assert song.lyrics_note == reason
    assert reason in client.get(reverse("song", args=[song.pk])).content.decode()
    assert client.get(f"/api/v1/songs/{song.pk}/").json()["lyrics_note"] == reason
    ingest()
    song.refresh_from_db()
    assert song.lyrics_note == reason


def test_songs_are_filtered_by_artist_album_and_genre(client: Client) -> None:
    songs = [SongFactory(artist="A"), SongFactory(artist="B")]
    artist = Artist.objects.create(name="C", key="c")
    album = Album.objects.create(title="X", key="x", artist=artist)
    SongCredit.objects.create(song=songs[0], artist=artist, role="featured", position=1, name="C")
    Song.objects.filter(pk=songs[0].pk).update(album_entry=album, genre="Rock; Indie")
    songs[0].genres.add(Genre.objects.create(name="Indie", key="indie"))

    def found(query: str) -> list[int]:
        return [song["id"] for song in client.get(f"/api/v1/songs/?{query}").json()["results"]]

    wanted = [songs[0].pk]
    assert found(f"artist_id={artist.pk}") == found(f"album_id={album.pk}") == wanted
    assert found("genre=INDIE") == found("genre=rock; indie") == wanted
    detail = client.get(f"/api/v1/songs/{songs[0].pk}/").json()
    assert detail["credits"] == [{"artist_id": artist.pk, "name": "C", "role": "featured"}]
    assert (detail["genres"], detail["album_id"]) == (["Indie"], album.pk)
