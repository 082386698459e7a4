"""What the pages write of songs: names of quadrants and moods, why a song is in a list."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from mer.affect import EMOTIONS, GEMS_WORDS, QUADRANTS, AffectPoint
from mer.prediction import TOLD_SHIFT
from recommender import selectors
from recommender.feedback import SongMarks, marks_of_songs
from recommender.models import Scope
from recommender.moods import MOODS, as_said, mood_find, said
from recommender.playlists.reasons import MODALITY_WORDS, reason_told
from recommender.terms import listed, percent, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.contrib.auth.models import AnonymousUser, User

    from catalog.models import Song, SongEmotion
    from recommender.moods import Mood
    from recommender.playlists import ListedEntry
    from recommender.playlists.reasons import EntryReason

QUADRANT_NAMES: Final = {"Q1": "happy", "Q2": "angry", "Q3": "sad", "Q4": "calm"}
_TOLD_KIND: Final = 0.2
_NAMED_SHARE: Final = 0.4
"""An axis is named if a line moves its song along it by at least this share of the whole shift."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A song in its place in a list, with why it is there."""

    song: Song
    score: float | None
    """None in a list that was chosen by hand."""
    why: str
    numbers: tuple[tuple[str, str], ...] = ()
    marks: SongMarks = field(default_factory=SongMarks)
    chips: str = ""
    """The numbers of the filter chips that it is under."""
    key: str = ""
    """Tells it from other entries of a page; without one, its song occurs once there."""
    is_pinned: bool = False

    @property
    def row_key(self) -> str:
        """What the ids of its row end with."""
        return self.key or str(self.song.pk)

    @property
    def is_playable(self) -> bool:
        """Whether its audio is here; a song of a table has none."""
        return self.song.is_available and self.song.has_audio

    @property
    def place(self) -> AffectPoint | None:
        """Where the song lies; None if that is not known yet."""
        emotion = self.emotion
        return AffectPoint(emotion.valence, emotion.arousal) if emotion else None

    @property
    def emotion(self) -> SongEmotion | None:
        """The emotion by the model now in use; None if there is none yet."""
        return selectors.current_emotion(self.song)

    @property
    def quadrant(self) -> str:
        """The quadrant of the song's point; not always the one with the highest probability."""
        place = self.place
        return place.quadrant if place else ""


def list_entries(rows: Sequence[ListedEntry], marks: Mapping[int, SongMarks]) -> list[Entry]:
    """Return the entries of a list for its page; without `marks`, none of them is marked."""
    return [
        Entry(
            row.song,
            row.score,
            reason_told(row.reason["sentence"]) if row.reason else "",
            reason_numbers(row.score, row.reason) if row.reason else (),
            marks.get(row.song.pk, SongMarks()),
            is_pinned=row.is_pinned,
        )
        for row in rows
    ]


def song_entries(
    songs: Iterable[Song], user: User | AnonymousUser, keys: Iterable[str] = ()
) -> list[Entry]:
    """Return rows of songs, whose emotions are loaded if their files are there, in that order.

    `keys` tells rows apart in which a song occurs again.
    """
    held = list(songs)
    known = selectors.songs_by_id({song.pk for song in held})
    return listed_entries([known.get(song.pk, song) for song in held], user, keys)


def listed_entries(
    songs: Sequence[Song], user: User | AnonymousUser, keys: Iterable[str] = ()
) -> list[Entry]:
    """Return rows of songs from `selectors.song_list`, with what the listener said of them."""
    marks = marks_of_songs(user=user, song_ids=list({song.pk for song in songs}))
    return [
        Entry(song, None, "", (), marks[song.pk], key=key)
        for song, key in zip(songs, itertools.chain(keys, itertools.repeat("")), strict=False)
    ]


@dataclass(frozen=True, slots=True)
class LineMove:
    """A line of the lyrics, and how it moves its song on the plane."""

    text: str
    valence: float
    arousal: float
    words: str


