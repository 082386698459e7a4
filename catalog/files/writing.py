"""Moods, tempo and key as tags of a file: what is written and what is kept; imports mediafile.

A tag that a person set stays. To tell such a tag from one that was written here, the tag AFFETTI
holds what was written, so that another catalogue, or this one after a loss, can tell it, too:
`catalog.files.tags` counts a tag that equals it as absent.

Nothing here writes to a disk: a child process may not, and reads files that may be damaged.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import mediafile

from catalog.errors import FileUnusableError
from catalog.files.deltas import deltas_between
from catalog.files.ours import OURS, ours_of
from catalog.files.tags import read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_BYTES: Final = 600 * 1024**2
"""A larger file needs more memory than a child process may have."""
_NAMES: Final = {"mood": "mood", "bpm": "bpm", "key": "initial_key"}
"""The field of `mediafile` for each of `catalog.files.ours.OURS`."""
_ID3: Final = frozenset({"mp3", "aiff", "wav", "dsf"})
_FRAME_HEADER: Final = 10
"""mutagen drops an unknown frame of ID3 without content, which says nothing."""
_OWN_KEYS: Final = frozenset(
    {
        *("TMOO", "TXXX:MOOD", "TBPM", "TKEY", "TXXX:AFFETTI"),
        *("MOOD", "BPM", "INITIALKEY", "AFFETTI", "TMPO"),
        *("WM/MOOD", "WM/BEATSPERMINUTE", "WM/INITIALKEY"),
        *(f"----:COM.APPLE.ITUNES:{name}" for name in ("MOOD", "INITIALKEY", "AFFETTI")),
    }
)


def _list_field(id3: Any, vorbis: str, mp4: str, asf: str) -> Any:
    return mediafile.ListMediaField(
        id3,
        mediafile.ListStorageStyle(vorbis),
        mediafile.MP4ListStorageStyle(f"----:com.apple.iTunes:{mp4}"),
        mediafile.ASFStorageStyle(asf),
    )


class _File(mediafile.MediaFile):  # type: ignore[misc]
    """A file in memory with the fields that are written."""

    mood = _list_field(mediafile.MP3ListStorageStyle("TMOO"), "MOOD", "MOOD", "WM/Mood")
    mood_in_2_3 = mediafile.ListMediaField(mediafile.MP3ListDescStorageStyle(desc="Mood"))
    written_here = _list_field(
        mediafile.MP3ListDescStorageStyle(desc="AFFETTI"), "AFFETTI", "AFFETTI", "AFFETTI"
    )


class _Buffer(io.BytesIO):
    """Bytes with the name of a file, by which mutagen tells formats apart."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that changes: what the file says now, and what it would say."""

    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TagChange:
    """What would change in a file; `kept` are fields that a person set.

    Without `fields` nothing changes, and there are no deltas.
    """

    fields: dict[str, FieldChange]
    kept: dict[str, tuple[str, ...]]
    before_sha256: str
    after_sha256: str = ""
    forward: bytes = b""
    back: bytes = b""


def tags_change(
    path: Path, wanted: Mapping[str, tuple[str, ...]], *, may_overwrite: bool = False
) -> TagChange:
    """Return how a file would change so that it says `wanted`, by `OURS`; call it in a child.

    A field that is wanted empty loses what was written here, and keeps what a person set. Raises
    FileUnusableError if tags of the file cannot be written without any other change.
    """
    if path.stat().st_size > MOST_BYTES:
        raise FileUnusableError(
            "TAGS_FILE_TOO_LARGE",
            f"it is larger than {MOST_BYTES // 1024**2} MB; tags of such files are not written",
        )
    data = path.read_bytes()
    before = hashlib.sha256(data).hexdigest()
    texts, _ = read_fields(path)
    file = _opened(data, path.name)
    said = ours_of(texts["ours"])
    written = {name: values for name, values in said.items() if tuple(texts[name]) == values}
    moods_of_people = _moods_of_people(file, said.get("mood", ()))
    fields: dict[str, FieldChange] = {}
    kept_fields: dict[str, tuple[str, ...]] = {}
    for name, values in wanted.items():
        now = tuple(texts[name])
        if now == values:
            continue
        theirs = now if name not in written else moods_of_people if name == "mood" else ()
        if theirs and (not may_overwrite or not values):
            kept_fields[name] = theirs
        else:
            fields[name] = FieldChange(now, values)
    if not fields:
        return TagChange({}, kept_fields, before)
    new = _changed(file, data, fields, written)
    _check(path.name, data, new, fields)
    forward, back = deltas_between(data, new)
    after = hashlib.sha256(new).hexdigest()
    return TagChange(fields, kept_fields, before, after, forward, back)


def _opened(data: bytes, name: str) -> _File:
    try:
        return _File(_Buffer(data, name))
    except mediafile.FileTypeError as error:
        raise FileUnusableError(
            "TAGS_FORMAT", "tags cannot be written into this kind of file"
        ) from error
    except Exception as error:  # the parsers of mutagen raise whatever damage leads to
        raise _damaged(error) from error


def _moods_of_people(file: _File, written: tuple[str, ...]) -> tuple[str, ...]:
    """Return the moods of the first place in ID3 that says others than were written here."""
    if file.type not in _ID3:
        return ()
    places = (tuple(file.mood or ()), tuple(file.mood_in_2_3 or ()))
    return next((place for place in places if place and place != written), ())


