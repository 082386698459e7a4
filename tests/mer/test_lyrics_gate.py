"""The gate of lyrics, and the code pages; all texts are our own."""

# ruff: noqa: RUF001

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer.lyrics import decode_unknown, lyric_lines, lyrics_judge, mend, parse_lrc

VERSE = "I saw the morning break your window\nand all the birds were in the street\n"
SECOND = "You said the summer would be endless\nI felt the drum inside my feet\n"
HOOK = "dance, dance, dance all night\n"
CHORUS = "Oh the light, the light is calling\nover every field and sand\nwe go home, we go home\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("No lyrics found", "no lyrics"),
        ("Lyrics not available", "no lyrics"),
        ("Sorry, we don't have the lyrics for this song yet.", "no lyrics"),
        ("This song is an instrumental", "no lyrics"),
        ("Instrumental", "no lyrics"),
        ("纯音乐，请欣赏", "no lyrics"),
        ("[00:00.00]此歌曲为没有填词的纯音乐，请您欣赏", "no lyrics"),
        ("Текст песни не найден", "no lyrics"),
        ("[Instrumental]", "sounds"),
        ("[Music]\n(Music)\n*music playing*\n[Applause]", "sounds"),
        ("♪ ♪\n♪ upbeat music ♪", "sounds"),
        ("[Verse 1]\n[Chorus]", "nothing"),
        ("Thank you. " * 60, "loop"),
        ("I'm going to go to the store. " * 40, "loop"),
        ("ご視聴ありがとうございました", "recogniser"),
        ("Субтитры сделал DimaTorzok", "recogniser"),
        (
            "Am      F\nWalking down the road\nC       G\nWith light\nAm F\nI\nC G\nOn",
            "chord",
        ),
        ("am f c g\nwalking down\nam f c g\nthe road\nc/e g7 am\nwith light", "chord"),
        ("Am f C g\nwalking\ndm bb f\nthe road\nF#m e D\nwith light", "chord"),
        ("[Am]Walking [F]down the [C]road\n[G]with a light\n[Am]and [F]so", "chord"),
        ("e|--0--2--3---|\nB|--1-----3---|\nG|------------|\nD|----2-------|", "chord"),
        ("<!DOCTYPE html><html><body>foo</body></html>", "web page"),
        ("Download the free mp3 at www.example.com\nSubscribe to our channel", "advert"),
    ],
)
def test_what_is_no_lyrics_is_refused_with_a_reason(text: str, reason: str) -> None:
    kept, why = lyrics_judge(text)
    assert kept == ""
    assert reason in why


@pytest.mark.parametrize(
    "text",
    [
        VERSE + CHORUS * 6 + SECOND + CHORUS * 4,
        VERSE + HOOK * 9 + SECOND + HOOK * 9,
        "na na na na\n" * 8 + VERSE + SECOND,
        "la la\nla la\n" * 10,
        "Tequila!",
        "A B C D\nE F G\nsing with me now\n",
        "You might also like the way I dance tonight\nno lyrics could say it",
        "There is music in the air\nand the piano plays for me",
        "Subscribe to my heart\nand I will be your only one\nall the way home",
        "我爱你\n月亮代表我的心",
        "[00:01.00]I am so sad\n[00:03.00]tears are falling",
    ],
)
def test_lyrics_pass_unchanged(text: str) -> None:
    assert lyrics_judge(text) == (text.strip(), "")


def test_page_furniture_is_taken_out() -> None:
    page = (
        "12 ContributorsTranslationsEspañolPortuguês Sad Song Lyrics\n[Verse 1: Singer]\n"
        "tears are falling\nYou might also like\nso lonely\n[00:05.00]Embed\n23Embed"
    )
    assert lyric_lines(lyrics_judge(page)[0]) == ("tears are falling", "so lonely")
    glued = "We sang all night\nYou might also like[Chorus]\nhold me now23Embed"
    assert lyric_lines(lyrics_judge(glued)[0]) == ("We sang all night", "hold me now")


def test_timed_lyrics_stay_timed() -> None:
    text, _ = lyrics_judge("[00:01.00]first\n[00:02.00]You might also like\n[00:03.00]last")
    assert [(line.start_seconds, line.text) for line in parse_lrc(text)] == [
        (1.0, "first"),
        (3.0, "last"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "em em em\na b c\na a a\nnós em casa\nhe had a bad cab\nem em em",
        "a b c d e f g\nh a b\na be a bee\nface the dead\nsing a b c",
    ],
)
def test_small_words_are_no_chords(text: str) -> None:
    assert lyrics_judge(text) == (text, "")


