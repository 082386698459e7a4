from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.urls import reverse

from catalog import analysis
from catalog.files.names import folded
from catalog.models import Artist, Genre, Song, SongCredit
from mer.affect import EMOTIONS
from recommender.errors import PlaylistRequestError
from recommender.index import index_snapshot
from recommender.models import Playlist
from recommender.playlists import PlaylistRequest, playlist_generate
from tests.factories import SongEmotionFactory, UserFactory, random_embedding

if TYPE_CHECKING:
    from django.test import Client
    from rest_framework.test import APIClient

    from recommender.playlists import GeneratedPlaylist

pytestmark = pytest.mark.django_db

PLACES = {
    "joy": (0.65, 0.62),
    "anger": (0.38, 0.66),
    "sadness": (0.36, 0.38),
    "calmness": (0.63, 0.36),
}
"""Where the songs of each quadrant lie, about the middle as predictions do."""


@pytest.fixture(autouse=True)
def plane() -> None:
    """Ten songs of each quadrant, each with its emotion; years from 1960, one genre a quadrant."""
    genres = {"joy": "Pop", "anger": "Rock", "sadness": "Blues", "calmness": "Jazz"}
    for name in genres.values():
        Genre.objects.create(name=name, key=name.lower())
    rng = np.random.default_rng(3)
    for emotion, place in PLACES.items():
        for number in range(10):
            valence, arousal = (float(x) for x in np.array(place) + rng.normal(0, 0.02, 2))
            rest = 0.6 / (len(EMOTIONS) - 1)
            SongEmotionFactory(
                valence=valence,
                arousal=arousal,
                emotions={name: 0.4 if name == emotion else rest for name in EMOTIONS},
                song__artist=f"{emotion} {number}",
                song__genre=genres[emotion],
                song__year=1960 + 5 * number,
                song__duration_seconds=100 + 40 * number,
            )


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands in for the network: whatever it rates is sad and quiet; `heard` lists the texts."""
    rest = 0.3 / (len(EMOTIONS) - 1)
    prediction = SimpleNamespace(
        valence=0.25,
        arousal=0.3,
        confidence=0.6,
        emotions={name: 0.7 if name == "sadness" else rest for name in EMOTIONS},
        fused_embedding=random_embedding(7),
        heard=[],
    )

    def text_analyse(*, text: str, version: str) -> SimpleNamespace:
        prediction.heard.append(text)
        return prediction

    monkeypatch.setattr(analysis, "text_analyse", text_analyse)
    return prediction


def made(text: str, **more: object) -> GeneratedPlaylist:
    request = PlaylistRequest(text=text, seed=1, count=40, min_match=0, max_per_artist=40, **more)
    return playlist_generate(request=request)


def quadrants(generated: GeneratedPlaylist) -> set[str]:
    snapshot = index_snapshot()
    rows = snapshot.rows_of(entry.song_id for entry in generated.entries)
    places = snapshot.affect[rows, :2] >= 0.5
    names = {(True, True): "Q1", (False, True): "Q2", (False, False): "Q3", (True, False): "Q4"}
    return {names[bool(valence), bool(arousal)] for valence, arousal in places.tolist()}


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "refused"),
        [
            ("not sad", "Q3"),
            ("nothing aggressive", "Q2"),
            ("anything but calm", "Q4"),
            ("not happy", "Q1"),
            ("pas triste", "Q3"),
            ("悲しくない", "Q3"),
            ("energetic but not angry", "Q2"),
            ("calm, not sad", "Q3"),
        ],
    )
    def test_no_song_of_what_is_refused_is_returned(self, text: str, refused: str) -> None:
        found = quadrants(made(text))

        assert found
        assert refused not in found

    def test_it_is_said_and_no_reason_names_it(self) -> None:
        generated = made("calm but not sad")

        assert ("sad", "not sadness", -1.0) in [
            (part.text, part.meaning, part.weight) for part in generated.understood
        ]
        for entry in generated.entries:
            assert "sadness" not in entry.reason["shared_emotions"]

    def test_what_is_wanted_within_what_is_refused_leaves_its_own_side(self) -> None:
        generated = made("lonely but not sad")

        assert generated.entries
        assert "Q3" in quadrants(generated)

    def test_a_description_does_not_bring_it_back(self, network: SimpleNamespace) -> None:
        generated = made("driving at night, but not sad")

        assert network.heard == ["driving at night"]
        assert "Q3" not in quadrants(generated)
        assert "sadness" not in generated.emotions


class TestFilters:
    def test_a_genre_and_a_decade_hold(self) -> None:
        generated = made("sad 60s blues")

        assert len(generated.entries) == 2
        assert quadrants(generated) == {"Q3"}

    def test_a_genre_that_is_refused_is_left_out(self) -> None:
        assert quadrants(made("lively, no rock")) == {"Q1", "Q3", "Q4"}

    def test_an_artist_is_found_without_case_and_accents(self) -> None:
        song = SongEmotionFactory(song__artist="Sigur Rós", valence=0.6, arousal=0.3).song
        artist = Artist.objects.create(name="Sigur Rós", key=folded("Sigur Rós"))
        SongCredit.objects.create(song=song, artist=artist, position=0)

        for text in ("calm sigur ros", "calm songs by SIGUR ROS", "calm songs by Sigur Ross"):
            assert [entry.song_id for entry in made(text).entries] == [song.pk]

    def test_a_length_holds(self) -> None:
        assert len(made("happy songs under 3 minutes").entries) == 12
        assert len(made("happy, at least 5 minutes").entries) == 20

    def test_a_tempo_and_a_key_hold(self) -> None:
        ids = list(Song.objects.order_by("pk").values_list("pk", flat=True))
        Song.objects.filter(pk__in=ids[:6]).update(bpm=124)
        Song.objects.filter(pk__in=ids[3:9]).update(estimated_key=21, key_confidence=0.9)
        Song.objects.filter(pk__in=ids[9:12]).update(estimated_key=0, key_confidence=0.9)

        def found(text: str) -> set[int]:
            return {ids.index(entry.song_id) for entry in made(text).entries}

        assert found("around 120 bpm") == set(range(6))
        assert found("around 120 bpm in A minor") == {3, 4, 5}
        assert found("in A minor or C major") == set(range(3, 12))
        assert found("faster than 100 bpm, not in A minor") == {0, 1, 2}
        assert made("in A minor").understood[0].meaning == "key A minor"

    def test_filters_alone_make_a_list(self) -> None:
        assert quadrants(made("jazz")) == {"Q4"}

    def test_what_the_filters_leave_nothing_of_is_named(self) -> None:
        with pytest.raises(PlaylistRequestError, match="genre Jazz, years"):
            made("sad jazz from 1901")


class TestNotUnderstood:
    @pytest.mark.parametrize("text", ["asdfgh qwerty", "without drums", "no vocals", "пингвин"])
    def test_nothing_is_an_error_with_suggestions(self, text: str) -> None:
        with pytest.raises(PlaylistRequestError, match="for example calm") as caught:
            made(text)

        assert caught.value.code == "WORDS_NOT_UNDERSTOOD"
        assert caught.value.details["not_understood"]

    def test_a_word_that_tells_the_network_nothing_is_none(self, network: SimpleNamespace) -> None:
        network.valence, network.arousal = 0.53, 0.18
        with pytest.raises(PlaylistRequestError) as caught:
            made("sand")

        assert caught.value.code == "WORDS_NOT_UNDERSTOOD"

    def test_the_rest_is_said_beside_the_list(self) -> None:
        generated = made("happy with saxophone")

        assert generated.not_understood == ("saxophone",)
        assert any("saxophone" in note for note in generated.notes)
        assert generated.entries

    def test_beside_another_target_it_is_a_note(self) -> None:
        generated = made("asdfgh", moods=(("calm", 1.0),))

        assert generated.entries
        assert any("asdfgh" in note for note in generated.notes)

    def test_a_correction_is_said(self) -> None:
        assert "“hapy” is read as “happy”." in made("hapy").notes


class TestComparisons:
    def test_the_page_moves_the_list_before(self, client: Client) -> None:
        client.get(reverse("playlist"), {"text": "happy", "seed": "1"})
        answer = client.get(reverse("playlist"), {"text": "calmer"})

        address = answer.headers["Location"]
        assert "last_valence=0.850" in address
        assert "last_arousal=0.700" in address
        assert client.get(address).status_code == 200

    def test_the_api_moves_the_list_that_was_kept_last(self, api: APIClient) -> None:
        user = UserFactory()
        api.force_authenticate(user)
        first = api.post(reverse("api:playlist-list"), {"text": "happy"}, format="json").json()
        second = api.post(
            reverse("api:playlist-list"), {"text": "a bit calmer"}, format="json"
        ).json()

        assert second["target"]["arousal"] < first["target"]["arousal"]
        assert second["target"]["valence"] == pytest.approx(first["target"]["valence"])
        again = {**second["request"], "save": False, "seed": second["seed"]}
        same = api.post(reverse("api:playlist-list"), again, format="json").json()
        assert [entry["song"]["id"] for entry in same["entries"]] == [
            entry["song"]["id"] for entry in second["entries"]
        ]


class TestInterfaces:
    def test_the_api_says_what_was_understood_and_keeps_it(self, api: APIClient) -> None:
        api.force_authenticate(UserFactory())
        body = {"text": "not sad, with saxophone"}
        answer = api.post(reverse("api:playlist-list"), body, format="json").json()

        expected = [{"text": "sad", "as": "not sadness", "weight": -1.0, "doubt": 0.0}]
        assert answer["understood"] == expected
        assert answer["not_understood"] == ["saxophone"]
        kept = api.get(reverse("api:playlist-detail", args=[answer["id"]])).json()
        assert kept["understood"] == expected
        assert kept["not_understood"] == ["saxophone"]
        assert Playlist.objects.get().understood == expected

    def test_the_page_shows_it(self, client: Client) -> None:
        page = client.get(reverse("playlist"), {"text": "not sad", "seed": "1"}).content.decode()

        assert re.search(r'class="chip"[^>]*><span><bdi>sad</bdi>: not sadness<', page)

    def test_words_that_rules_read_are_no_work_for_the_network(
        self, client: Client, network: SimpleNamespace
    ) -> None:
        client.get(reverse("playlist"), {"text": "sad but energetic", "seed": "1"})

        assert network.heard == []
