"""Sentences that are stored in English are shown in the language of the reader."""

from __future__ import annotations

import pytest
from django.utils import translation

from catalog import retold
from recommender.playlists.reasons import reason_told

GERMAN = {
    "“%(word)s” is read as “%(right)s”.": "„%(word)s“ wird als „%(right)s“ gelesen.",
    "Too few songs, so this was relaxed: %(nouns)s.": "Zu wenige Lieder. Gelockert: %(nouns)s.",
    "length": "Länge",
    "tempo": "Tempo",
    "Calm and warm": "Ruhig und warm",
    "among the %(emotion)s %(percent)s of your library": (
        "unter den %(emotion)s %(percent)s deiner Sammlung"
    ),
    "calmest": "ruhigsten",
    "sounds like “%(title)s”": "klingt wie „%(title)s“",
    "its words make it %(change)s": "der Text macht es %(change)s",
    "sadder": "trauriger",
    "calmer": "ruhiger",
    "%(first)s and %(last)s": "%(first)s und %(last)s",
    "Step %(step)s of %(steps)s, from %(first)s to %(last)s": (
        "Schritt %(step)s von %(steps)s, von %(first)s nach %(last)s"
    ),
    "where you are": "wo du bist",
    "%(path)s: there is no such file or folder any more; check the disk": (
        "%(path)s: nicht mehr da; prüfe die Festplatte"
    ),
    "No song is left with these constraints: %(constraints)s; ask for less": (
        "Kein Lied übrig mit: %(constraints)s; verlange weniger"
    ),
    "no %(filter)s": "kein %(filter)s",
    "genre %(name)s": "Genre %(name)s",
    "no genre %(name)s": "nicht das Genre %(name)s",
    "artist %(name)s": "Interpret %(name)s",
    "refused artists and albums": "abgelehnte Interpreten und Alben",
    "Removed %(song)s": "%(song)s entfernt",
    "“%(title)s”": "„%(title)s“",
    "song %(number)s": "Lied %(number)s",
    "%(path)s: %(name)s ignored: %(why)s": "%(path)s: %(name)s übergangen: %(why)s",
    "a chord sheet": "Akkorde",
}
WORDS = {"love": "Liebe", "party": "Feier", "dance": "Tanzen", "blue": "traurig"}


def shown(word: str) -> str:
    return WORDS.get(word, word)


@pytest.fixture
def _german(monkeypatch: pytest.MonkeyPatch) -> None:
    retold._retold.cache_clear()
    monkeypatch.setattr(retold, "gettext", lambda message: GERMAN.get(message, message))


@pytest.mark.usefixtures("_german")
class TestRetold:
    @pytest.mark.parametrize(
        ("sentence", "expected"),
        [
            ("“calmm” is read as “calm”.", "„calmm“ wird als „calm“ gelesen."),
            (
                "Too few songs, so this was relaxed: length, tempo.",
                "Zu wenige Lieder. Gelockert: Länge, Tempo.",
            ),
            ("What nobody registered.", "What nobody registered."),
            ("salt and pepper, and more", "salt and pepper, and more"),
            ("", ""),
        ],
    )
    def test_a_message_is_found_and_translated(self, sentence: str, expected: str) -> None:
        with translation.override("de"):
            assert retold.retold(sentence) == expected

    @pytest.mark.parametrize(
        ("sentence", "expected"),
        [
            (
                (
                    "/Peace, love and party.mp3: there is no such file or folder any more; "
                    "check the disk"
                ),
                "/Peace, love and party.mp3: nicht mehr da; prüfe die Festplatte",
            ),
            ("/Peace, love and party.mp3: others say so", None),
            ("love and party", None),
            ("love, party", None),
            ("no dance", "kein dance"),
            ("no love and no blue", "kein love and no blue"),
            ("genre dance", "Genre dance"),
            ("no genre love", "nicht das Genre love"),
            ("artist love", "Interpret love"),
            ("dance", "Tanzen"),
            ("Removed “love”", "„love“ entfernt"),
            ("Removed song 7", "Lied 7 entfernt"),
            ("a.mp3: love.txt ignored: a chord sheet", "a.mp3: love.txt übergangen: Akkorde"),
        ],
    )
    def test_names_of_others_stay(self, sentence: str, expected: str | None) -> None:
        with translation.override("de"):
            assert retold.retold(sentence, shown) == (expected or sentence)

    @pytest.mark.parametrize(
        ("nouns", "expected"),
        [
            ("refused artists and albums", "abgelehnte Interpreten und Alben"),
            ("refused artists and albums, length", "abgelehnte Interpreten und Alben, Länge"),
            ("length and tempo", "Länge und Tempo"),
            ("length, what nobody registered", "length, what nobody registered"),
            ("no genre dance, length", "nicht das Genre dance, Länge"),
            ("artist “Peace, love”, length", "Interpret “Peace, love”, Länge"),
        ],
    )
    def test_a_list_is_taken_apart_if_all_of_it_is_known(self, nouns: str, expected: str) -> None:
        sentence = f"No song is left with these constraints: {nouns}; ask for less"
        with translation.override("de"):
            assert retold.retold(sentence, shown) == (
                f"Kein Lied übrig mit: {expected}; verlange weniger"
            )

    def test_a_message_that_is_registered_later_is_found(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retold, "_messages", dict(retold._messages))
        monkeypatch.setitem(GERMAN, "Never before", "Noch nie")
        with translation.override("de"):
            assert retold.retold("Never before") == "Never before"
            retold.kept("Never before")
            retold._retold.cache_clear()
            assert retold.retold("Never before") == "Noch nie"
        retold._ordered.cache_clear()

    @pytest.mark.parametrize(
        ("sentence", "expected"),
        [
            (
                "Calm and warm; among the calmest 5% of your library; sounds like “A; b. C”.",
                (
                    "Ruhig und warm; unter den ruhigsten 5\u00a0% deiner Sammlung; "
                    "klingt wie „A; b. C“."
                ),
            ),
            (
                (
                    "Step 2 of 20, from where you are to “B. C”. Calm and warm; its words make it "
                    "sadder and calmer."
                ),
                (
                    "Schritt 2 von 20, von wo du bist nach „B. C“. Ruhig und warm; der Text macht "
                    "es trauriger und ruhiger."
                ),
            ),
            ("Something else; calm and warm.", "Something else; ruhig und warm."),
        ],
    )
    def test_the_reason_of_a_song(self, sentence: str, expected: str) -> None:
        with translation.override("en-gb"):
            assert reason_told(sentence) == sentence
        with translation.override("de"):
            assert reason_told(sentence) == expected
