"""Opens audio files and decodes spans of their frames, exact to the sample.

libsndfile reads all formats that it supports, PyAV the rest (M4A). Where seeking is inexact, a
file is decoded from its start. That holds for Vorbis in libsndfile, whose error reaches nearly a
second in real files, and for M4A in FFmpeg. Channels are averaged.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast

import numpy as np

from mer.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioTooLongError,
    AudioTooShortError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import soundfile
    from av.audio.frame import AudioFrame
    from av.container import InputContainer
    from numpy.typing import NDArray

    Waveform = NDArray[np.float32]
    Span = tuple[int, int]

MIN_DURATION_SECONDS: Final = 3.0
"""Length of the shortest recording that is analysed."""
MAX_DURATION_SECONDS: Final = 12 * 3600.0
"""Length of the longest recording that is opened."""
MAX_FILE_BYTES: Final = 4 * 1024**3
"""Size of the largest file that is opened; also the limit of plain WAV."""
SUPPORTED_SUFFIXES: Final = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"})
"""Lower-case suffixes of readable files."""

# Only these FFmpeg demuxers are used. Others, such as playlists, would open further files.
_DEMUXERS: Final = {
    ".wav": "wav",
    ".flac": "flac",
    ".mp3": "mp3",
    ".ogg": "ogg",
    ".opus": "ogg",
    ".m4a": "mp4",
}
_MAX_CHANNELS: Final = 64
_BLOCK_SECONDS: Final = 1


class AudioReader(Protocol):
    """An audio file; `frames` is the length in its header. No handle stays open between calls."""

    path: Path
    sample_rate: int
    channels: int
    frames: int

    def read(self, spans: list[Span]) -> list[Waveform]:
        """Decode the ordered, disjoint `spans` of frames.

        Parameters
        ----------
        spans : list of (first, past the last) frame

        Returns
        -------
        list of (frames,) float32 ndarray
            Mono; shorter than its span if decoding ends earlier.
        """

    def count_frames(self) -> int:
        """Count the frames that decode, from the start of the file.

        Returns
        -------
        int
        """


def open_audio(path: Path) -> AudioReader:
    """Open a file with the library that reads it, and check its header.

    Parameters
    ----------
    path : Path

    Returns
    -------
    AudioReader

    Raises
    ------
    AudioError
        If the file cannot be opened or has no supported suffix.
    AudioDecodeError, AudioEmptyError, AudioTooShortError, AudioTooLongError
        If it is not audio, or exceeds a limit.
    """
    _check_file(path)
    reader = _open_soundfile(path) or _open_pyav(path)
    _check_header(reader)
    return reader


def _open_soundfile(path: Path) -> AudioReader | None:
    import soundfile  # noqa: PLC0415  # only decoding needs it

    try:
        return _SoundfileReader(path)
    except soundfile.SoundFileRuntimeError:
        return None


def _open_pyav(path: Path) -> AudioReader:
    import av  # noqa: PLC0415  # only decoding needs it

    try:
        return _PyavReader(path)
    except av.FFmpegError as error:
        raise AudioDecodeError(path, "is not audio, or too damaged to open") from error


class _SoundfileReader:
    def __init__(self, path: Path) -> None:
        import soundfile  # noqa: PLC0415  # see `_open_soundfile`

        self.path = path
        # As bytes, because a file name need not be UTF-8.
        with soundfile.SoundFile(os.fsencode(path)) as file:
            self.sample_rate: int = file.samplerate
            self.channels: int = file.channels
            self.frames: int = file.frames
            self._is_seek_exact = file.subtype != "VORBIS"

    def read(self, spans: list[Span]) -> list[Waveform]:
        pieces = []
        with self._file() as file:
            for first, stop in spans:
                can_go_on = self._go_to(file, first)
                decoded = self._blocks(file, stop - first) if can_go_on else ()
                blocks = [_mono(block.T) for block in decoded]
                pieces.append(np.concatenate([*blocks, np.zeros(0, dtype=np.float32)]))
        return pieces

    def count_frames(self) -> int:
        with self._file() as file:
            return sum(len(block) for block in self._blocks(file, self.frames))

    def _file(self) -> soundfile.SoundFile:
        import soundfile  # noqa: PLC0415  # see `_open_soundfile`

        try:
            return soundfile.SoundFile(os.fsencode(self.path))
        except soundfile.SoundFileRuntimeError as error:
            raise AudioError(self.path, "was moved or changed while it was being read") from error

    def _go_to(self, file: soundfile.SoundFile, frame: int) -> bool:
        import soundfile  # noqa: PLC0415  # see `_open_soundfile`

        if not self._is_seek_exact:
            for _ in self._blocks(file, frame - file.tell()):
                pass
            return True
        try:
            file.seek(frame)
        except soundfile.SoundFileRuntimeError:  # damaged, or cut short before this frame
            return False
        return True

    def _blocks(self, file: soundfile.SoundFile, frames: int) -> Iterator[Waveform]:
        """Yield blocks (frames, channels) of the next `frames` frames, until the end or damage."""
        import soundfile  # noqa: PLC0415  # see `_open_soundfile`

        with contextlib.suppress(soundfile.SoundFileRuntimeError):
            while frames > 0:
                block = file.read(
                    min(frames, _BLOCK_SECONDS * self.sample_rate), dtype="float32", always_2d=True
                )
                if not len(block):
                    return
                yield block
                frames -= len(block)


class _PyavReader:
    def __init__(self, path: Path) -> None:
        self.path = path
        with self._container() as container:
            stream = container.streams.audio[0]
            self.sample_rate: int = stream.rate
            self.channels: int = stream.channels
            duration = stream.duration and stream.time_base and stream.duration * stream.time_base
        self.frames = math.ceil(duration * self.sample_rate) if duration else self.count_frames()

    def read(self, spans: list[Span]) -> list[Waveform]:
        pieces: list[list[Waveform]] = [[np.zeros(0, dtype=np.float32)] for _ in spans]
        end = spans[-1][1] if spans else 0
        for offset, frame in self._decoded(end):
            block: Waveform | None = None
            for (first, stop), piece in zip(spans, pieces, strict=True):
                low, high = max(first, offset), min(stop, offset + frame.samples)
                if low < high:
                    if block is None:
                        block = _mono(cast("Waveform", frame.to_ndarray()))
                    piece.append(block[low - offset : high - offset])
        return [np.concatenate(piece) for piece in pieces]

    def count_frames(self) -> int:
        end = math.ceil(MAX_DURATION_SECONDS * self.sample_rate) + 1
        return max((offset + frame.samples for offset, frame in self._decoded(end)), default=0)

    @contextlib.contextmanager
    def _container(self) -> Iterator[InputContainer]:
        import av  # noqa: PLC0415  # see `_open_pyav`

        # With a file handle and a named demuxer, FFmpeg opens no other file.
        demuxer = _DEMUXERS[self.path.suffix.lower()]
        with _handle(self.path) as handle, av.open(handle, format=demuxer) as container:
            if not container.streams.audio:
                raise AudioDecodeError(self.path, "contains no audio stream")
            yield cast("InputContainer", container)

    def _decoded(self, end: int) -> Iterator[tuple[int, AudioFrame]]:
        """Yield planar float frames with their offset, until `end` or the first damage."""
        import av  # noqa: PLC0415  # see `_open_pyav`

        planar = av.AudioResampler(format="fltp")
        offset = 0
        with contextlib.suppress(av.FFmpegError), self._container() as container:
            for decoded in container.decode(audio=0):
                for frame in planar.resample(decoded):
                    yield offset, frame
                    offset += frame.samples
                if offset >= end:
                    return


def _handle(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise AudioError(path, f"cannot be opened: {error.strerror}") from error


def _mono(samples: Waveform) -> Waveform:
    """Average (channels, frames) to (frames,)."""
    if len(samples) == 1:
        only: Waveform = samples[0]
        return only
    mean: Waveform = samples.mean(axis=0, dtype=np.float32)
    return mean


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise AudioError(path, f"cannot be opened: {error.strerror}") from error
    if not path.is_file():
        raise AudioError(path, "is not a regular file")
    if path.suffix.lower() not in SUPPORTED_SUFFIXES:
        raise AudioError(
            path, f"has no supported suffix; use one of {' '.join(sorted(SUPPORTED_SUFFIXES))}"
        )
    if size == 0:
        raise AudioEmptyError(path, "is empty (0 bytes)")
    if size > MAX_FILE_BYTES:
        raise AudioTooLongError(path, f"is larger than {MAX_FILE_BYTES // 1024**3} GiB")


def _check_header(reader: AudioReader) -> None:
    if reader.sample_rate <= 0 or not 0 < reader.channels <= _MAX_CHANNELS:
        raise AudioDecodeError(
            reader.path, f"has a header of {reader.channels} channels at {reader.sample_rate} Hz"
        )
    if reader.frames <= 0:
        raise AudioEmptyError(reader.path, "contains no samples")
    duration_seconds = reader.frames / reader.sample_rate
    if duration_seconds < MIN_DURATION_SECONDS:
        raise AudioTooShortError(
            reader.path,
            f"lasts {duration_seconds:.2f} s; at least {MIN_DURATION_SECONDS:.0f} s are needed",
        )
    if duration_seconds > MAX_DURATION_SECONDS:
        raise AudioTooLongError(
            reader.path,
            f"lasts {duration_seconds / 3600:.1f} h; at most {MAX_DURATION_SECONDS / 3600:.0f} h "
            "are read",
        )
