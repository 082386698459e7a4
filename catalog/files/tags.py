"""Tags of audio files; the only module that imports mutagen.

Broken tags never fail a good file: a tag that cannot be read counts as absent. A missing title,
artist or album comes from the file's name and folders, where their pattern is sure.

A file may have several kinds of tags. The first one that has a field wins: the format's own tags,
ID3v2, APEv2, chunks of the format, ID3v1. Where there are none of these, FFmpeg reads the tags, for
example of Matroska, WebM, CAF and TTA.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import mutagen
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TCON, ParseID3v1
from mutagen.mp4 import MP4Tags

from catalog.files.chunks import chunk_texts, vorbis_bytes
from catalog.files.names import is_various, named_by
from catalog.files.ours import ours_of
from mer.audio.child import run_in_child
from mer.audio.decoding import tags_of_container
from mer.errors import AudioError
from mer.lyrics import MAX_LYRICS_BYTES, decode_unknown, language_code, lyrics_refusal, mend

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path, PurePath

TAGS_VERSION: Final = 2
"""Of the fields that are read; songs with an older one are read again at the next ingest."""
UNREAD_NOTE: Final = "tags not read"
_MAX_CHARACTERS: Final = {"title": 300, "artist": 300, "album": 300, "genre": 200}
_MOST_VALUES: Final = 50
_MOST_CHARACTERS: Final = 1_000

# Field → keys, the preferred one first. A key is in the form of `_key`: ID3 frame, Vorbis comment,
# MP4 atom, ASF attribute or RIFF chunk, in small letters without spaces and signs.
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "title": ("tit2", "title", "\xa9nam", "inam", "tracktitle"),
    "artist": ("tpe1", "artist", "\xa9art", "author", "iart", "trackartist"),
    "album_artist": ("tpe2", "albumartist", "aart", "wmalbumartist"),
    "album": ("talb", "album", "\xa9alb", "wmalbumtitle", "iprd", "albumtitle"),
    "genre": ("tcon", "genre", "\xa9gen", "wmgenre", "ignr"),
    "original_date": (
        *("tdor", "tory", "originaldate", "originalyear", "originalreleasedate"),
        *("wmoriginalreleaseyear", "wmoriginalreleasetime"),
    ),
    "date": (
        *("tdrc", "tyer", "date", "year", "\xa9day", "wmyear", "icrd", "tdrl", "releasedate"),
        *("datereleased", "daterecorded", "recordeddate", "albumdatereleased"),
    ),
    "track": (
        "trck",
        "tracknumber",
        "track",
        "trkn",
        "wmtracknumber",
        "itrk",
        "iprt",
        "partnumber",
    ),
    "disc": ("tpos", "discnumber", "disc", "disk", "wmpartofset"),
    "compilation": ("tcmp", "compilation", "cpil", "wmiscompilation", "itunescompilation"),
    "bpm": ("tbpm", "bpm", "tmpo", "wmbeatsperminute", "tempo"),
    "language": ("tlan", "language", "wmlanguage", "ilng"),
    "explicit": ("itunesadvisory", "rtng"),
    "mood": ("tmoo", "mood", "moods", "wmmood"),
    "key": ("tkey", "initialkey", "wminitialkey"),
    "ours": ("affetti",),
    "artists": ("artists", "wmartists"),
    "artist_sort": ("tsop", "artistsort", "soar", "wmartistsortorder"),
    "recording_id": (*("ufidhttpmusicbrainzorg", "musicbrainztrackid", "musicbrainzrecordingid"),),
    "artist_ids": ("musicbrainzartistid",),
    "album_id": ("musicbrainzalbumid",),
    "gain": ("replaygaintrackgain",),
    "r128_gain": ("r128trackgain",),
}
_LYRICS: Final = (
    *("uslt", "lyrics", "unsyncedlyrics", "unsynchronisedlyrics", "unsynchronizedlyrics"),
    *("unsynclyrics", "\xa9lyr", "wmlyrics", "sylt", "syncedlyrics", "synchronisedlyrics"),
    *("synchronizedlyrics", "lyricssynchronised", "wmlyricssynchronised", "lyrics3"),
)
# Fields whose words a wrong code page spoils.
_TEXTS: Final = (
    *("title", "artist", "album_artist", "album", "genre", "artists", "artist_sort", "mood"),
    "lyrics",
)
_DATE: Final = re.compile(r"(?<!\d)([12]\d{3})(?:[01]\d(?:[0-3]\d)?)?(?!\d)")
_NUMBER: Final = re.compile(r"-?\d+(?:[.,]\d+)?")
_SIDE_TRACK: Final = re.compile(r"([A-Ha-h])[ .-]?(\d{1,2})")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_GENRE_SEPARATOR: Final = re.compile(r"\s*[;|\x00]\s*|\s*,\s+|\s+/\s+")
_MILLISECONDS: Final = 2  # ID3v2.4, 4.9: time stamp format of SYLT
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PAGES: Final = {
    "utf-8": "UTF-8 read as Latin-1",
    "cp1251": "Windows-1251",
    "cp1250": "Windows-1250",
    "cp1252": "Windows-1252",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1257": "Windows-1257",
    "iso8859_2": "ISO 8859-2",
    "koi8_r": "KOI8-R",
    "gbk": "GBK",
    "cp932": "Shift-JIS",
    "cp949": "EUC-KR",
    "big5": "Big5",
    "mac_roman": "Mac Roman",
}

# Faults of the system or the disk, not of a damaged tag.
_NOT_THE_FILE: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.ESTALE}
)

_Values = dict[str, list[str]]

# mutagen has half its types.
_new_id3: Final[Any] = ID3
_new_ape: Final[Any] = APEv2
_new_tcon: Final[Any] = TCON
_parse_id3v1: Final[Any] = ParseID3v1


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a file; empty or None where absent.

    `artist_values` are the values of the artist tag as written, `artists` those of a tag that names
    each artist alone. `year` is that of the first release. `language` is a code of ISO 639, of the
    first language that is named. `is_explicit` is None where nothing says so. `is_title_from_name`
    says that there is no title tag. `note` says what was mended. `is_unread` says that they could
    not be read, and that only what the file's name and folders say is here.
    """

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    lyrics: str = ""
    is_title_from_name: bool = False
    artist_values: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    artist_sort: str = ""
    album_artist: str = ""
    track_number: int | None = None
    disc_number: int | None = None
    is_compilation: bool = False
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    bpm: float | None = None
    language: str = ""
    is_explicit: bool | None = None
    replaygain_db: float | None = None
    musicbrainz_recording_id: str = ""
    musicbrainz_album_id: str = ""
    musicbrainz_artist_ids: tuple[str, ...] = field(default=())
    note: str = ""
    is_unread: bool = False


