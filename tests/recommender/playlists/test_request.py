from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mer.affect import AffectPoint
from recommender.errors import PlaylistRequestError
from recommender.moods import MOODS, mood_find
from recommender.playlists import FIELDS, PlaylistRequest
from recommender.playlists.journeys import SHAPES
from recommender.playlists.target_kinds import Region, Stop
from tests.places import ROOT

unit = st.floats(0, 1)
weight = st.sampled_from([-100.0, -1.0, -0.5, 0.01, 1.0, 2.5, 100.0])
name = st.sampled_from(["Kilnfire", "a:b", "Ärzte", "1", "now"])
WITHOUT_NUL = st.characters(codec="utf-8", exclude_characters="\0")
requests = st.builds(
    PlaylistRequest,
    moods=st.lists(st.tuples(st.sampled_from(sorted(MOODS)), weight), min_size=1, max_size=4).map(
        tuple
    ),
    point=st.builds(AffectPoint, unit, unit),
    radius=unit,
    box=st.none()
    | st.builds(
        lambda a, b, c, d: Region((min(a, b), max(a, b)), (min(c, d), max(c, d))),
        *(unit, unit, unit, unit),
    ),
    text=st.text(WITHOUT_NUL, max_size=30),
    song_ids=st.lists(st.tuples(st.integers(1, 99), weight), max_size=5).map(tuple),
    artists=st.lists(st.tuples(name, weight), max_size=3).map(tuple),
    albums=st.lists(st.tuples(name, weight), max_size=3).map(tuple),
    history=st.just(True),
    history_half_life=st.floats(0.1, 3650),
    history_session=st.booleans(),
    history_hour=st.none() | st.integers(0, 23),
    journey=st.lists(
        st.builds(Stop, mood=st.sampled_from(sorted(MOODS)))
        | st.builds(Stop, point=st.builds(AffectPoint, unit, unit))
        | st.builds(Stop, song_id=st.integers(1, 99))
        | st.just(Stop(history=True)),
        min_size=2,
        max_size=8,
    ).map(tuple),
    journey_shape=st.sampled_from(sorted(SHAPES)),
    weights=st.dictionaries(st.sampled_from(["moods", "point", "history"]), weight),
    minutes=st.none() | st.integers(1, 1440),
    min_match=unit,
    relax=st.booleans(),
    count=st.integers(1, 200),
    diversity=unit,
    seed=st.none() | st.integers(0, 2**53 - 1),
    artist_spacing=st.integers(0, 20),
    max_per_artist=st.integers(1, 20),
    genre=st.text(WITHOUT_NUL, max_size=10),
    year_from=st.none() | st.integers(0, 2000),
    year_to=st.none() | st.integers(2000, 9999),
    exclude_song_ids=st.lists(st.integers(1, 99), max_size=5).map(tuple),
    exclude_heard_days=st.integers(0, 3650),
    seconds_from=st.none() | st.floats(0, 100),
    seconds_to=st.none() | st.floats(100, 36_000),
    tempo_to=st.none() | st.floats(0, 1_000),
    key=st.sampled_from(["", "A minor", "8A", "f#m", "cis-Moll"]),
    library_ids=st.lists(st.integers(1, 9), max_size=3).map(tuple),
    min_confidence=unit,
    never_heard=st.booleans(),
    max_per_album=st.integers(1, 200),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(requests)
def test_json_and_words_round_trip(request_: PlaylistRequest) -> None:
    plain = json.loads(json.dumps(request_.to_json()))
    assert PlaylistRequest.from_json(plain) == request_
    words = [field.words(request_) for field in FIELDS.values()]
    assert PlaylistRequest.from_words(dict(chain(*(given.items() for given in words)))) == request_
    assert hash(PlaylistRequest.from_json(plain)) == hash(request_)


def test_moods_by_name_alone_and_nulls() -> None:
    request = PlaylistRequest.from_json(
        {"moods": ["calm", {"name": "sad", "weight": 2}], "point": None, "seed": None}
    )
    assert request.moods == (("calm", 1.0), ("sad", 2))
    assert request.to_json() == {
        "moods": [{"name": "calm", "weight": 1.0}, {"name": "sad", "weight": 2}]
    }


@pytest.mark.parametrize(
    ("plain", "field"),
    [
        ([], "request"),
        ("calm", "request"),
        ({}, "moods"),
        ({"moods": []}, "moods"),
        ({"text": "  "}, "moods"),
        ({"moods": "calm"}, "moods"),
        ({"moods": {"calm": 1}}, "moods"),
        ({"moods": [3]}, "moods"),
        ({"moods": [""]}, "moods"),
        ({"moods": ["x" * 101]}, "moods"),
        ({"moods": ["calm"] * 11}, "moods"),
        ({"moods": [{"name": "calm", "weight": 0}]}, "moods"),
        ({"moods": [{"name": "calm", "weight": -101}]}, "moods"),
        ({"moods": [{"name": "calm", "weight": "much"}]}, "moods"),
        ({"moods": [{"name": 3}]}, "moods"),
        ({"moods": [{"name": "calm", "wait": 1}]}, "moods"),
        ({"point": [0.5, 0.5]}, "point"),
        ({"point": {"valence": 0.5}}, "point"),
        ({"point": {"valence": 1.5, "arousal": 0}}, "point.valence"),
        ({"point": {"valence": 0, "arousal": float("nan")}}, "point.arousal"),
        ({"point": {"valence": True, "arousal": 0}}, "point.valence"),
        ({"text": 3}, "text"),
        ({"text": "x" * 2001}, "text"),
        ({"text": "x\x00y"}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"moods": ["x\x00y"]}, "moods"),
        ({"song_ids": 3}, "song_ids"),
        ({"song_ids": "12"}, "song_ids"),
        ({"song_ids": ["1"]}, "song_ids"),
        ({"song_ids": [0]}, "song_ids"),
        ({"song_ids": [2**63]}, "song_ids"),
        ({"song_ids": list(range(1, 52))}, "song_ids"),
        ({"song_ids": [{"id": 1, "weight": 0}]}, "song_ids"),
        ({"song_ids": [{"weight": 1}]}, "song_ids"),
        ({"artists": ["x"] * 11}, "artists"),
        ({"albums": [" "]}, "albums"),
        ({"box": {}}, "box"),
        ({"box": {"valence": [0.6, 0.4]}}, "box.valence"),
        ({"box": {"arousal": [0.6]}}, "box.arousal"),
        ({"box": {"arousal": [0.6, 2]}}, "box.arousal"),
        ({"journey": ["calm"] * 9}, "journey"),
        ({"journey": [{}]}, "journey"),
        ({"journey": [{"mood": "calm", "song_id": 1}]}, "journey"),
        ({"journey": ["2/0.5", "calm"]}, "journey"),
        ({"journey": [{"history": False}]}, "journey"),
        ({"text": "x", "journey_shape": "iso"}, "journey_shape"),
        ({"journey": ["calm", "sad"], "journey_shape": "round"}, "journey_shape"),
        ({"text": "x", "radius": 0.1}, "radius"),
        ({"text": "x", "history_hour": 3}, "history_hour"),
        ({"text": "x", "weights": {"count": 2}}, "weights"),
        ({"text": "x", "weights": {"moods": 2}}, "weights"),
        ({"text": "x", "weights": {"text": 0}}, "weights"),
        ({"text": "x", "minutes": 0}, "minutes"),
        ({"text": "x", "min_match": 2}, "min_match"),
        ({"history": "yes"}, "history"),
        ({"text": "x", "count": 0}, "count"),
        ({"text": "x", "count": 201}, "count"),
        ({"text": "x", "count": 2.5}, "count"),
        ({"text": "x", "count": "5"}, "count"),
        ({"text": "x", "count": True}, "count"),
        ({"text": "x", "diversity": 1.01}, "diversity"),
        ({"text": "x", "diversity": "1"}, "diversity"),
        ({"text": "x", "seed": -1}, "seed"),
        ({"text": "x", "seed": 2**53}, "seed"),
        ({"text": "x", "artist_spacing": -1}, "artist_spacing"),
        ({"text": "x", "max_per_artist": 0}, "max_per_artist"),
        ({"text": "x", "genre": 3}, "genre"),
        ({"text": "x", "year_from": "1990"}, "year_from"),
        ({"text": "x", "year_to": 10_000}, "year_to"),
        ({"text": "x", "year_from": 2001, "year_to": 2000}, "year_from"),
        ({"text": "x", "exclude_song_ids": {"a": 1}}, "exclude_song_ids"),
        ({"text": "x", "exclude_heard_days": -1}, "exclude_heard_days"),
        ({"text": "x", "colour": "blue"}, "colour"),
        ({"text": "x", "self": 1}, "self"),
    ],
)
def test_every_wrong_field_is_named(plain: object, field: str) -> None:
    with pytest.raises(PlaylistRequestError) as caught:
        PlaylistRequest.from_json(plain)
    assert (caught.value.code, caught.value.details) == ("REQUEST_INVALID", {"field": field})
    assert caught.value.message.startswith(field)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*FIELDS, "name", "weight", "valence"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_is_a_request_or_a_named_error(plain: object) -> None:
    try:
        request = PlaylistRequest.from_json(plain)
    except PlaylistRequestError as error:
        named = error.details.get("field")
    else:
        named = request.to_json()
    assert named


def test_no_word_names_two_moods() -> None:
    words = [word for mood in MOODS.values() for word in (mood.name, *mood.aliases)]
    assert len(words) == len(set(words))
    for word in words:
        found = mood_find(f" {word.upper()} ")
        assert found is not None
        assert word in {found.name, *found.aliases}
    assert mood_find("sternklar") is None


def test_moods_lie_where_their_quadrant_says() -> None:
    quadrants = {
        name: AffectPoint(mood.valence, mood.arousal).quadrant for name, mood in MOODS.items()
    }
    assert [quadrants[name] for name in ("joy", "anger", "sadness", "calmness")] == [
        "Q1", "Q2", "Q3", "Q4",
    ]  # fmt: skip
    for mood in MOODS.values():
        assert sum(mood.emotions.values()) == pytest.approx(1.0)


def test_the_documented_table_of_moods_is_this_one() -> None:
    text = (ROOT / "docs" / "playlists.md").read_text()
    for mood in MOODS.values():
        row = (
            f"| {mood.name} | {mood.valence:.2f} | {mood.arousal:.2f} "
            f"| {', '.join(mood.emotions)} | {', '.join(mood.aliases)} |"
        )
        assert row in text
