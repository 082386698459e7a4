"""The language of lyrics, and the lines that are left out for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.lyrics import (
    clean_lyrics,
    identification,
    language_code,
    language_name,
    lyric_lines,
    readable_lyrics,
    text_language,
    withheld_note,
)
from mer.lyrics.cleaning import is_wordless
from tests.mer.verses import ENGLISH, ROMANISED, VERSES, VOCALISE

HOPE = (
    "I saw you standing by the ocean\nWith the summer in your hair\n"
    "I would follow you tomorrow\nI would follow anywhere"
)


def test_the_verses_are_all_there() -> None:
    assert len(VERSES) == 28
    assert all(len(stanzas) == 2 for stanzas in VERSES.values())
    assert (len(ENGLISH), len(ROMANISED), len(VOCALISE)) == (16, 7, 5)


@pytest.mark.parametrize("language", VERSES)
def test_lyrics_in_another_language_are_named_and_withheld(language: str) -> None:
    lyrics = readable_lyrics("\n\n".join(VERSES[language]))
    assert (lyrics.text, lyrics.places, lyrics.are_withheld) == ("", (), True)
    # In Latin letters, Croatian is Serbian, and Indonesian nearly Malay.
    assert lyrics.language in {language, {"hr": "sr", "id": "ms"}.get(language)}


@pytest.mark.parametrize("language", VERSES)
def test_one_stanza_is_enough_to_tell(language: str) -> None:
    for stanza in VERSES[language]:
        assert readable_lyrics(stanza).text == ""


@pytest.mark.parametrize("language", ROMANISED)
def test_other_scripts_in_latin_letters_are_withheld_without_a_wrong_name(language: str) -> None:
    lyrics = readable_lyrics(ROMANISED[language][0])
    assert (lyrics.text, lyrics.are_withheld) == ("", True)
    assert lyrics.language in {None, language}


@pytest.mark.parametrize("kind", ENGLISH)
def test_english_of_any_kind_is_read_whole(kind: str) -> None:
    text = "\n\n".join(ENGLISH[kind])
    lyrics = readable_lyrics(text)
    assert (lyrics.language, lyrics.are_withheld) == ("en", False)
    assert lyrics.text == clean_lyrics(text)
    assert lyrics.places == tuple(range(len(lyric_lines(text))))


@pytest.mark.parametrize("text", VOCALISE)
def test_singing_without_words_has_no_language_and_stays(text: str) -> None:
    lyrics = readable_lyrics(text)
    assert (lyrics.language, lyrics.are_withheld) == (None, False)
    assert lyrics.text == clean_lyrics(text)


def test_no_lyrics_have_no_language() -> None:
    lyrics = readable_lyrics(" \n[Instrumental]\n")
    assert (lyrics.text, lyrics.places, lyrics.language) == ("", (), None)
    assert not lyrics.are_withheld


def test_a_verse_in_another_language_is_left_out_of_an_english_song() -> None:
    spanish = VERSES["es"][0]
    lyrics = readable_lyrics(f"{ENGLISH['plain'][0]}\n\n{HOPE}\n\n{spanish}\n\nOh oh oh\n{HOPE}")
    assert lyrics.text == f"{ENGLISH['plain'][0]}\n\n{HOPE}\n\nOh oh oh\n{HOPE}"
    assert lyrics.places == (*range(8), *range(12, 17))
    assert (lyrics.language, lyrics.are_withheld) == ("en", True)


def test_an_english_refrain_is_kept_of_a_song_in_another_language() -> None:
    one, two = VERSES["ko"]
    lyrics = readable_lyrics(f"{one}\n\n{HOPE}\n\n{two}\n\n{one}\n{HOPE}")
    assert lyrics.text == f"{HOPE}\n\n{HOPE}"
    assert lyrics.places == (4, 5, 6, 7, 16, 17, 18, 19)
    assert (lyrics.language, lyrics.are_withheld) == ("ko", True)


@pytest.mark.parametrize("few", ["Baby, come home tonight", "I love you so\nI need you now\nBaby"])
def test_a_few_english_words_are_not_enough(few: str) -> None:
    one, two = VERSES["ja"]
    lyrics = readable_lyrics(f"{one}\n{few}\n{two}\n{few}")
    assert (lyrics.text, lyrics.language) == ("", "ja")


def test_lines_line_by_line_with_their_translation() -> None:
    german = "\n".join(VERSES["de"]).split("\n")
    english = (ENGLISH["plain"][0] + "\n" + HOPE).split("\n")
    pairs = [line for pair in zip(german, english, strict=True) for line in pair]
    lyrics = readable_lyrics("\n".join(pairs))
    assert lyrics.text == "\n".join(english)
    assert lyrics.places == tuple(range(1, 16, 2))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [line for v in VERSES.values() for line in v[0].split("\n")]
            + [line for v in ENGLISH.values() for line in v[0].split("\n")]
            + ["", "", "la la la", "[Chorus]", "[00:12.00]Oh yeah", "...", "x2"]
        ),
        max_size=30,
    )
)
def test_what_is_kept_is_a_part_of_the_lyrics(lines: list[str]) -> None:
    text = "\n".join(lines)
    lyrics, whole = readable_lyrics(text), lyric_lines(text)
    kept = tuple(line for line in lyrics.text.split("\n") if line)
    assert tuple(whole[place] for place in lyrics.places) == kept
    assert lyrics.are_withheld is (len(kept) < len(whole))
    # Cleaning what is kept changes nothing: the encoder gets what was identified.
    assert clean_lyrics(lyrics.text) == lyrics.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("la la la", True), ("Ooh baby", False), ("Lalalala, laaaa", True), ("", True),
        ("whoa-oh-oh", True), ("Mmm-mmm", True), ("na na hey hey goodbye", False),
        ("no no no", False), ("to me", False), ("I do", False), ("ла-ла-ла", True),
        ("라라라", True), ("12 34", True), ("ja ja", False),
    ],
)  # fmt: skip
def test_wordless(text: str, *, expected: bool) -> None:
    assert is_wordless(text) is expected


@pytest.mark.parametrize("syllable", ["yeah", "dum", "dip", "uhuh", "whoah"])
def test_a_long_token_is_divided_in_one_way_at_a_time(syllable: str) -> None:
    # A pattern that tries all ways would not end.
    assert is_wordless(500 * syllable)
    assert not is_wordless(500 * syllable + "x")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ich bin so traurig und allein", "de"), ("I am so sad and lonely", "en"),
        ("rain", None), ("", None), ("la la la", None), ("悲しい夜に君を思う", "ja"),
    ],
)  # fmt: skip
def test_text_language(text: str, language: str | None) -> None:
    assert text_language(text) == language


@pytest.mark.parametrize(
    ("language", "is_used", "what"),
    [
        ("de", False, "Lyrics in German"),
        (None, False, "Lyrics that are not in English"),
        ("ko", True, "Lines of the lyrics in Korean"),
        ("en", True, "Lines that are not in English"),
        (None, True, "Lines that are not in English"),
    ],
)
def test_the_note(language: str | None, *, is_used: bool, what: str) -> None:
    note = withheld_note(language, is_used=is_used)
    assert note == f"{what} were not used: the model was trained on English lyrics."


@pytest.mark.parametrize(
    ("code", "name"), [("de", "German"), ("el", "Greek"), ("ht", "Haitian Creole"), ("qq", "")]
)
def test_names_of_languages(code: str, name: str) -> None:
    assert language_name(code) == name
    if name:
        assert language_code(name) == code


@pytest.mark.parametrize(
    "text",
    [
        "[Chorus]\nCome back to me\nCOME BACK TO ME!\n\nCome back to me",
        "WE WALK ALONE\nWe walk alone",
        "Let it be\nLet it be",
        "Baby, baby",
        "Hello, goodbye",
        "Zombie, zombie",
    ],
)
def test_a_hook_in_capitals_or_of_two_words_is_read(text: str) -> None:
    readable = readable_lyrics(text)
    assert not readable.are_withheld
    assert readable.text == clean_lyrics(text)


@pytest.mark.parametrize("text", ["Te quiero, te quiero", "Ich liebe dich", "ICH LIEBE DICH"])
def test_a_clear_hook_in_another_language_is_withheld(text: str) -> None:
    readable = readable_lyrics(text)
    assert readable.are_withheld
    assert not readable.text


def test_only_so_many_lines_are_identified_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    probabilities = identification._probabilities

    def counted(text: str) -> dict[str, float]:
        asked.append(text)
        return probabilities(text)

    monkeypatch.setattr(identification, "_probabilities", counted)
    english = [f"I walk alone along the river in the night of {number}" for number in range(2_000)]
    assert len(readable_lyrics("\n".join(english)).places) == 2_000
    assert len(asked) < 2_000
    german = [f"Ich gehe in der Nacht allein am Fluss entlang {number}" for number in range(2_000)]
    assert not readable_lyrics("\n".join(german)).text
    mixed = [*english[:20], *german]
    assert len(readable_lyrics("\n".join(mixed)).places) == 20
