"""Journeys: the curve, the songs along it, and lists that follow one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.models import Song
from mer.affect import AffectPoint
from recommender.history import listen_record
from recommender.playlists import PlaylistRequest, playlist_generate
from recommender.playlists.journeys import (
    SHAPES,
    Candidates,
    Curve,
    journey_fit,
    progress_of_steps,
    travel,
)
from tests.factories import SongEmotionFactory, UserFactory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recommender.playlists import GeneratedPlaylist

unit = st.floats(0, 1)
A, B = np.array([0.2, 0.8]), np.array([0.7, 0.3])


class TestCurve:
    def test_shapes(self) -> None:
        ends = np.array([A, B])
        middle = np.array([0.5])
        for shape, place in [
            ("linear", [0.45, 0.55]),
            ("valence_first", [0.7, 0.8]),
            ("arousal_first", [0.2, 0.3]),
        ]:
            np.testing.assert_allclose(Curve.through(ends, shape).at(middle), [place])

    def test_iso_stays_goes_and_rests(self) -> None:
        progress = progress_of_steps(20, "iso")
        assert np.all(progress[:4] == 0)
        assert np.all(np.diff(progress[4:18]) > 0)
        assert np.all(progress[18:] == 1)

    @given(
        stops=st.lists(st.tuples(unit, unit), min_size=2, max_size=5),
        shape=st.sampled_from(sorted(SHAPES)),
        count=st.integers(1, 30),
    )
    def test_goes_through_every_stop(
        self, stops: list[tuple[float, float]], shape: str, count: int
    ) -> None:
        curve = Curve.through(np.array(stops), shape)
        np.testing.assert_allclose(curve.at(curve.progress_of_stops), stops, atol=1e-6)
        progress = progress_of_steps(count, shape)
        assert np.all((progress >= 0) & (progress <= 1))
        assert np.all(np.diff(progress) >= 0)
        assert progress[-1] == 1


def candidates(
    places: NDArray[np.float64], artists: list[int], steps: int, most: int = 1
) -> Candidates:
    count = len(places)
    return Candidates(
        places=places,
        artists=np.array(artists)[:, np.newaxis],
        albums=np.full(count, -1),
        most=np.full(max(artists, default=-1) + 1, most),
        misfit=np.zeros((steps, count)),
        near=np.tile(np.arange(count), (steps, 1)),
        chance=np.zeros(count),
    )


class TestTravel:
    @settings(max_examples=60, deadline=None)
    @given(
        artists=st.lists(st.integers(-1, 5), min_size=1, max_size=25),
        steps=st.integers(1, 12),
        spacing=st.integers(0, 4),
        most=st.integers(1, 3),
        seed=st.integers(0, 99),
    )
    def test_keeps_spacing_and_maximum_and_repeats_nothing(
        self, artists: list[int], steps: int, spacing: int, most: int, seed: int
    ) -> None:
        places = np.random.default_rng(seed).random((len(artists), 2))
        curve = Curve.through(np.array([A, B]), "linear").at(progress_of_steps(steps, "linear"))
        path = travel(curve, candidates(places, artists, steps, most), spacing=spacing)
        taken = path[path >= 0].tolist()
        assert len(set(taken)) == len(taken)
        named = [artists[song] if song >= 0 else -1 for song in path.tolist()]
        for step, artist in enumerate(named):
            if artist >= 0:
                assert named.count(artist) <= most
                assert artist not in named[step + 1 : step + 1 + spacing]

    def test_takes_the_songs_on_the_way_and_goes_forward(self) -> None:
        rng = np.random.default_rng(0)
        curve = Curve.through(np.array([A, B]), "linear").at(progress_of_steps(15, "linear"))
        crowd = rng.random((300, 2))
        places = np.vstack([crowd, curve + rng.normal(0, 0.01, curve.shape)])
        songs = candidates(places, [-1] * 315, 15)
        path = travel(curve, songs, spacing=0)
        fit = journey_fit(songs.places[path], curve)
        assert fit.distance < 0.02
        assert fit.forward == 1.0

    def test_albums_have_a_maximum_of_their_own(self) -> None:
        curve = Curve.through(np.array([A, B]), "linear").at(progress_of_steps(6, "linear"))
        songs = candidates(np.vstack([curve, curve]), [-1] * 12, 6)
        albums = np.array([0] * 6 + [-1] * 6)
        songs = replace(songs, albums=albums, most=np.array([2]))
        path = travel(curve, songs, spacing=3)
        assert np.count_nonzero(albums[path] == 0) == 2
        assert np.all(path >= 0)

    def test_fit_of_a_way_back(self) -> None:
        steps = np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]])
        fit = journey_fit(steps[::-1], steps)
        assert fit.forward == 0.0
        assert fit.distance == pytest.approx(2 / 3)


@pytest.mark.django_db
class TestLists:
    @pytest.fixture(autouse=True)
    def plane(self) -> None:
        """Songs all over the plane, by thirty artists."""
        rng = np.random.default_rng(5)
        for number, (valence, arousal) in enumerate(rng.random((150, 2)).tolist()):
            SongEmotionFactory(
                seed=number,
                valence=valence,
                arousal=arousal,
                song__artist=f"Artist {number % 30}",
            )

    def made(self, user: object = None, **fields: object) -> GeneratedPlaylist:
        request = PlaylistRequest(**{"seed": 1, "count": 12, **fields})
        return playlist_generate(request=request, user=user)  # type: ignore[arg-type]

    @pytest.mark.parametrize("shape", sorted(SHAPES))
    def test_leads_from_one_mood_to_another(self, shape: str) -> None:
        made = self.made(journey=("angry", "calm"), journey_shape=shape)
        assert len(made.entries) >= 10
        assert len(made.entries) + made.weaker_left_out == 12
        assert made.fit is not None
        assert made.fit.distance <= 0.08
        assert made.fit.forward >= 0.9
        first, last = made.entries[0].reason, made.entries[-1].reason
        assert first["arousal"] > 0.6 > 0.4 > last["arousal"]
        assert first["valence"] < 0.4 < 0.5 < last["valence"]
        progress = [entry.reason["progress"] for entry in made.entries]
        assert progress == sorted(progress)
        assert first["sentence"].startswith("Step 1 of ")
        assert ", from angry to calm. " in first["sentence"]
        assert made == self.made(journey=("angry", "calm"), journey_shape=shape)

    def test_by_way_of_another(self) -> None:
        made = self.made(journey=("angry", "calm", "party"), count=21)
        lowest = min(made.entries, key=lambda entry: entry.reason["arousal"])
        assert 0.3 < lowest.reason["progress"] < 0.8

    def test_takes_about_so_many_minutes(self) -> None:
        made = self.made(journey=("angry", "calm"), minutes=30)  # songs of three minutes
        assert len(made.entries) == 10
        assert len(self.made(moods=("calm",), minutes=15, min_match=0).entries) == 5

    def test_another_length_is_said(self) -> None:
        Song.objects.update(duration_seconds=1200.0)
        journey = self.made(journey=("angry", "calm"), minutes=70, min_match=0)
        calm = self.made(moods=("calm",), minutes=70, min_match=0)
        for made, minutes in ((journey, 20 * len(journey.entries)), (calm, 20 * len(calm.entries))):
            assert abs(minutes - 70) == 10
            assert made.notes == (f"It lasts {minutes} minutes, not 70.",)
        assert not self.made(moods=("calm",), minutes=60, min_match=0).notes

    def test_other_targets_and_refusals_count_on_the_way(self) -> None:
        refused = ("Artist 3", -1)
        made = self.made(journey=("angry", "calm"), artists=(refused,), moods=(("dark", -0.5),))
        assert made.fit is not None
        assert made.fit.distance <= 0.12

    def test_a_single_stop_starts_where_the_listener_is(self) -> None:
        user = UserFactory()
        heard = SongEmotionFactory(valence=0.1, arousal=0.9).song_id
        listen_record(user=user, song_id=heard)
        made = self.made(user, journey=("calm",), journey_shape="iso")
        assert made.entries[0].reason["arousal"] > 0.6
        assert made.entries[0].reason["sentence"].startswith("Step 1 of ")
        assert ", from where you are to calm. " in made.entries[0].reason["sentence"]

    def test_what_lies_nowhere_near_is_left_out_and_counted(self) -> None:
        crowd = PlaylistRequest(
            journey=({"point": AffectPoint(0.5, 0.5)}, {"point": AffectPoint(0.52, 0.5)}),
            count=100,
            seed=1,
        )
        made = playlist_generate(request=crowd)
        assert made.weaker_left_out == 100 - len(made.entries) > 0
        assert all(entry.score >= crowd.min_match for entry in made.entries)
