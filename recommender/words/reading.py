"""Reads a text by the rules of its language: what is wanted, refused, compared and filtered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from recommender.moods import MOODS
from recommender.words.apart import Apart, Told, apart_of, with_parts
from recommender.words.lexicon import Kind
from recommender.words.scan import Item, scan
from recommender.words.senses import (
    AXES,
    NEUTRAL,
    direction_of,
    has_opposite,
    moved,
    name_of,
    place_of,
    pull_of,
)
from recommender.words.spelling import is_english
from recommender.words.understood import Filters, Part, Sense, Understood
from recommender.words.vocabulary import LONGEST_READ, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from recommender.moods import Mood
    from recommender.words.filters import Claim

_VERY: Final = 1.4
_SLIGHTLY: Final = 0.5
_MUCH_STEP: Final = 1.6
_SLIGHT_STEP: Final = 0.75
_WITHOUTS: Final = frozenset(
    {"without", "avoid", "avoiding", "un", "non", "anti", "stop", "hate", "ohne", "sans", "sin"}
    | {"senza", "sem", "zonder", "bez", "без", "utan", "بدون", "بلا"}
)
"""Refusals that undo another one before them: not without, nicht ohne."""
_PLAIN_NO: Final = frozenset(
    {"no", "nope", "nein", "non", "nee", "nie", "нет", "nej", "não", "nao"}
)
_CONTRASTS: Final = {
    "bright_sound_sad_words": "bright sound, sad words",
    "dark_sound_bright_words": "dark sound, bright words",
}
_BY: Final = {0.0: "by the sound alone", 1.0: "by the words alone"}
_IN_DESCRIPTIONS: Final = (Kind.UNKNOWN, Kind.FILLER, Kind.AND, Kind.MOOD)


def understand(
    text: str,
    vocabulary: Vocabulary | None = None,
    *,
    last: tuple[float, float] | None = None,
) -> Understood:
    """Return what a listener's words ask for.

    Parameters
    ----------
    text : str
        Words in one of the languages of ``languages/``.
    vocabulary : Vocabulary or None
        The names of the catalogue; without them, no genre, artist or album is found.
    last : tuple of float or None
        Valence and arousal, from 0 to 1, of the target that "calmer" and "less sad" move. None
        stands for the middle.

    Returns
    -------
    Understood
        The same for the same arguments.
    """
    found, language = scan(text, vocabulary or Vocabulary())
    items = with_parts(found, is_noun_first=language.is_noun_first)
    words = [item for item in items if item.kind is not Kind.MARK]
    if len(words) > LONGEST_READ:
        whole = " ".join(text.split())
        return Understood(text, phrase=whole, parts=())
    reader = _Reader(reads_english=language.code == "en")
    for number, item in enumerate(items):
        reader.take(item, items[number + 1 :])
    reader.end()
    reader.tell_apart(items)
    return reader.understood(text, last)


@dataclass
class _Reading:
    """A mood as it was read; `strength` is 1, less for "a bit", more for "very"."""

    item: Item
    senses: tuple[str, ...]
    strength: float = 1.0
    step: float = 0.0
    is_refused: bool = False
    is_soft: bool = False
    clause: int = 0


@dataclass
class _Reader:
    reads_english: bool
    readings: list[_Reading] = field(default_factory=list)
    apart: Apart = field(default_factory=Apart)
    apart_parts: list[tuple[int, Part]] = field(default_factory=list)
    claims: list[tuple[Item, bool]] = field(default_factory=list)
    unknown: list[Item] = field(default_factory=list)
    descriptions: list[list[Item]] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)
    corrections: dict[str, str] = field(default_factory=dict)
    refusal: Item | None = None
    """The word whose scope this is."""
    is_soft: bool = False
    is_spent: bool = False
    """Whether the refusal has met what it refuses; it goes on only over "and" and "or"."""
    is_after_mood: bool = False
    """Whether it stands right after a mood: sad no, happy yes."""
    is_joined: bool = False
    is_likened: bool = False
    strength: float = 1.0
    step: float = 0.0
    clause: int = 0
    before: Item | None = None

    def take(self, item: Item, rest: Sequence[Item]) -> None:
        """Read the next item; `rest` are those after it."""
        if item.corrected:
            self.corrections[item.text] = item.corrected
        if item.kind in (Kind.MOOD, Kind.COMPARATIVE) and self.refusal is not None:
            self._step_over()
        if item.kind not in _IN_DESCRIPTIONS or self.refusal is not None or item.part:
            self._describe()
        elif self.unknown and item.kind is not Kind.UNKNOWN:
            self.unknown.append(item)
        match item.kind:
            case Kind.MOOD | Kind.COMPARATIVE:
                self._mood(item)
            case Kind.NOT | Kind.NOT_SOFTLY:
                self._not(item, rest)
            case Kind.NOT_AFTER:
                self._not_after(item)
            case Kind.THAN:
                self._than(item)
            case Kind.MARK:
                self._mark(item, rest)
            case Kind.BUT:
                self._look_back()
                self._forget()
                self.clause += 1
            case Kind.FILTER | Kind.UNSUPPORTED:
                self._name(item)
            case Kind.UNKNOWN:
                self.unknown.append(item)
            case Kind.AND | Kind.OR:
                self.is_joined = True
            case Kind.FILLER:
                pass
            case _:
                self._modify(item.kind)
        self.before = item

    def end(self) -> None:
        """Read what is left of the last description and of the last refusal."""
        self._describe()
        self._look_back()
        if self.before is not None and self.before.kind is Kind.VERY and self.readings:
            self.readings[-1].strength *= self.strength  # in Arabic it comes last

    def tell_apart(self, items: Sequence[Item]) -> None:
        """Take what is said of sound and lyrics apart out of the readings."""
        plain = [one for one in self.readings if not (one.is_refused or one.step or one.is_soft)]
        self.apart = apart_of([Told(one.senses, one.item.part) for one in plain], items)
        used = [plain[number] for number in self.apart.moods]
        by = [item for item in items if item.part.startswith("by_")]
        if used:
            used.sort(key=lambda one: one.item.start)
            text = ", ".join(one.item.with_noun or one.item.text for one in used)
            self.apart_parts = [(used[0].item.start, Part(text, _CONTRASTS[self.apart.contrast]))]
            self.readings = [one for one in self.readings if one not in used]
        elif self.apart.words_weight is not None:
            nouns = [(one.item.start, one.item.noun) for one in plain if one.item.noun]
            start, text = (by[0].start, by[0].text) if by else nouns[0]
            self.apart_parts = [(start, Part(text, _BY[self.apart.words_weight]))]
        else:
            # As other words that are known and not used. "Sound" says nothing by itself.
            self.not_understood += [
                one.item.noun for one in self.readings if one.item.part == "words"
            ]

    def _step_over(self) -> None:
        """Leave out words between a refusal and a mood: not a single sad song."""
        if not self.is_spent and self.unknown:
            self.not_understood += [
                item.text
                for item in self.unknown
                if item.kind is Kind.UNKNOWN and not is_english(item.word)
            ]
            self.unknown = []

    def _look_back(self) -> None:
        """Refuse what a clause named before a refusal at its end: sad is what I do not want."""
        refusal = self.refusal
        if refusal is None or self.is_spent:
            return
        if refusal.word in _PLAIN_NO and not self.is_after_mood:
            return
        named = [reading for reading in self.readings if reading.clause == self.clause]
        if named and not named[-1].is_refused:
            named[-1].is_refused = True

    def _modify(self, kind: Kind) -> None:
        if kind in (Kind.VERY, Kind.MUCH):
            self.strength *= _VERY
        elif kind is Kind.SLIGHTLY:
            self.strength *= _SLIGHTLY
        elif kind is Kind.MORE:
            self.step = 1.0
        elif kind is Kind.LESS:
            self.step = -1.0
        elif kind is Kind.TOO:
            # "Too loud" asks for less; "should not be too loud" refuses, but only the much.
            self.is_soft = self.refusal is not None
            self.step = 0.0 if self.refusal is not None else -1.0
        elif kind is Kind.SAME:
            self.is_likened = True

    def _mood(self, item: Item) -> None:
        if self.is_spent and not self._goes_on(item.senses):
            self._forget_refusal()
        step = self.step or (1.0 if item.kind is Kind.COMPARATIVE else 0.0)
        is_refused = (self.refusal is not None) != item.is_negated
        reading = _Reading(
            item, item.senses, self.strength, step, is_refused, self.is_soft, self.clause
        )
        self.readings.append(reading)
        if self.refusal is not None:
            self.is_spent = True
        self.strength, self.step, self.is_joined = 1.0, 0.0, False

    def _goes_on(self, senses: Sequence[str]) -> bool:
        """Return whether a refusal holds for one more mood: not over one of another direction."""
        if self.before is not None and self.before.kind is Kind.OR:
            return True
        former = self.readings[-1] if self.readings else None
        if former is None:
            return self.is_joined
        return any(_is_alike(one, two) for one in former.senses for two in senses)

    def _not(self, item: Item, rest: Sequence[Item]) -> None:
        is_answer = self.before is not None and (self.before.word == "?" or self.before.text == ":")
        is_all = not rest or rest[0].kind is Kind.MARK
        if is_answer and (item.word in _PLAIN_NO or is_all):
            self._not_after(item)
            return
        is_second = self.refusal is not None and not self.is_spent
        undoes = is_second and (
            item.word in _WITHOUTS or (self.before is not None and self.before.word == item.word)
        )
        self._forget_refusal()
        if not undoes:
            self.refusal, self.is_soft = item, item.kind is Kind.NOT_SOFTLY
            self.is_after_mood = self.before is not None and self.before.kind is Kind.MOOD

    def _not_after(self, item: Item) -> None:
        """Refuse what was named before; without such, what is named next."""
        clause = (
            self.clause - 1 if self.before is not None and self.before.word == "?" else self.clause
        )
        named = [reading for reading in self.readings if reading.clause == clause]
        if not named:
            if self.claims and self.claims[-1][0] is self.before:
                self.claims[-1] = (self.claims[-1][0], True)
            elif self.before is None or self.before.kind is not Kind.UNSUPPORTED:
                self.refusal = item
            return
        named[-1].is_refused = True  # also after another refusal: hiç üzgün değil
        self.strength = 1.0

    def _than(self, item: Item) -> None:
        """Refuse what follows "happier than"; "more happy" before it is then no comparison."""
        for reading in self.readings:
            if reading.item.kind is Kind.MOOD:
                reading.step = 0.0
        self.refusal, self.is_soft, self.is_spent = item, False, False

    def _mark(self, item: Item, rest: Sequence[Item]) -> None:
        if item.word == "," and self.refusal is not None and _is_list(rest):
            self.is_joined = True
            return
        if item.word != "," or self.is_after_mood:
            self._look_back()
        if item.word != ",":
            self.clause += 1
        self._forget()

    def _name(self, item: Item) -> None:
        is_refused = self.refusal is not None
        if item.claim is None or item.claim.missing:
            before = f"{self.refusal.text} " if self.refusal and not self.is_spent else ""
            self.not_understood.append(f"{before}{item.text}")
        elif is_refused and not item.claim.may_be_refused:
            self.not_understood.append(f"{self.refusal.text if self.refusal else ''} {item.text}")
        else:
            self.claims.append((item, is_refused))
        if is_refused:
            self._forget_refusal()

    def _describe(self) -> None:
        """Close a description: words that no rule knows, with what stands between them."""
        while self.unknown and self.unknown[-1].kind is Kind.AND:
            self.unknown.pop()
        words, self.unknown = self.unknown, []
        if not words:
            return
        content = [item for item in words if item.kind is Kind.UNKNOWN]
        known = [
            item
            for item in content
            if self.reads_english and (item.is_weak or is_english(item.word))
        ]
        if self.refusal is not None and not self.is_spent:
            text = " ".join(item.text for item in words)
            self.not_understood.append(f"{self.refusal.text} {text}")
            self._forget_refusal()
        elif len(known) * 2 > len(content):
            self.descriptions.append(words)
        else:
            self.not_understood += [item.text for item in content]

    def _forget(self) -> None:
        self._forget_refusal()
        self.strength, self.step = 1.0, 0.0

    def _forget_refusal(self) -> None:
        self.refusal, self.is_soft, self.is_spent, self.is_joined = None, False, False, False
        self.is_after_mood = False

    def understood(self, text: str, last: tuple[float, float] | None) -> Understood:
        """Return the whole."""
        exclusions = _excluded(self.readings)
        felt = _weights(self.readings, lambda mood: mood.felt)
        is_relative = self._is_relative()
        phrase = " ".join(_text_of(words) for words in self.descriptions)
        filters = Filters()
        for item, is_refused in self.claims:
            if item.claim is not None:
                filters = item.claim.apply(filters, is_refused)
        return Understood(
            text=text,
            targets=tuple(_sense(reading, name) for reading, name in _named(self.readings)),
            place=self._place(last, is_relative=is_relative),
            emotions=_emotions(self.readings, exclusions),
            felt=felt,
            unfelt=_weights(self.readings, _unfelt) if felt else {},
            exclusions=exclusions,
            filters=filters,
            phrase=phrase,
            parts=self._parts(),
            not_understood=tuple(dict.fromkeys(self.not_understood)),
            corrections=self.corrections,
            contrast=self.apart.contrast,
            words_weight=self.apart.words_weight,
            is_relative=is_relative,
        )

    def _is_relative(self) -> bool:
        has_step = any(reading.step for reading in self.readings)
        has_place = any(not reading.step and not reading.is_refused for reading in self.readings)
        return (has_step and not has_place) or (
            self.is_likened and bool(self.readings) and has_step
        )

    def _place(
        self, last: tuple[float, float] | None, *, is_relative: bool
    ) -> tuple[float, float] | None:
        if not self.readings:
            return None
        wanted = [
            pull_of(name, reading.strength)
            for reading, name in _named(self.readings)
            if not reading.step and not reading.is_refused
        ]
        refused = [
            (name, pull_of(name, reading.strength))
            for reading, name in _named(self.readings)
            if not reading.step and reading.is_refused and has_opposite(name)
        ]
        turned = [pull for name, pull in refused if name in AXES]
        moods = [pull for name, pull in refused if name not in AXES]
        steps = [
            (direction_of(name), _step_of(reading))
            for reading, name in _named(self.readings)
            if reading.step
        ]
        if is_relative:
            return moved(last or (NEUTRAL, NEUTRAL), steps)
        return moved(place_of(wanted, moods, turned), steps)

    def _parts(self) -> tuple[Part, ...]:
        placed = [(reading.item.start, _part(reading)) for reading in self.readings]
        placed += self.apart_parts
        for item, is_refused in self.claims:
            if item.claim is not None:
                placed.append((item.start, _filter_part(item, item.claim, is_refused=is_refused)))
        return tuple(part for _, part in sorted(placed, key=lambda pair: pair[0]))


def _named(readings: Sequence[_Reading]) -> list[tuple[_Reading, str]]:
    return [(reading, name) for reading in readings for name in reading.senses]


def _excluded(readings: Sequence[_Reading]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            name
            for reading, name in _named(readings)
            if reading.is_refused and not reading.is_soft and not reading.step and name in MOODS
        )
    )


def _emotions(readings: Sequence[_Reading], exclusions: Sequence[str]) -> Mapping[str, float]:
    weights = _weights(readings, lambda mood: mood.emotions)
    for emotion in exclusions:
        weights.pop(emotion, None)
    total = sum(weights.values())
    return {emotion: weight / total for emotion, weight in weights.items()} if total else {}


def _unfelt(mood: Mood) -> Mapping[str, float]:
    return {} if mood.felt else mood.emotions


def _weights(
    readings: Sequence[_Reading], stressed: Callable[[Mood], Mapping[str, float]]
) -> dict[str, float]:
    """Return the sum of what the wanted moods stress, by the strength of each."""
    weights: dict[str, float] = {}
    for reading, name in _named(readings):
        if name in MOODS and not reading.is_refused and not reading.step:
            for emotion, share in stressed(MOODS[name]).items():
                weights[emotion] = weights.get(emotion, 0.0) + share * reading.strength
    return weights


def _sense(reading: _Reading, name: str) -> Sense:
    weight = -reading.strength if reading.is_refused else reading.strength
    return Sense(name, weight, _step_of(reading) if reading.step else 0.0, reading.is_soft)


def _step_of(reading: _Reading) -> float:
    size = _MUCH_STEP if reading.strength > 1 else _SLIGHT_STEP if reading.strength < 1 else 1.0
    return reading.step * size * (-1 if reading.is_refused else 1)


def _part(reading: _Reading) -> Part:
    names = " and ".join(name_of(name) for name in reading.senses)
    item, strength = reading.item, reading.strength
    if reading.step:
        more = "more" if _step_of(reading) > 0 else "less"
        return Part(item.text, f"{more} {names}", _step_of(reading), item.doubt)
    if reading.is_refused:
        word = "less" if reading.is_soft else "not"
        return Part(item.text, f"{word} {names}", -strength, item.doubt)
    return Part(item.text, names, strength, item.doubt)


def _filter_part(item: Item, claim: Claim, *, is_refused: bool) -> Part:
    if not is_refused or claim.refused_meaning:
        meaning = claim.refused_meaning if is_refused else claim.meaning
        return Part(item.text, meaning, 1.0, item.doubt)
    return Part(item.text, f"no {claim.meaning}", -1.0, item.doubt)


def _is_alike(one: str, two: str) -> bool:
    """Return whether two moods lie in the same direction, on the axis that both are about."""
    first, second = direction_of(one), direction_of(two)
    return first[0] * second[0] + first[1] * second[1] > 0


def _is_list(rest: Sequence[Item]) -> bool:
    """Return whether a comma stands in a list that ends with "or": no anger, fear or sadness."""
    for item in rest:
        if item.kind is Kind.OR:
            return True
        if item.kind not in (Kind.MOOD, Kind.FILLER) and item.word != ",":
            return False
    return False


def _text_of(words: Sequence[Item]) -> str:
    return " ".join(item.text for item in words)
