"""The hash of the encoded audio of files with zeros and other bytes behind their audio."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from mer.audio import pyav
from mer.audio.decoding import encoded_audio_sha256, open_audio
from mer.audio.ends import audio_end
from tests.made_audio import needs_ffmpeg, tones, write

if TYPE_CHECKING:
    from pathlib import Path

SPARSE_BYTES = 300_000_000
MOST_CALLS = 500


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of calls of handles, by which a search in small steps shows itself."""
    made: list[str] = []

    class Counted(pyav._Handle):
        def read(self, size: int) -> bytes:
            made.append("read")
            return super().read(size)

        def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
            made.append("seek")
            return super().seek(offset, whence)

    monkeypatch.setattr(pyav, "_Handle", Counted)
    return made


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["wav", "w64", "caf", "mp3", "aac", "aiff"])
def test_a_sparse_tail_does_not_count_and_is_not_searched(
    tmp_path: Path, calls: list[str], suffix: str
) -> None:
    path = write(tmp_path / f"a.{suffix}", tones(4))
    before = encoded_audio_sha256(path)
    end = audio_end(os.open(path, os.O_RDONLY))
    if suffix == "aac":  # the last packet of ADTS holds the zeros that are kept
        path.write_bytes(path.read_bytes() + bytes(100_000))
        before = encoded_audio_sha256(path)
    calls.clear()
    os.truncate(path, SPARSE_BYTES)
    assert encoded_audio_sha256(path) == before
    assert len(before) == 64
    assert len(calls) < MOST_CALLS
    if suffix != "aiff":  # FFmpeg itself stops behind the audio of AIFF
        assert audio_end(os.open(path, os.O_RDONLY)) <= end + 64 * 1024


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["wav", "caf", "w64", "aiff", "flac", "mp3"])
@pytest.mark.parametrize("tail", [bytes(8), b"\0\xff\xfe\x01", b"abcd\0\0\0\0", b"ab\x01d\x01\0zz"])
def test_any_tail_behind_the_chunks_leaves_the_hash_and_few_calls(
    tmp_path: Path, calls: list[str], suffix: str, tail: bytes
) -> None:
    path = write(tmp_path / f"a.{suffix}", tones(4))
    before = encoded_audio_sha256(path)
    path.write_bytes(path.read_bytes() + tail * (1_000_000 // len(tail)))
    calls.clear()
    after = encoded_audio_sha256(path)
    if suffix in {"wav", "w64", "aiff"}:
        assert after == before
    assert len(calls) < 20 * MOST_CALLS


def riff(*chunks: tuple[bytes, bytes], head: bytes = b"RIFF") -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks
    )
    return head + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


FMT = (b"fmt ", struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16))
SILENCE = bytes(64_000)


def test_zeros_inside_the_audio_are_audio(tmp_path: Path) -> None:
    path, cut = tmp_path / "a.wav", tmp_path / "b.wav"
    path.write_bytes(riff(FMT, (b"data", b"\1\2" * 8_000 + SILENCE)))
    cut.write_bytes(riff(FMT, (b"data", b"\1\2" * 8_000 + SILENCE[:32_000])))
    assert audio_end(os.open(path, os.O_RDONLY)) == path.stat().st_size
    assert encoded_audio_sha256(path) != encoded_audio_sha256(cut)


def test_a_sparse_file_of_sound_has_the_hash_of_its_zeros(tmp_path: Path) -> None:
    """A hole in a file is the same audio as zeros that are written."""
    written, sparse = tmp_path / "a.wav", tmp_path / "b.wav"
    content = riff(FMT, (b"data", bytes(20_000_000)))
    written.write_bytes(content)
    sparse.write_bytes(content[:44])
    os.truncate(sparse, len(content))
    assert encoded_audio_sha256(sparse) == encoded_audio_sha256(written) != ""


def test_a_chunk_behind_the_audio_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    content = riff(FMT, (b"data", b"\1\2" * 16_001), (b"LIST", b"INFOINAM\2\0\0\0ab"))
    path.write_bytes(content + bytes(4_000_000))
    assert audio_end(os.open(path, os.O_RDONLY)) == len(content)


@pytest.mark.parametrize(
    ("head", "chunks"),
    [
        (b"RIFF", [FMT, (b"data", b"")]),
        (b"RF64", [(b"ds64", struct.pack("<QQQI", 0, 0, 0, 0)), FMT, (b"data", b"")]),
        (b"RIFF", [FMT, (b"LIST", b"INFO")]),
    ],
)
def test_audio_of_unknown_size_ends_with_the_file(
    tmp_path: Path, head: bytes, chunks: list[tuple[bytes, bytes]]
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(*chunks, head=head) + SILENCE)
    assert audio_end(os.open(path, os.O_RDONLY)) == path.stat().st_size


def test_rf64_states_its_size_apart(tmp_path: Path) -> None:
    ds64 = (b"ds64", struct.pack("<QQQI", 0, 64_000, 32_000, 0))
    content = riff(ds64, FMT, (b"data", b"\1\2" * 32_000), head=b"RF64")
    content = content.replace(b"data" + struct.pack("<I", 64_000), b"data\xff\xff\xff\xff")
    path = tmp_path / "a.wav"
    path.write_bytes(content + bytes(100_000))
    assert audio_end(os.open(path, os.O_RDONLY)) == len(content)


@needs_ffmpeg
def test_a_file_that_is_searched_in_small_steps_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.ogg", tones(4))
    assert encoded_audio_sha256(path)
    monkeypatch.setattr(pyav, "_LEAST_CALLS", 5)
    monkeypatch.setattr(pyav, "_BYTES_OF_A_CALL", 10**9)
    assert encoded_audio_sha256(path) == ""
    with open_audio(path) as reader:  # libsndfile reads it
        assert reader.frames > 0
