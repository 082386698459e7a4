"""The gate of lyrics: takes out what a page wrote around them, and refuses what is none."""

# ruff: noqa: RUF001 (letters of other scripts are the matter here)

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final

from mer.errors import LyricsRefusedError
from mer.lyrics.cleaning import clean_lyrics, is_wordless, lrc_from_subtitles, read_lyrics

if TYPE_CHECKING:
    from pathlib import Path

_STAMPS: Final = re.compile(r"(?:\[\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?\]\s*)+|<\d{1,3}:\d{1,2}[.:\d]*>")
_LRC_TAG: Final = re.compile(r"^\[[a-z#]{1,8}\s*:.*\]$", re.IGNORECASE)

# What lyrics pages write around lyrics. A part of a line is taken out, the rest of it stays.
_HEAD: Final = re.compile(
    r"^\s*\d*\s*Contributors?.{0,2000}?\bLyrics\s?(?=\[|\n|$)"
    r"|^[^\n\[\]]{1,120}\bLyrics[ \t]*(?=\[|\n)",
)
_FURNITURE: Final = re.compile(
    r"^You might also like(?=\s*$|\[|[A-Z])"
    r"|^See .{1,80} Live\s*Get tickets.{0,40}\$\d+|^Get tickets as low as.*$"
    r"|^\d{0,6}Embed\s*$|(?<=[\w.!?'\")\]])\d{1,6}Embed\s*$|(?<=[a-z.!?'\")\]])Embed\s*$"
    r"|^(?:\d+ )?Contributors?(?: \d+)?$|^\d+ Contributors?\s?Translations?.*$"
    r"|^Translations?(?:(?:English|Español|Português|Deutsch|Français|Italiano|Türkçe|Русский"
    r"|Polski)\s?)*$"
    r"|^\*{3,}.*(?:commercial use|lyrics).*\*{3,}$|^\(\d{10,}\)$"
    r"|^(?:submit|suggest) (?:corrections?|lyrics)\b.*$|^(?:read more|show (?:more|less)|expand"
    r"|copy url"
    r"|copy link|print(?: lyrics)?|share|report (?:a problem|lyrics)|add to (?:favou?rites"
    r"|playlist)"
    r"|cancel|tweet|comments? \(\d+\)|sign up|log ?in|how to format lyrics.*|rate these lyrics"
    r"|correct"
    r"|lyrics? (?:from|via|source|taken from|provided by|licensed|powered by)\b.*|source:.*"
    r"|(?:song)?writers?(?:\(s\))?\s*:.*|.*\blyrics\.(?:com|net|org)\b.*|by rentanadviser.*"
    r"|subtitles? by .*|(?:lyrics )?(?:synced|synchronized|edited|made|lrc) by\b.*"
    r"|capo\s*:?\s*(?:on |at )?\d.*|tuning\s*:.*|(?:tabbed|transcribed) by\b.*|more on genius"
    r"|© .*|.*\ball rights reserved\b.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_SOUND: Final = re.compile(
    r"^\W*[\[({*♪♫<~-]+[^\])}]{0,80}?\b(?:music(?:al)?|musik|musique|música|musica|músicas?"
    r"|музыка|applau\w*"
    r"|laugh\w*|cheer\w*|clap\w*|instrumental\w*|silence|noise|inaudible|unintelligible|humming"
    r"|whistl\w*"
    r"|crowd|beats?|piano|guitar|drums?|violin|melody|foreign|blank[_ ]audio|sound\w*"
    r"|аплодисменты|смех"
    r"|aplausos|applaudissements|beifall|rires?|singing|vocali[sz]ing|bell\w*|birds?|static"
    r"|theme)\b"
    r"[^\[({]{0,80}?[\])}*♪♫>~-]+\W*$|^[\s♪♫♬♩*.~-]+$|^\W*[\[(（【]?(?:音楽|音乐|拍手|笑い?|笑声|掌声|음악|박수)"
    r"[\])）】]?\W*$",
    re.IGNORECASE,
)
_PLACEHOLDER: Final = re.compile(
    r"\bno lyrics? (?:found|available|yet|for|were|was|have|exist|in|here|provided)\b"
    r"|^\W*(?:sorry\W+)?no lyrics?\W*$"
    r"|\blyrics? (?:(?:is|are|were) )?(?:currently )?(?:not|un|in|coming|soon|tba"
    r"|n/?a\b|missing"
    r"|none)|\b(?:do|did|does|could) ?(?:not|n't|n’t) (?:yet )?(?:have|find|has|display"
    r"|locate)\b.*\blyrics?"
    r"|\blyrics?\b.*\b(?:yet to be|not (?:been )?(?:found|available|released|transcribed|added)"
    r"|unavailable"
    r"|could not be)|\bnot (?:licensed|authori[sz]ed|allowed) to (?:display|show)|\bno (?:words"
    r"|vocals)\b"
    r"|\b(?:song|track|piece|tune|this) is (?:an? |purely |completely )?instrumental"
    r"|^\W*instrumental\W*$"
    r"|\binstrumental (?:track|song|piece|version|music|only)|\b404\b|^\W*(?:n/?a|none|null|nil"
    r"|unknown|tba|tbd"
    r"|lyrics?|test|todo|error|empty|not found|\(null\)|undefined|untitled|placeholder"
    r"|lorem ipsum.*)\W*$"
    r"|paroles? (?:non|pas|indisponible|introuvable)|letras? no (?:disponible|encontrada)|sin letra"
    r"|letra (?:não|nao|indispon)|kein(?:e|en)? (?:songtexte?|lyrics|liedtexte?|text)|testo non"
    r"|текст\w* (?:песни )?(?:не |отсутств|нет)|нет текста|слова отсутствуют|инструментал"
    r"|纯音乐|純音樂|暂无歌词|暫無歌詞|没有歌词|沒有歌詞|无歌词"
    r"|歌詞なし|歌詞がありません|インストゥルメンタル"
    r"|가사가? ?없|연주곡",
    re.IGNORECASE,
)
_HTML: Final = re.compile(
    r"<!doctype|<\s{0,3}/?\s{0,3}(?:html|head|body|script|style|div|table|iframe|meta|link|form|nav"
    r"|section)\b",
    re.IGNORECASE,
)
_ADVERT: Final = re.compile(
    r"https?://|www\.\S|\b\w[\w-]+\.(?:com|net|org|ru|info|biz|fm|io)\b|\bsubscribe\b"
    r"|\bpromo ?code\b"
    r"|\bfree (?:mp3|download|ringtone|trial|shipping)s?\b|\bdownload (?:the |this |our |now"
    r"|free|mp3|app|it)"
    r"|\bclick (?:here|the link)\b|\bfollow (?:us|me) on\b|\bbuy (?:now|tickets|the album|on)\b"
    r"|\bring ?(?:tone|back tone)s?\b|\badverti[sz]\w+|\bsponsored\b|\bdiscount\b"
    r"|\bstream(?:ing)? now\b"
    r"|\bavailable (?:now )?on (?:spotify|itunes|apple)|\bcheck out our\b|\bsign up\b"
    r"|\bcasino\b|\bviagra\b"
    r"|\bvisit (?:us|our)\b|\b\d+% off\b|подпис(?:ывай|ыва|ка)\w*|скачать|关注.{0,6}公众号|下载",
    re.IGNORECASE,
)
_HEARD_WRONG: Final = re.compile(
    r"thank(?:s| you) (?:so much )?for (?:watching|listening|viewing)"
    r"|please (?:like and )?subscribe"
    r"|amara\.org|субтитр\w+ (?:сделал|создавал|подогнал|делал)|продолжение следует|dimatorzok"
    r"|ご視聴ありがとうござ|字幕(?:by|由|志愿者)|请不吝点赞"
    r"|untertitel(?:ung)? (?:von|der|des|im auftrag)"
    r"|sous-?titr\w+ (?:réalis|par|soci)|subtítulos (?:realizados|por la)|시청해 ?주셔서"
    r"|napisy stworzone",
    re.IGNORECASE,
)
_CHORD: Final = re.compile(
    r"^\|*\(?[A-H][#b♯♭]?(?:maj|min|m|M|dim|aug|sus|add|°|ø|\+|-)?(?:\d{1,2})?(?:(?:maj|sus|add"
    r"|b|#|/)\d{1,2})*"
    r"(?:/[A-H][#b♯♭]?)?\)?\*?\|*$|^(?:N\.?C\.?|[|/%:x-]+|\(?x\d\)?)$"
)
_SMALL_CHORD: Final = re.compile(
    r"^[a-h][#b]?(?:maj|min|m|dim|aug|sus|add)?\d{0,2}(?:/[a-h][#b]?)?$", re.IGNORECASE
)
_PLAIN_LETTER: Final = re.compile(r"^[A-H|/%:x-]+$")
_INLINE_CHORD: Final = re.compile(
    r"\[[A-H][#b♯♭]?(?:maj|min|m|dim|aug|sus|add)?\d{0,2}(?:/[A-H][#b]?)?\]"
)
_TABLATURE: Final = re.compile(r"\s*[eEBGDAd]?\s*[-\d|hpbx/\\~^ ]+")
_TOKEN: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:['’][^\W_]+)*")

_PLACEHOLDER_WORDS: Final = 40
# The search takes time quadratic in the length of a line.
_LINE_CHARACTERS: Final = 400
_MOST_CHARACTERS: Final = 100_000
_LOOP_WORDS: Final = 10
_LOOP_TIMES: Final = 10
_LOOP_SHARE: Final = 0.6
_LOOP_RATIO: Final = 5.0
_MOST_RATIO: Final = 15.0
_MOST_TOKENS: Final = 5_000


def lyrics_judge(text: str) -> tuple[str, str]:
    """Take page furniture out of lyrics, and say why they are none.

    Parameters
    ----------
    text : str
        Plain or timed lyrics, or subtitles.

    Returns
    -------
    text : str
        Without lines such as "You might also like"; time stamps stay. Subtitles become LRC.
        Empty if they are refused.
    reason : str
        Why they are refused, as part of a sentence. Empty if they are not, or if `text` is blank.
    """
    if not text.strip():
        return "", ""
    text = _without_furniture(lrc_from_subtitles(text) or text)
    reason = lyrics_refusal(text)
    return ("", reason) if reason else (text.strip(), "")


def read_judged_lyrics(path: Path) -> str:
    """Read a lyrics file as the catalogue does.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        Without what a page wrote around the lyrics.

    Raises
    ------
    LyricsError
        If it cannot be read; `LyricsRefusedError` if it holds no lyrics.
    """
    lyrics, reason = lyrics_judge(read_lyrics(path))
    if reason:
        raise LyricsRefusedError(f"{path}: holds {reason}; give the words that are sung, or none")
    return lyrics


def lyrics_refusal(text: str) -> str:
    """Return why `text` is no lyrics; empty if it is, or may be."""
    if _HTML.search(text[:_MOST_CHARACTERS]):
        return "a web page, not lyrics"
    raw_lines = (raw[:_LINE_CHARACTERS] for raw in text[:_MOST_CHARACTERS].splitlines())
    lines = [line for raw in raw_lines if (line := _STAMPS.sub("", raw).strip())]
    lines = [line for line in lines if not _LRC_TAG.match(line)]
    words = [line for line in lines if not _SOUND.match(line)]
    if lines and not words:
        return "descriptions of sounds, no words"
    sung = clean_lyrics("\n".join(words))
    tokens = _TOKEN.findall(sung.casefold())[:_MOST_TOKENS]
    if _is_placeholder(words, tokens):
        return "a note that there are no lyrics"
    if _is_chords(words):
        return "a chord sheet"
    if _share(_HEARD_WRONG, words) >= 0.5:
        return "a speech recogniser's usual error"
    if _share(_ADVERT, words) >= 0.5:
        return "an advertisement"
    if _is_loop(sung, tokens):
        return "one phrase in a loop, as speech recognition writes it"
    return "" if tokens else "nothing in it is sung"


def _without_furniture(text: str) -> str:
    text = _HEAD.sub("", text.replace("\r\n", "\n").replace("\r", "\n").lstrip(), count=1)
    kept = []
    for line in text.split("\n"):
        if len(line) > _LINE_CHARACTERS:
            kept.append(line)
            continue
        stamps = _STAMPS.match(line)
        head, rest = (stamps[0], line[stamps.end() :]) if stamps else ("", line)
        cleaned = _FURNITURE.sub("", rest.strip()) if rest.strip() else rest
        if _SOUND.match(cleaned.strip()) or (rest.strip() and not cleaned.strip()):
            continue
        kept.append(head + (rest if cleaned == rest.strip() else cleaned))
    # Lyrics of sounds alone are refused for what they are.
    return "\n".join(kept) if any(line.strip() for line in kept) else text


def _share(pattern: re.Pattern[str], lines: list[str]) -> float:
    return sum(bool(pattern.search(line)) for line in lines) / len(lines) if lines else 0.0


def _is_placeholder(lines: list[str], tokens: list[str]) -> bool:
    if len(tokens) > _PLACEHOLDER_WORDS:
        return False
    text = " ".join(line.strip("[](){}* ") for line in lines)
    return bool(_PLACEHOLDER.search(text)) and len(lines) <= 6


def _is_chords(lines: list[str]) -> bool:
    if sum(len(_INLINE_CHORD.findall(line)) for line in lines) >= max(4, len(lines) / 3):
        return True
    tabs = sum(_is_tablature(line) for line in lines)
    chords = 0
    for line in lines:
        names = line.split()
        if _is_small_chords(names):
            chords += 1
            continue
        is_chords = all(_CHORD.match(name) for name in names)
        # "A B C" alone is also the alphabet.
        chords += is_chords and (
            len(names) < 3 or not all(_PLAIN_LETTER.match(name) for name in names)
        )
    return tabs >= 4 or (chords >= 3 and chords >= 0.2 * len(lines))


def _is_small_chords(names: list[str]) -> bool:
    """Whether the words are chords such as "am f c g"; "em em" and "a b c" may be words."""
    small = [name.lower() for name in names if _SMALL_CHORD.match(name)]
    return (
        len(small) == len(names)
        and len({name[0] for name in small}) > 1
        and any(len(name) > 1 for name in small)
    )


def _is_tablature(line: str) -> bool:
    has_strings = "--" in line and any(mark in line for mark in "|0123456789")
    return has_strings and bool(_TABLATURE.fullmatch(line))


def _is_loop(sung: str, tokens: list[str]) -> bool:
    """Whether one short phrase, time after time, is most of the text.

    A text of choruses is compressed to a fifth; a loop to far less.
    """
    if len(tokens) < 3 * _LOOP_TIMES:
        return False
    data = " ".join(sung.split()).encode()[:100_000]
    ratio = len(data) / len(zlib.compress(data))
    if is_wordless(sung):
        return False
    if ratio >= _MOST_RATIO:
        return True
    return ratio >= _LOOP_RATIO and _looped(tokens) >= _LOOP_SHARE * len(tokens)


def _looped(tokens: list[str]) -> int:
    """Return the length in words of the longest run of one phrase, `_LOOP_TIMES` or more."""
    longest = 0
    for size in range(1, _LOOP_WORDS + 1):
        run = 0
        for place in range(size, len(tokens)):
            run = run + 1 if tokens[place] == tokens[place - size] else 0
            if run >= size * (_LOOP_TIMES - 1):
                longest = max(longest, run + size)
    return longest
