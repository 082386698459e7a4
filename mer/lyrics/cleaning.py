"""Cleans lyrics and context for the text encoder.

Markup, section headers, repeat marks, credits and time stamps are removed. Sung words are kept,
also in brackets. Subtitles (SubRip, WebVTT, TTML) are turned into LRC.

Time stamps are those of the LRC format: any number of ``[mm:ss.xx]`` before a line, the tag
``[offset:±ms]`` (positive shows lines earlier), and the word stamps ``<mm:ss.xx>`` of enhanced LRC.
"""

# ruff: noqa: RUF001 (syllables of other scripts)

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mer.errors import LyricsError
from mer.lyrics.charsets import decode_unknown

if TYPE_CHECKING:
    from pathlib import Path

MAX_LYRICS_BYTES: Final = 1_000_000
"""Size of the largest lyrics file that is read; the longest songs have less than a tenth."""

_STAMP: Final = r"(\d{1,3}):(\d{1,2})(?:[.:](\d{1,3}))?"
_LINE_STAMP: Final = re.compile(rf"\s*\[{_STAMP}\]")
# Longer lines are split: the search for directions takes time quadratic in the length of a line.
_LINE: Final = re.compile(r".{1,500}(?:\s|$)|.{1,500}|^$", re.MULTILINE)
_WORD_STAMP: Final = re.compile(rf"<{_STAMP}>")
_LRC_TAG: Final = re.compile(
    r"^\s*\[(?:ti|ar|al|au|by|la|le|length|re|ve|offset|#)\s*:[^\]]*\]\s*$"
)
_OFFSET: Final = re.compile(
    r"^[ \t]*\[offset\s*:\s*([+-]?\d{1,9})\s*\]", re.IGNORECASE | re.MULTILINE
)

SUBTITLES: Final = ("srt", "vtt", "ttml")
"""Suffixes of files that `lrc_from_subtitles` reads."""

_CUE: Final = re.compile(r"^\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})\s*-->")
_PARAGRAPH: Final = re.compile(
    r"<(?:\w+:)?p\b[^>]{0,200}?\bbegin=[\"'](?:(\d{1,3}):)?(?:(\d{1,2}):)?(\d{1,6}(?:\.\d{1,9})?)s?[\"']"
    r"[^>]{0,200}>(.{0,1000}?)</(?:\w+:)?p>",
    re.DOTALL,
)
_LINE_BREAK: Final = re.compile(r"<(?:\w+:)?br\s*/?>")
_MARKUP: Final = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")

