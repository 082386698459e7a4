"""Lyrics: what is sung stays, what the web added goes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer.errors import LyricsError
from mer.lyrics import (
    MAX_LYRICS_BYTES,
    TimedLine,
    clean_lyrics,
    context_text,
    decode_lyrics,
    lyric_lines,
    parse_lrc,
    read_lyrics,
)


@pytest.mark.parametrize(
    ("found", "clean"),
    [
        ("One<br>two<BR />three", "One\ntwo\nthree"),
        ("<p>One &amp; two</p>", "One & two"),
        ("<i>soft</i> <b>loud</b>", "soft loud"),
        ("[Chorus]\nCome in\n[Verse 2: Ada]\nGo out", "Come in\nGo out"),
        ("CHORUS:\nCome in\nVerse Two:\nGo out\n--- Instrumental ---", "Come in\nGo out"),
        ("Chorus: Come in", "Come in"),
        ("Come in (x3)\nGo out [8x]\nStay x4\nAgain 2x", "Come in\nGo out\nStay\nAgain"),
        ("(repeat chorus twice)\nCome in\n[Repeat and fade]", "Come in"),
        ("Come in [Guitar solo]", "Come in"),
        ("Come in (oh, come in)\n[Be my] guest", "Come in (oh, come in)\nBe my guest"),
        ("[ti:Tune]\n[00:12.00]Come in\n[00:15.20][00:20.10]Go <00:16.00>out", "Come in\nGo out"),
        ("See http://example.org/x for more\nwww.example.org", "See for more"),
        ("Lyrics by: Ada\nWritten by Ada Nina\nCome in\nCopyright 1999 X", "Come in"),
        ("Thanks to Ada for correcting these lyrics\nCome in", "Come in"),
        ("One\r\ntwo\rthree", "One\ntwo\nthree"),
        ("\n\nOne\n\n\n\ntwo\n \n", "One\n\ntwo"),
        ("One\n[Chorus]\ntwo", "One\ntwo"),
        ("...\n---\n", ""),
        ("Come in (spoken: who is it)\nrepeat to fade\nChorusx2", "Come in"),
        ("Find more lyrics on www.example.org\nCome in", "Come in"),
        ("\ufeffOne\x00", "One"),
    ],
)
def test_what_the_web_added_goes(found, clean):
    assert clean_lyrics(found) == clean


@pytest.mark.parametrize(
    "sung",
    [
        "History will repeat itself",
        "We are verses out of rhythm",
        "The birds above are singing you a chorus",
        "I broke the bridge and hooked the fish",
        "Three times a lady",
        "1 < 2 and 3 > 2",
        "Fade into you",
        "Take me by the hand",
        "Stop (right now)",
        "Break it up (break it up)",
        "(Okay, take it to the bridge)",
        "Again (and repeat again)",
    ],
)
def test_sung_words_that_look_like_directions_stay(sung):
    assert clean_lyrics(sung) == sung


def test_lines_are_those_with_words():
    assert lyric_lines("One\n\n[Chorus]\ntwo") == ("One", "two")


@given(st.text())
def test_cleaning_leaves_tidy_lines_and_never_fails(text):
    clean = clean_lyrics(text)
    assert "\n\n\n" not in clean
    assert clean == clean.strip("\n")
    assert all(line == " ".join(line.split()) for line in clean.split("\n"))


words = st.text("abcdefg hij", min_size=1).map(str.split).map(" ".join).filter(bool)


@given(st.lists(words))
def test_plain_words_are_kept_as_they_are(lines):
    assert clean_lyrics("\n".join(lines)) == "\n".join(lines)


@given(st.lists(st.tuples(st.integers(0, 359_999), words)))
def test_timed_lines_come_back_in_order_of_time(lines):
    text = "\n".join(
        f"[{hundredths // 6000:02}:{hundredths // 100 % 60:02}.{hundredths % 100:02}]{line}"
        for hundredths, line in lines
    )
    parsed = parse_lrc(text)
    assert [line.start_seconds for line in parsed] == pytest.approx(
        sorted(hundredths / 100 for hundredths, _ in lines)
    )
    assert sorted(line.text for line in parsed) == sorted(line for _, line in lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("[01:02.50]Go", [TimedLine(62.5, "Go")]),
        ("[01:02]Go", [TimedLine(62.0, "Go")]),
        ("[01:02.500]Go", [TimedLine(62.5, "Go")]),
        ("[01:02:50]Go", [TimedLine(62.5, "Go")]),
        ("[00:09.0] [00:01.0]Go", [TimedLine(1.0, "Go"), TimedLine(9.0, "Go")]),
        ("[00:01.00]<00:01.00>Go <00:01.50>on", [TimedLine(1.0, "Go on")]),
        ("[offset:+500]\n[00:02.00]Go\n[00:00.20]In", [TimedLine(0.0, "In"), TimedLine(1.5, "Go")]),
        ("[offset: -500]\n[00:02.00]Go", [TimedLine(2.5, "Go")]),
        ("[00:03.00]", [TimedLine(3.0, "")]),
        ("[ar:Ada]\nGo", []),
    ],
)
def test_stamps(text, lines):
    assert list(parse_lrc(text)) == lines


@pytest.mark.parametrize(
    ("title", "artist", "text"),
    [
        ("Tune", "Ada", "Tune by Ada"),
        (" Tune\n", None, "Tune"),
        (None, "Ada", "by Ada"),
        ("", "  ", ""),
    ],
)
def test_context_is_one_phrase(title, artist, text):
    assert context_text(title, artist) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_lyrics_files_are_read_in_any_usual_encoding(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("für élise".encode(encoding))
    assert read_lyrics(path) == "für élise"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x00\x01binary", "not a text file"),
        (b"\xff\xfea", "unknown text encoding"),
        (b"a" * (MAX_LYRICS_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_text_is_refused_by_name(data, message):
    with pytest.raises(LyricsError, match=f"song.txt: .*{message}"):
        decode_lyrics(data, source="song.txt")


def test_a_missing_lyrics_file_is_named(tmp_path):
    with pytest.raises(LyricsError, match=r"none\.txt"):
        read_lyrics(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "piece",
    ["[solo ", "(repeat ", "<a", " ", "\n", "[00:01.00]", "x1 ", "lyrics and ", "&amp;", "[{("],
)
def test_cleaning_takes_no_more_than_a_moment_whatever_the_text(piece):
    text = piece * (300_000 // len(piece))
    started = time.perf_counter()
    clean_lyrics(text)
    parse_lrc(text)
    assert time.perf_counter() - started < 10  # a quadratic search takes minutes