def reason_numbers(score: float | None, reason: EntryReason) -> tuple[tuple[str, str], ...]:
    """Return the numbers behind a reason, each with what it is in plain words."""
    numbers = [
        (gettext("Match"), percent(score or 0)),
        (gettext("Pleasantness"), two_places(reason["valence"])),
        (gettext("Energy"), two_places(reason["arousal"])),
        (gettext("Distance on the map"), two_places(reason["distance"])),
        (gettext("Rated mostly by its"), shown(MODALITY_WORDS[reason["modality"]])),
    ]
    if "taste" in reason:
        numbers.append((gettext("Your taste"), signed(reason["taste"], minus="-")))
    if "sound_valence" in reason and "words_valence" in reason:
        sound, words = two_places(reason["sound_valence"]), two_places(reason["words_valence"])
        numbers.append((gettext("Pleasantness of its sound"), sound))
        numbers.append((gettext("Pleasantness of its words"), words))
    if "progress" in reason:
        numbers.append((gettext("Way covered"), percent(reason["progress"])))
    return tuple(numbers)


def mood_name(name: str) -> str:
    """joy → happy, dreamy → dreamy: the word for a mood on every page, in the reader's language."""
    return shown(as_said(name))


def quadrant_name(quadrant: str) -> str:
    """Q1 → happy, in the language of the reader."""
    return shown(QUADRANT_NAMES[quadrant])


def grouped(value: int) -> str:
    """12345 → 12,345, or as the language groups digits."""
    return number_format(value, force_grouping=True)


def songs_counted(count: int) -> str:
    """1 → 1 song, 12345 → 12,345 songs."""
    return ngettext("%(count)s song", "%(count)s songs", count) % {"count": grouped(count)}


_SIZE_UNITS: Final = (
    (2**30, _("%(number)s GB")),
    (2**20, _("%(number)s MB")),
    (2**10, _("%(number)s KB")),
)


SCOPE_WORDS: Final = {
    Scope.READ: _("read"),
    Scope.LISTEN: _("play"),
    Scope.PLAYLISTS: _("playlists"),
    Scope.INGEST: _("add music"),
}


def scope_words(scopes: Sequence[str]) -> str:
    """Return what a token may do, in a few words."""
    if Scope.ADMIN in scopes:
        return gettext("Everything")
    if list(scopes) == [Scope.READ]:
        return gettext("Read only")
    few = [str(words) for scope, words in SCOPE_WORDS.items() if scope in scopes]
    return capfirst(", ".join(few))


def file_size(count: int) -> str:
    """268435456 → 256 MB, 1572864 → 1.5 MB; no decimal that says nothing."""
    unit, words = next((one for one in _SIZE_UNITS if count >= one[0]), _SIZE_UNITS[-1])
    number = round(count / unit, 1)
    text = number_format(number, 0 if number.is_integer() else 1, force_grouping=True)
    return (words % {"number": text}).replace(" ", "\N{NO-BREAK SPACE}")


def two_places(value: float) -> str:
    """0.7241 → 0.72, or with the decimal mark of the language."""
    return number_format(round(value, 2), 2)


def signed(value: float, minus: str = "\N{MINUS SIGN}") -> str:
    """0.0741 → +0.07; below 0 with a proper minus sign."""
    return f"{minus if round(value, 2) < 0 else '+'}{two_places(abs(value))}"


def moods_by_quadrant() -> list[tuple[str, list[str]]]:
    """Return the names of the moods that lie in each quadrant."""
    return [
        (
            quadrant,
            [
                said(mood)
                for mood in MOODS.values()
                if AffectPoint(mood.valence, mood.arousal).quadrant == quadrant
            ],
        )
        for quadrant in QUADRANTS
    ]


_BIG_MOODS: Final = (
    *("happy", "energetic", "calm", "romantic", "sad", "melancholy", "tense", "angry"),
)
"""What the home page offers first: two words for each quadrant."""
_MOST_MOODS: Final = 3
_STRONGEST: Final = 4


@dataclass(frozen=True, slots=True)
class MoodLabel:
    """A mood's name at its place on the map, in hundredths from the top left."""

    name: str
    quadrant: str
    x: float
    y: float
    is_big: bool


def big_moods() -> list[tuple[str, str]]:
    """Return the moods that are offered first, each with its quadrant."""
    return [(label.name, label.quadrant) for label in mood_labels() if label.is_big]


