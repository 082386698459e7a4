"""What the pages write of songs: names of quadrants and moods, why a song is in a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mer.affect import EMOTIONS, GEMS_WORDS, QUADRANTS, AffectPoint
from mer.prediction import TOLD_SHIFT
from recommender import selectors
from recommender.feedback import SongMarks
from recommender.moods import MOODS
from recommender.playlists.reasons import MODALITY_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog.models import Song, SongEmotion
    from recommender.playlists.reasons import EntryReason

QUADRANT_NAMES: Final = {"Q1": "happy", "Q2": "angry", "Q3": "sad", "Q4": "calm"}
_TOLD_KIND: Final = 0.2
_NAMED_SHARE: Final = 0.4
"""An axis is named if a line moves its song along it by at least this share of the whole shift."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A song in its place in a list, with why it is there."""

    song: Song
    score: float
    why: str
    numbers: tuple[tuple[str, str], ...] = ()
    marks: SongMarks = field(default_factory=SongMarks)

    @property
    def emotion(self) -> SongEmotion | None:
        """The emotion by the model now in use; None if there is none yet."""
        return selectors.current_emotion(self.song)

    @property
    def quadrant(self) -> str:
        """The quadrant of the song's point; not always the one with the highest probability."""
        emotion = self.emotion
        return AffectPoint(emotion.valence, emotion.arousal).quadrant if emotion else ""


@dataclass(frozen=True, slots=True)
class LineMove:
    """A line of the lyrics, and how it moves its song on the plane."""

    text: str
    valence: float
    arousal: float
    words: str


def reason_numbers(score: float, reason: EntryReason) -> tuple[tuple[str, str], ...]:
    """Return the numbers behind a reason, each with what it is in plain words."""
    numbers = [
        ("Match", f"{score:.0%}"),
        ("Pleasantness", f"{reason['valence']:.2f}"),
        ("Energy", f"{reason['arousal']:.2f}"),
        ("Distance on the map", f"{reason['distance']:.2f}"),
        ("Rated mostly by its", MODALITY_WORDS[reason["modality"]]),
    ]
    if "taste" in reason:
        numbers.append(("Your taste", f"{reason['taste']:+.2f}"))
    if "sound_valence" in reason and "words_valence" in reason:
        numbers.append(("Pleasantness of its sound", f"{reason['sound_valence']:.2f}"))
        numbers.append(("Pleasantness of its words", f"{reason['words_valence']:.2f}"))
    if "progress" in reason:
        numbers.append(("Way covered", f"{reason['progress']:.0%}"))
    return tuple(numbers)


def moods_by_quadrant() -> list[tuple[str, list[str]]]:
    """Return the names of the moods that lie in each quadrant."""
    return [
        (
            quadrant,
            [
                mood.name
                for mood in MOODS.values()
                if AffectPoint(mood.valence, mood.arousal).quadrant == quadrant
            ],
        )
        for quadrant in QUADRANTS
    ]


def emotion_quadrants() -> list[tuple[str, str]]:
    """Return the eight emotions of the model, by quadrant, each with its quadrant."""
    places = [
        (name, AffectPoint(MOODS[name].valence, MOODS[name].arousal).quadrant) for name in EMOTIONS
    ]
    return sorted(places, key=lambda place: place[1])


def parts(gates: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the parts of a song in plain words, with their weights."""
    return [(MODALITY_WORDS[name], weight) for name, weight in gates.items()]


def felt_in_words(felt: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return what listeners would feel, in plain words, with shares; the strongest first."""
    named = [(GEMS_WORDS[name], share) for name, share in felt.items()]
    return sorted(named, key=lambda item: -item[1])


def kinds_told(kinds: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the kinds of music that are a fifth or more of a song; the strongest first."""
    strongest = sorted(kinds.items(), key=lambda item: -item[1])
    return [(name, share) for name, share in strongest if share >= _TOLD_KIND]


def alone_in_words(alone: Mapping[str, Mapping[str, float]]) -> str:
    """Return what a song would be by its sound alone, and by its lyrics; empty without both."""
    if not {"audio", "lyrics"} <= set(alone):
        return ""
    sound, words = (
        QUADRANT_NAMES[AffectPoint(alone[name]["valence"], alone[name]["arousal"]).quadrant]
        for name in ("audio", "lyrics")
    )
    if sound == words:
        return f"Its sound alone is {sound}, and so are its lyrics."
    return f"Its sound alone is {sound}; its lyrics alone are {words}."


def line_moves(lines: Sequence[Mapping[str, Any]]) -> list[LineMove]:
    """Return the lyric lines of a song that move it visibly."""
    return [
        LineMove(line["text"], line["valence"], line["arousal"], _move_in_words(line))
        for line in lines
        if line["shift"] >= TOLD_SHIFT
    ]


def _move_in_words(line: Mapping[str, Any]) -> str:
    """Name the axes along which a line moves its song, without an axis that adds little."""
    directions = (
        (line["valence"], "more pleasant", "less pleasant"),
        (line["arousal"], "livelier", "quieter"),
    )
    return " and ".join(
        up if move > 0 else down
        for move, up, down in directions
        if abs(move) >= _NAMED_SHARE * line["shift"]
    )
