"""Words of the field are translated wherever they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import translation
from django.utils.translation import trans_real

from mer.affect import EMOTIONS, GEMS_WORDS
from mer.kinds import KINDS
from mer.prediction import KEYS as TONICS_AND_MODES
from recommender import terms
from recommender.moods import MOODS
from recommender.playlists.reasons import MODALITY_WORDS
from recommender.terms import WORDS, listed, listed_or, meant, notes_told, shown
from recommender.web.presentation import QUADRANT_NAMES

if TYPE_CHECKING:
    import pytest

KEYS = {" ".join(key) for key in TONICS_AND_MODES}
SHOWN = {
    *(word for mood in MOODS.values() for word in (mood.name, *mood.aliases)),
    *EMOTIONS,
    *GEMS_WORDS.values(),
    *KINDS,
    *MODALITY_WORDS.values(),
    *QUADRANT_NAMES.values(),
    *KEYS,
}


def test_every_word_is_in_the_table_and_the_table_has_no_other() -> None:
    assert set(WORDS) == SHOWN


def test_english_is_unchanged() -> None:
    signed = str.maketrans({"#": "♯"})
    for word in SHOWN:
        signs = word.translate(signed).replace("b ", "♭ ") if word in KEYS else word
        assert shown(word) == signs


def test_a_word_is_shown_in_the_language_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trans_real, "gettext", lambda message: f"⟦{message.split(chr(4))[-1]}⟧")
    assert shown("calm") == "⟦calm⟧"
    assert shown("solo piano") == "⟦solo piano⟧"


def test_what_is_typed_in_the_language_of_the_reader_is_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    german = {"calm": "ruhig", "tense": "angespannt"}
    terms._meanings.cache_clear()
    monkeypatch.setattr(
        trans_real,
        "gettext",
        lambda message: german.get(message.rpartition(chr(4))[2], message),
    )
    assert [meant(text) for text in ("Ruhig ", "calm", "joy", "rain")] == [
        *("calm", "calm", "joy", "rain"),
    ]
    terms._meanings.cache_clear()


def test_other_words_stay_as_they_are() -> None:
    assert shown("a rainy Sunday") == "a rainy Sunday"


def test_each_note_on_lyrics_is_told_alone() -> None:
    notes = (
        "the lyrics of LRCLIB ignored: a chord sheet",
        "b.lrc ignored: lyrics larger than 9 bytes; give the song words alone",
    )
    with translation.override("de"):
        assert notes_told("; ".join(notes)) == (
            "Liedtext von LRCLIB übergangen: ein Blatt mit Akkorden; "
            "b.lrc übergangen: Liedtext größer als 9 Bytes; gib nur die Worte des Liedes an"
        )
    assert notes_told("; ".join(notes)) == "; ".join(notes)
    assert notes_told("") == ""


def test_names_are_listed() -> None:
    assert listed([]) == ""
    assert listed(["joy"]) == "joy"
    assert listed(["joy", "fear", "anger"]) == "joy, fear and anger"
    assert listed_or(["joy", "fear"]) == "joy or fear"