def mood_labels() -> list[MoodLabel]:
    """Return the moods' names for the map; what has to stand there first comes first."""
    big = {word: _mood(word) for word in _BIG_MOODS}
    named = {mood.name for mood in big.values()}
    others = {said(mood): mood for mood in MOODS.values() if mood.name not in named}
    return [_label(word, mood, is_big=word in big) for word, mood in (big | others).items()]


def _mood(word: str) -> Mood:
    mood = mood_find(word)
    if mood is None:
        raise KeyError(word)
    return mood


def _label(word: str, mood: Mood, *, is_big: bool) -> MoodLabel:
    place = AffectPoint(mood.valence, mood.arousal)
    x, y = round(100 * place.valence, 1), round(100 * (1 - place.arousal), 1)
    return MoodLabel(word, str(place.quadrant), x, y, is_big)


def moods_beginning(text: str) -> list[tuple[str, str]]:
    """Return a few moods of which a name begins with a text, each with its quadrant."""
    start = text.strip().casefold()
    if not start:
        return []
    found = {}
    for mood in MOODS.values():
        names = (mood.name, *mood.aliases)
        words = [
            word
            for word in names
            if word.startswith(start) or shown(word).casefold().startswith(start)
        ]
        if words:
            name = said(mood) if said(mood) in words else words[0]
            found[name] = str(AffectPoint(mood.valence, mood.arousal).quadrant)
    return list(found.items())[:_MOST_MOODS]


def emotion_quadrants() -> list[tuple[str, str]]:
    """Return the eight emotions of the model, by quadrant, each with its quadrant."""
    places = [
        (name, AffectPoint(MOODS[name].valence, MOODS[name].arousal).quadrant) for name in EMOTIONS
    ]
    return sorted(places, key=lambda place: place[1])


def parts(gates: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the parts of a song in plain words, with their weights."""
    return [(shown(MODALITY_WORDS[name]), weight) for name, weight in gates.items()]


def emotions_shown(emotions: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the eight emotions in plain words, with their weights; the strongest first."""
    ranked = sorted(emotions.items(), key=lambda item: -item[1])
    return [(mood_name(name), weight) for name, weight in ranked]


def strongest_emotions(emotions: Mapping[str, float]) -> list[tuple[str, str, str, float]]:
    """Return the strongest of the eight emotions: name, quadrant, plain word and weight."""
    quadrants = dict(emotion_quadrants())
    ranked = sorted(emotions.items(), key=lambda item: -item[1])[:_STRONGEST]
    return [(name, quadrants[name], mood_name(name), weight) for name, weight in ranked]


def felt_in_words(felt: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return what listeners would feel, in plain words, with shares; the strongest first."""
    named = [(shown(GEMS_WORDS[name]), share) for name, share in felt.items()]
    return sorted(named, key=lambda item: -item[1])


def kinds_told(kinds: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the kinds of music that are a fifth or more of a song; the strongest first."""
    strongest = sorted(kinds.items(), key=lambda item: -item[1])
    return [(shown(name), share) for name, share in strongest if share >= _TOLD_KIND]


def alone_in_words(alone: Mapping[str, Mapping[str, float]], quadrant: str) -> str:
    """Return whether sound and lyrics alone have the mood of the song; empty without both."""
    if not {"audio", "lyrics"} <= set(alone):
        return ""
    sound, words = (
        AffectPoint(alone[name]["valence"], alone[name]["arousal"]).quadrant
        for name in ("audio", "lyrics")
    )
    if sound == words == quadrant:
        return gettext("Sound and lyrics agree.")
    sentence = gettext("By its sound alone it would be %(sound)s, by its lyrics alone %(words)s.")
    return sentence % {"sound": quadrant_name(sound), "words": quadrant_name(words)}


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
        (line["valence"], gettext("more pleasant"), gettext("less pleasant")),
        (line["arousal"], gettext("livelier"), gettext("quieter")),
    )
    return listed(
        [
            up if move > 0 else down
            for move, up, down in directions
            if abs(move) >= _NAMED_SHARE * line["shift"]
        ]
    )