@pytest.mark.parametrize(
    "text",
    [
        "1\n00:00:01,500 --> 00:00:03,000\n<i>first words</i>\n\n2\n00:01:02,000 --> 9\nlast",
        "WEBVTT\n\nNOTE ours\n\n00:01.500 --> 00:03.000 align:start\nfirst words\n\n"  # noqa: ISC004
        "intro\n01:02.000 --> 01:04.000\nlast\n",
    ],
)
def test_subtitles_become_timed_lyrics(text: str) -> None:
    assert lyrics_judge(text) == ("[00:01.50]first words\n[01:02.00]last", "")
    assert lyric_lines(lyrics_judge(text)[0]) == ("first words", "last")


def test_notes_of_chord_pages_are_taken_out() -> None:
    text = "Capo 2nd fret\nTuning: E A D G B E\nTabbed by somebody\n" + VERSE + "More on Genius"
    assert lyrics_judge(text) == (VERSE.strip(), "")
    assert lyrics_judge("[Verse 1]\n" + VERSE) == ("[Verse 1]\n" + VERSE.strip(), "")


@given(st.text(max_size=400))
def test_any_text_is_judged(text: str) -> None:
    kept, reason = lyrics_judge(text)
    assert not (kept and reason)
    mend([text])


RIGHT = [
    *("Ångström", "Motörhead", "Café", "Björk", "Mötley Crüe", "Hüsker Dü", "Sigur Rós", "Où"),
    *("Ágætis byrjun", "Œuvre", "Für Elise", "À la claire fontaine", "Öö", "Määränpää", "Ça va?"),
    *("«Liberté»", "¿Qué?", "Don’t", "jäääär", "Ñandú", "São Paulo", "Žižek", "naïve", "ÄÖÜ", "½"),
    *(
        "Кукушка",
        "Ελλάδα",
        "月亮",
        "さくら",
        "사랑",
        "Þú",
        "Łódź",
        "Beyoncé",
        "Blue Öyster Cult",
        "AC½DC",
    ),
]


@given(st.lists(st.sampled_from(RIGHT), min_size=1, max_size=5))
def test_right_text_is_never_damaged(texts: list[str]) -> None:
    assert mend(texts) == (texts, "")


@given(st.lists(st.sampled_from(RIGHT), min_size=1, max_size=4), st.integers(0, 3))
def test_wrong_text_is_mended_beside_right_text(texts: list[str], place: int) -> None:
    wrong = "Êóêóøêà"
    mixed = [*texts[:place], wrong, *texts[place:]]
    assert mend(mixed) == ([*texts[:place], "Кукушка", *texts[place:]], "cp1251")


@pytest.mark.parametrize("text", [text for text in RIGHT if not text.isascii()])
def test_utf8_read_as_latin_1_is_mended(text: str) -> None:
    spoiled = text.encode().decode("latin-1")
    assert mend([spoiled])[0] == [text]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Я слышу просто ветер за окном\nи мне не грустно"),
        ("koi8_r", "Я слышу просто ветер за окном\nи мне не грустно"),
        ("gbk", "我很快乐 阳光里 我们走在路上"),
        ("cp932", "君の声が聞こえる\n夜の空に"),
        ("cp949", "나는 너를 사랑해\n하늘을 보며"),
        ("big5", "月亮代表我的心 你問我愛你有多深"),
        ("mac_roman", "un été à la mer, l'été sera long\net le café noir"),
        ("cp1252", "un été à la mer, l’été sera long\net le cœur fier"),
        ("cp1253", "Σε περιμένω κάθε βράδυ\nστη θάλασσα"),
    ],
)
def test_bytes_of_a_code_page_are_decoded(encoding: str, text: str) -> None:
    assert decode_unknown(text.encode(encoding))[0] == text


@pytest.mark.parametrize("text", ["é", "ü ß", "日本", "😀 happy", "naïve ☃", "Ñ", "שלום", "สวัสดี"])
def test_utf8_stays_utf8(text: str) -> None:
    assert decode_unknown(text.encode()) == (text, "utf-8")


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 10**6, "(" * 10**6, "*" * 10**6, "<" * 10**6, "[music " * 140_000, "a" * 10**6),
        *("-" * 10**6, ("e|" + "-" * 400 + "\n") * 2_400, "lyrics " * 140_000, "\u266a" * 300_000),
        *("<" + " " * 10**6, "x" + "\n" * 10**6),
    ],
    ids=lambda text: repr(text[:8]),
)
def test_hostile_lyrics_are_judged_in_time(text: str) -> None:
    start = time.monotonic()
    lyrics_judge(text)
    mend([text])
    assert time.monotonic() - start < 10
