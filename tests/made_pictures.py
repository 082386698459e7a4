"""Pictures as they lie in tags and folders, good and hostile."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import mutagen
from mutagen.apev2 import APEBinaryValue, APEv2
from mutagen.asf import ASF, ASFByteArrayAttribute
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3
from mutagen.mp4 import MP4, MP4Cover
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(
    kind: str = "JPEG",
    size: tuple[int, int] = (300, 200),
    colour: tuple[int, ...] = RED,
    **more: Any,
) -> bytes:
    """Return a picture of one colour."""
    written = io.BytesIO()
    mode = "RGBA" if len(colour) == 4 else "RGB"
    Image.new(mode, size, colour).save(written, kind, **more)
    return written.getvalue()


def colour_of(jpeg: bytes) -> str:
    """Return whether a cover is red or blue."""
    with Image.open(io.BytesIO(jpeg)) as opened:
        red, _, blue = opened.convert("RGB").getpixel((opened.width // 2, opened.height // 2))
    return "red" if red > blue + 60 else "blue" if blue > red + 60 else "other"


def bomb(side: int = 30_000) -> bytes:
    """Return a small PNG of very many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (side + 1) * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


HOSTILE = {
    "empty": b"",
    "no picture": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "html": b"<html><script>alert(1)</script></html>",
    "truncated": picture(size=(400, 400))[:600],
    "bomb": bomb(),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "one pixel": picture(size=(1, 1)),
    "damaged png": picture("PNG")[:60] + b"\xff" * 100,
}


def embed(path: Path, data: bytes, *, kind: int = 3) -> None:
    """Put a picture into a file's tags, as its format does."""
    suffix = path.suffix
    if suffix in {".mp3", ".wav", ".aiff"}:
        file = mutagen.File(path) if suffix != ".mp3" else None
        tags = ID3() if file is None else file
        if file is not None and file.tags is None:
            file.add_tags()
        frame = APIC(encoding=3, mime="image/jpeg", type=kind, desc=str(kind), data=data)
        if file is None:
            try:
                tags = ID3(path)
            except mutagen.MutagenError:
                tags = ID3()
            tags.add(frame)
            tags.save(path)
        else:
            file.tags.add(frame)
            file.save()
    elif suffix == ".flac":
        flac = FLAC(path)
        flac.add_picture(_block(data, kind))
        flac.save()
    elif suffix in {".ogg", ".opus"}:
        ogg = mutagen.File(path)
        text = base64.b64encode(_block(data, kind).write()).decode()
        ogg["metadata_block_picture"] = [*ogg.get("metadata_block_picture", []), text]
        ogg.save()
    elif suffix == ".m4a":
        mp4 = MP4(path)
        mp4["covr"] = [MP4Cover(data)]
        mp4.save()
    elif suffix == ".wma":
        asf = ASF(path)
        names = "image/jpeg\0".encode("utf-16-le") + "cover\0".encode("utf-16-le")
        block = struct.pack("<BI", kind, len(data)) + names + data
        asf["WM/Picture"] = [ASFByteArrayAttribute(block)]
        asf.save()
    elif suffix == ".wv":
        ape = APEv2()
        ape["Cover Art (Front)"] = APEBinaryValue(b"cover.jpg\0" + data)
        ape.save(path)
    else:
        raise ValueError(suffix)


def _block(data: bytes, kind: int) -> Picture:
    block = Picture()
    block.type, block.mime, block.desc, block.data = kind, "image/jpeg", "x", data
    return block
