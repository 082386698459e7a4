"""Opens audio files and decodes spans of their frames, exact to the sample.

The content decides how a file is read, not its suffix. libsndfile reads what it supports, PyAV
(FFmpeg) the rest: other formats, files whose header states a wrong length, and files that
libsndfile gives up at damage. Where seeking is inexact, a file is decoded from its start. That
holds for Vorbis in libsndfile, whose error reaches nearly a second in real files, and for PyAV.

Channels are averaged. If they cancel each other out, because one is the inverse of another, the
loudest one is taken.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from mer.audio.pyav import (
    LENGTH_TOLERANCE_SECONDS,
    MAX_DURATION_SECONDS,
    PyavSource,
    container_tags,
    media_type,
    packets_sha256,
)
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
    from numpy.typing import NDArray

    from mer.audio.pyav import Span, Waveform

MIN_DURATION_SECONDS: Final = 3.0
"""Length of the shortest recording that is analysed."""
MAX_FILE_BYTES: Final = 4 * 1024**3
"""Size of the largest file that is opened; also the limit of plain WAV."""
SUPPORTED_SUFFIXES: Final = frozenset(
    ".aac .ac3 .adts .aif .aifc .aiff .alac .ape .au .caf "  # noqa: SIM905  # fits a screen
    ".dff .dsf .dts .eac3 .flac .m4a .m4b .m4r .mka .mp+ .mp1 .mp2 .mp3 .mp4 .mpa .mpc .mpga .mpp "
    ".oga .ogg .opus .rf64 .snd .spx .tak .tta .w64 .wav .wave .weba .webm .wma .wv".split()
)
"""Lower-case suffixes of readable files."""

# libsndfile's names. It takes the first bytes of other files for formats that are no music.
_SOUNDFILE_FORMATS: Final = frozenset(
    {"WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF"}
)
# Their stated length may be an estimate from the bit rate, or come from a damaged last page.
_COUNTED_FORMATS: Final = frozenset({"MP3", "OGG"})
_MAX_CHANNELS: Final = 64
_SAMPLE_RATES: Final = range(1_000, 6_000_001)  # DSD at 512 times the rate of a CD is 2.8 MHz
_BLOCK_SECONDS: Final = 1
_CANCELLED: Final = 0.02  # power of the mean of two channels against their own mean power
_MOST_TAG_BYTES: Final = 2_000  # of ID3v1 and APE tags at the end
_XING_TOLERANCE: Final = 0.005  # of the size of the file
# Of the system, not of the file. The other errors of opening say that the file cannot be used.
_SYSTEM_ERRORS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ENODEV}
)


class Source(Protocol):
    """A library's view of one open file. Each call starts at the beginning of the file."""

    sample_rate: int
    channels: int
    frames: int
    stated_seconds: float
    media_type: str

    def spans(self, spans: list[Span]) -> Iterator[Iterator[Waveform]]:
        """Yield the blocks (channels, frames) of each span."""

    def blocks(self) -> Iterator[Waveform]:
        """Yield blocks (channels, frames) from the start to the end, or to damage."""


class AudioReader:
    """An open audio file; `frames` is its length, `stated_seconds` that of its header.

    `media_type` is that of its content, whatever its suffix, with the codec where players need it.
    """

    def __init__(self, path: Path, descriptor: int, source: Source) -> None:
        self.path = path
        self.sample_rate = source.sample_rate
        self.channels = source.channels
        self.frames = source.frames
        self.stated_seconds = source.stated_seconds
        self.media_type = source.media_type
        self._descriptor = descriptor
        self._source = source
        self._channel: int | None = None

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
        mix, powers = 0.0, np.zeros(self.channels)
        pieces = []
        for blocks in self._source.spans(spans):
            piece = [np.zeros(0, dtype=np.float32)]
            for block in blocks:
                mono = self._mono(block)
                piece.append(mono)
                if self._channel is None and len(powers) == len(block) > 1:
                    mix += float(np.dot(mono, mono))
                    powers += [np.dot(channel, channel) for channel in block]
            pieces.append(np.concatenate(piece))
        if mix < _CANCELLED * 2 / self.channels * powers.mean():
            self._channel = int(powers.argmax())
            return self.read(spans)
        return pieces

    def count_frames(self) -> int:
        """Count the frames that decode, from the start of the file.

        Returns
        -------
        int
        """
        return sum(block.shape[1] for block in self._source.blocks())

    def levels(self, window_frames: int) -> NDArray[np.float64]:
        """Root mean square of each window of the file that decodes.

        Parameters
        ----------
        window_frames : int

        Returns
        -------
        (windows,) float64 ndarray
            Not finite where a sample is not.
        """
        sums: list[float] = []
        rest = np.zeros(0, dtype=np.float32)
        for block in self._source.blocks():
            rest = np.concatenate([rest, self._mono(block)])
            whole = len(rest) // window_frames
            windows = rest[: whole * window_frames].reshape(whole, window_frames)
            sums += np.square(windows, dtype=np.float64).sum(axis=1).tolist()
            rest = rest[whole * window_frames :]
        if len(rest):
            sums.append(float(np.square(rest, dtype=np.float64).mean()) * window_frames)
        return np.sqrt(np.array(sums) / window_frames)

    def _mono(self, block: Waveform) -> Waveform:
        """Average (channels, frames) to (frames,)."""
        if self._channel is not None:
            loudest: Waveform = block[min(self._channel, len(block) - 1)]
            return loudest
        if len(block) == 1:
            only: Waveform = block[0]
            return only
        # `block.mean(axis=0)` is far slower where the channels of a frame lie together.
        total: Waveform = block[0] + block[1]
        for channel in block[2:]:
            total += channel
        total /= np.float32(len(block))
        return total


