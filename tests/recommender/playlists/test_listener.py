"""What a listener's feedback does to that listener's lists, and to nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recommender.feedback import (
    feedback_reset,
    song_ban,
    song_like,
    song_place,
    song_rate,
    song_skip,
)
from recommender.history import listen_record
from recommender.index import index_snapshot
from recommender.personal import profile_of
from recommender.playlists import PlaylistRequest, playlist_generate, profile_shown
from recommender.playlists.listener import HeardSnapshot, listener_of
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.test import APIClient

    from catalog.models import Song

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalogue(db: None) -> list[Song]:
    """Forty songs of forty artists in two genres; their embeddings are those of their genre."""
    library = LibraryFactory()
    rng = np.random.default_rng(0)
    songs = []
    for number in range(40):
        vector = np.zeros(256, np.float32)
        vector[number % 2] = 1.0
        vector[2:] = rng.normal(0, 0.02, 254)
        vector /= np.linalg.norm(vector)
        songs.append(
            SongEmotionFactory(
                song=SongFactory(
                    library=library, artist=f"Artist {number}", genre=("Rock", "Jazz")[number % 2]
                ),
                valence=0.1 + 0.8 * ((number // 2) % 5) / 4,
                arousal=0.1 + 0.8 * (number // 10) / 3,
                fused_embedding=vector.tobytes(),
            ).song
        )
    return songs


def list_of(user: Any, **fields: Any) -> list[tuple[int, float, str]]:
    request = PlaylistRequest.from_json({"moods": ["joy"], "seed": 1, "min_match": 0} | fields)
    made = playlist_generate(request=request, user=user)
    return [(one.song_id, one.score, one.reason["sentence"]) for one in made.entries]


def ids_of(user: Any, **fields: Any) -> list[int]:
    return [song_id for song_id, _, _ in list_of(user, **fields)]


REQUESTS: tuple[dict[str, Any], ...] = (
    {},
    {"moods": [], "point": {"valence": 0.2, "arousal": 0.4}},
    {"moods": ["calm", {"name": "sad", "weight": -1}]},
    {"moods": [], "text": "not angry"},
    {"moods": [], "journey": ["tense", "calm"], "count": 6},
)


@pytest.mark.parametrize("fields", REQUESTS)
def test_who_said_nothing_has_the_list_of_everybody(
    catalogue: list[Song], user: User, fields: dict[str, Any]
) -> None:
    for song in catalogue[:5]:
        listen_record(user=user, song_id=song.pk)
    assert listener_of(user, index_snapshot()) is None
    assert list_of(user, **fields) == list_of(None, **fields) == list_of(AnonymousUser(), **fields)


actions = st.lists(
    st.tuples(st.sampled_from(["like", "ban", "rate", "place", "skip"]), st.integers(0, 39)),
    min_size=3,
    max_size=8,
)


def say(user: User, what: str, song_id: int, value: float = 0.1) -> None:
    if what == "like":
        song_like(user=user, song_id=song_id)
    elif what == "ban":
        song_ban(user=user, song_id=song_id)
    elif what == "rate":
        song_rate(user=user, song_id=song_id, stars=5)
    elif what == "place":
        song_place(user=user, song_id=song_id, valence=value, arousal=1 - value)
    else:
        song_skip(user=user, song_id=song_id, share_played=value)


@settings(
    max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(actions)
def test_feedback_never_leaks(catalogue: list[Song], said: list[tuple[str, int]]) -> None:
    one, other, silent = UserFactory(), UserFactory(), UserFactory()
    say(other, "like", catalogue[3].pk)
    say(other, "place", catalogue[8].pk)
    others = [[list_of(who, **fields) for fields in REQUESTS] for who in (other, silent, None)]
    for what, number in said:
        say(one, what, catalogue[number].pk)
        list_of(one)
    again = [[list_of(who, **fields) for fields in REQUESTS] for who in (other, silent, None)]
    assert again == others
    feedback_reset(user=one)
    assert [list_of(one, **fields) for fields in REQUESTS] == others[1]


@pytest.mark.parametrize("fields", REQUESTS[:3])
def test_a_liked_kind_comes_first(
    catalogue: list[Song], user: User, fields: dict[str, Any]
) -> None:
    def share() -> float:
        """The mean share in lists of several lengths; in a single one it may have to stay."""
        lists = [ids_of(user, count=n, diversity=0, min_match=0, **fields) for n in (5, 10, 20)]
        return float(np.mean([np.mean([pk in rock for pk in listed]) for listed in lists]))

    rock = {song.pk for song in catalogue if song.genre == "Rock"}
    before = share()
    for song in catalogue[:8]:
        say(user, "like" if song.pk in rock else "skip", song.pk)
    assert share() > before


def test_taste_leaves_matches_and_the_floor_as_they_are(catalogue: list[Song], user: User) -> None:
    before = {song_id: score for song_id, score, _ in list_of(None, count=40)}
    song_like(user=user, song_id=catalogue[0].pk)
    for song_id, score, _ in list_of(user, count=40):
        assert score == before[song_id]
    good = {song_id for song_id, score in before.items() if score >= 0.5}
    assert set(ids_of(user, count=40, min_match=0.5)) == good


def test_a_skipped_song_is_lower_at_once(catalogue: list[Song], user: User) -> None:
    first = ids_of(user, count=1, diversity=0)[0]
    say(user, "skip", first, 0.0)
    assert ids_of(user, count=1, diversity=0)[0] != first


def test_a_moved_song_is_where_it_was_moved(catalogue: list[Song], user: User) -> None:
    listed = ids_of(None, count=20, moods=["sadness"])
    far = next(song for song in catalogue if song.pk not in listed)
    song_place(user=user, song_id=far.pk, valence=0.1, arousal=0.1)
    found = {
        song_id: sentence for song_id, _, sentence in list_of(user, count=20, moods=["sadness"])
    }
    assert "you moved it here" in found[far.pk]
    # A song that was moved away is gone from where it was.
    say(user, "place", listed[0], 0.9)
    assert listed[0] not in ids_of(user, count=20, moods=["sadness"])


def test_reasons_name_what_was_liked(catalogue: list[Song], user: User) -> None:
    liked = catalogue[0]
    song_like(user=user, song_id=liked.pk)
    sentences = {song_id: sentence for song_id, _, sentence in list_of(user, count=40)}
    assert "you liked it" in sentences[liked.pk]
    named = f"sounds like “{liked.title}”, which you liked"
    rock = [song.pk for song in catalogue[1:] if song.genre == "Rock" and song.pk in sentences]
    assert rock
    assert all(named in sentences[song_id] for song_id in rock)
    jazz = [song.pk for song in catalogue if song.genre == "Jazz" and song.pk in sentences]
    assert not any("which you liked" in sentences[song_id] for song_id in jazz)


def test_five_corrections_move_the_others(catalogue: list[Song], user: User) -> None:
    for song in catalogue[:4]:
        place = song.emotions.get()
        song_place(
            user=user, song_id=song.pk, valence=min(1, place.valence + 0.2), arousal=place.arousal
        )
    plain = index_snapshot()
    rows = plain.rows_of([catalogue[20].pk])
    heard = listener_of(user, plain)
    assert heard is not None
    assert np.array_equal(heard.snapshot_of(plain).affect[rows], plain.affect[rows])
    place = catalogue[5].emotions.get()
    song_place(
        user=user,
        song_id=catalogue[5].pk,
        valence=min(1, place.valence + 0.2),
        arousal=place.arousal,
    )
    heard = listener_of(user, plain)
    assert heard is not None
    assert heard.snapshot_of(plain).affect[rows][0, 0] > plain.affect[rows][0, 0]
    assert heard.snapshot_of(plain).shares(0)[rows][0] >= plain.shares(0)[rows][0]
    assert np.array_equal(heard.snapshot_of(plain).affect[rows][:, 2:], plain.affect[rows][:, 2:])


def test_columns_are_one_thing_however_they_are_read(catalogue: list[Song], user: User) -> None:
    for number, song in enumerate(catalogue[:6]):
        song_place(user=user, song_id=song.pk, valence=0.1 * number, arousal=0.9)
    heard = listener_of(user, index_snapshot())
    assert heard is not None
    snapshot = heard.snapshot_of(index_snapshot())
    assert isinstance(snapshot, HeardSnapshot)
    rows = np.arange(len(snapshot))
    for column in (snapshot.affect, snapshot.quadrants):
        whole = np.asarray(column)
        assert np.array_equal(column[rows], whole)
        assert np.array_equal(column[rows[3:7], :2], whole[3:7, :2])
        assert np.array_equal(column[:5], whole[:5])
        assert np.array_equal(column[4], whole[4])
        assert np.array_equal(np.asarray(column.dimension(1)), whole[:, 1])
        assert len(column) == len(whole)
    for dimension in range(10):
        shares = np.asarray(snapshot.shares(dimension))
        assert ((shares >= 0) & (shares <= 1)).all()
    moved = snapshot.rows_of([catalogue[5].pk])
    weights = np.array([1.0, 1.0, *np.zeros(8)], np.float32)
    target = np.array([0.5, 0.9, *np.zeros(8)], np.float32)
    assert snapshot.search_affect(target, weights, 1, snapshot.alive)[1] == moved


def test_the_profile_is_fitted_once_until_something_changes(
    catalogue: list[Song], user: User
) -> None:
    snapshot = index_snapshot()
    song_like(user=user, song_id=catalogue[0].pk)
    first = profile_of(user, snapshot)
    assert profile_of(user, snapshot) is first
    listen_record(user=user, song_id=catalogue[1].pk)
    assert profile_of(user, snapshot) is not first
    second = profile_of(user, snapshot)
    song_like(user=user, song_id=catalogue[2].pk)
    assert profile_of(user, snapshot) is not second


def test_what_feedback_changed_is_shown(api: APIClient, catalogue: list[Song], user: User) -> None:
    api.force_authenticate(user)
    body = api.get("/api/v1/profile/").json()
    assert body == {
        "corrections": 0,
        "corrections_missing": 5,
        "plane": None,
        "genres": [],
        "songs": [],
    }
    liked = [song for song in catalogue[:12] if song.genre == "Rock"]
    for song in liked:
        song_like(user=user, song_id=song.pk)
    for song in catalogue[:6]:
        song_place(user=user, song_id=song.pk, valence=0.3, arousal=0.3)
    song_ban(user=user, song_id=catalogue[14].pk)
    body = api.get("/api/v1/profile/").json()
    assert body["corrections"] == 6
    assert body["corrections_missing"] == 0
    assert body["plane"]["before"] > 0
    assert body["genres"][0]["name"] == "rock"
    assert body["genres"][0]["taste"] > 0
    named = [one["song"]["id"] for one in body["songs"]]
    assert named
    assert {song.genre for song in catalogue if song.pk in named} == {"Rock"}
    assert not {song.pk for song in [*liked, *catalogue[:6], catalogue[14]]} & set(named)
    tastes = [one["taste"] for one in body["songs"]]
    assert tastes == sorted(tastes, reverse=True)
    assert profile_shown(user=UserFactory()).songs == ()


def test_the_api_says_how_much_a_song_is_liked(
    api: APIClient, catalogue: list[Song], user: User
) -> None:
    asked = {"moods": ["joy"], "save": False, "seed": 1}
    api.force_authenticate(user)
    body = api.post("/api/v1/playlists/", asked, format="json").json()
    assert all("taste" not in entry["reason"] for entry in body["entries"])
    song_like(user=user, song_id=catalogue[0].pk)
    body = api.post("/api/v1/playlists/", asked, format="json").json()
    assert all(-1 <= entry["reason"]["taste"] <= 1 for entry in body["entries"])