def read_tags(path: Path, relative: PurePath | None = None) -> Tags:
    """Return the tags of `path`, which is at `relative` below its library's root.

    They are read in a child process. If it crashes or hangs, the tags count as absent, and `note`
    says why.
    """
    try:
        values, page = run_in_child(read_fields, path)
    except AudioError as error:
        values, page = _mended(_fields([]))
        tags = _tags(path, relative, values, page)
        return replace(tags, note=f"{UNREAD_NOTE}: {error.reason}", is_unread=True)
    return _tags(path, relative, values, page)


def read_fields(path: Path) -> tuple[_Values, str]:
    """Return the texts of each field, mended, and the code page that they were mended from."""
    return _mended(_fields(_read(path)))


def _of_people(values: _Values) -> _Values:
    """Return the fields without those that say what was written here, which no person said."""
    written = ours_of(values["ours"])
    return values | {name: [] for name in written if tuple(values[name]) == written[name]}


def _tags(path: Path, relative: PurePath | None, values: _Values, page: str) -> Tags:
    values = _of_people(values)
    named = named_by(path, relative)
    artist_values = values["artist"] or values["album_artist"]
    # Each of the three may be silent alone, and then the name speaks for it.
    title = _joined(values["title"]) or named.title
    is_title_from_name = not values["title"]
    # "Artist - 99" names a title, "99" alone does not.
    has_both = bool(named.artist) and named.artist.casefold() in path.stem.casefold()
    if not artist_values and named.artist:
        is_sure = is_title_from_name or named.artist != named.title
        artist_values = [named.artist] if is_sure else []
    genres = _genres(values["genre"])
    side, track = _side_and_track(values["track"])
    return Tags(
        title=title[: _MAX_CHARACTERS["title"]],
        artist=_joined(artist_values)[: _MAX_CHARACTERS["artist"]],
        album=(_joined(values["album"]) or named.album)[: _MAX_CHARACTERS["album"]],
        genre=_joined(genres)[: _MAX_CHARACTERS["genre"]],
        year=_year(values["original_date"]) or _year(values["date"]),
        lyrics=values["lyrics"][0] if values["lyrics"] else "",
        is_title_from_name=is_title_from_name and not has_both,
        artist_values=tuple(artist_values),
        artists=tuple(values["artists"]),
        artist_sort=_joined(values["artist_sort"])[:300],
        album_artist=_joined(values["album_artist"])[:300],
        track_number=track or _whole(values["track"]) or named.track_number,
        disc_number=_whole(values["disc"]) or side or named.disc_number,
        is_compilation=_is_true(values["compilation"])
        or is_various(_joined(values["album_artist"])),
        genres=tuple(genres),
        moods=tuple(mood[:100] for mood in _split_genres(values["mood"])),
        bpm=_between(_number(values["bpm"]), 20, 400),
        language=_language(values["language"]),
        is_explicit=_is_explicit(values["explicit"]),
        replaygain_db=_gain(values),
        musicbrainz_recording_id="".join(_ids(values["recording_id"])[:1]),
        musicbrainz_album_id="".join(_ids(values["album_id"])[:1]),
        musicbrainz_artist_ids=tuple(_ids(values["artist_ids"])),
        note=f"letters mended: {_PAGES.get(page, page)}" if page else "",
    )


