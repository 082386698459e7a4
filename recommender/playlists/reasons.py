"""Why a song is in a list: a sentence in plain words, and the numbers behind it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

import numpy as np
from django.utils.translation import gettext_noop

from catalog.retold import is_english, kept
from mer.affect import EMOTIONS, GEMS, GEMS_WORDS
from mer.prediction import TOLD_SHIFT
from recommender import terms
from recommender.index.rows import FELT_DIM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from catalog.models import SongEmotion
    from recommender.index import IndexSnapshot

REASON_FIELDS: Final = ("gates", "lyric_lines")
"""What `reason_of` reads of an emotion."""
_SHARED_EMOTIONS: Final = 3
_SHARED_FROM: Final = 0.5
"""A song shares an emotion if more than this share of the catalogue has less of it."""
_REQUESTED_FROM: Final = 0.15
"""A target requests an emotion from this weight on: words give all eight a little."""
_HIGH: Final = 0.58
"""A song is called bright or lively from here on, and dark or calm from as far below a half."""
_RANKED_FROM: Final = 0.9
"""Songs above this share of the catalogue are among "the calmest 10%" or fewer."""
_RANKED_SONGS: Final = 20
"""In a smaller catalogue no shares are named."""
_ALIKE_FROM: Final = 0.5
"""From this likeness on a song "sounds like" a seed song."""
MODALITY_WORDS: Final = {
    "audio": "sound",
    "lyrics": "lyrics",
    "context": "title and artist",
}
_CHARACTERS: Final = (
    (
        kept(gettext_noop("Sad and quiet")),
        kept(gettext_noop("Calm")),
        kept(gettext_noop("Calm and warm")),
    ),
    (kept(gettext_noop("Dark")), kept(gettext_noop("Even")), kept(gettext_noop("Bright"))),
    (
        kept(gettext_noop("Dark and intense")),
        kept(gettext_noop("Lively")),
        kept(gettext_noop("Bright and lively")),
    ),
)
"""By arousal, low to high, and within it by valence."""
_SUPERLATIVES: Final = {
    "anger": kept(gettext_noop("angriest")),
    "joy": kept(gettext_noop("happiest")),
    "sadness": kept(gettext_noop("saddest")),
    "fear": kept(gettext_noop("most fearful")),
    "calmness": kept(gettext_noop("calmest")),
    "excitement": kept(gettext_noop("most exciting")),
    "disgust": kept(gettext_noop("harshest")),
    "anticipation": kept(gettext_noop("most hopeful")),
}
_COMPARATIVES: Final = {
    "anger": kept(gettext_noop("angrier")),
    "joy": kept(gettext_noop("happier")),
    "sadness": kept(gettext_noop("sadder")),
    "fear": kept(gettext_noop("more fearful")),
    "calmness": kept(gettext_noop("calmer")),
    "excitement": kept(gettext_noop("more exciting")),
    "disgust": kept(gettext_noop("harsher")),
    "anticipation": kept(gettext_noop("more hopeful")),
}
BY_SOUND: Final = kept(gettext_noop("%(character)s by its sound"))
BY_WORDS: Final = kept(gettext_noop("%(character)s by its words"))
BY_BOTH: Final = kept(gettext_noop("%(character)s by its sound and words"))
_MOVED: Final = kept(gettext_noop("you moved it here"))
_LIKED: Final = kept(gettext_noop("you liked it"))
_LIKE: Final = kept(gettext_noop("sounds like “%(title)s”"))
_LIKE_LIKED: Final = kept(gettext_noop("sounds like “%(title)s”, which you liked"))
_FELT: Final = kept(gettext_noop("%(share)s of listeners would feel %(feeling)s"))
_MOST: Final = kept(gettext_noop("%(emotion)s than most of your library"))
_TOP: Final = kept(gettext_noop("among the %(emotion)s %(percent)s of your library"))
_STEP: Final = kept(gettext_noop("Step %(step)s of %(steps)s"))
_STEP_OF_WAY: Final = kept(gettext_noop("Step %(step)s of %(steps)s, from %(first)s to %(last)s"))
_WORDS: Final = kept(gettext_noop("its words make it %(change)s"))
_CHANGES: Final = {
    "valence": (kept(gettext_noop("sadder")), kept(gettext_noop("brighter"))),
    "arousal": (kept(gettext_noop("calmer")), kept(gettext_noop("livelier"))),
}
_STOP: Final = r"(?:“[^”]*”|[^“.]*)"
_START: Final = re.compile(rf"Step \d+ of \d+(?:, from {_STOP} to {_STOP})?(?=\. )")
_BETWEEN: Final = re.compile(r"; (?![^“]*”)")
"""Between two clauses; not in a title."""
_WORDS_SHIFT: Final = 0.02
"""Lyric lines that move a song less along an axis are not mentioned."""


class EntryReason(TypedDict):
    """Why a song is in a list; plain JSON."""

    distance: float
    """From the target, or from its step of a journey, on the plane, in [0, sqrt(2)]."""
    valence: float
    arousal: float
    shared_emotions: list[str]
    """Up to three of the eight emotions that the target requests and the song has, best first."""
    modality: str
    """The modality with the largest weight in the prediction: audio, lyrics or context."""
    sentence: str
    """The same in words, for people."""
    taste: NotRequired[float]
    """How much the listener likes the song by feedback on others, -1 to 1; absent without any."""
    sound_valence: NotRequired[float]
    """By the sound alone; absent unless the request sets sound against words."""
    words_valence: NotRequired[float]
    """By the words alone, likewise."""
    progress: NotRequired[float]
    """How far the song's step is along the journey, from 0 to 1; absent from other lists."""


