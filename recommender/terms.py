"""Words of the field in the language of the reader: moods, kinds of music, parts of a song.

Values stay English in addresses, forms, data attributes, the API and the database. A page writes
`shown(value)`, and reads what was typed by `meant`. Also here: how names are listed in a sentence.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from django.utils.translation import get_language, gettext, pgettext_lazy

from catalog.retold import retold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.utils.functional import _StrPromise

_NEXT_NOTE: Final = re.compile(r"; (?=[^;]* ignored: )")


def percent(share: float) -> str:
    """0.724 → 72%, or as the language writes it."""
    return gettext("%(number)d%%") % {"number": round(100 * share)}


def minutes_words(seconds: float) -> str:
    """4325 → 1 h 12 min, 65 → 1 min; at least one minute."""
    hours, minutes = divmod(max(1, round(seconds / 60)), 60)
    values = {"hours": hours, "minutes": minutes}
    words = gettext("%(hours)d h %(minutes)d min") if hours else gettext("%(minutes)d min")
    return (words % values).replace(" ", "\N{NO-BREAK SPACE}")


def shown(word: str) -> str:
    """Return a word of the field, or a share such as 40%, in the current language.

    Any other word is returned as it is.
    """
    if word.endswith("%") and word[:-1].isdecimal():
        return percent(int(word[:-1]) / 100)
    return str(WORDS.get(word, word))


def told(sentence: str) -> str:
    """Return a sentence that is stored in English in the current language."""
    return retold(sentence, shown)


def notes_told(notes: str) -> str:
    """Return what is noted of a song's lyrics, such as "…; … ignored: …", as `told` does each."""
    return "; ".join(told(note) for note in _NEXT_NOTE.split(notes))


def meant(text: str) -> str:
    """Return the word of the field that is shown as a text; any other text as it is."""
    if text in WORDS:
        return text
    return _meanings(get_language()).get(text.strip().casefold(), text)


@cache
def _meanings(_language: str | None) -> dict[str, str]:
    """Return the word of each shown one; of several words with one translation, the first."""
    return {shown(word).casefold(): word for word in reversed(list(WORDS))}


