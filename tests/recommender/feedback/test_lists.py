"""What feedback changes in the lists of its listener, at once, and of nobody else."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Artist, Recording, Song, SongCredit
from recommender.errors import PlaylistRequestError
from recommender.feedback import (
    artist_ban,
    feedback_reset,
    song_ban,
    song_like,
    song_place,
    song_rate,
    song_skip,
)
from recommender.playlists import PlaylistRequest, playlist_generate, songs_similar
from tests.factories import SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.test import Client

pytestmark = pytest.mark.django_db

POINT = {"point": {"valence": 0.5, "arousal": 0.5}}
BODIES: list[dict[str, object]] = [
    {**POINT, "count": 50},
    {"moods": ["happy"], "count": 50},
    {"moods": ["calm"], "count": 4, "diversity": 0.9},
    {"journey": [{"mood": "sad"}, {"mood": "happy"}], "count": 8},
]


def listed(body: dict[str, object], user: object) -> list[int]:
    request = PlaylistRequest.from_json({"min_match": 0, "seed": 7, "max_per_artist": 50, **body})
    generated = playlist_generate(request=request, user=user)  # type: ignore[arg-type]
    return [entry.song_id for entry in generated.entries]


@pytest.mark.parametrize("year", [1, 1496, 1900])
def test_a_skip_of_long_ago_stops_no_list(
    client: Client, songs: list[Song], user: User, year: int
) -> None:
    song_like(user=user, song_id=songs[0].pk)
    song_skip(user=user, song_id=songs[1].pk, skipped_at=datetime(year, 1, 2, tzinfo=UTC))
    assert len(listed(BODIES[0], user)) == len(songs)
    client.force_login(user)
    assert client.get("/account/feedback").status_code == 200


@pytest.mark.parametrize("body", BODIES, ids=["point", "mood", "few", "journey"])
def test_what_is_banned_is_in_no_list(
    songs: list[Song], user: User, body: dict[str, object]
) -> None:
    first, second = listed(body, user)[:2]
    artist = Artist.objects.create(name="X", key="x")
    SongCredit.objects.create(song_id=second, artist=artist, position=8, role="featured", name="X")
    song_ban(user=user, song_id=first)
    artist_ban(user=user, artist=artist)
    assert not {first, second} & set(listed(body, user))
    for other in (None, AnonymousUser(), UserFactory()):
        assert {first, second} <= set(listed(body, other))
    feedback_reset(user=user)
    assert {first, second} <= set(listed(body, user))


def test_what_is_banned_is_not_similar(songs: list[Song], user: User, client: Client) -> None:
    banned, shown = songs[1], songs[2]
    song_ban(user=user, song_id=banned.pk)
    found = {one.song_id for one in songs_similar(song_id=songs[0].pk, k=50, user=user)}
    assert banned.pk not in found
    assert shown.pk in found
    address = f"/api/v1/songs/{songs[0].pk}/similar/?count=50"
    assert f'"id":{banned.pk},' in client.get(address).content.decode()
    client.force_login(user)
    assert f'"id":{banned.pk},' not in client.get(address).content.decode()


def test_a_ban_of_one_file_bans_its_recording(songs: list[Song], user: User) -> None:
    recording = Recording.objects.create()
    files = [
        SongEmotionFactory(
            song=SongFactory(recording=recording, recording_rank=rank), seed=3
        ).song.pk
        for rank in range(2)
    ]
    assert files[0] in listed(BODIES[0], user)
    song_ban(user=user, song_id=files[1])
    assert not set(files) & set(listed(BODIES[0], user))


def test_the_error_names_bans(songs: list[Song], user: User) -> None:
    for song in songs:
        song_ban(user=user, song_id=song.pk)
    with pytest.raises(PlaylistRequestError, match="songs and artists that you banned"):
        listed(BODIES[0], user)


def test_only_what_is_liked(songs: list[Song], user: User) -> None:
    for song in songs[:3]:
        song_like(user=user, song_id=song.pk)
    body = {**BODIES[0], "liked_only": True}
    assert set(listed(body, user)) == {song.pk for song in songs[:3]}
    for other in (None, UserFactory()):
        with pytest.raises(PlaylistRequestError, match="songs you like"):
            listed(body, other)


ACTS: list[Callable[[User, Song, float], object]] = [
    lambda user, song, _: song_like(user=user, song_id=song.pk),
    lambda user, song, _: song_ban(user=user, song_id=song.pk),
    lambda user, song, x: song_rate(user=user, song_id=song.pk, stars=1 + int(4 * x)),
    lambda user, song, x: song_skip(user=user, song_id=song.pk, share_played=x),
    lambda user, song, x: song_place(user=user, song_id=song.pk, valence=x, arousal=1 - x),
    lambda user, song, _: artist_ban(
        user=user, artist=Artist.objects.get(key=f"artist {song.artist[7:]}")
    ),
    lambda user, _song, _x: feedback_reset(user=user),
]


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(st.integers(0, len(ACTS) - 1), st.integers(0, 11), st.floats(0, 1)),
        min_size=1,
        max_size=12,
    )
)
def test_feedback_of_one_changes_nothing_for_others(
    songs: list[Song], acts: list[tuple[int, int, float]]
) -> None:
    for song in songs:
        key = f"artist {song.artist[7:]}"
        artist, _ = Artist.objects.get_or_create(key=key, defaults={"name": song.artist})
        SongCredit.objects.get_or_create(
            song=song, artist=artist, defaults={"position": 0, "name": song.artist}
        )
    one = UserFactory(username=f"one{random.random()}")
    other = UserFactory(username=f"other{random.random()}")
    song_like(user=other, song_id=songs[0].pk)

    def seen(user: object) -> list[list[int]]:
        similar = songs_similar(song_id=songs[0].pk, k=50, user=user)  # type: ignore[arg-type]
        return [
            *(listed(body, user) for body in BODIES),
            [match.song_id for match in similar],
        ]

    before = [seen(user) for user in (None, AnonymousUser(), other)]
    for act, song, x in acts:
        ACTS[act](one, songs[song], x)
        listed_or_none(one)
        assert [seen(user) for user in (None, AnonymousUser(), other)] == before
    get_user_model().objects.filter(pk__in=[one.pk, other.pk]).delete()


def listed_or_none(user: object) -> None:
    """Make the list of who gave the feedback, so that it is in every cache."""
    try:
        listed(BODIES[0], user)
    except PlaylistRequestError:
        assert user is not None