def write_tags(path: Path, tags: Tags) -> None:
    """Write the texts of `tags` into an Ogg or FLAC file; other tags stay.

    Raises mutagen.MutagenError for a file of another format.
    """
    file = mutagen.File(path)
    if file is None or isinstance(file.tags, (ID3, MP4Tags)):
        raise mutagen.MutagenError(f"{path}: no Ogg or FLAC file, so no Vorbis comments")
    for name in ("title", "artist", "album", "genre", "lyrics"):
        text = getattr(tags, name)
        if text:
            file[name] = text
    file.save()


def _read(path: Path) -> list[_Values]:
    """Return the text tags of each kind in the file by their `_key`, the preferred kind first."""
    kinds: list[_Values] = []
    for reader in (_own_tags, _id3v2, _apev2, chunk_texts, _id3v1, _container_tags):
        if reader is _container_tags and any(kinds):  # FFmpeg knows more formats, but less of each
            continue
        try:
            found = reader(path)
        # The parsers of mutagen raise whatever a damaged tag leads to.
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NOT_THE_FILE:
                raise
            continue
        values: _Values = {}
        for name, texts in found.items():
            values.setdefault(_key(name), []).extend(texts)
        kinds.append(values)
    return kinds


def tagged_file(path: Path) -> Any:
    """Return mutagen's view of a file, None if it knows no such format; call it in a child."""
    return mutagen.File(path)


def _own_tags(path: Path) -> _Values:
    file = tagged_file(path)
    tags = file.tags if file is not None else None
    if tags is None:
        return {}
    # ID3 that mutagen found at a file's end is read last of all, by `_id3v1`.
    if isinstance(tags, ID3):
        return _id3(tags) if tags.size else {}
    values: _Values = {}
    for name in list(tags.keys()):
        values.setdefault(name, []).extend(_some(tags[name]))
    if isinstance(tags, MP4Tags):
        # mutagen keeps texts that are not UTF-8 apart; 16 bytes of header lie before the text.
        for name, atoms in tags._failed_atoms.items():  # there is no other way
            values.setdefault(name, [decode_unknown(bytes(atom[16:]))[0] for atom in atoms])
    for name, texts in values.items():
        if any("\ufffd" in text for text in texts):
            values[name] = [decode_unknown(data)[0] for data in vorbis_bytes(path, name)] or texts
    return values