def listed(names: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return gettext("%(first)s and %(last)s") % _ends(names)


def listed_or(names: Sequence[str]) -> str:
    """Return "a", "a or b" or "a, b or c"."""
    if len(names) < 2:
        return "".join(names)
    return gettext("%(first)s or %(last)s") % _ends(names)


def _ends(names: Sequence[str]) -> dict[str, str]:
    return {"first": ", ".join(names[:-1]), "last": names[-1]}


# Of moods, every name and alias; the names of the quadrants and what listeners feel are among them.
WORDS: Final[Mapping[str, _StrPromise]] = {
    "anger": pgettext_lazy("mood", "anger"),
    "angry": pgettext_lazy("mood", "angry"),
    "furious": pgettext_lazy("mood", "furious"),
    "mad": pgettext_lazy("mood", "mad"),
    "aggressive": pgettext_lazy("mood", "aggressive"),
    "rage": pgettext_lazy("mood", "rage"),
    "joy": pgettext_lazy("mood", "joy"),
    "happy": pgettext_lazy("mood", "happy"),
    "joyful": pgettext_lazy("mood", "joyful"),
    "cheerful": pgettext_lazy("mood", "cheerful"),
    "glad": pgettext_lazy("mood", "glad"),
    "upbeat": pgettext_lazy("mood", "upbeat"),
    "fun": pgettext_lazy("mood", "fun"),
    "sadness": pgettext_lazy("mood", "sadness"),
    "sad": pgettext_lazy("mood", "sad"),
    "blue": pgettext_lazy("mood", "blue"),
    "heartbroken": pgettext_lazy("mood", "heartbroken"),
    "crying": pgettext_lazy("mood", "crying"),
    "fear": pgettext_lazy("mood", "fear"),
    "scary": pgettext_lazy("mood", "scary"),
    "afraid": pgettext_lazy("mood", "afraid"),
    "frightening": pgettext_lazy("mood", "frightening"),
    "horror": pgettext_lazy("mood", "horror"),
    "calmness": pgettext_lazy("mood", "calmness"),
    "calm": pgettext_lazy("mood", "calm"),
    "chill": pgettext_lazy("mood", "chill"),
    "chilled": pgettext_lazy("mood", "chilled"),
    "relaxed": pgettext_lazy("mood", "relaxed"),
    "relaxing": pgettext_lazy("mood", "relaxing"),
    "mellow": pgettext_lazy("mood", "mellow"),
    "lazy": pgettext_lazy("mood", "lazy"),
    "excitement": pgettext_lazy("mood", "excitement"),
    "excited": pgettext_lazy("mood", "excited"),
    "exciting": pgettext_lazy("mood", "exciting"),
    "thrilling": pgettext_lazy("mood", "thrilling"),
    "ecstatic": pgettext_lazy("mood", "ecstatic"),
    "euphoric": pgettext_lazy("mood", "euphoric"),
    "disgust": pgettext_lazy("mood", "disgust"),
    "disgusted": pgettext_lazy("mood", "disgusted"),
    "bitter": pgettext_lazy("mood", "bitter"),
    "contempt": pgettext_lazy("mood", "contempt"),
    "anticipation": pgettext_lazy("mood", "anticipation"),
    "anticipating": pgettext_lazy("mood", "anticipating"),
    "expectant": pgettext_lazy("mood", "expectant"),
    "hopeful": pgettext_lazy("mood", "hopeful"),
    "yearning": pgettext_lazy("mood", "yearning"),
    "energetic": pgettext_lazy("mood", "energetic"),
    "energy": pgettext_lazy("mood", "energy"),
    "pumped": pgettext_lazy("mood", "pumped"),
    "workout": pgettext_lazy("mood", "workout"),
    "party": pgettext_lazy("mood", "party"),
    "dance": pgettext_lazy("mood", "dance"),
    "danceable": pgettext_lazy("mood", "danceable"),
    "uplifting": pgettext_lazy("mood", "uplifting"),
    "inspiring": pgettext_lazy("mood", "inspiring"),
    "optimistic": pgettext_lazy("mood", "optimistic"),
    "feel-good": pgettext_lazy("mood", "feel-good"),
    "triumphant": pgettext_lazy("mood", "triumphant"),
    "victorious": pgettext_lazy("mood", "victorious"),
    "proud": pgettext_lazy("mood", "proud"),
    "epic": pgettext_lazy("mood", "epic"),
    "heroic": pgettext_lazy("mood", "heroic"),
    "cinematic": pgettext_lazy("mood", "cinematic"),
    "powerful": pgettext_lazy("mood", "powerful"),
    "power": pgettext_lazy("mood", "power"),
    "mighty": pgettext_lazy("mood", "mighty"),
    "amazed": pgettext_lazy("mood", "amazed"),
    "amazement": pgettext_lazy("mood", "amazement"),
    "awe": pgettext_lazy("mood", "awe"),
    "playful": pgettext_lazy("mood", "playful"),
    "funny": pgettext_lazy("mood", "funny"),
    "quirky": pgettext_lazy("mood", "quirky"),
    "whimsical": pgettext_lazy("mood", "whimsical"),
    "sexy": pgettext_lazy("mood", "sexy"),
    "sensual": pgettext_lazy("mood", "sensual"),
    "seductive": pgettext_lazy("mood", "seductive"),
    "romantic": pgettext_lazy("mood", "romantic"),
    "romance": pgettext_lazy("mood", "romance"),
    "love": pgettext_lazy("mood", "love"),
    "loving": pgettext_lazy("mood", "loving"),
    "tender": pgettext_lazy("mood", "tender"),
    "gentle": pgettext_lazy("mood", "gentle"),
    "soft": pgettext_lazy("mood", "soft"),
    "warm": pgettext_lazy("mood", "warm"),
    "peaceful": pgettext_lazy("mood", "peaceful"),
    "serene": pgettext_lazy("mood", "serene"),
    "tranquil": pgettext_lazy("mood", "tranquil"),
    "meditative": pgettext_lazy("mood", "meditative"),
    "dreamy": pgettext_lazy("mood", "dreamy"),
    "dream": pgettext_lazy("mood", "dream"),
    "hazy": pgettext_lazy("mood", "hazy"),
    "ethereal": pgettext_lazy("mood", "ethereal"),
    "heavenly": pgettext_lazy("mood", "heavenly"),
    "ambient": pgettext_lazy("mood", "ambient"),
    "content": pgettext_lazy("mood", "content"),
    "satisfied": pgettext_lazy("mood", "satisfied"),
    "comfortable": pgettext_lazy("mood", "comfortable"),
    "sleepy": pgettext_lazy("mood", "sleepy"),
    "sleep": pgettext_lazy("mood", "sleep"),
    "drowsy": pgettext_lazy("mood", "drowsy"),
    "lullaby": pgettext_lazy("mood", "lullaby"),
    "melancholy": pgettext_lazy("mood", "melancholy"),
    "melancholic": pgettext_lazy("mood", "melancholic"),
    "wistful": pgettext_lazy("mood", "wistful"),
    "bittersweet": pgettext_lazy("mood", "bittersweet"),
    "nostalgic": pgettext_lazy("mood", "nostalgic"),
    "nostalgia": pgettext_lazy("mood", "nostalgia"),
    "longing": pgettext_lazy("mood", "longing"),
    "solemn": pgettext_lazy("mood", "solemn"),
    "solemnity": pgettext_lazy("mood", "solemnity"),
    "reverent": pgettext_lazy("mood", "reverent"),
    "lonely": pgettext_lazy("mood", "lonely"),
    "alone": pgettext_lazy("mood", "alone"),
    "loneliness": pgettext_lazy("mood", "loneliness"),
    "gloomy": pgettext_lazy("mood", "gloomy"),
    "depressed": pgettext_lazy("mood", "depressed"),
    "depressing": pgettext_lazy("mood", "depressing"),
    "bleak": pgettext_lazy("mood", "bleak"),
    "despair": pgettext_lazy("mood", "despair"),
    "bored": pgettext_lazy("mood", "bored"),
    "boring": pgettext_lazy("mood", "boring"),
    "tired": pgettext_lazy("mood", "tired"),
    "dull": pgettext_lazy("mood", "dull"),
    "dark": pgettext_lazy("mood", "dark"),
    "sinister": pgettext_lazy("mood", "sinister"),
    "haunting": pgettext_lazy("mood", "haunting"),
    "eerie": pgettext_lazy("mood", "eerie"),
    "tense": pgettext_lazy("mood", "tense"),
    "tension": pgettext_lazy("mood", "tension"),
    "nervous": pgettext_lazy("mood", "nervous"),
    "anxious": pgettext_lazy("mood", "anxious"),
    "suspenseful": pgettext_lazy("mood", "suspenseful"),
    "stressed": pgettext_lazy("mood", "stressed"),
    "dramatic": pgettext_lazy("mood", "dramatic"),
    "drama": pgettext_lazy("mood", "drama"),
    "intense": pgettext_lazy("mood", "intense"),
    "rebellious": pgettext_lazy("mood", "rebellious"),
    "defiant": pgettext_lazy("mood", "defiant"),
    "wild": pgettext_lazy("mood", "wild"),
    "tenderness": pgettext_lazy("mood", "tenderness"),
    "band": pgettext_lazy("kind of music", "band"),
    "electronic": pgettext_lazy("kind of music", "electronic"),
    "orchestral": pgettext_lazy("kind of music", "orchestral"),
    "solo piano": pgettext_lazy("kind of music", "solo piano"),
    "chiptune": pgettext_lazy("kind of music", "chiptune"),
    "sound": pgettext_lazy("part of a song", "sound"),
    "lyrics": pgettext_lazy("part of a song", "lyrics"),
    "title and artist": pgettext_lazy("part of a song", "title and artist"),
    "C major": pgettext_lazy("key", "C major"),
    "Db major": pgettext_lazy("key", "D♭ major"),
    "D major": pgettext_lazy("key", "D major"),
    "Eb major": pgettext_lazy("key", "E♭ major"),
    "E major": pgettext_lazy("key", "E major"),
    "F major": pgettext_lazy("key", "F major"),
    "F# major": pgettext_lazy("key", "F♯ major"),
    "G major": pgettext_lazy("key", "G major"),
    "Ab major": pgettext_lazy("key", "A♭ major"),
    "A major": pgettext_lazy("key", "A major"),
    "Bb major": pgettext_lazy("key", "B♭ major"),
    "B major": pgettext_lazy("key", "B major"),
    "C minor": pgettext_lazy("key", "C minor"),
    "C# minor": pgettext_lazy("key", "C♯ minor"),
    "D minor": pgettext_lazy("key", "D minor"),
    "Eb minor": pgettext_lazy("key", "E♭ minor"),
    "E minor": pgettext_lazy("key", "E minor"),
    "F minor": pgettext_lazy("key", "F minor"),
    "F# minor": pgettext_lazy("key", "F♯ minor"),
    "G minor": pgettext_lazy("key", "G minor"),
    "G# minor": pgettext_lazy("key", "G♯ minor"),
    "A minor": pgettext_lazy("key", "A minor"),
    "Bb minor": pgettext_lazy("key", "B♭ minor"),
    "B minor": pgettext_lazy("key", "B minor"),
}
"""Each word with its translation."""
