"""Texts in the chunks of RIFF and AIFF files, and Vorbis comments as raw bytes."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from mer.lyrics import decode_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_MOST_CHUNKS: Final = 1_000
_MOST_BYTES: Final = 64 * 1024
_HEAD_BYTES: Final = 2 * 1024 * 1024
_AIFF_TEXTS: Final = {b"NAME": "title", b"AUTH": "artist"}


def chunk_texts(path: Path) -> dict[str, list[str]]:
    """Return the texts of a WAV file's LIST INFO (INAM, IART, ...) or of an AIFF file's chunks."""
    texts: dict[str, list[str]] = {}
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in {b"RIFF", b"RF64"} and head[8:] == b"WAVE":
            for name, size in _chunks(file, "<I"):
                if name == b"LIST" and file.read(4) == b"INFO":
                    for key, value in _info(file.read(min(size - 4, _MOST_BYTES))):
                        texts.setdefault(key, []).append(value)
        elif head[:4] == b"FORM" and head[8:] in {b"AIFF", b"AIFC"}:
            for name, size in _chunks(file, ">I"):
                if name in _AIFF_TEXTS:
                    value = _decoded(file.read(min(size, _MOST_BYTES)))
                    texts.setdefault(_AIFF_TEXTS[name], []).append(value)
    return texts


def vorbis_bytes(path: Path, key: str) -> list[bytes]:
    """Return the values of a Vorbis comment as bytes; for those that are not UTF-8."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    values = []
    for found in re.finditer(rb"(?i)" + re.escape(key.encode()) + rb"=", head):
        size = head[max(0, found.start() - 4) : found.start()]
        if len(size) == 4 and (length := struct.unpack("<I", size)[0]) < _MOST_BYTES:
            values.append(head[found.end() : found.start() + length])
    return values


def _chunks(file: BinaryIO, size_format: str) -> Iterator[tuple[bytes, int]]:
    """Yield name and size of each chunk, with the file at its content."""
    start = file.tell()
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        header = file.read(8)
        if len(header) < 8:
            return
        size = struct.unpack(size_format, header[4:])[0]
        yield header[:4], size
        start += 8 + size + size % 2


def _info(data: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at + 8 <= len(data):
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        value = _decoded(data[at + 8 : at + 8 + size])
        yield data[at : at + 4].decode("latin-1"), value
        at += 8 + size + size % 2


def _decoded(data: bytes) -> str:
    return decode_unknown(data.split(b"\x00", 1)[0])[0].strip()
