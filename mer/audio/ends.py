"""Where the audio of a file ends, if zeros or other bytes without meaning follow.

FFmpeg looks for more audio in them in steps of a few bytes. That takes a minute for 100 MB behind
the chunks of a WAV file.

References
----------
Microsoft and IBM (1991), "Multimedia Programming Interface and Data Specifications 1.0" (RIFF);
EBU Tech 3306 (RF64); Apple (2011), "Core Audio Format Specification 1.0".
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_CHUNKS: Final = 1_000
_RIFF: Final = frozenset({b"RIFF", b"RIFX", b"RF64", b"BW64"})
_IN_DS64: Final = 0xFFFFFFFF
"""Size of the audio of RF64, and of WAV that was written to a pipe."""
_PRINTABLE: Final = range(0x20, 0x7F)
_ZEROS_KEPT: Final = 64 * 1024
"""No frame of MPEG audio or FLAC ends with so many zeros."""
_BLOCK_BYTES: Final = 1024 * 1024


class _Layout(NamedTuple):
    """How a format writes its chunks: a name, maybe more of it, and a size."""

    start: int
    size: str
    header_bytes: int
    padded_to: int
    is_header_counted: bool = False

    @property
    def size_bytes(self) -> int:
        return struct.calcsize(self.size)


def audio_end(descriptor: int) -> int:
    """Find where the audio, and the tags after it, end.

    Parameters
    ----------
    descriptor : int
        Of an open regular file.

    Returns
    -------
    int
        In bytes. Behind the last chunk of WAV, W64 and CAF; `_ZEROS_KEPT` behind the last byte that
        is not zero of MPEG audio and FLAC. Else, and for audio of unknown size, the file's size.
    """
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, 28, 0)
    if head[:4] in _RIFF and head[8:12] == b"WAVE":
        endian = ">" if head[:4] == b"RIFX" else "<"
        return _chunks_end(descriptor, size, _Layout(12, f"{endian}I", 8, padded_to=2))
    if head[:4] == b"riff" and head[24:] == b"wave":
        layout = _Layout(40, "<q", 24, padded_to=8, is_header_counted=True)
        return _chunks_end(descriptor, size, layout)
    if head[:4] == b"caff":
        return _chunks_end(descriptor, size, _Layout(8, ">q", 12, padded_to=1))
    is_mpeg = head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1] >= 0xE0)
    return _zeros_start(descriptor, size) if is_mpeg or head[:4] == b"fLaC" else size


def _zeros_start(descriptor: int, size: int) -> int:
    """Return where the zeros at the end of a file begin, plus `_ZEROS_KEPT`."""
    end, block_bytes = size, _ZEROS_KEPT
    while end > 0:
        start = max(0, end - block_bytes)
        block = os.pread(descriptor, end - start, start)
        if block != bytes(len(block)):
            return min(size, start + len(block.rstrip(b"\0")) + _ZEROS_KEPT)
        end, block_bytes = start, _BLOCK_BYTES
    return size


def _chunks_end(descriptor: int, size: int, layout: _Layout) -> int:
    """Return the end of the last chunk behind that of the audio."""
    has_audio, end = False, layout.start
    for name, stop in _chunks(descriptor, layout):
        if stop is None:
            return size
        end, has_audio = stop, has_audio or name == b"data"
    return min(end, size) if has_audio else size


def _chunks(descriptor: int, layout: _Layout) -> Iterator[tuple[bytes, int | None]]:
    """Yield the name and the end of each chunk; None for the end of audio of unknown size."""
    start, ds64_bytes = layout.start, 0
    for _ in range(_MOST_CHUNKS):
        header = os.pread(descriptor, layout.header_bytes, start)
        name = header[:4]
        if len(header) < layout.header_bytes or not all(byte in _PRINTABLE for byte in name):
            return
        (length,) = struct.unpack_from(layout.size, header, layout.header_bytes - layout.size_bytes)
        start += layout.header_bytes
        if name == b"ds64":  # sizes of 64 bits: of the file, then of the audio
            ds64_bytes = int.from_bytes(os.pread(descriptor, 16, start)[8:], "little")
        if name == b"data":
            length = ds64_bytes if length == _IN_DS64 and layout.size_bytes == 4 else length
            if length <= 0 or length == _IN_DS64:
                yield name, None
                return
        length -= layout.header_bytes if layout.is_header_counted else 0
        if length < 0:
            return
        start += -(-length // layout.padded_to) * layout.padded_to
        yield name, start
