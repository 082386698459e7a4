"""The cover of a song: the picture in its file, else one in its folder, made small.

Pictures are read, checked and written anew in a child process, as audio is: bytes of a file are
never handed on as they are.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from catalog.errors import STORE_ERRORS, PathError
from catalog.files.tags import tagged_file
from catalog.paths import entries_in, file_held, folder_stamp, open_inside
from mer.audio.child import run_in_child
from mer.errors import AudioCrashError, AudioError, AudioMemoryError, AudioTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.Image import Image

SIZES: Final = {"small": 160, "large": 640}
"""Pixels of the longer side of a cover."""
MOST_PICTURE_BYTES: Final = 20 * 1024 * 1024
MOST_PIXELS: Final = 50_000_000
"""A picture of more pixels is not decoded; a few bytes can hold a picture of millions."""

_TIMEOUT_SECONDS: Final = 15.0
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_LEAST_SIDE: Final = 8
_MOST_PICTURES: Final = 20
_QUALITY: Final = 85
_GROUND: Final = (128, 128, 128)  # behind what is transparent
_ORIENTATION: Final = 0x0112  # of Exif
_FRONT_COVER: Final = 3  # of ID3, which FLAC, Vorbis and ASF follow
_STEMS: Final = ("cover", "folder", "front", "albumart", "album")
_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")


class ReaderKilledError(Exception):
    """The process that read a picture died, took too long or needed too much memory.

    `instead` is the cover to show until the picture is read: that of the folder, if there is one.
    """

    def __init__(self, message: str, instead: dict[str, bytes] | None = None) -> None:
        super().__init__(message)
        self.instead = instead


def folder_picture(song_path: Path) -> Path | None:
    """Return the picture in the folder of a song, such as ``Cover.jpg``; None if there is none."""
    try:
        stamp = folder_stamp(song_path.parent)
    except OSError:
        return None
    return _folder_picture(song_path.parent, stamp)


@lru_cache(maxsize=256)
def _folder_picture(folder: Path, _stamp: int) -> Path | None:
    wanted = [stem + suffix for stem in _STEMS for suffix in _SUFFIXES]
    try:
        with entries_in(folder) as entries:
            names = {entry.name.casefold(): entry.name for entry in entries if "." in entry.name}
    except OSError:
        return None
    found = next((names[name] for name in wanted if name in names), None)
    return None if found is None else folder / found


def cover_of(*, path: Path, root: Path) -> dict[str, bytes] | None:
    """Return the cover of the song at `path` as JPEG in each of `SIZES`; None if it has none.

    A picture that is damaged, too large or none counts as absent. Raises ReaderKilledError if its
    reader was ended, so that nobody knows; OSError if the machine lacks something.
    """
    cover, killed = None, None
    try:
        if cover := _in_child(embedded_cover, path):
            return cover
    except ReaderKilledError as error:
        killed = error
    if (beside := folder_picture(path)) is not None:
        try:
            with file_held(root, beside) as here:
                cover = _in_child(cover_of_file, here)
        except STORE_ERRORS:  # it says nothing of the picture
            raise
        except PathError:
            pass
    if killed:
        raise ReaderKilledError(str(killed), cover) from killed
    return cover


def _in_child(function: Any, path: Path) -> dict[str, bytes] | None:
    try:
        covers: dict[str, bytes] | None = run_in_child(
            function, path, timeout_seconds=_TIMEOUT_SECONDS
        )
    except (AudioTimeoutError, AudioCrashError, AudioMemoryError) as error:
        # The machine may be busy, or out of memory; it says nothing of the picture.
        raise ReaderKilledError(str(error)) from error
    except AudioError:
        return None
    return covers


# --- in the child --------------------------------------------------------------------------------


def embedded_cover(path: Path) -> dict[str, bytes] | None:
    """Return the sizes of the front cover in a file's tags, else of the first good picture."""
    pictures = sorted(_pictures(path), key=lambda picture: picture[0] != _FRONT_COVER)
    for _, data in pictures[:_MOST_PICTURES]:
        if covers := _covers(data):
            return covers
    return None


