"""What is wanted and what is refused, and how both change scores and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.models import Album, Artist, Song, SongCredit
from mer.affect import AffectPoint
from recommender.errors import PlaylistRequestError
from recommender.playlists import PlaylistRequest, playlist_generate, playlist_name
from recommender.playlists.scoring import MATCH_FLOOR, scores_of
from recommender.playlists.targets import mood_target, plan_of_request
from tests.factories import SongEmotionFactory
from tests.recommender.playlists.test_targets import make_snapshot, some_quadrants

if TYPE_CHECKING:
    from recommender.index import IndexSnapshot
    from recommender.playlists.aims import Aim

MOODS = st.sampled_from(["calm", "sad", "angry", "joy", "tense", "dreamy"])


def snapshot_of(seed: int) -> IndexSnapshot:
    places = np.random.default_rng(seed).random((40, 2))
    return make_snapshot(places, some_quadrants(seed, 40))


def aim_of(snapshot: IndexSnapshot, **fields: object) -> Aim:
    aim = plan_of_request(PlaylistRequest(**fields), snapshot, None).aim
    assert aim is not None
    return aim


class TestRefusals:
    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 99), wanted=MOODS, refused=MOODS, weight=st.floats(0.01, 5))
    def test_a_weight_below_zero_never_raises_what_it_refuses(
        self, seed: int, wanted: str, refused: str, weight: float
    ) -> None:
        snapshot = snapshot_of(seed)
        rows = np.arange(len(snapshot))
        plain, _ = aim_of(snapshot, moods=((wanted, 1.0),)).scores(snapshot, rows)
        moods = ((wanted, 1.0), (refused, -weight))
        scores, is_refused = aim_of(snapshot, moods=moods).scores(snapshot, rows)
        match = scores_of(mood_target(refused, "moods", snapshot), snapshot, rows)
        assert np.all(scores <= plain + 1e-12)
        factor = np.divide(scores, plain, out=np.ones(40), where=plain > 1e-9)
        order = np.argsort(match)
        assert np.all(np.diff(factor[order]) <= 1e-9)
        assert np.all(is_refused == ((match >= MATCH_FLOOR) & (weight >= 1)))

    @given(seed=st.integers(0, 99), refused=MOODS)
    def test_alone_it_wants_all_but_that(self, seed: int, refused: str) -> None:
        snapshot = snapshot_of(seed)
        rows = np.arange(len(snapshot))
        scores, is_refused = aim_of(snapshot, moods=((refused, -1.0),)).scores(snapshot, rows)
        match = scores_of(mood_target(refused, "moods", snapshot), snapshot, rows)
        np.testing.assert_allclose(scores, 1 - match)
        assert np.array_equal(is_refused, match >= MATCH_FLOOR)

    @given(seed=st.integers(0, 99))
    def test_a_weight_of_a_field_turns_it(self, seed: int) -> None:
        snapshot = snapshot_of(seed)
        rows = np.arange(len(snapshot))
        one = aim_of(snapshot, moods=(("sad", 1.0),), weights={"moods": -1})
        other = aim_of(snapshot, moods=(("sad", -1.0),))
        np.testing.assert_array_equal(
            one.scores(snapshot, rows)[0], other.scores(snapshot, rows)[0]
        )


class TestAreas:
    @given(seed=st.integers(0, 99), radius=st.floats(0.01, 0.5))
    def test_inside_a_circle_all_fit_fully(self, seed: int, radius: float) -> None:
        snapshot = snapshot_of(seed)
        aim = aim_of(snapshot, point=AffectPoint(0.4, 0.6), radius=radius)
        scores, _ = aim.scores(snapshot, np.arange(len(snapshot)))
        distances = np.linalg.norm(snapshot.affect[:, :2] - np.array([0.4, 0.6]), axis=1)
        assert np.all(scores[distances <= radius - 1e-6] == 1)
        assert np.all(scores[distances >= radius + 1e-6] < 1)
        assert np.all(np.diff(scores[np.argsort(distances)]) <= 1e-9)

    def test_a_rectangle_that_is_refused_is_empty_in_the_list(self) -> None:
        snapshot = snapshot_of(3)
        rows = np.arange(len(snapshot))
        aim = aim_of(snapshot, box={"valence": [0, 0.5]}, weights={"box": -1})
        _, is_refused = aim.scores(snapshot, rows)
        assert np.array_equal(is_refused, snapshot.affect[:, 0] <= 0.5)

    def test_a_mood_in_a_rectangle_has_to_fit_both(self) -> None:
        snapshot = snapshot_of(4)
        rows = np.arange(len(snapshot))
        calm = aim_of(snapshot, moods=(("calm", 1.0),)).scores(snapshot, rows)[0]
        box = {"valence": [0.8, 1]}
        both = aim_of(snapshot, moods=(("calm", 1.0),), box=box).scores(snapshot, rows)[0]
        inside = snapshot.affect[:, 0] >= 0.8
        np.testing.assert_allclose(both[inside], np.sqrt(calm[inside]))
        far = snapshot.affect[:, 0] < 0.3
        assert np.all(both[far] < np.sqrt(calm[far]))


@pytest.mark.django_db
class TestLists:
    def test_artists_and_albums_lead_or_are_left_out(self) -> None:
        mine = [
            SongEmotionFactory(
                valence=0.8, arousal=0.2, song__artist="The Kilns", seed=1, song__album="Embers"
            ).song_id
            for _ in range(2)
        ]
        self.credit(mine)
        others = [SongEmotionFactory(valence=0.8, arousal=0.2, seed=1).song_id for _ in range(4)]
        for _ in range(20):
            SongEmotionFactory(valence=0.2, arousal=0.8)

        def ids(**fields: object) -> set[int]:
            made = playlist_generate(request=PlaylistRequest(seed=1, count=4, **fields))
            return {entry.song_id for entry in made.entries}

        assert ids(artists=("kilns",)) <= {*mine, *others}
        assert ids(moods=(("calm", 1.0),), artists=(("The Kilns", -1),)).isdisjoint(mine)
        assert ids(moods=(("calm", 1.0),), albums=(("embers", -1),)).isdisjoint(mine)

    @staticmethod
    def credit(song_ids: list[int]) -> None:
        artist = Artist.objects.create(name="The Kilns", key="kilns")
        album = Album.objects.create(title="Embers", key="embers", artist=artist)
        for song_id in song_ids:
            SongCredit.objects.create(song_id=song_id, artist=artist, position=0, name="The Kilns")
        Song.objects.filter(pk__in=song_ids).update(album_entry=album)

    def test_an_unknown_artist_is_named(self) -> None:
        SongEmotionFactory()
        with pytest.raises(PlaylistRequestError, match="artists has 'Nobody'"):
            playlist_generate(request=PlaylistRequest(artists=("Nobody",)))

    def test_names_say_what_is_refused(self) -> None:
        request = PlaylistRequest(
            moods=(("calm", 1.0), ("sad", -1.0)), artists=(("Kilnfire", -1),), seed=1
        )
        assert playlist_name(request) == "Calm, not sad, not Kilnfire"
        request = PlaylistRequest(journey=("tense", "0.5/0.5", "calm"))
        assert playlist_name(request) == "From tense to calm by way of nostalgic"
