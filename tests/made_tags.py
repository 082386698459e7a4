"""Audio files with tags of every kind, made from a tone, mutagen and raw bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TIT2, TPE1

from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def tone_with_id3(path: Path, *frames: Any) -> Path:
    """Write a tone, .mp3 or another suffix, that begins with ID3v2.4 frames."""
    write_tone(path)
    tags = ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path)
    return path


def tone_in_code_page(path: Path, encoding: str, *, title: str, artist: str) -> Path:
    """Write an .mp3 whose ID3 frames say Latin-1, but have another code page."""

    def spoiled(text: str) -> str:
        return text.encode(encoding).decode("latin-1")

    frames = TIT2(encoding=0, text=spoiled(title)), TPE1(encoding=0, text=spoiled(artist))
    return tone_with_id3(path, *frames)


def tone_with_id3v1(path: Path, *, title: bytes, artist: bytes, year: bytes, genre: int) -> Path:
    """Write an .mp3 that has nothing but ID3v1, at its end."""
    write_tone(path)
    block = struct.pack("3s30s30s30s4s30sB", b"TAG", title, artist, b"", year, b"", genre)
    path.write_bytes(path.read_bytes() + block)
    return path


def tone_with_ape(path: Path, values: Mapping[str, str | list[str]]) -> Path:
    """Write an .mp3 with APEv2 at its end."""
    write_tone(path)
    tags = APEv2()
    for name, value in values.items():
        tags[name] = value
    tags.save(path)
    return path


def wav_with_info(path: Path, values: Mapping[str, bytes]) -> Path:
    """Write a .wav with a LIST INFO chunk after its samples."""
    write_tone(path)
    info = b"INFO"
    for name, value in values.items():
        data = value + b"\x00"
        info += name.encode() + struct.pack("<I", len(data)) + data + b"\x00" * (len(data) % 2)
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(info)) + info
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path