def _changed(
    file: _File,
    data: bytes,
    fields: Mapping[str, FieldChange],
    written: Mapping[str, tuple[str, ...]],
) -> bytes:
    """Return the bytes of the file with the fields changed; an ID3v1 tag stays as it is."""
    is_2_3 = file.type in _ID3 and tuple(getattr(file.mgfile.tags, "version", ()))[:2] == (2, 3)
    for name, change in fields.items():
        _set(file, name, change.after, is_2_3=is_2_3)
    marked = {**written, **{name: change.after for name, change in fields.items()}}
    marks = [f"{name}={value}" for name in OURS for value in marked.get(name, ())]
    file.written_here = marks or None
    options: dict[str, Any] = {}
    if is_2_3:
        file.mgfile.tags.update_to_v23()
        options = {"v2_version": 3, "v23_sep": None}
    try:
        file.filething.fileobj.seek(0)
        file.save(**options)
    except Exception as error:  # as above
        raise _damaged(error) from error
    new: bytes = file.filething.fileobj.getvalue()
    if data[-128:-125] == new[-128:-125] == b"TAG":
        new = new[:-128] + data[-128:]
    return new


def _set(file: _File, name: str, values: tuple[str, ...], *, is_2_3: bool) -> None:
    if name == "mood":
        # ID3v2.3 has no frame for moods.
        file.mood_in_2_3 = list(values) if values and is_2_3 else None
        file.mood = list(values) if values and not is_2_3 else None
        return
    if values:
        setattr(file, _NAMES[name], values[0])
    else:
        delattr(file, _NAMES[name])


def _check(name: str, old: bytes, new: bytes, fields: Mapping[str, FieldChange]) -> None:
    """Raise FileUnusableError unless the fields, and nothing else, differ."""
    before, after = _opened(old, name), _opened(new, name)
    ours, theirs = _others(before), _others(after)
    keys = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    frames, later = _frames(before), _frames(after)
    # Frames of ID3v1 that come to be in ID3v2 are among `ours` already.
    changed = sorted(keys | {key for key in frames if frames[key] != later.get(key)})
    if changed:
        raise FileUnusableError(
            "TAGS_OTHERS",
            f"another tag would change ({', '.join(changed[:5])}), so none are written",
        )
    for field, change in fields.items():
        now = _said(after, field)
        if now != change.after:
            raise FileUnusableError("TAGS_NOT_TAKEN", f"the file does not take the tag {field}")


def _said(file: _File, name: str) -> tuple[str, ...]:
    if name == "mood":
        return tuple(file.mood_in_2_3 or ()) + tuple(file.mood or ())
    value = getattr(file, _NAMES[name])
    return (str(value),) if value else ()


def _others(file: _File) -> dict[str, object]:
    """Return what the tags of a file say beside what is written here, in a form to compare."""
    tags = file.mgfile.tags
    said = {
        str(key): _plain(tags[key])
        for key in list(tags.keys())
        if str(key).upper() not in _OWN_KEYS
    }
    pictures = getattr(file.mgfile, "pictures", None) or []
    return said | {f"picture {n}": bytes(picture.data) for n, picture in enumerate(pictures)}


def _frames(file: _File) -> dict[str, object]:
    """Return what the frames of ID3v2 say before mutagen translates some and drops others.

    Without those whose translation says the same, and is compared by `_others`.
    """
    tags, buffer = file.mgfile.tags, file.filething.fileobj
    if file.type not in _ID3 or tags is None:
        return {}
    buffer.seek(0)
    try:
        raw: Any = type(tags)(buffer, translate=False, load_v1=False)
    except Exception:  # there is none, or only ID3v1
        return {}
    said = {
        key: _plain(raw[key])
        for key in list(raw.keys())
        if key.upper() not in _OWN_KEYS and key not in _translated(raw)
    }
    unknown = [bytes(frame) for frame in raw.unknown_frames if len(frame) > _FRAME_HEADER]
    return said | ({"unknown frames": unknown} if unknown else {})


def _translated(raw: Any) -> set[str]:
    """Return the frames that mutagen replaces by others without loss."""
    if raw.version[:2] == (2, 3):  # these are of ID3v2.4, and saved as those of ID3v2.3
        return {new for new, old in (("TDRC", "TYER"), ("TDOR", "TORY")) if old not in raw}
    names = {old for old, new in (("TORY", "TDOR"), ("IPLS", "TIPL")) if new not in raw}
    texts = [str(raw[name]) if name in raw else "" for name in ("TYER", "TDAT", "TIME")]
    # Dates that are no dates, or lack a part, are dropped.
    is_whole = re.fullmatch(r"\d{4}\|(\d{4}\|(\d{4})?|\|)", "|".join(texts))
    return names | ({"TYER", "TDAT", "TIME"} if is_whole and "TDRC" not in raw else set())


def _plain(value: Any) -> object:
    """Return what a tag says, whatever the encoding of its text."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    for name in ("genres", "text", "data", "value"):
        if (held := getattr(value, name, None)) is not None and not callable(held):
            return [str(one) for one in held] if isinstance(held, list) else held
    return value if isinstance(value, bytes | str | int | float) else repr(value)


def _damaged(error: Exception) -> FileUnusableError:
    reason = f"{type(error).__name__}: {error}"[:200]
    return FileUnusableError(
        "TAGS_DAMAGED", f"its tags cannot be read ({reason}), so none are written"
    )
