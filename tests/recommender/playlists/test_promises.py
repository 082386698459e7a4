"""What every list keeps, whatever is asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Recording, Song, SongEmotion
from mer.affect import AffectPoint
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.history import listen_record
from recommender.index import index_snapshot
from recommender.playlists import PlaylistRequest, playlist_generate
from recommender.playlists.scoring import MATCH_FLOOR
from recommender.playlists.targets import mood_target
from tests.factories import SongEmotionFactory, UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from recommender.playlists import GeneratedPlaylist

pytestmark = pytest.mark.django_db

ASKED = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
point = st.builds(AffectPoint, st.floats(0, 1), st.floats(0, 1))
mood = st.sampled_from(["calm", "sad", "angry", "joy"])
targets = st.one_of(
    st.fixed_dictionaries({"moods": st.tuples(st.tuples(mood, st.just(1.0)))}),
    st.fixed_dictionaries(
        {"moods": st.tuples(st.tuples(mood, st.just(1.0)), st.tuples(mood, st.just(-1.0)))}
    ),
    st.fixed_dictionaries({"moods": st.tuples(st.tuples(mood, st.just(-1.0)))}),
    st.fixed_dictionaries({"point": point, "radius": st.sampled_from([0.0, 0.2])}),
    st.fixed_dictionaries({"journey": st.tuples(mood, mood)}),
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "genre": st.sampled_from(["rock", "pop"]),
        "decade": st.sampled_from([1990, 2000]),
        "seconds_to": st.sampled_from([100.0, 200.0, 300.0]),
        "min_confidence": st.sampled_from([0.5, 0.8]),
        "exclude_heard_days": st.just(7),
        "never_heard": st.booleans(),
        "relax": st.booleans(),
        "min_match": st.sampled_from([0.0, 0.3]),
        "max_per_artist": st.integers(1, 4),
        "artist_spacing": st.integers(0, 5),
        "diversity": st.floats(0, 1),
    },
)
sizes = st.one_of(
    st.fixed_dictionaries({"count": st.integers(1, 40)}),
    st.fixed_dictionaries({"minutes": st.integers(1, 90)}),
)
MAY_BE_RELAXED = {
    "seconds_to": "length",
    "exclude_heard_days": "songs heard lately",
    "never_heard": "songs ever heard",
}


@pytest.fixture
def listener() -> User:
    """Someone who heard a part of 120 songs; every tenth recording is in two files."""
    user = UserFactory()
    rng = np.random.default_rng(9)
    for number in range(120):
        recording = Recording.objects.create() if number % 10 == 0 else None
        for rank in range(2 if recording else 1):
            song = SongEmotionFactory(
                seed=number,
                confidence=float(rng.random()),
                song__artist=f"Artist {number % 13}" if number % 13 else "",
                song__duration_seconds=float(rng.choice([90.0, 180.0, 270.0])),
                song__recording=recording,
                song__recording_rank=rank,
            ).song
        if number % 3 == 0:
            listen_record(user=user, song_id=song.pk)
    return user


def kept(made: GeneratedPlaylist, songs: dict[int, Song], heard: set[int]) -> dict[str, bool]:
    """Return whether the constraints of the request hold for every song, by field."""
    request = made.request
    listed = [songs[entry.song_id] for entry in made.entries]
    files = {song.recording_id for song in Song.objects.filter(pk__in=heard) if song.recording_id}
    unheard = all(
        song.pk not in heard and (not song.recording_id or song.recording_id not in files)
        for song in listed
    )
    confidences = dict(SongEmotion.objects.values_list("song_id", "confidence"))
    decade, longest = request.value("decade"), request.value("seconds_to")
    surest = request.value("min_confidence")
    return {
        "genre": all(request.value("genre") in song.genre for song in listed),
        "decade": decade is None or all(0 <= (s.year or 0) - decade <= 9 for s in listed),
        "seconds_to": longest is None or all((s.duration_seconds or 0) <= longest for s in listed),
        "min_confidence": all(confidences[song.pk] >= surest - 1e-6 for song in listed),
        "exclude_heard_days": not request.value("exclude_heard_days") or unheard,
        "never_heard": not request.value("never_heard") or unheard,
    }


@ASKED
@given(target=targets, limit=limits, size=sizes, seed=st.integers(0, 2**53 - 1))
def test_promises_hold(
    listener: User,
    target: dict[str, Any],
    limit: dict[str, Any],
    size: dict[str, Any],
    seed: int,
) -> None:
    request = PlaylistRequest(**target, **limit, **size, seed=seed)
    try:
        made = playlist_generate(request=request, user=listener)
    except PlaylistRequestError as error:
        assert error.code == PlaylistErrorCode.NO_SONG_MATCHES  # noqa: PT017  none is allowed
        assert limit
        return
    assert playlist_generate(request=request, user=listener) == made
    songs = Song.objects.in_bulk([entry.song_id for entry in made.entries])

    # Once each, and each recording once.
    assert len(songs) == len(made.entries)
    recordings = [song.recording_id for song in songs.values() if song.recording_id]
    assert len(set(recordings)) == len(recordings)

    # The right length, or a note.
    if request.minutes is None:
        assert len(songs) == request.count or (len(songs) < request.count and made.notes)
    else:
        seconds = sum(song.duration_seconds or 0 for song in songs.values())
        assert made.notes or abs(seconds - 60 * request.minutes) <= 270

    # Every constraint holds, or is named.
    heard = set(listener.listens.values_list("song_id", flat=True))
    for field, holds in kept(made, songs, heard).items():
        assert holds or MAY_BE_RELAXED.get(field) in made.relaxed, field
    assert request.relax or not made.relaxed
    artists = Counter(song.artist for song in songs.values() if song.artist)
    assert all(count <= request.max_per_artist for count in artists.values())

    # No weak match, and nothing that is refused.
    assert all(request.min_match <= entry.score <= 1 for entry in made.entries)
    snapshot = index_snapshot()
    rows = snapshot.rows_of(songs)
    for name, weight in request.moods:
        if weight < 0:
            refused = mood_target(name, "moods", snapshot).match(snapshot, rows)
            assert np.all(refused < MATCH_FLOOR)
