"""A recording in several files is in a list once, and among similar songs once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.models import Recording, Song
from mer.affect import AffectPoint
from recommender.history import listen_record
from recommender.playlists import PlaylistRequest, playlist_generate, songs_similar
from tests.factories import SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(songs: list[Song]) -> list[Song]:
    """Three files of one recording, beside the twelve other songs."""
    recording = Recording.objects.create()
    made = []
    for rank, (suffix, year) in enumerate([("flac", 1999), ("mp3", 1985), ("ogg", 2010)]):
        song = SongFactory(
            recording=recording, recording_rank=rank, relative_path=f"x.{suffix}", year=year
        )
        SongEmotionFactory(song=song, valence=0.5, arousal=0.5, seed=77)
        made.append(song)
    return made


def listed(request: PlaylistRequest, files: Iterable[Song], user: object = None) -> list[int]:
    """Return the places among `files` of those that are in the list."""
    generated = playlist_generate(request=request, user=user)  # type: ignore[arg-type]
    ids = [entry.song_id for entry in generated.entries]
    assert len(ids) == len(set(ids))
    return [place for place, song in enumerate(files) if song.pk in ids]


EVERYWHERE = AffectPoint(0.5, 0.5)


def test_a_list_has_the_best_file_only(files: list[Song]) -> None:
    assert listed(PlaylistRequest(point=EVERYWHERE, count=50), files) == [0]


def test_another_file_stands_in_for_one_that_is_gone(files: list[Song]) -> None:
    Song.objects.filter(pk=files[0].pk).update(is_available=False)
    assert listed(PlaylistRequest(point=EVERYWHERE, count=50), files) == [1]


def test_the_best_file_that_the_constraints_allow(files: list[Song]) -> None:
    request = PlaylistRequest(point=EVERYWHERE, count=50, year_from=1980, year_to=1990)
    assert 1 in listed(request, files)
    assert 0 not in listed(request, files)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_list_like_a_song_has_none_of_its_files(files: list[Song], place: int) -> None:
    request = PlaylistRequest(song_ids=(files[place].pk,), count=50)
    assert listed(request, files) == []


def test_an_excluded_song_excludes_its_recording(files: list[Song]) -> None:
    request = PlaylistRequest(point=EVERYWHERE, count=50, exclude_song_ids=(files[1].pk,))
    assert listed(request, files) == []


def test_a_song_heard_lately_excludes_its_recording(files: list[Song]) -> None:
    user = UserFactory()
    listen_record(user=user, song_id=files[2].pk)
    request = PlaylistRequest(point=EVERYWHERE, count=50, exclude_heard_days=1, relax=False)
    assert listed(request, files, user) == []
    Song.objects.filter(pk=files[2].pk).update(is_available=False)
    assert listed(request, files, user) == []


def test_history_shows_it_once(files: list[Song]) -> None:
    user = UserFactory()
    for song in files:
        listen_record(user=user, song_id=song.pk)
    assert listed(PlaylistRequest(history=True, count=50), files, user) == [0]


def test_similar_songs_have_it_once_and_never_the_song_itself(
    files: list[Song], songs: list[Song]
) -> None:
    found = [similar.song_id for similar in songs_similar(song_id=songs[0].pk, k=50)]
    assert [file.pk in found for file in files] == [True, False, False]
    for file in files:
        found = [similar.song_id for similar in songs_similar(song_id=file.pk, k=50)]
        assert not {file.pk for file in files} & set(found)
        assert len(found) == len(songs)


def test_a_song_names_its_other_files(client: Client, files: list[Song]) -> None:
    others = [file.pk for file in files[1:]]
    assert client.get(f"/api/v1/songs/{files[0].pk}/").json()["same_recording"] == others
    page = client.get(f"/songs/{files[0].pk}").content.decode()
    assert "The same recording" in page
    assert all(f'href="/songs/{pk}"' in page for pk in others)


def test_a_new_link_counts_at_once(songs: list[Song]) -> None:
    pair = songs[:2]
    request = PlaylistRequest(point=EVERYWHERE, count=50, min_match=0)
    assert listed(request, pair) == [0, 1]
    recording = Recording.objects.create()
    for rank, song in enumerate(pair):
        song.recording, song.recording_rank = recording, rank
        song.save()
    assert listed(request, pair) == [0]
