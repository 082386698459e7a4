"""Words about sound and lyrics apart: "happy music with sad words", "calm lyrics", "by the sound".

A noun of the tables' section ``[parts]`` belongs to the mood beside it. Moods of the lyrics and of
the sound on opposite sides of valence ask for a contrast. If all moods are about the lyrics, songs
are judged by those alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from recommender.words.lexicon import Kind
from recommender.words.senses import direction_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recommender.words.scan import Item

_BETWEEN: Final = (Kind.FILLER, Kind.VERY, Kind.SLIGHTLY)
"""What may stand between a noun and its mood: the lyrics are very sad."""
_WORDS, _SOUND = "words", "sound"
_BY: Final = {"by_words": 1.0, "by_sound": 0.0}


class Told(NamedTuple):
    """A mood that is neither refused nor compared: its senses, and what it is said of."""

    senses: tuple[str, ...]
    part: str


@dataclass(frozen=True, slots=True)
class Apart:
    """What was said of sound and lyrics apart: at most one of both.

    `moods` are the places, among the moods, of those that `contrast` consists of.
    """

    contrast: str = ""
    words_weight: float | None = None
    moods: tuple[int, ...] = ()


def with_parts(items: Sequence[Item], *, is_noun_first: bool) -> list[Item]:
    """Return the items, where moods know whether they are said of the sound or the lyrics.

    The nouns become words without a meaning of their own. With `is_noun_first` a mood follows its
    noun, as in French, if moods are on both sides.
    """
    found = list(items)
    for number, item in enumerate(items):
        if item.part not in {_WORDS, _SOUND}:
            continue
        for step in (1, -1) if is_noun_first else (-1, 1):
            at = number + step
            while 0 <= at < len(found) and found[at].kind in _BETWEEN and not found[at].part:
                at += step
            if 0 <= at < len(found) and found[at].kind is Kind.MOOD and not found[at].part:
                pair = (item.text, found[at].text) if step > 0 else (found[at].text, item.text)
                found[at] = replace(
                    found[at], part=item.part, noun=item.text, with_noun=" ".join(pair)
                )
                found[number] = replace(item, kind=Kind.FILLER, part="said")
                break
    return found


def apart_of(moods: Sequence[Told], items: Sequence[Item]) -> Apart:
    """Return what moods and phrases such as "by the lyrics" ask for."""
    lyrics = [number for number, told in enumerate(moods) if told.part == _WORDS]
    sound = [number for number, told in enumerate(moods) if told.part == _SOUND]
    others = sound or [number for number, told in enumerate(moods) if not told.part]
    by_words, by_others = (_side(moods, places) for places in (lyrics, others))
    if by_words * by_others < 0:
        name = "bright_sound_sad_words" if by_words < 0 else "dark_sound_bright_words"
        return Apart(name, moods=(*lyrics, *others))
    said = {_BY[item.part] for item in items if item.part in _BY}
    if len(said) == 1:
        return Apart(words_weight=said.pop())
    if lyrics and len(lyrics) == len(moods):
        return Apart(words_weight=1.0)
    return Apart()


def _side(moods: Sequence[Told], places: Sequence[int]) -> float:
    """Return the side of valence on which all of some moods lie: above 0 pleasant; 0: none."""
    sides = [sum(direction_of(sense)[0] for sense in moods[place].senses) for place in places]
    is_one = bool(sides) and (min(sides) > 0 or max(sides) < 0)
    return sides[0] if is_one else 0.0
