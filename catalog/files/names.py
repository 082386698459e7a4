"""Names: of artists, so that spellings of one artist are equal; and those in files' names.

A file without tags is named after its file and folders. Names that devices and programs give
("Track 01", "AUD-20190301-WA0003") are shown, but say nothing about the song: `is_no_title` and
`is_no_artist` tell them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from catalog.paths import entries_in, folder_stamp
from catalog.texts import fold

if TYPE_CHECKING:
    from pathlib import PurePath

MAX_KEY: Final = 300
"""Keys are cut to as many characters."""
_DASHES: Final = re.compile(r"[\u2010-\u2015\u2212\uff0d]")
_QUOTES: Final = re.compile(r"[\u2018\u2019\u201b\u00b4\u02bc`]")
_ARTICLE_LAST: Final = re.compile(
    r"^(.+), (the|die|der|das|les|le|la|los|las|el|il|i|gli|os|as|de|het)$"
)
_NUMBERED: Final = (
    r"(?:audio\s?|cd\s?|the\s)?(?:track|titel|titre|title|piste|pista|traccia|spur|faixa|song"
    r"|file|audio"
    r"|untitled|unbenannt|trek|utwor|ścieżka|трек|дорожка|トラック|音轨|音軌|曲目|트랙)"
)
_NO_TITLE: Final = re.compile(
    rf"^(?:{_NUMBERED}[\s_.#-]*(?:no\.?\s*)?\d{{1,4}}"
    r"|(?:unknown|unknown (?:title|track|song)|untitled(?: track)?|no title|без названия"
    r"|неизвест\w+(?: \w+)?|<unknown>|unbekannt(?:er titel)?|titre inconnu|sans titre|ohne titel"
    r"|sin t[ií]tulo|senza titolo)[\s_-]*\(?\d*\)?"
    r"|(?:new |my |neue |nueva )?(?:recording|aufnahme|grabaci[oó]n|enregistrement|registrazione"
    r"|voice[ _]?(?:memo|note|recording)?|memo|sprachmemo|запись|новая запись|录音|新录音|録音"
    r"|新規録音|새로운 녹음|녹음)[\s_#-]*\(?[\d\s._:-]*\)?"
    r"|(?:aud|img|vid|pxl|mvi|mov|dsc|dji|rec|ptt|voice|zoom|dr|ste|mic|stream|sound|audio)"
    r"[\s_-]*\d{2,}[\w\s.-]*"
    r"|whatsapp (?:audio|ptt|video)\b.*|signal-\d{4}.*"
    r"|videoplayback.*|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$",
    re.IGNORECASE,
)
# Of a file's name alone: in a tag, somebody has written them.
_NO_NAME: Final = re.compile(
    r"^(?:[\W\d_]*|\d{1,4}[\s._-]\d{1,2}[\s._-]\d{1,4}\b[\d\s._:apmh-]*|(?=[^\d]*\d)[0-9a-f]{8,}"
    r"|(?:audio|music|song|sound|file|output|out|final|final mix|test|demo|mix|download|export"
    r"|master"
    r"|mixdown|render|bounce|tmp|temp|sample|untitled project|project)[\s_-]*\(?[\d\s._-]*\)?"
    r"|(?=\S*\d)(?=\S*[A-Z])(?=\S*[a-z])[\w-]{11})$",
)
_NO_ARTIST: Final = re.compile(
    r"^(?:<?\[?unknown(?: artist)?\]?>?|various(?: artists)?|v\.?\s?a\.?|various artist|no artist"
    r"|n/?a|diverse|verschiedene(?: interpreten)?|unbekannt(?:er (?:interpret"
    r"|künstler))?"
    r"|artiste inconnu|artistes divers|(?:artista|intérprete) desconocido|artistas varios"
    r"|varios artistas|vários artistas|artista sconosciuto|artisti vari|artista desconhecido"
    r"|okänd artist|неизвест\w+(?: исполнитель| артист)?|разные исполнители|сборник"
    r"|未知(?:艺术家|藝術家|歌手)?|群星|不明なアーティスト|ヴァリアス・アーティスト"
    r"|알 수 없(?:음|는 아티스트)|여러 아티스트|track \d+)$",
    re.IGNORECASE,
)
_VARIOUS: Final = re.compile(
    r"^(?:various(?: artists?)?|v\.?\s?a\.?|verschiedene(?: interpreten)?|artistes divers"
    r"|artistas varios|varios artistas|vários artistas|artisti vari|разные исполнители|сборник"
    r"|群星|ヴァリアス・アーティスト|여러 아티스트)$",
    re.IGNORECASE,
)

_SEPARATOR: Final = re.compile(r"\s+[-\u2010-\u2015~]\s+")
_SURE_NUMBER: Final = re.compile(
    r"^(?:(?P<disc>\d)\s?[-.]\s?(?P<disc_track>\d{2})(?:\s*[-._)]\s*|\s+)"
    r"|(?P<padded>0\d{1,2})(?:\s*[.)_-]\s*|\s+)"
    r"|(?P<dotted>\d{1,3})(?:\s*[.)]\s+|\s+[-\u2013\u2014]\s+|\s*\)\s*)"
    r"|(?P<glued>\d{1,2})[._](?=[^\W\d_]))(?=\S)"
)
_MAYBE_NUMBER: Final = re.compile(r"^(\d{1,3})(?:\s*[-_]\s*|\s+)(?=\S)")
_VIDEO_ID: Final = re.compile(r"\s*(?:\[([\w-]{11})\]|-([\w-]{11}))$")
_FURNITURE: Final = re.compile(
    r"\s*[\[(](?:official\s*(?:music|lyrics?|hd|4k)?\s*(?:video|audio|visuali[sz]er|clip)?"
    r"|(?:music|lyrics?) video|lyrics?|with lyrics|hd|hq|4k|\d{2,4}\s?k(?:bps)?|audio"
    r"|free download)[\])]",
    re.IGNORECASE,
)
_FOLDER_NOISE: Final = re.compile(
    r"\s*(?:[\[({]\s*(?:19|20)\d\d[^\])}]*[\])}]|[\[({](?:flac|mp3|web|vinyl|cd|320|v0"
    r"|remaster)[^\])}]*"
    r"[\])}])",
    re.IGNORECASE,
)
_FOLDER_YEAR: Final = re.compile(r"^[\[(]?((?:19|20)\d\d)[\])]?\s*[-._]?\s+(?=\S)")
_DISC_FOLDER: Final = re.compile(
    r"^(?:cd|dis[ck]|disque|диск)[\s_.-]*(\d{1,2})\b.*$", re.IGNORECASE
)
_NO_FOLDER: Final = re.compile(
    r"^(?:(?:my )?music|musik|musique|música|музыка|音乐|音楽"
    r"|downloads?|mp3s?|flac|audio|media|songs?"
    r"|itunes(?: media)?|albums?|singles?|artists?|compilations?|soundtracks?|ost|unsorted|misc"
    r"|other|new"
    r"|new folder.*|neuer ordner.*|tmp|temp|incoming|inbox|lossless|backup|library|collection"
    r"|[a-z#]"
    r"|playlists?|podcasts?|audiobooks?|unknown.*|\d+s?|rock|pop|jazz|classical|electronic"
    r"|metal|hip-?hop"
    r"|rap|folk|blues|country|recordings?)$",
    re.IGNORECASE,
)
_SIBLINGS: Final = 500


@dataclass(frozen=True, slots=True)
class NamedBy:
    """What a file's name and its folders say; empty or None where they say nothing sure."""

    title: str = ""
    artist: str = ""
    album: str = ""
    track_number: int | None = None
    disc_number: int | None = None