@contextlib.contextmanager
def open_audio(path: Path) -> Iterator[AudioReader]:
    """Open a file with the library that reads it, and check its header.

    Parameters
    ----------
    path : Path

    Yields
    ------
    AudioReader

    Raises
    ------
    AudioError
        If the file cannot be opened, is no regular file or has no supported suffix.
    AudioDecodeError, AudioEmptyError, AudioTooShortError, AudioTooLongError, AudioVideoError
        If it is not audio, or exceeds a limit.
    OSError
        If the system refuses for a reason of its own, such as too many open files.
    """
    descriptor = _open_file(path)
    try:
        source = _open_soundfile(path, descriptor) or PyavSource(path, descriptor)
        reader = AudioReader(path, descriptor, source)
        _check_header(reader)
        yield reader
    finally:
        os.close(descriptor)


def most_heard(reader: AudioReader) -> AudioReader:
    """Return a reader with the frames that decode, for a file that is shorter than it states.

    Parameters
    ----------
    reader : AudioReader

    Returns
    -------
    AudioReader
        Of the library that decodes more; libsndfile stops at the first damage, PyAV goes on
        behind it.
    """
    reader.frames = reader.count_frames()
    if isinstance(reader._source, PyavSource):
        return reader
    try:
        source = PyavSource(reader.path, reader._descriptor)
    except AudioError:
        return reader
    other = AudioReader(reader.path, reader._descriptor, source)
    other.frames, other.stated_seconds = other.count_frames(), reader.stated_seconds
    more_seconds = other.frames / other.sample_rate - reader.frames / reader.sample_rate
    return other if more_seconds > LENGTH_TOLERANCE_SECONDS else reader


def damaged(reader: AudioReader) -> AudioDecodeError:
    """Return the error of a file of which less than `MIN_DURATION_SECONDS` can be heard.

    Parameters
    ----------
    reader : AudioReader

    Returns
    -------
    AudioDecodeError
    """
    return AudioDecodeError(
        reader.path,
        f"is damaged: only {reader.frames / reader.sample_rate:.1f} s of "
        f"{reader.stated_seconds:.1f} s decode",
    )