def _id3v2(path: Path) -> _Values:
    return _id3(_new_id3(path, load_v1=False))


def _apev2(path: Path) -> _Values:
    tags = _new_ape(path)
    return {name: _some(tags[name]) for name in list(tags.keys())}


def _container_tags(path: Path) -> _Values:
    return {name: [decode_unknown(data)[0]] for name, data in tags_of_container(path).items()}


def _id3v1(path: Path) -> _Values:
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 128))
        frames = _parse_id3v1(file.read())
    tags = _new_id3()
    for frame in (frames or {}).values():
        tags.add(frame)
    return _id3(tags)


def _id3(tags: Any) -> _Values:
    values: _Values = {}
    for frame in list(tags.values()):
        name = frame.FrameID
        if name == "SYLT":
            texts = [_timed(frame)]
        elif name == "UFID":
            name, texts = f"UFID{frame.owner}", [bytes(frame.data).decode("latin-1")]
        elif name == "TCON":
            texts = list(frame.genres)
        elif name == "USLT":
            texts = [frame.text]
        elif name == "RVA2":
            name, texts = f"replaygain_{frame.desc}_gain", [f"{frame.gain:.2f}"]
        elif hasattr(frame, "text"):
            name = frame.desc if name == "TXXX" else name
            texts = [str(text) for text in frame.text]
        else:
            continue
        # A field of TXXX never comes before the frame of its own.
        values.setdefault(name, []).extend(texts)
    return values


def _timed(frame: Any) -> str:
    """Return synchronised lyrics (SYLT) in LRC form; empty if there are none."""
    if frame.format != _MILLISECONDS:
        return ""
    return "\n".join(
        f"[{ms // 60000:02d}:{ms // 1000 % 60:02d}.{ms % 1000 // 10:02d}]" + line.strip()
        for line, ms in frame.text
    )


def _some(found: Any) -> list[str]:
    """Return one value, or each of several, as texts."""
    items = found if isinstance(found, (list, tuple)) else [found]
    texts: list[str] = []
    for item in items:
        value = getattr(item, "value", item)
        if isinstance(value, bytes):
            texts.append(decode_unknown(value)[0])
        elif isinstance(value, tuple):
            texts.append("/".join(map(str, value)))
        elif isinstance(value, (str, int, float)):
            texts.append(str(value))
        elif type(item).__name__ == "APETextValue":
            texts += list(item)
    return texts


def _key(name: str) -> str:
    name = name.rsplit(":", 1)[-1] if name.startswith("----:") else name
    return re.sub(r"[^\w\xa9]|_", "", name.lower())


def _fields(kinds: list[_Values]) -> _Values:
    """Return the cleaned texts of each field, from the first kind that has it."""
    values: _Values = {name: [] for name in _FIELDS}
    for tags in kinds:
        for name, keys in _FIELDS.items():
            found = (_cleaned(name, tags.get(key, ())) for key in keys if not values[name])
            values[name] = values[name] or next(filter(None, found), [])
    lyrics = [text for tags in kinds for key in _LYRICS for text in tags.get(key, ())]
    values["lyrics"] = [
        _clean(text[:MAX_LYRICS_BYTES].replace("\r\n", "\n").replace("\r", "\n"))
        for text in lyrics[:_MOST_VALUES]
        if text.strip()
    ]
    return values


def _cleaned(name: str, texts: Iterable[str]) -> list[str]:
    """Return the values of a field; NUL separates values, but is part of no title."""
    if name not in {"title", "album"}:
        texts = [part for text in texts for part in text.split("\x00")]
    cleaned = (" ".join(_clean(text[:_MOST_CHARACTERS]).split()) for text in texts)
    return list(dict.fromkeys(text for text in cleaned if text))[:_MOST_VALUES]