def folded(name: str) -> str:
    """Return a key that is equal for spellings of one name: "Band, The" and "the band".

    Case, accents, leading "The", kinds of quotes, dashes and spaces do not count.
    """
    plain = _QUOTES.sub("'", _DASHES.sub("-", name))
    text = fold(plain).replace(" and ", " & ")
    if last := _ARTICLE_LAST.match(text):
        text = f"{last[2]} {last[1]}"
    return (text.removeprefix("the ") or text)[:MAX_KEY]


def is_no_title(title: str, *, from_name: bool = False) -> bool:
    """Whether a title is a stand-in, such as "Track 01"; from a file's name also a bare number."""
    text = " ".join(title.replace("_", " ").split())
    return bool(_NO_TITLE.match(text)) or (from_name and bool(_NO_NAME.match(text)))


def is_no_artist(name: str) -> bool:
    """Whether the name of an artist is a stand-in, such as "Unknown Artist"."""
    return bool(_NO_ARTIST.match(" ".join(name.split())))


def is_various(name: str) -> bool:
    """Whether the name stands for the artists of a compilation."""
    return bool(_VARIOUS.match(" ".join(name.split())))


def named_by(path: Path, relative: PurePath | None = None) -> NamedBy:
    """Read a file's name, and the folders of `relative`, its path below the library's root."""
    stem = _text(path.stem).replace("_", " ")
    stem = " ".join(_FURNITURE.sub("", _without_video_id(_text(path.stem), stem)).split())
    name, disc, track = _without_number(stem or path.stem, path)
    artist_folder, album_folder, folder_disc = _folders(relative)
    parts = [part.strip() for part in _SEPARATOR.split(name) if part.strip()]
    named = _parts(parts or [name], artist_folder, album_folder)
    is_numbered = track is not None or named.track_number is not None
    is_sure = is_numbered and bool(artist_folder and album_folder)
    return NamedBy(
        title=named.title,
        artist=named.artist or (artist_folder if is_sure else ""),
        album=named.album or (album_folder if is_sure else ""),
        track_number=named.track_number if track is None else track,
        disc_number=disc or folder_disc,
    )


