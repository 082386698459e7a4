from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import analysis
from catalog.models import Song, SongEmotion
from mer.affect import EMOTIONS, QUADRANTS, AffectPoint
from mer.errors import InputError
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.history import listen_record
from recommender.index import index_build, index_snapshot
from recommender.index.reader import index_snapshot_forget
from recommender.playlists import (
    GeneratedPlaylist,
    PlaylistRequest,
    choosing,
    generate,
    playlist_generate,
    playlist_listed,
    playlist_save,
    similar,
    songs_similar,
)
from tests.factories import SongEmotionFactory, SongFactory, UserFactory, random_embedding

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

CALM = PlaylistRequest(moods=(("calm", 1.0),), seed=1)


def ids(generated: GeneratedPlaylist) -> list[int]:
    return [entry.song_id for entry in generated.entries]


def code_of(request: PlaylistRequest, user: object = None) -> str:
    with pytest.raises(PlaylistRequestError) as caught:
        playlist_generate(request=request, user=user)
    return caught.value.code


def emotions(**given_: float) -> dict[str, float]:
    rest = (1 - sum(given_.values())) / (len(EMOTIONS) - len(given_))
    return {name: given_.get(name, rest) for name in EMOTIONS}


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Stands in for the network: whatever is typed is sad and quiet; `heard` lists the texts."""
    prediction = SimpleNamespace(
        valence=0.2,
        arousal=0.2,
        emotions=emotions(sadness=0.7),
        confidence=0.6,
        fused_embedding=random_embedding(777),
        heard=[],
    )

    def text_analyse(*, text: str, version: str) -> SimpleNamespace:
        if text == "♪":
            raise InputError("no words")
        prediction.heard.append(text)
        return prediction

    monkeypatch.setattr(analysis, "text_analyse", text_analyse)
    return prediction


@pytest.fixture
def plane() -> dict[str, int]:
    """A crowd in the middle, as predictions are, with one song a little way out each way."""
    for number in range(24):
        SongEmotionFactory(
            valence=0.49 + 0.02 * (number % 5) / 4,
            arousal=0.48 + 0.04 * (number % 7) / 6,
            emotions=emotions(),
            song__artist=f"Crowd {number}",
        )
    places = {
        "joy": (0.55, 0.60),
        "anger": (0.45, 0.62),
        "sadness": (0.45, 0.40),
        "calmness": (0.55, 0.38),
    }
    return {
        name: SongEmotionFactory(
            valence=valence, arousal=arousal, emotions=emotions(**{name: 0.3}), song__artist=name
        ).song_id
        for name, (valence, arousal) in places.items()
    }


class TestTargets:
    @pytest.mark.parametrize(
        ("mood", "expected"),
        [
            ("angry", "anger"),
            ("Happy", "joy"),
            ("sad", "sadness"),
            ("chilled", "calmness"),
            ("peaceful", "calmness"),
        ],
    )
    def test_a_mood_finds_the_most_so_however_crowded_the_middle(
        self, plane: dict[str, int], mood: str, expected: str
    ) -> None:
        generated = playlist_generate(
            request=PlaylistRequest(moods=((mood, 1.0),), count=3, seed=0, diversity=0.0)
        )
        assert ids(generated)[0] == plane[expected]

    @pytest.mark.parametrize("name", ["joy", "anger", "sadness", "calmness"])
    def test_a_point_on_a_song_finds_the_song(self, plane: dict[str, int], name: str) -> None:
        emotion = SongEmotion.objects.get(song_id=plane[name])
        point = AffectPoint(emotion.valence, emotion.arousal)
        generated = playlist_generate(request=PlaylistRequest(point=point, count=1, seed=0))
        assert ids(generated) == [plane[name]]
        assert generated.entries[0].reason["distance"] == pytest.approx(0.0, abs=1e-6)
        # It is .7 sure that the song lies in its own quadrant.
        assert 0.7 < generated.entries[0].score < 1.0
        certain = {str(name): float(name == emotion.quadrant) for name in QUADRANTS}
        emotion.quadrants = certain
        emotion.save()
        generated = playlist_generate(request=PlaylistRequest(point=point, count=1, seed=0))
        assert generated.entries[0].score == pytest.approx(1.0, abs=1e-4)

    def test_words_go_through_the_network(
        self, plane: dict[str, int], words: SimpleNamespace
    ) -> None:
        generated = playlist_generate(request=PlaylistRequest(text="rain", count=2, seed=0))
        assert ids(generated)[0] == plane["sadness"]
        assert words.heard == ["rain"]
        assert generated.emotions == {"sadness": pytest.approx(1.0)}

    def test_an_unknown_mood_is_read_as_words(
        self, plane: dict[str, int], words: SimpleNamespace
    ) -> None:
        request = PlaylistRequest(moods=(("starlit", 1.0),), count=1, seed=0)
        assert ids(playlist_generate(request=request)) == [plane["sadness"]]
        assert words.heard == ["starlit"]

    def test_words_that_are_none_are_refused(
        self, plane: dict[str, int], words: SimpleNamespace
    ) -> None:
        assert code_of(PlaylistRequest(text="♪")) == "WORDS_NOT_UNDERSTOOD"

    def test_seed_songs_find_what_is_like_them(self) -> None:
        base = random_embedding(1)
        alike = []
        for number in range(4):
            vector = base + 0.2 * random_embedding(100 + number)
            vector /= np.linalg.norm(vector)
            alike.append(
                SongEmotionFactory(
                    fused_embedding=vector.astype("<f4").tobytes(),
                    valence=0.5,
                    arousal=0.5,
                    song__artist=f"Alike {number}",
                ).song_id
            )
        SongEmotionFactory.create_batch(30, valence=0.5, arousal=0.5)
        request = PlaylistRequest(song_ids=(alike[0],), count=3, seed=0, diversity=0.0)
        generated = playlist_generate(request=request)
        assert set(ids(generated)) == set(alike[1:])
        assert [similar.song_id for similar in songs_similar(song_id=alike[0], k=3)][:3] != alike[
            :3
        ]
        assert {similar.song_id for similar in songs_similar(song_id=alike[0], k=3)} == set(
            alike[1:]
        )

    def test_history_follows_what_was_heard_last(self, plane: dict[str, int]) -> None:
        user = UserFactory()
        listen_record(user=user, song_id=plane["calmness"])
        listen_record(
            user=user,
            song_id=plane["anger"],
            listened_at=timezone.now() - timedelta(days=300),
        )
        request = PlaylistRequest(history=True, count=1, seed=0)
        first = playlist_generate(request=request, user=user)
        assert ids(first) == [plane["calmness"]]
        without = request.replace(exclude_heard_days=7, relax=False)
        assert plane["calmness"] not in ids(playlist_generate(request=without, user=user))
        other = UserFactory()
        listen_record(user=other, song_id=plane["anger"])
        assert ids(playlist_generate(request=request, user=other)) == [plane["anger"]]

    def test_ingredients_are_blended_by_weight(self, plane: dict[str, int]) -> None:
        def target(*moods: tuple[str, float]) -> GeneratedPlaylist:
            return playlist_generate(request=PlaylistRequest(moods=moods, seed=0))

        both = target(("calm", 3.0), ("angry", 1.0))
        assert both.valence == pytest.approx((3 * 0.70 + 0.15) / 4)
        assert both.arousal == pytest.approx((3 * 0.20 + 0.85) / 4)
        assert both.emotions == {"anger": pytest.approx(0.25), "calmness": pytest.approx(0.75)}
        mixed = playlist_generate(
            request=PlaylistRequest(moods=(("calm", 1.0),), point=AffectPoint(0.1, 0.6), seed=0)
        )
        assert mixed.valence == pytest.approx(0.4)
        assert mixed.emotions == {"calmness": pytest.approx(1.0)}


class TestErrors:
    def test_empty_catalogue(self) -> None:
        SongFactory(status=Song.Status.PENDING)
        assert code_of(CALM) == PlaylistErrorCode.CATALOG_EMPTY

    def test_seed_song_that_is_not_there_or_not_analysed(self) -> None:
        SongEmotionFactory()
        pending, gone = SongFactory(status="pending"), SongFactory(is_available=False)
        for song_id, code in [
            (pending.pk, "SONG_NOT_ANALYSED"),
            (gone.pk, "SONG_NOT_FOUND"),
            (10**9, "SONG_NOT_FOUND"),
        ]:
            with pytest.raises(PlaylistRequestError) as caught:
                playlist_generate(request=PlaylistRequest(song_ids=(song_id,)))
            assert (caught.value.code, caught.value.details) == (code, {"song_ids": [song_id]})
            with pytest.raises(PlaylistRequestError) as caught:
                songs_similar(song_id=song_id)
            assert caught.value.code == code

    def test_history_of_nobody_and_of_a_new_listener(self) -> None:
        SongEmotionFactory()
        request = PlaylistRequest(history=True)
        assert code_of(request) == "HISTORY_EMPTY"
        assert code_of(request, UserFactory()) == "HISTORY_EMPTY"

    def test_filters_that_leave_nothing(self) -> None:
        song = SongEmotionFactory(song__genre="Rock; Indie", song__year=1999).song
        assert code_of(CALM.replace(genre="jazz")) == "NO_SONG_MATCHES"
        assert code_of(CALM.replace(year_from=2000)) == "NO_SONG_MATCHES"
        assert code_of(CALM.replace(exclude_song_ids=(song.pk,))) == "NO_SONG_MATCHES"
        assert code_of(PlaylistRequest(song_ids=(song.pk,))) == "NO_SONG_MATCHES"
        left = CALM.replace(genre="indie", min_match=0)
        assert ids(playlist_generate(request=left)) == [song.pk]


class TestLists:
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(data=st.data())
    def test_promises_hold_for_any_request(self, catalogue: list[int], data: st.DataObject) -> None:
        request = PlaylistRequest(
            moods=data.draw(st.sampled_from([(), (("sad", 1.0),), (("dark", 2.0), ("joy", 1.0))])),
            point=AffectPoint(data.draw(st.floats(0, 1)), data.draw(st.floats(0, 1))),
            song_ids=tuple(data.draw(st.lists(st.sampled_from(catalogue), max_size=2))),
            count=data.draw(st.integers(1, 60)),
            diversity=data.draw(st.floats(0, 1)),
            seed=data.draw(st.integers(0, 2**53 - 1)),
            artist_spacing=data.draw(st.integers(0, 8)),
            max_per_artist=data.draw(st.integers(1, 5)),
            genre=data.draw(st.sampled_from(["", "rock"])),
            year_from=data.draw(st.none() | st.integers(1990, 2000)),
            exclude_song_ids=tuple(data.draw(st.lists(st.sampled_from(catalogue), max_size=9))),
            min_match=data.draw(st.sampled_from([0.0, 0.3, 0.5])),
        )
        generated = playlist_generate(request=request)
        assert playlist_generate(request=request) == generated
        chosen = ids(generated)
        songs = Song.objects.in_bulk(chosen)
        assert len(chosen) == len(songs)
        seeds = [song_id for song_id, _ in request.song_ids]
        assert not set(chosen) & {*request.value("exclude_song_ids"), *seeds}
        assert all(request.value("genre") in song.genre for song in songs.values())
        assert all(song.year >= (request.value("year_from") or 0) for song in songs.values())
        assert all(request.min_match <= entry.score <= 1 for entry in generated.entries)

        left = Song.objects.filter(
            genre__contains=request.value("genre"), year__gte=request.value("year_from") or 0
        )
        left = left.exclude(pk__in=[*request.value("exclude_song_ids"), *seeds])
        per_artist: dict[str, int] = {}
        for artist, pk in left.values_list("artist", "pk"):
            key = artist or str(pk)
            per_artist[key] = min(per_artist.get(key, 0) + 1, request.max_per_artist)
        missing = min(request.count, sum(per_artist.values())) - len(chosen)
        assert missing == generated.weaker_left_out
        assert missing == 0 or request.min_match > 0
        artists = [songs[song_id].artist or str(song_id) for song_id in chosen]
        assert all(artists.count(artist) <= request.max_per_artist for artist in artists)
        spacing = request.artist_spacing
        for note in generated.notes:
            if found := re.search(r"the spacing of songs by one artist is (\d+)", note):
                spacing = int(found[1])
        for start in range(len(artists)):
            window = artists[start : start + spacing + 1]
            assert len(set(window)) == len(window)
        assert bool(generated.notes) == (
            len(chosen) < request.count or spacing < request.artist_spacing
        )

    def test_weak_matches_are_left_out_and_counted(self, plane: dict[str, int]) -> None:
        request = PlaylistRequest(moods=(("angry", 1.0),), count=20, seed=0)
        good = playlist_generate(request=request)
        everything = playlist_generate(request=request.replace(min_match=0))
        assert len(everything.entries) == 20
        assert everything.weaker_left_out == 0
        matching = {e.song_id for e in everything.entries if e.score >= request.min_match}
        assert set(ids(good)) == matching
        assert plane["anger"] in matching
        assert good.weaker_left_out == 20 - len(matching) > 0
        (note,) = good.notes
        assert note == f"{good.weaker_left_out} weaker matches are left out."
        none = playlist_generate(request=request.replace(min_match=1.0))
        assert (none.entries, none.weaker_left_out) == ((), 20)
        assert none.notes == ("20 weaker matches are left out.",)

    def test_same_list_from_the_database_and_from_a_build(self, catalogue: list[int]) -> None:
        request = PlaylistRequest(song_ids=(catalogue[0],), moods=(("sad", 1.0),), seed=4)
        before = playlist_generate(request=request)
        similar = songs_similar(song_id=catalogue[0])
        index_build()
        assert index_snapshot().tail_count == 0
        after = playlist_generate(request=request)
        assert ids(after) == ids(before)
        assert [s.song_id for s in songs_similar(song_id=catalogue[0])] == [
            s.song_id for s in similar
        ]

    def test_large_catalogue_scores_candidates_only(
        self, catalogue: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = PlaylistRequest(song_ids=(catalogue[0],), seed=4, count=5, diversity=0.0)
        index_build()
        SongEmotionFactory.create_batch(3)
        exact = playlist_generate(request=request)
        monkeypatch.setattr(choosing, "ALL_SCORED", 10)
        monkeypatch.setattr(choosing, "_CANDIDATES", 40)
        assert ids(playlist_generate(request=request)) == ids(exact)
        assert len(playlist_generate(request=CALM.replace(count=10)).entries) == 10

    def test_seed_is_drawn_and_makes_the_list_again(self, catalogue: list[int]) -> None:
        drawn = playlist_generate(request=CALM.replace(seed=None))
        again = playlist_generate(request=CALM.replace(seed=drawn.seed))
        assert ids(again) == ids(drawn)

    def test_steps_are_smaller_than_by_chance(self, catalogue: list[int]) -> None:
        generated = playlist_generate(request=CALM.replace(diversity=0.8))
        places = np.array([(e.reason["valence"], e.reason["arousal"]) for e in generated.entries])
        rng = np.random.default_rng(0)

        def length(order: np.ndarray) -> float:
            return float(np.linalg.norm(np.diff(places[order], axis=0), axis=1).sum())

        by_chance = np.mean([length(rng.permutation(len(places))) for _ in range(50)])
        assert length(np.arange(len(places))) < 0.7 * by_chance

    def test_song_deleted_since_the_snapshot_is_never_given(
        self, catalogue: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held = index_snapshot()
        monkeypatch.setattr(generate, "index_snapshot", lambda: held)
        monkeypatch.setattr(similar, "index_snapshot", lambda: held)
        before = ids(playlist_generate(request=CALM))
        nearest = songs_similar(song_id=before[0], k=5)
        Song.objects.filter(pk=before[1]).delete()
        Song.objects.filter(pk=before[2]).update(is_available=False)
        Song.objects.filter(pk=nearest[0].song_id).delete()
        after = ids(playlist_generate(request=CALM))
        assert len(after) == len(before)
        assert not {before[1], before[2], nearest[0].song_id} & set(after)
        found = [entry.song_id for entry in songs_similar(song_id=before[0], k=5)]
        assert len(found) == 5
        assert nearest[0].song_id not in found

    def test_reason_says_why(self, plane: dict[str, int]) -> None:
        generated = playlist_generate(
            request=PlaylistRequest(moods=(("angry", 1.0),), count=1, seed=0)
        )
        reason = generated.entries[0].reason
        assert reason["shared_emotions"] == ["anger"]
        assert reason["modality"] == "audio"
        assert reason["distance"] == pytest.approx(np.hypot(0.30, 0.23), abs=1e-5)
        assert reason["sentence"] == "Dark and intense; among the angriest 2% of your library."

    def test_reason_names_only_what_was_asked_for(
        self, plane: dict[str, int], words: SimpleNamespace
    ) -> None:
        # The words touch every emotion a little (.04 each), yet ask for sadness alone.
        generated = playlist_generate(request=PlaylistRequest(text="rain", count=9, seed=0))
        named = {name for entry in generated.entries for name in entry.reason["shared_emotions"]}
        assert named == {"sadness"}

    def test_songs_heard_come_back_if_too_few_are_left(self, plane: dict[str, int]) -> None:
        user = UserFactory()
        for song_id in Song.objects.values_list("pk", flat=True)[:25]:
            listen_record(user=user, song_id=song_id)
        request = CALM.replace(count=8, exclude_heard_days=7, min_match=0)
        relaxed = playlist_generate(request=request, user=user)
        assert len(relaxed.entries) == 8
        assert relaxed.relaxed == ("songs heard lately",)
        assert relaxed.notes[0] == "Too few songs, so this was relaxed: songs heard lately."
        kept = playlist_generate(request=request.replace(relax=False), user=user)
        assert (len(kept.entries), kept.relaxed) == (3, ())
        enough = playlist_generate(request=request.replace(count=6), user=user)
        assert (len(enough.entries), enough.relaxed) == (3, ())

    def test_a_listener_changes_no_list_of_another(self, catalogue: list[int]) -> None:
        other = UserFactory()
        for song_id in catalogue[:5]:
            listen_record(user=other, song_id=song_id)
        requests = [
            CALM.replace(exclude_heard_days=30, count=30),
            PlaylistRequest(history=True, seed=1, exclude_heard_days=3),
            PlaylistRequest(journey=("now", "calm"), seed=1),
        ]
        before = [playlist_generate(request=request, user=other) for request in requests]
        loud = UserFactory()
        for song_id in catalogue[20:80]:
            listen_record(user=loud, song_id=song_id)
        playlist_generate(request=requests[1], user=loud)
        assert [playlist_generate(request=request, user=other) for request in requests] == before

    def test_few_queries(self, catalogue: list[int], django_assert_max_num_queries: object) -> None:
        index_snapshot()
        with django_assert_max_num_queries(8):  # type: ignore[operator]
            playlist_generate(request=CALM.replace(count=50))


class TestSaving:
    def test_kept_whole_and_made_again(self, catalogue: list[int]) -> None:
        user = UserFactory()
        generated = playlist_generate(request=CALM.replace(seed=None, count=8))
        Song.objects.filter(pk=ids(generated)[3]).delete()
        playlist = playlist_save(user=user, generated=generated)
        entries = playlist_listed(playlist)
        kept = [song_id for place, song_id in enumerate(ids(generated)) if place != 3]
        assert [entry.song.pk for entry in entries] == kept
        assert [entry.position for entry in entries] == list(range(7))
        assert entries[0].reason == generated.entries[0].reason
        assert (playlist.name, playlist.seed) == ("Calm", generated.seed)
        assert PlaylistRequest.from_json(playlist.request) == generated.request
        assert playlist_save(user=user, generated=generated, name=" Mine ").name == "Mine"

    def test_names_say_what_was_asked_for(self, catalogue: list[int], words: object) -> None:
        song = Song.objects.get(pk=catalogue[0])
        for request, name in [
            (PlaylistRequest(point=AffectPoint(0.25, 0.5)), "Near dark"),
            (PlaylistRequest(text="by  the\nsea", moods=(("sad", 1),)), "Sad + “by the sea”"),
            (PlaylistRequest(song_ids=(song.pk,)), f"Like {song.title}"),
        ]:
            generated = playlist_generate(request=request)
            assert playlist_save(user=UserFactory(), generated=generated).name == name


@pytest.fixture
def catalogue() -> Iterator[list[int]]:
    """120 songs by 12 artists and some by nobody known, all over the plane."""
    index_snapshot_forget()
    return [
        SongEmotionFactory(
            seed=number,
            song__artist=f"Artist {number % 13}" if number % 13 else "",
        ).song_id
        for number in range(120)
    ]