def _open_file(path: Path) -> int:
    if path.suffix.lower() not in SUPPORTED_SUFFIXES:
        raise AudioError(
            path, f"has no supported suffix; use one of {' '.join(sorted(SUPPORTED_SUFFIXES))}"
        )
    try:
        # A pipe or device would otherwise block until somebody writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        if error.errno in _SYSTEM_ERRORS:
            raise
        raise AudioError(path, f"cannot be opened: {error.strerror}") from error
    try:
        _check_status(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_status(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(path, "is not a regular file")
    if status.st_size == 0:
        raise AudioEmptyError(path, "is empty (0 bytes)")
    if status.st_size > MAX_FILE_BYTES:
        raise AudioTooLongError(path, f"is larger than {MAX_FILE_BYTES // 1024**3} GiB")


def _open_soundfile(path: Path, descriptor: int) -> Source | None:
    """Return a source; None if PyAV has to read the file."""
    import soundfile  # noqa: PLC0415  # only decoding needs it

    try:
        source = _SoundfileSource(descriptor)
    except (soundfile.SoundFileError, ValueError, TypeError):  # the latter from odd headers
        return None
    if source.format not in _SOUNDFILE_FORMATS:
        return None
    seconds = source.stated_seconds
    is_estimate = source.format in _COUNTED_FORMATS and not _has_whole_xing_header(descriptor)
    if is_estimate or not 0 < seconds <= MAX_DURATION_SECONDS:
        with contextlib.suppress(AudioError):
            other = PyavSource(path, descriptor)
            counted = other.frames / other.sample_rate
            if abs(counted - seconds) > LENGTH_TOLERANCE_SECONDS:
                other.stated_seconds = min(seconds, MAX_DURATION_SECONDS)
                return other
    return source


def _has_whole_xing_header(descriptor: int) -> bool:
    """Whether an MP3 states its frames, and as many bytes as the file has; then it is not counted.

    Source: the Xing header, as LAME writes it.
    """
    size = os.fstat(descriptor).st_size
    tag = os.pread(descriptor, 10, 0)
    start = 0
    if tag[:3] == b"ID3" and len(tag) == 10:
        start = 10 + sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
    frame = os.pread(descriptor, 200, start)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if not frame.startswith(b"\xff") or at < 0 or len(frame) < at + 16:
        return False
    flags, frames, stated = struct.unpack_from(">III", frame, at + 4)
    missing = abs(size - start - stated)
    most = _MOST_TAG_BYTES + size * _XING_TOLERANCE
    return bool(flags & 3 == 3 and frames > 0 and missing <= most)


class _SoundfileSource:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        with self._file() as file:
            self.sample_rate = file.samplerate
            self.channels = file.channels
            self.frames = file.frames
            self.stated_seconds = self.frames / max(1, self.sample_rate)
            self.format: str = file.format
            self.media_type = media_type(file.format, "")
            self._is_seek_exact = file.subtype != "VORBIS"

    def spans(self, spans: list[Span]) -> Iterator[Iterator[Waveform]]:
        with self._file() as file:
            for first, stop in spans:
                can_go_on = self._go_to(file, first)
                yield self._next(file, stop - first) if can_go_on else iter(())

    def blocks(self) -> Iterator[Waveform]:
        with self._file() as file:
            yield from self._next(file, self.frames)

    def _file(self) -> soundfile.SoundFile:
        import soundfile  # noqa: PLC0415  # see `_open_soundfile`

        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return soundfile.SoundFile(self._descriptor, closefd=False)

    def _go_to(self, file: soundfile.SoundFile, frame: int) -> bool:
        import soundfile  # noqa: PLC0415  # see `_open_soundfile`

        if not self._is_seek_exact:
            for _ in self._next(file, frame - file.tell()):
                pass
            return True
        try:
            file.seek(frame)
        except soundfile.SoundFileRuntimeError:  # damaged, or cut short before this frame
            return False
        return True

    def _next(self, file: soundfile.SoundFile, frames: int) -> Iterator[Waveform]:
        """Yield blocks of the next `frames` frames, until the end or damage."""
        import soundfile  # noqa: PLC0415  # see `_open_soundfile`

        with contextlib.suppress(soundfile.SoundFileRuntimeError):
            while frames > 0:
                block = file.read(
                    min(frames, _BLOCK_SECONDS * self.sample_rate), dtype="float32", always_2d=True
                )
                if not len(block):
                    return
                yield block.T
                frames -= len(block)


def _check_header(reader: AudioReader) -> None:
    if reader.sample_rate not in _SAMPLE_RATES or not 0 < reader.channels <= _MAX_CHANNELS:
        raise AudioDecodeError(
            reader.path, f"has a header of {reader.channels} channels at {reader.sample_rate} Hz"
        )
    if reader.frames <= 0:
        raise AudioEmptyError(reader.path, "contains no samples")
    duration_seconds = reader.frames / reader.sample_rate
    if duration_seconds < MIN_DURATION_SECONDS <= reader.stated_seconds:
        raise damaged(reader)
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


def encoded_audio_sha256(path: Path) -> str:
    """Hash the encoded audio of a file, without its tags, covers and padding.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        64 hexadecimal digits, the same before and after a change of tags. Empty if the file cannot
        be taken apart to its end; such a file is identified by all of its bytes.
    """
    descriptor = _open_file(path)
    try:
        return packets_sha256(path, descriptor)
    finally:
        os.close(descriptor)


def tags_of_container(path: Path) -> dict[str, bytes]:
    """Return the tags of any container that FFmpeg reads, such as Matroska, CAF and TTA.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of bytes by name
        Names as the container has them or as FFmpeg translates them. Empty if there are none.
    """
    descriptor = _open_file(path)
    try:
        return container_tags(path, descriptor)
    finally:
        os.close(descriptor)