_BREAK: Final = re.compile(r"<\s*(?:br|/?p|/?div)\b[^<>]*>", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[a-zA-Z!][^<>]*>")
_NO_TEXT: Final = re.compile(r"[\x00-\x06\x0e-\x1a]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\u200b]")

_SECTION: Final = (
    r"(?:pre-?\s?)?(?:chorus|verse|vers|bridge|hook|refrain|coda)(?:es|s)?"
    r"|intro(?:duction)?|outro|interlude|instrumental|(?:\w+\s)?(?:solo|break)|spoken|whistle"
)
_REPEAT: Final = (
    r"repeats?(?:ed)?|(?:x|\u00d7)\s?\d+|\d+\s?(?:x|\u00d7|times)|fade(?:s|\sout)?|ad\s?lib"
)
_HEADER: Final = (
    rf"(?:{_SECTION})(?:\s?(?:x?\d+|one|two|three|four|five|[ivx]+))?|{_REPEAT}"
    rf"|(?:end with|back to|repeat) (?:{_SECTION})|repeat (?:to|and) fade|repeat \d+ times"
)
# In square and curly brackets, one of these words is enough for a stage direction. Round brackets
# also contain sung echoes, so a direction must be their only content.
_DIRECTION: Final = re.compile(
    rf"[\[{{][^\[\]{{}}\n]*\b(?:{_SECTION}|{_REPEAT})\b[^\[\]{{}}\n]*[\]}}]:?"
    rf"|\(\s*(?:{_HEADER}|(?:repeats?|instrumental|spoken)\b[^()]*)\s*\):?",
    re.IGNORECASE,
)
_HEADER_LINE: Final = re.compile(rf"^\W*(?:{_HEADER})\W*$", re.IGNORECASE)
_HEADER_PREFIX: Final = re.compile(
    r"^\W*(?:pre-?\s?)?(?:chorus|verse|bridge|hook|refrain|intro|outro)"
    r"(?:\s(?:\d+|one|two|three|four))?\s*:\s*",
    re.IGNORECASE,
)
_REPEAT_SUFFIX: Final = re.compile(r"\s+\(?(?:x\s?\d{1,2}|\d{1,2}\s?x)\)?\s*$", re.IGNORECASE)
_URL: Final = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_CREDIT: Final = re.compile(
    r"^\W*(?:(?:(?:lyrics?|words|music|song)(?:\s*(?:and|&|/|,)\s*(?:lyrics?|words|music))*\s+)?"
    r"(?:(?:written|composed|arranged|produced|submitted|transcribed|corrected|provided|powered)\s+)?"
    r"by\s*:|(?:lyrics?|words|music)(?:\s*(?:and|&|/)\s*(?:lyrics?|words|music))*\s+"
    r"(?:(?:written|provided|licensed|powered|submitted)\s+)?(?:by|©)\s"
    r"|(?:written|submitted|transcribed|composed) by\s|thanks to .{1,80}\b(?:lyrics|correct)"
    r"|these lyrics (?:were found|are not available)|find more lyrics\b"
    r"|©|\(c\)\s*\d{4}|copyright\b|all rights reserved)",
    re.IGNORECASE,
)
_REPEATED: Final = re.compile(r"(.)\1+")
_SYLLABLE: Final = re.compile(
    r"(?:[lndbrtp]a|sh?a|do|du|di|dam|[dbrp]um|be|shu|sho|bop|wop|dip|ding|dong|tra|[aeou]h?|h?m"
    r"|h[aeo]|h?ey|h?ay|oy|yeh?|yeah?|w[hu]?oa?h?|uhu|ла|на|та|о|а|э|эй|ай|ой"
    r"|라|나|아|오|우|워|예|ラ|ナ|ア|オ|ら|な|あ|お|啦|啊|哦)"
)
"""Syllables of singing without words; repeated letters count once."""
_LONGEST_SYLLABLE: Final = 5


_FEWEST_TIMED: Final = 3
_TIMED_SHARE: Final = 0.5
"""Lyrics of which fewer lines have a time are read without any."""


@dataclass(frozen=True, slots=True)
class TimedLine:
    """One line of timed lyrics.

    Parameters
    ----------
    start_seconds : float
        Not negative.
    text : str
        The line without stamps. Empty for a pause.
    """

    start_seconds: float
    text: str


def clean_lyrics(text: str) -> str:
    r"""Remove everything that is not sung.

    Parameters
    ----------
    text : str
        Plain or timed lyrics, with or without markup, headers and credits.

    Returns
    -------
    str
        Lines joined by ``\n``, with at most one blank line between two and none at the ends.
        Empty if nothing is sung.
    """
    text = html.unescape(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _WORD_STAMP.sub("", text)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _CONTROL.sub("", text)
    lines: list[str] = []
    for raw in _LINE.findall(text):
        line = _clean_line(raw)
        # A line with only a direction is dropped. One blank line between stanzas is kept.
        if line or (not raw.strip() and lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")


def lyric_lines(text: str) -> tuple[str, ...]:
    """Clean `text` and return its lines that are not blank."""
    return tuple(line for line in clean_lyrics(text).split("\n") if line)


def line_key(text: str) -> str:
    """Reduce a line to its letters and digits, without case; repetitions have the same key."""
    letters = "".join(sign if sign.isalnum() else " " for sign in text.casefold())
    return " ".join(letters.split()) or text.strip()


def is_wordless(text: str) -> bool:
    """Return whether a text has no words, but syllables such as "la la la" at most."""
    tokens = re.findall(r"[^\W\d_]+", text.casefold())
    return all(_is_vocable(_REPEATED.sub(r"\1", token)) for token in tokens)


def _is_vocable(token: str) -> bool:
    """Return whether a token consists of syllables.

    The time is proportional to the length. A repeated group in a pattern would try all ways to
    divide "yeahyeahyeah", whose number doubles with each "yeah".
    """
    reached = {0}
    for start in range(len(token)):
        if start in reached:
            ends = range(start + 1, min(start + _LONGEST_SYLLABLE, len(token)) + 1)
            reached.update(end for end in ends if _SYLLABLE.fullmatch(token, start, end))
    return len(token) in reached


def parse_lrc(text: str) -> tuple[TimedLine, ...]:
    """Read timed lyrics.

    Parameters
    ----------
    text : str
        Content of an LRC file. A line with several stamps is repeated at each of them.

    Returns
    -------
    tuple of TimedLine
        In order of time. Empty if no line has a stamp.
    """
    offset = _OFFSET.search(text)
    shift_seconds = int(offset.group(1)) / 1000 if offset else 0.0
    lines: list[TimedLine] = []
    for raw in text.splitlines():
        starts, rest = _split_stamps(raw)
        words = " ".join(lyric_lines(rest)) if starts else ""
        lines.extend(TimedLine(max(0.0, start - shift_seconds), words) for start in starts)
    return tuple(sorted(lines, key=lambda line: line.start_seconds))


def timed_lines(lyrics: str) -> list[tuple[float | None, str]]:
    """Read plain or timed lyrics line by line.

    Parameters
    ----------
    lyrics : str
        As they are kept, with or without stamps.

    Returns
    -------
    list of tuple
        Start in seconds, None where nothing says it, and text, empty between stanzas. No line has a
        start if most lines have none.
    """
    plain = clean_lyrics(lyrics).split("\n")
    timed = parse_lrc(lyrics)
    sung = sum(bool(line.text) for line in timed)
    if sung < max(_FEWEST_TIMED, _TIMED_SHARE * sum(map(bool, plain))):
        return [(None, text) for text in plain]
    lines: list[tuple[float | None, str]] = []
    was_blank = True
    for line in timed:
        if line.text or not was_blank:
            lines.append((line.start_seconds if line.text else None, line.text))
        was_blank = not line.text
    return lines


def lrc_from_subtitles(text: str) -> str:
    """Turn subtitles into timed lyrics.

    Parameters
    ----------
    text : str
        SubRip, WebVTT, TTML, or any other text.

    Returns
    -------
    str
        LRC, a line for each subtitle. Empty if there are none.
    """
    lines = [
        f"{_stamp(hours, minutes, seconds)}{words}"
        for hours, minutes, seconds, raw in _cues(text)
        if (words := " ".join(html.unescape(_MARKUP.sub("", raw)).split()))
    ]
    return "\n".join(lines)


def _cues(text: str) -> list[tuple[int, int, float, str]]:
    """Return hours, minutes, seconds and words of each subtitle."""
    if "<tt" in text[:2_000]:
        return [
            (*_clock(found[1], found[2]), float(found[3]), _LINE_BREAK.sub(" ", found[4]))
            for found in _PARAGRAPH.finditer(text)
        ]
    cues = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.split("\n")
        for place, line in enumerate(lines):
            if found := _CUE.match(line):
                hours, minutes, seconds = (int(found[n] or 0) for n in (1, 2, 3))
                words = " ".join(lines[place + 1 :])
                cues.append((hours, minutes, seconds + float(f"0.{found[4]}"), words))
                break
    return cues


def _clock(first: str | None, second: str | None) -> tuple[int, int]:
    """Return hours and minutes; a clock of two parts has no hours."""
    if second is None:
        return 0, int(first or 0)
    return int(first or 0), int(second)


def _stamp(hours: int, minutes: int, seconds: float) -> str:
    total = hours * 3600 + minutes * 60 + seconds
    return f"[{int(total // 60):02d}:{total % 60:05.2f}]"


def context_text(title: str | None, artist: str | None) -> str:
    """Join title and artist: ``Title by Artist``.

    Parameters
    ----------
    title, artist : str or None
        Blank counts as missing.

    Returns
    -------
    str
        Empty if both are missing.
    """
    title = " ".join((title or "").split())
    artist = " ".join((artist or "").split())
    if title and artist:
        return f"{title} by {artist}"
    return title or (f"by {artist}" if artist else "")


def decode_lyrics(data: bytes, *, source: str) -> str:
    """Decode the bytes of a lyrics file.

    Parameters
    ----------
    data : bytes
        UTF-8, UTF-16, or else the code page that fits best.
    source : str
        Name of the file in error messages.

    Returns
    -------
    str

    Raises
    ------
    LyricsError
        If it is larger than `MAX_LYRICS_BYTES`, or not text.
    """
    if len(data) > MAX_LYRICS_BYTES:
        raise LyricsError(
            f"{source}: lyrics larger than {MAX_LYRICS_BYTES} bytes; give the song words alone"
        )
    encodings = _utf16(data)
    if not encodings and _is_binary(data[:4096].decode("latin-1")):
        raise LyricsError(f"{source}: not a text file; save the lyrics as UTF-8 text")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _is_binary(text[:4096]):
            return text
    text, encoding = ("", "") if encodings else decode_unknown(data)
    if not encoding:
        raise LyricsError(f"{source}: unknown text encoding; save the lyrics as UTF-8 text")
    return text


def _is_binary(text: str) -> bool:
    """Return whether more than one character in a hundred is one that no text has."""
    return len(_NO_TEXT.findall(text)) > len(text) // 100


def _utf16(data: bytes) -> tuple[str, ...]:
    """Return the form of UTF-16 that `data` has, by its mark or by where its zero bytes are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    even, odd = data[:1000:2].count(0), data[1:1000:2].count(0)
    most = 0.4 * len(data[:1000]) / 2
    if odd > most and not even:
        return ("utf-16-le",)
    return ("utf-16-be",) if even > most and not odd else ()


def read_lyrics(path: Path) -> str:
    """Read the lyrics file at `path`.

    Raises
    ------
    LyricsError
        If it cannot be read, is larger than `MAX_LYRICS_BYTES`, or is not text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LYRICS_BYTES + 1)
    except OSError as error:
        raise LyricsError(f"{path}: cannot read the lyrics ({error.strerror})") from error
    return decode_lyrics(data, source=str(path))


def _clean_line(line: str) -> str:
    _, line = _split_stamps(" ".join(line.split()))
    if _LRC_TAG.match(line) or _CREDIT.match(line):
        return ""
    line = _DIRECTION.sub("", _URL.sub("", line))
    if _HEADER_LINE.match(line):
        return ""
    line = _REPEAT_SUFFIX.sub("", _HEADER_PREFIX.sub("", line))
    line = " ".join(line.replace("[", " ").replace("]", " ").split())
    return line if any(character.isalnum() for character in line) else ""


def _split_stamps(line: str) -> tuple[list[float], str]:
    """Split a line into the seconds of its leading stamps and the rest."""
    starts: list[float] = []
    end = 0
    while stamp := _LINE_STAMP.match(line, end):
        starts.append(_seconds(stamp))
        end = stamp.end()
    return starts, line[end:]


def _seconds(stamp: re.Match[str]) -> float:
    minutes, seconds, fraction = stamp.group(1, 2, 3)
    return int(minutes) * 60 + int(seconds) + (float(f"0.{fraction}") if fraction else 0.0)
