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
import hashlib
import math
import os
import stat
import struct
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from mer.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioTooLongError,
    AudioTooShortError,
    AudioVideoError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import av
    import soundfile
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
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
# Only these FFmpeg demuxers are used. Others, such as playlists, would open further files.
_DEMUXERS: Final = (
    "aac,ac3,aiff,ape,asf,au,caf,dsf,dts,eac3,flac,iff,matroska,mov,mp3,mpc,mpc8,ogg,tak,tta,w64,"
    "wav,wv"
)
# Media types of containers, by the names of libsndfile in lower case and those of FFmpeg.
_MEDIA_TYPES: Final = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "asf": "audio/x-ms-wma",
    "au": "audio/basic",
    "caf": "audio/x-caf",
    "flac": "audio/flac",
    "matroska,webm": "audio/webm",
    "mov,mp4,m4a,3gp,3g2,mj2": "audio/mp4",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "rf64": "audio/wav",
    "w64": "audio/x-w64",
    "wav": "audio/wav",
    "wavex": "audio/wav",
}
# Codecs as media types name them; the other names are FFmpeg's.
_MEDIA_CODECS: Final = {"aac": "mp4a.40.2", "ac3": "ac-3", "eac3": "ec-3", "mp3": "mp4a.6B"}
_CODEC_STATED: Final = frozenset({"audio/mp4", "audio/webm"})
"""Containers that browsers play with some codecs only."""
_STILL_PICTURES: Final = frozenset({"mjpeg", "png", "bmp", "gif", "webp", "tiff"})
_MAX_CHANNELS: Final = 64
_PLANAR_CHANNELS: Final = 8  # PyAV reads the planes of more channels past their end
_SAMPLE_RATES: Final = range(1_000, 6_000_001)  # DSD at 512 times the rate of a CD is 2.8 MHz
_BLOCK_SECONDS: Final = 1
_LENGTH_TOLERANCE_SECONDS: Final = 0.2  # between the header and the packets of a sound file
_CANCELLED: Final = 0.02  # power of the mean of two channels against their own mean power
_MOST_TAG_BYTES: Final = 2_000  # of ID3v1 and APE tags at the end
_XING_TOLERANCE: Final = 0.005  # of the size of the file
_MAX_DEMUXER_ERRORS: Final = 20  # in a row
# Of the system, not of the file. The other errors of opening say that the file cannot be used.
_SYSTEM_ERRORS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ENODEV}
)


