"""Lyrics: decodes, cleans, judges them and identifies their language; no torch."""

from __future__ import annotations

from mer.lyrics.charsets import decode_unknown, mend
from mer.lyrics.cleaning import (
    MAX_LYRICS_BYTES,
    SUBTITLES,
    TimedLine,
    clean_lyrics,
    context_text,
    decode_lyrics,
    line_key,
    lrc_from_subtitles,
    lyric_lines,
    parse_lrc,
    read_lyrics,
    timed_lines,
)
from mer.lyrics.english import english_words
from mer.lyrics.gate import lyrics_judge, lyrics_refusal, read_judged_lyrics
from mer.lyrics.identification import (
    READ_LANGUAGES,
    ReadableLyrics,
    readable_lyrics,
    text_language,
    withheld_note,
)
from mer.lyrics.languages import language_code, language_name

__all__ = [
    "MAX_LYRICS_BYTES",
    "READ_LANGUAGES",
    "SUBTITLES",
    "ReadableLyrics",
    "TimedLine",
    "clean_lyrics",
    "context_text",
    "decode_lyrics",
    "decode_unknown",
    "english_words",
    "language_code",
    "language_name",
    "line_key",
    "lrc_from_subtitles",
    "lyric_lines",
    "lyrics_judge",
    "lyrics_refusal",
    "mend",
    "parse_lrc",
    "read_judged_lyrics",
    "read_lyrics",
    "readable_lyrics",
    "text_language",
    "timed_lines",
    "withheld_note",
]