def cover_of_file(path: Path) -> dict[str, bytes] | None:
    """Return the sizes of the picture that a file is."""
    with open_inside(path.parent, path) as file:
        return _covers(file.read(MOST_PICTURE_BYTES + 1))


def _covers(data: bytes) -> dict[str, bytes] | None:
    """Return the sizes of a picture; None if it is none, or not one to decode."""
    import PIL.Image  # noqa: PLC0415  # only in a child

    if len(data) > MOST_PICTURE_BYTES:
        return None
    try:
        with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                return None
            if min(opened.size) < _LEAST_SIDE:
                return None
            opened.draft("RGB", (max(SIZES.values()),) * 2)  # JPEG is decoded small
            return _sizes(opened)
    # The decoders raise whatever a damaged picture leads to.
    except Exception:
        return None


def _sizes(opened: Image) -> dict[str, bytes]:
    import PIL.Image  # noqa: PLC0415  # only in a child
    import PIL.ImageOps  # noqa: PLC0415

    picture = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    picture.thumbnail((max(SIZES.values()),) * 2, PIL.Image.Resampling.LANCZOS)
    if picture.mode == "RGBA":
        ground = PIL.Image.new("RGBA", picture.size, _GROUND)
        picture = PIL.Image.alpha_composite(ground, picture).convert("RGB")
    picture.getexif()[_ORIENTATION] = opened.getexif().get(_ORIENTATION, 1)
    picture = PIL.ImageOps.exif_transpose(picture)
    picture.info.clear()  # no part of the file's own metadata is handed on
    covers = {}
    for name, side in sorted(SIZES.items(), key=lambda size: -size[1]):
        picture.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
        written = io.BytesIO()
        picture.save(written, "JPEG", quality=_QUALITY, optimize=True)
        covers[name] = written.getvalue()
    return covers


def _pictures(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the type, as in ID3, and the bytes of each picture in a file's tags."""
    # The parsers raise whatever a damaged tag leads to.
    try:
        file = tagged_file(path)
        tags: Any = getattr(file, "tags", None)
        found = [(picture.type, picture.data) for picture in getattr(file, "pictures", ())]
        names = list(tags.keys()) if tags is not None else []
    except Exception:
        return
    yield from found
    for name in names:
        with contextlib.suppress(Exception):
            yield from list(_pictures_of(name.casefold(), tags[name]))


def _pictures_of(name: str, value: Any) -> Iterator[tuple[int, bytes]]:
    """Yield the pictures in one tag of ID3, MP4, Vorbis comments, APE or ASF."""
    if name.startswith("apic"):
        yield value.type, value.data
    elif name == "covr":
        yield from ((_FRONT_COVER, bytes(one)) for one in value)
    elif name == "metadata_block_picture":
        yield from filter(None, map(_flac_picture, value))
    elif name == "coverart":  # an old habit of Vorbis comments
        yield from ((_FRONT_COVER, base64.b64decode(one)) for one in value)
    elif name.startswith("cover art"):
        kind = _FRONT_COVER if "front" in name else 0
        yield kind, bytes(value.value).partition(b"\0")[2]
    elif name == "wm/picture":
        yield from (_asf_picture(one.value) for one in value)


def _flac_picture(text: str) -> tuple[int, bytes] | None:
    """Return type and bytes of a FLAC picture block in base64 (RFC 9639, section 8.8)."""
    try:
        block = base64.b64decode(text)
    except binascii.Error:
        return None
    kind, at = struct.unpack_from(">I", block)[0], 4
    for _ in range(2):  # the media type and a description
        at += 4 + struct.unpack_from(">I", block, at)[0]
    at += 16  # width, height, depth, colours
    size = struct.unpack_from(">I", block, at)[0]
    return kind, block[at + 4 : at + 4 + size]


def _asf_picture(block: bytes) -> tuple[int, bytes]:
    """Return type and bytes of a WM/Picture: two texts in UTF-16 lie before the bytes."""
    kind, size = struct.unpack_from("<BI", block)
    at = 5
    for _ in range(2):
        while block[at : at + 2] not in {b"\0\0", b""}:
            at += 2
        at += 2
    return kind, block[at : at + size]