def _parts(parts: list[str], artist_folder: str, album_folder: str) -> NamedBy:
    """Read ``Title``, ``Artist - Title``, ``Artist - Album - NN - Title`` and their kin."""
    folders = {folded(folder) for folder in (artist_folder, album_folder) if folder}
    number = None
    for place, part in enumerate(parts[1:-1], 1):
        if re.fullmatch(r"\d{1,3}", part):
            number, parts = int(part), parts[:place] + parts[place + 1 :]
            break
    title = parts[-1]
    found = _SURE_NUMBER.match(title) if len(parts) > 1 and number is None else None
    if found and found["padded"] and title[found.end() :].strip():
        number, title = int(found["padded"]), title[found.end() :].strip()
    if len(parts) == 1:
        return NamedBy(title, track_number=number)
    if len(parts) == 2:
        # "Album - 02 - Title" in the album's folder.
        if number is not None and album_folder and folded(parts[0]) == folded(album_folder):
            return NamedBy(title, album=parts[0], track_number=number)
        return NamedBy(title, parts[0], track_number=number)
    if len(parts) == 3 and (number is not None or folded(parts[1]) in folders):
        return NamedBy(title, parts[0], parts[1], number)
    return NamedBy(" - ".join((*parts[1:-1], title)), parts[0], track_number=number)


def _without_number(stem: str, path: Path) -> tuple[str, int | None, int | None]:
    """Split a stem into name, disc and track number, if it begins with them for sure."""
    if sure := _SURE_NUMBER.match(stem):
        if sure["disc"]:
            return stem[sure.end() :], int(sure["disc"]), int(sure["disc_track"])
        digits = sure["padded"] or sure["dotted"] or sure["glued"]
        return stem[sure.end() :], None, int(digits)
    maybe = _MAYBE_NUMBER.match(stem)
    if maybe and _is_counted(path, int(maybe[1])):
        return stem[maybe.end() :], None, int(maybe[1])
    return stem, None, None


def _is_counted(path: Path, number: int) -> bool:
    """Whether the files beside `path` are numbered, too, up to its number or from it."""
    try:
        stamp = folder_stamp(path.parent)
    except OSError:
        return False
    numbers = _numbers_in(str(path.parent), stamp, path.suffix.lower())
    return numbers is not None and bool({number - 1, number + 1} & numbers)


@lru_cache(maxsize=32)
def _numbers_in(folder: str, _stamp: int, suffix: str) -> frozenset[int] | None:
    """Return the numbers that the files of a folder begin with; None if most have none."""
    numbers: list[int] = []
    count = 0
    try:
        with entries_in(Path(folder)) as entries:
            for entry, _ in zip(entries, range(_SIBLINGS), strict=False):
                if entry.name.lower().endswith(suffix):
                    count += 1
                    found = re.match(r"\d{1,3}(?=[\s._-])", entry.name)
                    numbers += [int(found[0])] if found else []
    except OSError:
        return None
    return frozenset(numbers) if len(set(numbers)) >= 3 and len(numbers) > 0.7 * count else None


def _folders(relative: PurePath | None) -> tuple[str, str, int | None]:
    """Return artist, album and disc as the folders say: ``Artist/Album[/CD 1]/file``."""
    folders = [_text(part) for part in relative.parent.parts] if relative else []
    disc = None
    if folders and (found := _DISC_FOLDER.match(folders[-1])):
        disc = int(found[1])
        folders.pop()
    if not folders:
        return "", "", disc
    album = _FOLDER_YEAR.sub("", _FOLDER_NOISE.sub("", folders[-1])).replace("_", " ").strip()
    artist = folders[-2].replace("_", " ").strip() if len(folders) > 1 else ""
    parts = [part.strip() for part in _SEPARATOR.split(album)]
    if len(parts) == 3 and re.fullmatch(r"(?:19|20)\d\d", parts[1]):
        parts.pop(1)
    if len(parts) == 2 and (not artist or folded(parts[0]) == folded(artist) or _is_none(artist)):
        artist, album = parts
    if not album or _is_none(artist) or _is_none(album):
        return "", "", disc
    return artist, album, disc


def _is_none(folder: str) -> bool:
    return bool(_NO_FOLDER.match(folder)) or is_no_artist(folder)


def _without_video_id(raw: str, stem: str) -> str:
    """Drop the id that a downloader writes at the end; a word in brackets stays."""
    found = _VIDEO_ID.search(raw)
    if found is None:
        return stem
    text = found[1] or found[2]
    kinds = [any(map(test, text)) for test in (str.isdigit, str.islower, str.isupper)]
    is_word = text.isalpha() and text[1:].islower()
    is_id = not is_word and sum(kinds) + any(c in "-_" for c in text) >= (2 if found[1] else 3)
    return stem[: found.start()] if is_id else stem


def _text(name: str) -> str:
    return name.encode("utf-8", "replace").decode().strip()
