"""Sound and words told apart: contrasts, and lists by the sound or by the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import PlaylistRequestError
from recommender.feedback import song_place
from recommender.index import index_snapshot
from recommender.playlists import PlaylistRequest, choosing, playlist_generate, playlist_name
from recommender.playlists.contrasts import Contrast
from recommender.playlists.listener import listener_of
from recommender.playlists.scoring import MATCH_FLOOR
from recommender.playlists.views import WeighedSnapshot
from tests.factories import SongEmotionFactory, UserFactory
from tests.recommender.playlists.test_targets import make_snapshot, some_quadrants

if TYPE_CHECKING:
    from django.test import Client
    from rest_framework.test import APIClient

    from recommender.index import IndexSnapshot
    from recommender.playlists import GeneratedPlaylist

BRIGHT, DARK = Contrast("bright_sound_sad_words"), Contrast("dark_sound_bright_words")
unit = st.floats(0, 1)
seeds = st.integers(0, 2**16)


def parted(sound: Any, words: Any) -> IndexSnapshot:
    """Songs at the middle, with these (songs, 2) places by sound and by words."""
    sound, words = np.asarray(sound, np.float64), np.asarray(words, np.float64)
    places = np.full((len(sound), 2), 0.5)
    return make_snapshot(places, some_quadrants(0, len(sound)), by_sound=sound, by_words=words)


def random_parts(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sound, words = rng.random((2, count, 2))
    words[rng.random(count) < 0.3] = np.nan
    sound[rng.random(count) < 0.1] = np.nan
    return sound, words


def matches(contrast: Contrast, sound: float, words: float) -> float:
    snapshot = parted([[sound, 0.5]], [[words, 0.5]])
    return float(contrast.match(snapshot, np.arange(1))[0])


class TestContrast:
    @given(sound=unit, words=unit, step=unit)
    def test_grows_with_both_sides(self, sound: float, words: float, step: float) -> None:
        found = matches(BRIGHT, sound, words)
        assert 0 <= found <= 1
        assert matches(BRIGHT, sound + step * (1 - sound), words) >= found - 1e-6
        assert matches(BRIGHT, sound, words * (1 - step)) >= found - 1e-6
        assert matches(DARK, words, sound) == pytest.approx(found, abs=1e-6)

    def test_a_good_match_is_one_on_both_sides(self) -> None:
        assert matches(BRIGHT, 0.5, 0.5) == pytest.approx(0.25)
        assert matches(BRIGHT, 0.6, 0.4) == pytest.approx(0.52, abs=0.01)
        # However bright the sound, words in the middle are not sad.
        assert matches(BRIGHT, 1.0, 0.51) < MATCH_FLOOR
        assert matches(BRIGHT, 0.3, 0.1) < MATCH_FLOOR

    def test_is_nothing_without_sound_or_words(self) -> None:
        assert matches(BRIGHT, 0.9, np.nan) == 0
        assert matches(DARK, np.nan, 0.9) == 0

    @given(seed=seeds)
    def test_all_matches_are_the_matches(self, seed: int) -> None:
        snapshot = parted(*random_parts(seed))
        every = BRIGHT.all_matches(snapshot)
        exact = BRIGHT.match(snapshot, np.arange(len(snapshot)))
        np.testing.assert_allclose(every, exact, atol=1e-5)


class TestWeights:
    @given(seed=seeds, words=unit)
    def test_places_are_those_of_the_parts(self, seed: int, words: float) -> None:
        sound, lyrics = random_parts(seed)
        snapshot = parted(sound, lyrics)
        view = WeighedSnapshot.of(snapshot, words)
        mixed = (1 - words) * sound + words * lyrics
        mixed = np.where(np.isnan(lyrics), sound, np.where(np.isnan(sound), lyrics, mixed))
        mixed = np.where(np.isnan(mixed), 0.5, mixed)
        np.testing.assert_allclose(np.asarray(view.affect)[:, :2], mixed, atol=1e-6)
        np.testing.assert_array_equal(view.affect[:, 2:], snapshot.affect[:, 2:])
        for axis in (0, 1):
            shares = np.asarray(view.shares(axis))
            assert np.all(np.diff(shares[np.argsort(view.affect[:, axis])]) >= 0)
            assert np.all((shares >= 0) & (shares <= 1))

    @given(seed=seeds)
    def test_one_and_none_are_the_parts_alone(self, seed: int) -> None:
        sound, lyrics = random_parts(seed)
        snapshot = parted(sound, lyrics)
        for words, places in ((0.0, sound), (1.0, lyrics)):
            known = np.flatnonzero(~np.isnan(places[:, 0]))
            view = WeighedSnapshot.of(snapshot, words)
            np.testing.assert_array_equal(view.affect[known, :2], places[known].astype(np.float32))

    def test_none_leaves_the_snapshot_as_it_is(self) -> None:
        snapshot = parted(*random_parts(1))
        assert WeighedSnapshot.of(snapshot, None) is snapshot

    @given(seed=seeds, words=unit, target=st.tuples(unit, unit), k=st.integers(1, 50))
    def test_a_search_is_that_of_brute_force(
        self, seed: int, words: float, target: tuple[float, float], k: int
    ) -> None:
        view = WeighedSnapshot.of(parted(*random_parts(seed)), words)
        allowed = np.random.default_rng(seed).random(len(view)) < 0.8
        weights = np.array([1, 1, *np.zeros(8)], np.float32)
        place = np.array([*target, *np.zeros(8)], np.float32)
        distances, rows = view.search_affect(place, weights, k, allowed)
        every = np.linalg.norm(np.asarray(view.affect)[:, :2] - place[:2], axis=1)
        assert len(rows) == min(k, np.count_nonzero(allowed))
        assert allowed[rows].all()
        np.testing.assert_allclose(distances, np.sort(every[allowed])[: len(rows)], atol=1e-6)
        np.testing.assert_allclose(distances, every[rows], atol=1e-6)

    def test_shares_are_those_of_the_songs_that_have_words(self) -> None:
        words = np.full((80, 2), np.nan)
        words[::2] = np.linspace(0.2, 0.6, 40)[:, np.newaxis]
        view = WeighedSnapshot.of(parted(np.full((80, 2), 0.9), words), 1.0)
        shares = view.shares(0)[np.arange(0, 80, 2)]
        np.testing.assert_allclose(shares, (np.arange(40) + 0.5) / 40, atol=0.03)
        assert view.mean_affect[0] == pytest.approx(0.4)


@pytest.fixture
def library(db: None) -> dict[str, int]:
    """Songs by name: their sound is bright or dark, and so are their words, if they have any."""
    sides = {"bright": 0.8, "dark": 0.2}
    found = {}
    for sound, by_sound in sides.items():
        for words, by_words in {**sides, "no": None, "unknown": None}.items():
            alone = {"audio": {"valence": by_sound, "arousal": 0.5}}
            if by_words is not None:
                alone["lyrics"] = {"valence": by_words, "arousal": 0.5}
            name = f"{sound} sound, {words} words"
            found[name] = SongEmotionFactory(
                song__title=name,
                song__artist=name,
                valence=0.5,
                arousal=0.5,
                alone={} if words == "unknown" else alone,
                lyric_lines=[],
            ).song_id
    return found


def names_of(made: GeneratedPlaylist, library: dict[str, int]) -> set[str]:
    names = {song_id: name for name, song_id in library.items()}
    return {names[entry.song_id] for entry in made.entries}


def made_of(**fields: Any) -> GeneratedPlaylist:
    return playlist_generate(request=PlaylistRequest.from_json({"seed": 1} | fields))


class TestLists:
    def test_a_contrast(self, library: dict[str, int]) -> None:
        made = made_of(contrast="bright_sound_sad_words")
        assert names_of(made, library) == {"bright sound, dark words"}
        reason = made.entries[0].reason
        assert reason["sentence"].startswith("Bright sound, sad words; ")
        assert reason["sound_valence"] == pytest.approx(0.8)
        assert reason["words_valence"] == pytest.approx(0.2)
        assert made.entries[0].score == pytest.approx(0.89, abs=0.01)
        assert made.weaker_left_out == 3
        assert made.notes[:2] == (
            "2 songs are left out: analyse again what an earlier release analysed.",
            "2 songs are left out: no lyrics in English.",
        )
        made = made_of(contrast="dark_sound_bright_words")
        assert names_of(made, library) == {"dark sound, bright words"}

    def test_no_floor_brings_back_songs_without_words(self, library: dict[str, int]) -> None:
        for fields in ({}, {"moods": ["joy"]}, {"journey": ["sad", "joy"]}):
            made = made_of(contrast="bright_sound_sad_words", min_match=0, **fields)
            names = names_of(made, library)
            assert names <= {f"{a} sound, {b} words" for a in SIDES for b in SIDES}
            assert "bright sound, dark words" in names

    def test_a_refused_contrast(self, library: dict[str, int]) -> None:
        made = made_of(
            point={"valence": 0.5, "arousal": 0.5},
            contrast="bright_sound_sad_words",
            weights={"contrast": -1},
        )
        assert names_of(made, library) == set(library) - {"bright sound, dark words"}
        assert not any("left out" in note for note in made.notes)
        assert all("sound_valence" not in entry.reason for entry in made.entries)

    def test_by_words_and_by_sound(self, library: dict[str, int]) -> None:
        point = {"valence": 0.8, "arousal": 0.5}
        for words, expected, by in (
            (1, {f"{side} sound, bright words" for side in SIDES}, "by its words"),
            (0, {f"bright sound, {side} words" for side in (*SIDES, "no")}, "by its sound"),
        ):
            made = made_of(point=point, words_weight=words)
            assert names_of(made, library) == expected
            assert all(by in entry.reason["sentence"] for entry in made.entries)
            assert all(entry.reason["valence"] == pytest.approx(0.8) for entry in made.entries)
        made = made_of(point=point, words_weight=0.5, min_match=0)
        assert names_of(made, library) == {name for name in library if "unknown" not in name}
        assert made.entries[0].score >= made.entries[-1].score
        best = max(made.entries, key=lambda entry: entry.score)
        assert names_of(made, library) >= {"bright sound, bright words"}
        assert best.song_id in {
            library["bright sound, bright words"],
            library["bright sound, no words"],
        }

    def test_seed_songs_by_their_words(self, library: dict[str, int]) -> None:
        seed = library["dark sound, bright words"]
        made = made_of(song_ids=[seed], words_weight=1)
        assert names_of(made, library) == {"bright sound, bright words"}
        with pytest.raises(PlaylistRequestError, match="no song whose words are known apart"):
            made_of(song_ids=[library["dark sound, no words"]], words_weight=1)

    def test_words_ask_for_the_same(self, library: dict[str, int]) -> None:
        made = made_of(text="happy music with sad words")
        same = made_of(contrast="bright_sound_sad_words")
        assert [entry.reason for entry in made.entries] == [entry.reason for entry in same.entries]
        assert [part.meaning for part in made.understood] == ["bright sound, sad words"]
        assert made.request.to_json() == {"text": "happy music with sad words", "seed": 1}
        made = made_of(text="by the lyrics: happy", min_match=0)
        assert names_of(made, library) == {f"{a} sound, {b} words" for a in SIDES for b in SIDES}

    def test_nothing_is_left_of_an_old_catalogue(self, db: None) -> None:
        SongEmotionFactory(alone={})
        with pytest.raises(PlaylistRequestError, match="sound and words known apart"):
            made_of(contrast="bright_sound_sad_words")

    def test_its_name(self) -> None:
        request = PlaylistRequest(contrast="bright_sound_sad_words", moods=(("calm", 1.0),))
        assert playlist_name(request) == "Calm + Bright sound, sad words"


SIDES = ("bright", "dark")


@pytest.mark.django_db
class TestManySongs:
    @pytest.mark.parametrize(
        "fields",
        [
            {"contrast": "bright_sound_sad_words"},
            {"contrast": "dark_sound_bright_words", "moods": ["calm"]},
            {"contrast": "bright_sound_sad_words", "moods": ["joy"], "weights": {"contrast": 3}},
            {"moods": ["joy"], "words_weight": 0.4},
        ],
    )
    def test_the_best_are_among_those_that_are_scored(
        self, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
    ) -> None:
        rng = np.random.default_rng(4)
        for number in range(300):
            parts = {"audio": rng.random(2), "lyrics": rng.random(2)}
            alone = {
                name: {"valence": float(place[0]), "arousal": float(place[1])}
                for name, place in parts.items()
                if number % 4 or name == "audio"
            }
            SongEmotionFactory(alone=alone, song__artist=f"{number}")
        asked = fields | {"count": 20, "diversity": 0}
        every = made_of(**asked)
        monkeypatch.setattr(choosing, "ALL_SCORED", 20)
        monkeypatch.setattr(choosing, "_CANDIDATES", 100)
        some = made_of(**asked)
        assert [one.song_id for one in some.entries] == [one.song_id for one in every.entries]


@pytest.mark.django_db
def test_a_listeners_plane_lies_over_the_weighed_one() -> None:
    listener = UserFactory()
    rng = np.random.default_rng(2)
    songs = []
    for number in range(30):
        alone = {
            "audio": {"valence": float(rng.random()), "arousal": 0.5},
            "lyrics": {"valence": float(rng.random()), "arousal": 0.3},
        }
        songs.append(SongEmotionFactory(alone=alone, song__artist=f"{number}").song)
    for song in songs[:6]:
        held = song.emotions.get()
        song_place(
            user=listener,
            song_id=song.pk,
            valence=min(1.0, held.valence + 0.3),
            arousal=held.arousal,
        )
    plain = index_snapshot()
    heard = listener_of(listener, plain)
    assert heard is not None
    assert heard.profile.calibration is not None
    weighed = WeighedSnapshot.of(plain, 1.0)
    both = heard.snapshot_of(weighed)
    rows = plain.rows_of([song.pk for song in songs])
    moved, others = rows[:6], rows[6:]
    wanted = heard.profile.calibration.places(plain.by_words[others])
    np.testing.assert_allclose(both.affect[others, :2], wanted, atol=1e-6)
    assert np.all(both.affect[others, 0] > plain.by_words[others, 0])
    is_moved, at = heard.profile.where_moved(plain.recordings[moved])
    assert is_moved.all()
    np.testing.assert_allclose(both.affect[moved, :2], heard.profile.felt[at], atol=1e-6)
    shares = both.shares(0)[others]
    assert np.all(np.diff(shares[np.argsort(both.affect[others, 0])]) >= 0)
    weights = np.array([1, 1, *np.zeros(8)], np.float32)
    target = np.array([*both.affect[others[0], :2], *np.zeros(8)], np.float32)
    assert both.search_affect(target, weights, 1, plain.alive)[1] == others[:1]
    request = PlaylistRequest.from_json({"moods": ["joy"], "words_weight": 1, "seed": 1})
    assert playlist_generate(request=request, user=listener).entries


def test_the_page_and_the_api_have_it(
    client: Client, api: APIClient, library: dict[str, int]
) -> None:
    page = client.get("/playlist?contrast=bright_sound_sad_words&seed=1").content.decode()
    assert "Bright sound, sad words" in page
    assert "Pleasantness of its words" in page
    body = {"contrast": "bright_sound_sad_words", "save": False}
    answer = api.post("/api/v1/playlists/", body, format="json").json()
    assert answer["entries"][0]["reason"]["words_valence"] == pytest.approx(0.2)
    assert answer["entries"][0]["song"]["title"] == "bright sound, dark words"
