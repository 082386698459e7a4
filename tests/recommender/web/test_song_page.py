"""The page of a song: its words, its lyrics, and songs of which little is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from catalog.models import Artist, SongCredit, SongEmotion
from mer.affect import EMOTIONS, GEMS
from recommender.web import songwords
from recommender.web.lyrics import shown_lines
from recommender.web.presentation import LineMove
from tests.factories import SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

    from catalog.models import Song


def emotion(**values: Any) -> SongEmotion:
    chances = {"Q1": 0.0, "Q2": 0.0, "Q3": 0.0, "Q4": 0.0} | values.pop("quadrants", {"Q4": 1.0})
    quadrant = max(chances, key=lambda name: chances[name])
    return SongEmotion(
        quadrant=quadrant, quadrants=chances, confidence=chances[quadrant], **{"gates": {}} | values
    )


def page(client: Client, song: Song) -> str:
    response = client.get(f"/songs/{song.pk}")
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"quadrants": {"Q4": 0.9, "Q3": 0.1}}, "quite sure"),
        ({"quadrants": {"Q4": 0.7, "Q3": 0.3}}, "fairly sure"),
        ({"quadrants": {"Q4": 0.55, "Q3": 0.4}}, "could also be sad"),
        ({"quadrants": {"Q4": 0.52, "Q3": 0.24, "Q1": 0.24}}, "could also be happy or sad"),
        ({"quadrants": {"Q4": 0.4, "Q3": 0.3, "Q1": 0.3}}, "unclear: could as well be"),
        ({"predicted": {"valence": 0.1}, "novelty": 1.0}, "corrected by staff"),
    ],
)
def test_how_sure_the_mood_is(values: dict[str, Any], words: str) -> None:
    assert songwords.certainty(emotion(**values)).startswith(words)


@pytest.mark.parametrize(
    ("chances", "sentence"),
    [
        ({"joy": 0.9, "anger": 0.1}, "Of eight moods it is clearly happy."),
        (
            {"joy": 0.6, "calmness": 0.3},
            "Of eight moods it is clearly happy, and a little calm.",
        ),
        (
            {"sadness": 0.4, "fear": 0.3, "anger": 0.2},
            "Of eight moods it is most likely sad, and a little scary and angry.",
        ),
        (
            {"sadness": 0.25, "fear": 0.22, "anger": 0.2},
            "A mix: sad, scary and angry.",
        ),
        ({}, ""),
    ],
)
def test_the_emotions_in_a_sentence(chances: dict[str, float], sentence: str) -> None:
    all_of_them = dict.fromkeys(EMOTIONS, 0.0) | chances if chances else {}
    assert songwords.emotions_in_words(all_of_them) == sentence


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        (
            {"nostalgia": 0.8, "joyful_activation": 0.7},
            "Most listeners would feel nostalgia and joy.",
        ),
        ({"power": 0.4}, "Many listeners would feel power."),
        ({"power": 0.2}, "Some listeners would feel power; many would feel nothing in common."),
        ({}, ""),
    ],
)
def test_what_is_felt_in_a_sentence(shares: dict[str, float], sentence: str) -> None:
    felt = dict.fromkeys(GEMS, 0.05) | shares if shares else {}
    assert songwords.felt_sentence(felt) == sentence


@pytest.mark.parametrize(
    ("gates", "sentence"),
    [
        ({"audio": 1.0, "lyrics": 0.0, "context": 0.0}, "Only its sound counted."),
        (
            {"audio": 0.6, "lyrics": 0.35, "context": 0.05},
            "Its sound counted most; its lyrics counted too; its title and artist hardly counted.",
        ),
        (
            {"audio": 0.1, "lyrics": 0.9, "context": 0.0},
            "Its lyrics counted most; its sound counted a little.",
        ),
        ({}, ""),
    ],
)
def test_what_counted_in_a_sentence(gates: dict[str, float], sentence: str) -> None:
    assert songwords.spoke_in_words(gates) == sentence


def test_what_the_model_is_weak_at_is_said_where_it_applies() -> None:
    piano = emotion(kinds={"solo piano": 0.8, "band": 0.2})
    reason = "It is uncertain: the model learned from little solo piano."
    assert (songwords.certainty(piano), songwords.weakness(piano)) == ("", reason)
    assert songwords.is_doubtful(piano)
    band = emotion(kinds={"solo piano": 0.4, "band": 0.6})
    assert songwords.certainty(band) == "quite sure"
    assert not songwords.is_doubtful(band)
    corrected = emotion(kinds={"solo piano": 0.8}, predicted={"valence": 0.1}, novelty=1.0)
    assert songwords.certainty(corrected) == "corrected by staff"
    assert songwords.weakness(corrected) == ""
    assert not songwords.is_doubtful(corrected)
    both = emotion(kinds={"orchestral": 0.9}, novelty=1.0)
    assert songwords.weakness(both).count("uncertain") == 1, "one reason is enough"


def points(*places: tuple[float, float]) -> list[dict[str, float]]:
    return [
        {"start_seconds": 10.0 * number, "valence": valence, "arousal": arousal}
        for number, (valence, arousal) in enumerate(places)
    ]


def test_the_moods_through_a_song() -> None:
    sad, calm, happy = (0.2, 0.2), (0.8, 0.2), (0.8, 0.8)
    found = songwords.sections(points(sad, sad, calm, happy, happy, happy), 60.0)
    assert [(one.start_seconds, one.quadrant) for one in found] == [
        (0.0, "Q3"),
        (20.0, "Q4"),
        (30.0, "Q1"),
    ]
    one = songwords.sections(points(*[sad] * 10, calm, *[sad] * 10), 210.0)
    assert [section.quadrant for section in one] == ["Q3"]  # five percent is no section
    assert songwords.sections([], 60.0) == []
    assert [one.quadrant for one in songwords.sections(points(calm), None)] == ["Q4"]


LRC = "[ar:Someone]\n[00:01.50]First line\n[00:04.00]\n[00:06.00][00:12.00]Second line\n"
MOVE = LineMove("second  LINE!", -0.1, 0.0, "less pleasant")


def test_timed_lyrics() -> None:
    lines = shown_lines(LRC, [MOVE])
    assert [(line.start_seconds, line.text, line.move) for line in lines] == [
        (1.5, "First line", ""),
        (None, "", ""),
        (6.0, "Second line", "less pleasant"),
        (12.0, "Second line", "less pleasant"),
    ]


def test_plain_lyrics_and_those_with_a_stray_time_have_none() -> None:
    for text in ("First\n\nSecond line", "[00:01.00]First\n\nSecond line\nThird\nFourth"):
        lines = shown_lines(text, [MOVE])
        assert all(line.start_seconds is None for line in lines)
        assert [line.text for line in lines][:3] == ["First", "", "Second line"]
        assert [line.move for line in lines][:3] == ["", "", "less pleasant"]


@pytest.mark.django_db
class TestPage:
    def test_lyrics_that_can_be_clicked(self, client: Client) -> None:
        lines = [{"line": 0, "text": "First line", "valence": 0.1, "arousal": 0, "shift": 0.1}]
        song = SongEmotionFactory(song=SongFactory(lyrics=LRC), lyric_lines=lines).song
        text = page(client, song)
        assert re.findall(r'class="lyric[^>]*data-seek-seconds="([\d.]+)"', text) == [
            "1.5",
            "6.0",
            "12.0",
        ]
        assert "makes it more pleasant" in text

    def test_a_song_of_which_little_is_known(self, client: Client) -> None:
        song = SongFactory(
            **dict.fromkeys(("title", "artist", "album", "genre"), ""),
            year=None,
            duration_seconds=None,
            status="pending",
        )
        text = page(client, song)
        assert "waiting to be analysed" in text
        assert "Unknown artist" in text
        assert "No lyrics are" not in text  # only staff can put some there
        assert "data-duration-seconds" not in text
        assert "None" not in re.sub(r"<[^>]*>", "", text)
        client.force_login(UserFactory.create(is_staff=True))
        shown = page(client, song)
        assert "<li>No lyrics are in its tags or beside the file.</li>" in shown

    def test_a_stranger_sees_artists_and_bans_none(self, client: Client, user: User) -> None:
        song = SongEmotionFactory(song=SongFactory(artist="Björk")).song
        SongCredit.objects.create(
            song=song, artist=Artist.objects.create(name="Björk"), name="Björk", position=0
        )
        shown = page(client, song)
        assert "<h2>Artist</h2>" in shown
        assert "/ban" not in shown
        client.force_login(user)
        assert "/ban" in page(client, song)

    def test_the_map_comes_before_the_words(self, client: Client) -> None:
        shown = page(client, SongEmotionFactory().song)
        assert shown.index('class="song-place"') < shown.index("Why this mood")

    def test_names_in_any_direction_and_of_any_length(self, client: Client) -> None:
        song = SongEmotionFactory(song=SongFactory(title="أغنية", artist="x" * 300)).song
        text = page(client, song)
        assert "<h1><bdi>أغنية</bdi></h1>" in text
        long = SongEmotionFactory(song=SongFactory(title="word " * 50)).song
        assert "song-head is-long" in page(client, long)

    def test_neighbours_are_playable(self, client: Client, songs: list[Song]) -> None:
        text = page(client, songs[0])
        tiles = text.partition("Feels like this")[2].partition("</ul>")[0]
        assert tiles.count("data-play ") == 6
        assert len(set(re.findall(r'src="(/songs/\d+/cover)"', tiles))) == 6

    def test_a_visitor_sees_the_place_and_cannot_move_it(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        assert "data-place-plane" not in page(client, songs[0])
        client.force_login(user)
        text = page(client, songs[0])
        assert "Wrong mood? Drag the dot" in text
        assert re.search(r'<svg[^>]*data-place-plane tabindex="0"', text)
        client.post(f"/songs/{songs[0].pk}/mood", {"valence": "0.25", "arousal": "0.75"})
        moved = page(client, songs[0])
        assert 'name="valence" min="0" max="1" step="0.01" value="0.25"' in moved
        assert "You placed it at" in moved


def test_tempo_and_key_are_shown_as_estimates(client: Client, user: User) -> None:
    client.force_login(user)
    estimates = {"estimated_bpm": 96.4, "tempo_confidence": 0.9}
    key = {"estimated_key": 18, "key_confidence": 0.9}
    said = page(client, SongEmotionFactory(song=SongFactory(**estimates, **key)).song)
    assert "Tempo: 96 beats a minute (estimated)" in said
    assert "Key: F♯ minor (estimated)" in said
    said = page(client, SongEmotionFactory(song=SongFactory(bpm=120.0, **estimates)).song)
    assert "Tempo: 120 beats a minute</li>" in said
    assert "Key:" not in said
    unsure = SongFactory(
        estimated_bpm=96.4, tempo_confidence=0.3, **(key | {"key_confidence": 0.4})
    )
    said = page(client, SongEmotionFactory(song=unsure).song)
    assert "Tempo:" not in said
    assert "Key:" not in said