class AudioReader:
    """An open audio file; `frames` is its length, `stated_seconds` that of its header.

    `media_type` is that of its content, whatever its suffix, with the codec where players need it.

    Subclasses decode. Each call starts at the beginning of the file.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int
    stated_seconds: float
    media_type: str

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
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
        for blocks in self._spans(spans):
            piece = [np.zeros(0, dtype=np.float32)]
            for block in blocks:
                mono = self._mono(block)
                piece.append(mono)
                if self._channel is None and len(powers) == len(block) > 1:
                    mix += float(np.dot(mono, mono))
                    powers += np.einsum("cf,cf->c", block, block)
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
        return sum(block.shape[1] for block in self._blocks())

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
        for block in self._blocks():
            rest = np.concatenate([rest, self._mono(block)])
            whole = len(rest) // window_frames
            windows = rest[: whole * window_frames].reshape(whole, window_frames)
            sums += np.square(windows, dtype=np.float64).sum(axis=1).tolist()
            rest = rest[whole * window_frames :]
        if len(rest):
            sums.append(float(np.square(rest, dtype=np.float64).mean()) * window_frames)
        return np.sqrt(np.array(sums) / window_frames)

    def _spans(self, spans: list[Span]) -> Iterator[Iterator[Waveform]]:
        """Yield the blocks (channels, frames) of each span."""
        raise NotImplementedError

    def _blocks(self) -> Iterator[Waveform]:
        """Yield blocks (channels, frames) from the start to the end, or to damage."""
        raise NotImplementedError

    def _mono(self, block: Waveform) -> Waveform:
        """Average (channels, frames) to (frames,)."""
        if self._channel is not None:
            loudest: Waveform = block[min(self._channel, len(block) - 1)]
            return loudest
        if len(block) == 1:
            only: Waveform = block[0]
            return only
        mean: Waveform = block.mean(axis=0, dtype=np.float32)
        return mean


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
        reader = _open_soundfile(path, descriptor) or _open_pyav(path, descriptor)
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
    stated_seconds = reader.stated_seconds
    reader.frames = reader.count_frames()
    if isinstance(reader, _PyavReader):
        return reader
    try:
        other = _open_pyav(reader.path, reader._descriptor)
    except AudioError:
        return reader
    other.frames, other.stated_seconds = other.count_frames(), stated_seconds
    more_seconds = other.frames / other.sample_rate - reader.frames / reader.sample_rate
    return other if more_seconds > _LENGTH_TOLERANCE_SECONDS else reader


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


def _open_soundfile(path: Path, descriptor: int) -> AudioReader | None:
    """Return a reader; None if PyAV has to read the file."""
    import soundfile  # noqa: PLC0415  # only decoding needs it

    try:
        reader = _SoundfileReader(path, descriptor)
    except (soundfile.SoundFileError, ValueError, TypeError):  # the latter from odd headers
        return None
    if reader.format not in _SOUNDFILE_FORMATS:
        return None
    seconds = reader.frames / reader.sample_rate if reader.sample_rate > 0 else 0.0
    is_estimate = reader.format in _COUNTED_FORMATS and not _has_whole_xing_header(descriptor)
    if is_estimate or not 0 < seconds <= MAX_DURATION_SECONDS:
        with contextlib.suppress(AudioError):
            other = _PyavReader(path, descriptor)
            counted = other.frames / other.sample_rate
            if abs(counted - seconds) > _LENGTH_TOLERANCE_SECONDS:
                other.stated_seconds = min(seconds, MAX_DURATION_SECONDS)
                return other
    return reader


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


def _open_pyav(path: Path, descriptor: int) -> AudioReader:
    return _PyavReader(path, descriptor)


class _SoundfileReader(AudioReader):
    def __init__(self, path: Path, descriptor: int) -> None:
        super().__init__(path, descriptor)
        with self._file() as file:
            self.sample_rate = file.samplerate
            self.channels = file.channels
            self.frames = file.frames
            self.stated_seconds = self.frames / max(1, self.sample_rate)
            self.format: str = file.format
            self.media_type = _media_type(file.format, "")
            self._is_seek_exact = file.subtype != "VORBIS"

    def _spans(self, spans: list[Span]) -> Iterator[Iterator[Waveform]]:
        with self._file() as file:
            for first, stop in spans:
                can_go_on = self._go_to(file, first)
                yield self._next(file, stop - first) if can_go_on else iter(())

    def _blocks(self) -> Iterator[Waveform]:
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


def _media_type(container: str, codec: str) -> str:
    kind = _MEDIA_TYPES.get(container.lower(), f"audio/x-{container}")
    if kind in _CODEC_STATED:
        return f'{kind}; codecs="{_MEDIA_CODECS.get(codec, codec)}"'
    return kind


class _PyavReader(AudioReader):
    def __init__(self, path: Path, descriptor: int) -> None:
        super().__init__(path, descriptor)
        try:
            with self._container() as (container, stream):
                self.sample_rate = stream.codec_context.sample_rate
                self.channels = stream.codec_context.channels
                self.media_type = _media_type(container.format.name, stream.codec_context.name)
                self.frames = self._length(container, stream)
        except _pyav_errors() as error:
            raise AudioDecodeError(path, "is not audio, or too damaged to open") from error

    def _length(self, container: InputContainer, stream: AudioStream) -> int:
        """Frames by the packets of the stream, or by the header where it states nearly the same."""
        stated, base = stream.duration, stream.time_base
        header = math.ceil(stated * base * self.sample_rate) if stated and base else 0
        self.stated_seconds = header / max(1, self.sample_rate)
        ticks, end = 0, 0
        for packet in self._packets(container, stream):
            ticks += packet.duration or 0
            end = max(end, (packet.pts or 0) + (packet.duration or 0))
        if stream.codec_context.name == "vorbis":  # FFmpeg knows too few of its durations
            ticks = max(ticks, end - (stream.start_time or 0))
        counted = math.ceil(ticks * base * self.sample_rate) if base else 0
        if counted and abs(counted - header) > _LENGTH_TOLERANCE_SECONDS * self.sample_rate:
            return counted
        return header or self.count_frames()

    def _spans(self, spans: list[Span]) -> Iterator[Iterator[Waveform]]:
        pieces: list[list[Waveform]] = [[] for _ in spans]
        end = spans[-1][1] if spans else 0
        offset = 0
        for block in self._decoded(end):
            stop_of_block = offset + block.shape[1]
            for (first, stop), piece in zip(spans, pieces, strict=True):
                low, high = max(first, offset), min(stop, stop_of_block)
                if low < high:
                    piece.append(block[:, low - offset : high - offset])
            offset = stop_of_block
        return map(iter, pieces)

    def _blocks(self) -> Iterator[Waveform]:
        return self._decoded(math.ceil(MAX_DURATION_SECONDS * self.sample_rate) + 1)

    def _container(self) -> contextlib.AbstractContextManager[tuple[InputContainer, AudioStream]]:
        return _container(self.path, self._descriptor)

    def _packets(self, container: InputContainer, stream: AudioStream) -> Iterator[av.Packet[Any]]:
        """Yield the packets of the stream, also those behind damage."""
        errors = 0
        while errors < _MAX_DEMUXER_ERRORS:
            try:
                for packet in container.demux(stream):
                    errors = 0
                    yield packet
            except _pyav_errors():
                errors += 1
            else:
                return

    def _decoded(self, end: int) -> Iterator[Waveform]:
        """Yield blocks (channels, frames) until frame `end`; what is damaged is left out."""
        offset = 0
        converter = _Converter(self.sample_rate)
        with contextlib.suppress(*_pyav_errors()), self._container() as (container, stream):
            for packet in self._packets(container, stream):
                for block in converter.blocks(stream, packet):
                    yield block
                    offset += block.shape[1]
                if offset >= end:
                    return


class _Converter:
    """Decodes packets to float blocks (channels, frames) of one sample rate."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._resampler: av.AudioResampler | None = None
        self._setup: Any = None

    def blocks(self, stream: AudioStream, packet: av.Packet[Any]) -> list[Waveform]:
        """Return the blocks of a packet; none if it is damaged."""
        blocks: list[Waveform] = []
        with contextlib.suppress(*_pyav_errors()):
            for frame in stream.decode(packet):
                blocks += map(self._block, self._converted(frame))
        return blocks

    def _converted(self, frame: AudioFrame) -> list[AudioFrame]:
        import av  # noqa: PLC0415  # only decoding needs it

        setup = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or setup != self._setup:
            # A damaged or joined file may change its rate and channels on the way.
            self._setup = setup
            is_planar = len(frame.layout.channels) <= _PLANAR_CHANNELS
            self._resampler = av.AudioResampler(
                format="fltp" if is_planar else "flt", rate=self._sample_rate
            )
        return self._resampler.resample(frame)

    def _block(self, frame: AudioFrame) -> Waveform:
        samples = cast("Waveform", frame.to_ndarray())
        return samples if frame.format.is_planar else samples.reshape(frame.samples, -1).T