def _clean(text: str) -> str:
    """Return the text without what a database refuses: NUL and half surrogate pairs."""
    return _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode().strip()


def _mended(values: _Values) -> tuple[_Values, str]:
    """Mend what a wrong code page spoiled; choose the lyrics; return the code page, too."""
    flat = [(name, text) for name in _TEXTS for text in values[name]]
    texts, page = mend([text for _, text in flat])
    mended: _Values = {name: [] for name in _TEXTS}
    mended |= {name: texts for name, texts in values.items() if name not in _TEXTS}
    for (name, _), text in zip(flat, texts, strict=True):
        mended[name].append(text)
    lyrics = sorted(mended["lyrics"], key=lambda text: bool(lyrics_refusal(text)))
    mended["lyrics"] = lyrics[:1]
    return mended, page


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _genres(texts: Iterable[str]) -> list[str]:
    """Return the names of genres, also of those that are numbers of ID3v1: 17, (17)."""
    named: list[str] = []
    for text in _split_genres(texts):
        is_number = re.fullmatch(r"\d{1,3}|(?:\((?:\d{1,3}|RX|CR)\))+.*", text)
        # ID3v2.3 doubles a bracket that begins no number; "((Foo)" is "(Foo)".
        is_doubled = text.startswith("((") and text.count("(") > text.count(")")
        named += _new_tcon(encoding=3, text=[text]).genres if is_number else [text[is_doubled:]]
    return list(dict.fromkeys(name for name in named if name and name != "Unknown"))


def _split_genres(texts: Iterable[str]) -> list[str]:
    parts = (part.strip() for text in texts for part in _GENRE_SEPARATOR.split(text))
    return list(dict.fromkeys(part for part in parts if part))[:_MOST_VALUES]


def _year(texts: Iterable[str]) -> int | None:
    found = next((match for text in texts if (match := _DATE.search(text))), None)
    return int(found[1]) if found else None


def _number(texts: Iterable[str]) -> float | None:
    found = next((match for text in texts if (match := _NUMBER.search(text))), None)
    return float(found[0].replace(",", ".")) if found else None


def _whole(texts: Iterable[str]) -> int | None:
    number = _between(_number(texts), 1, 9_999)
    return None if number is None else int(number)


def _side_and_track(texts: Iterable[str]) -> tuple[int | None, int | None]:
    """Return a side of a record as a disc, so that B1 follows A6, and the track: 2 and 1 for B1."""
    found = next((match for text in texts if (match := _SIDE_TRACK.fullmatch(text))), None)
    return (ord(found[1].upper()) - ord("A") + 1, int(found[2])) if found else (None, None)


def _between(number: float | None, low: float, high: float) -> float | None:
    return number if number is not None and low <= number <= high else None


def _is_true(texts: Iterable[str]) -> bool:
    return any(text.lower() in {"1", "true", "yes", "y"} for text in texts)


def _language(texts: Iterable[str]) -> str:
    parts = (part for text in texts for part in re.split(r"[;,/]", text))
    return next(filter(None, map(language_code, parts)), "")


def _is_explicit(texts: Iterable[str]) -> bool | None:
    """Return what a rating by iTunes says: 1 or 4 is explicit, 2 a clean version, 0 unknown."""
    number = _whole(texts)
    return None if number is None else number in {1, 4}


def _gain(values: _Values) -> float | None:
    """Return the ReplayGain of the track in dB; R128 is in 1/256 dB and 5 dB lower."""
    gain = _number(values["gain"])
    if gain is None and (r128 := _number(values["r128_gain"])) is not None:
        gain = r128 / 256 + 5
    return _between(gain, -60, 60)


def _ids(texts: Iterable[str]) -> list[str]:
    return [found.lower() for text in texts for found in _UUID.findall(text)]