@dataclass(frozen=True, slots=True)
class Personal:
    """What the listener's feedback means for a song.

    `taste` is how much the listener likes it, -1 to 1; `liked` is the title of a liked song that it
    resembles.
    """

    taste: float
    liked: str = ""
    is_liked: bool = False
    is_moved: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """How sound and words of a song were told apart, if the request told them apart.

    `contrast` is what it was asked to be, such as "bright sound, sad words", with its `valences` by
    sound and words alone. `by` is the message on what its place is by, such as `BY_WORDS`.
    """

    contrast: str = ""
    valences: tuple[float, float] = (0.5, 0.5)
    by: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for at a song's place in the list.

    `emotions` are eight weights; `step` is the number of the step of a journey and the number of
    steps; `like` is the title of the seed song that the song resembles; `felt` says what listeners
    feel of what was asked for.
    """

    place: NDArray[np.float64]
    emotions: NDArray[np.float64]
    progress: float | None = None
    step: tuple[int, int] | None = None
    stops: tuple[str, str] = ("", "")
    like: str = ""
    felt: str = ""
    personal: Personal | None = None
    judged: Judged | None = None


def reason_of(
    wanted: Wanted,
    affect: NDArray[np.float64],
    shares: NDArray[np.float64],
    songs: int,
    emotion: SongEmotion,
) -> EntryReason:
    """Return why a song is in a list.

    (10,) `affect` is its valence, arousal and emotions, (10,) `shares` the shares of the `songs` of
    the catalogue that have less of each. `emotion` has the song's gates and lyric lines.
    """
    judged = wanted.judged or Judged()
    # The emotions are those of sound and words together.
    shared = [] if judged.by else _shared_emotions(wanted.emotions, shares[2:])
    modality = max(emotion.gates, key=lambda name: float(emotion.gates[name]))
    character = _character(affect[:2], shares[:2])
    clauses = [
        judged.contrast,
        judged.by % {"character": character} if judged.by else character,
        wanted.felt or _rank(shared, shares[2:], songs),
        _likeness(wanted),
        _MOVED if wanted.personal and wanted.personal.is_moved else "",
        _words(emotion.lyric_lines),
    ]
    reason = EntryReason(
        distance=float(np.linalg.norm(affect[:2] - wanted.place)),
        valence=float(affect[0]),
        arousal=float(affect[1]),
        shared_emotions=[EMOTIONS[number] for number in shared],
        modality=modality,
        sentence=f"{_start(wanted)}{_joined(clauses)}.",
    )
    if judged.contrast:
        reason["sound_valence"], reason["words_valence"] = judged.valences
    if wanted.personal is not None:
        reason["taste"] = wanted.personal.taste
    if wanted.progress is not None:
        reason["progress"] = wanted.progress
    return reason


def felt_told(
    snapshot: IndexSnapshot, rows: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> list[str]:
    """Return for each row what listeners feel, of what `Target.felt` asks for; empty if little."""
    told = [""] * len(rows)
    if weights is None:
        return told
    wanted = np.flatnonzero(weights[:FELT_DIM] >= _REQUESTED_FROM).tolist()
    felt = snapshot.felt[rows].astype(np.float32)
    for place in np.flatnonzero(~np.isnan(felt[:, 0])).tolist():
        below = [
            (float(snapshot.statistics.felt_below(felt[place : place + 1, n], n)[0]), n)
            for n in wanted
        ]
        share, number = max(below, default=(0.0, 0))
        if share > _SHARED_FROM:
            name = GEMS_WORDS[GEMS[number]]
            told[place] = _FELT % {"share": f"{felt[place, number]:.0%}", "feeling": name}
    return told


def alike_from(snapshot: IndexSnapshot, rows: NDArray[np.int64], seeds: Sequence[int]) -> list[int]:
    """Return for each row the seed song that it resembles most, by id; 0 if it resembles none.

    The row of a seed song itself resembles itself most.
    """
    seed_rows = snapshot.rows_of(seeds)
    if not len(seed_rows) or not len(rows):
        return [0] * len(rows)
    directions = snapshot.fused(seed_rows)
    typical = np.minimum(directions @ snapshot.mean_fused, 0.999)
    likeness = (snapshot.fused(rows) @ directions.T - typical) / (1 - typical)
    best = likeness.argmax(axis=1)
    return [
        int(snapshot.song_ids[seed_rows[seed]]) if likeness[number, seed] >= _ALIKE_FROM else 0
        for number, seed in enumerate(best.tolist())
    ]


def reason_told(sentence: str) -> str:
    """Return the sentence of a reason in the language of the reader."""
    if is_english():
        return sentence
    start = _START.match(sentence)
    rest = sentence[start.end() + 2 :] if start else sentence
    clauses = [_clause_told(clause) for clause in _BETWEEN.split(rest.removesuffix("."))]
    clauses[0] = f"{clauses[0][:1].upper()}{clauses[0][1:]}"
    return f"{terms.told(start[0])}. {'; '.join(clauses)}." if start else f"{'; '.join(clauses)}."


def _clause_told(clause: str) -> str:
    """Return a clause in the language of the reader; the first letter does not count."""
    first, rest = clause[:1], clause[1:]
    if (told := terms.told(clause)) != clause:
        return told
    if (told := terms.told(first.upper() + rest)) != first.upper() + rest:
        return f"{told[:1].lower()}{told[1:]}"
    told = terms.told(first.lower() + rest)
    return told if told != first.lower() + rest else clause


def _start(wanted: Wanted) -> str:
    """Return where in a journey a song is, as a sentence and a space; empty in other lists."""
    if wanted.step is None:
        return ""
    (step, steps), (first, last) = wanted.step, wanted.stops
    message = _STEP_OF_WAY if first else _STEP
    return f"{message % {'step': step, 'steps': steps, 'first': first, 'last': last}}. "


def _joined(clauses: Sequence[str]) -> str:
    first, *others = [clause for clause in clauses if clause]
    said = [f"{first[:1].upper()}{first[1:]}", *(f"{one[:1].lower()}{one[1:]}" for one in others)]
    return "; ".join(said)


def _likeness(wanted: Wanted) -> str:
    personal = wanted.personal
    if personal is not None and personal.is_liked:
        return _LIKED
    if wanted.like:
        return _LIKE % {"title": wanted.like}
    if personal is not None and personal.liked:
        return _LIKE_LIKED % {"title": personal.liked}
    return ""


def _shared_emotions(emotions: NDArray[np.float64], shares: NDArray[np.float64]) -> list[int]:
    # A bare point requests no emotion: name those that stand out in the song.
    requested = np.where(emotions >= _REQUESTED_FROM, emotions, 0.0)
    worth = shares * requested if emotions.any() else shares
    return [
        number
        for number in np.argsort(-worth, kind="stable")[:_SHARED_EMOTIONS].tolist()
        if worth[number] > 0 and shares[number] > _SHARED_FROM
    ]


def _character(place: NDArray[np.float64], shares: NDArray[np.float64]) -> str:
    """Return how a song feels, by its place and by how it compares with the catalogue."""
    valence, arousal = ((place + shares) / 2).tolist()
    return _CHARACTERS[_third(arousal)][_third(valence)]


def _third(value: float) -> int:
    return 2 if value >= _HIGH else 0 if value <= 1 - _HIGH else 1


def _rank(shared: Sequence[int], shares: NDArray[np.float64], songs: int) -> str:
    if not shared or songs < _RANKED_SONGS:
        return ""
    name, share = EMOTIONS[shared[0]], float(shares[shared[0]])
    if share < _RANKED_FROM:
        return _MOST % {"emotion": _COMPARATIVES[name]}
    percent = max(1, math.ceil(round(100 * (1 - share), 6)))
    return _TOP % {"emotion": _SUPERLATIVES[name], "percent": f"{percent}%"}


def _words(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return what the lyric lines that move the song most do to it."""
    told = [line for line in lines or () if line.get("shift", 0.0) >= TOLD_SHIFT]
    valence = sum(float(line["valence"]) for line in told)
    arousal = sum(float(line["arousal"]) for line in told)
    moves = [
        (abs(valence), _CHANGES["valence"][valence > 0]),
        (abs(arousal), _CHANGES["arousal"][arousal > 0]),
    ]
    words = [word for size, word in sorted(moves, reverse=True) if size >= _WORDS_SHIFT]
    return _WORDS % {"change": " and ".join(words)} if words else ""