class _Handle:
    """A file descriptor as a file object for PyAV, with a name that helps FFmpeg to guess."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self.name = name
        self.seek(0)

    def read(self, size: int) -> bytes:
        return os.read(self._descriptor, size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return os.lseek(self._descriptor, offset, whence)
        except OSError as error:  # a place before the file, of which a damaged file tells
            raise ValueError(f"no place {offset}") from error

    def tell(self) -> int:
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)


@contextlib.contextmanager
def _container(path: Path, descriptor: int) -> Iterator[tuple[InputContainer, AudioStream]]:
    import av  # noqa: PLC0415  # only decoding needs it

    # FFmpeg opens no other file: it gets a handle, few demuxers and no protocol.
    options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}
    handle = _Handle(descriptor, "audio" + path.suffix.lower())
    with av.open(
        handle, "r", options=options, metadata_errors="replace", buffer_size=256 * 1024
    ) as container:
        yield container, _audio_stream(path, container)


def _pyav_errors() -> tuple[type[Exception], ...]:
    """Errors of FFmpeg, and those by which PyAV refuses values that a damaged file holds."""
    import av  # noqa: PLC0415  # only decoding needs it

    return av.FFmpegError, ValueError, ArithmeticError, LookupError, NotImplementedError


def _audio_stream(path: Path, container: InputContainer) -> AudioStream:
    """Return the first audio stream that can be decoded; AudioError if there is none."""
    if not container.streams.audio:
        raise AudioDecodeError(path, "contains no audio stream")
    for video in container.streams.video:
        is_cover = bool(video.disposition & video.disposition.attached_pic)
        codec = video.codec_context.name if video.codec_context else ""
        if not is_cover and codec not in _STILL_PICTURES:
            raise AudioVideoError(path, "holds a film; only music is read")
    for stream in container.streams.audio:
        if stream.codec_context is not None:
            return stream
    raise AudioDecodeError(path, "holds audio of an unknown codec; convert it to another format")


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
        with _container(path, descriptor) as (container, stream):
            return _packets_sha256(container, stream)
    except _pyav_errors():
        return ""
    finally:
        os.close(descriptor)


def _packets_sha256(container: InputContainer, stream: AudioStream) -> str:
    """Return the hash of the packets of a stream, empty if there are none."""
    codec = stream.codec_context.name
    shape = (
        f"{stream.codec_context.sample_rate} {stream.codec_context.channels}"
        if codec.startswith("pcm_")
        else ""
    )
    digest = hashlib.sha256(f"{codec} {shape}".encode())
    is_mpeg = codec in {"mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"}
    last = b""
    for packet in container.demux(stream):
        data = bytes(packet)
        # Tags after the last MPEG frame, and junk before the first, come as packets of their own.
        if data and not (is_mpeg and (data[0] != 0xFF or data[1] < 0xE0)):
            digest.update(last)
            last = data
    digest.update(_without_tail(last))
    return digest.hexdigest() if last else ""


def _without_tail(packet: bytes) -> bytes:
    """Return the last packet of a file without an ID3v1 and an APEv2 tag after the audio."""
    if packet[-128:-125] == b"TAG":
        packet = packet[:-128]
    if packet[-32:-24] == b"APETAGEX":
        size = int.from_bytes(packet[-20:-16], "little")
        has_header = packet[-9] & 0x80
        packet = packet[: -(size + 32 if has_header else size)]
    return packet
