"""Reads audio with PyAV (FFmpeg): its length, blocks of samples, encoded bytes and tags.

FFmpeg opens no other file: it gets a handle, few demuxers and no protocol. PyAV does not seek,
because seeking is inexact in too many formats.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from typing import TYPE_CHECKING, Any, Final, cast

from mer.audio.ends import audio_end
from mer.errors import AudioDecodeError, AudioError, AudioVideoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import av
    import numpy as np
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

    Waveform = NDArray[np.float32]
    Span = tuple[int, int]

MAX_DURATION_SECONDS: Final = 12 * 3600.0
"""Length of the longest recording that is opened."""
LENGTH_TOLERANCE_SECONDS: Final = 0.2
"""Between the header and the packets of a sound file."""

DEMUXERS: Final = (
    "aac,ac3,aiff,ape,asf,au,caf,dsf,dts,eac3,flac,iff,matroska,mov,mp3,mpc,mpc8,ogg,tak,tta,w64,"
    "wav,wv"
)
"""FFmpeg's readers that are used. Others, such as those of playlists, would open further files."""
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
_PLANAR_CHANNELS: Final = 8  # PyAV reads the planes of more channels past their end
_MAX_DEMUXER_ERRORS: Final = 20  # in a row
_LEAST_CALLS: Final = 200_000  # of a handle, and one more for each so many bytes of the file
_BYTES_OF_A_CALL: Final = 32
_CALLS_OF_AN_ERROR: Final = 1_000  # PyAV takes so much longer for it
_PCM_PACKET_BYTES: Final = 1024 * 1024  # of WAV; FFmpeg's own are a tenth of a second


def media_type(container: str, codec: str) -> str:
    """Return the media type of a container, with the codec where players need it.

    Parameters
    ----------
    container : str
        Its name in libsndfile or FFmpeg.
    codec : str
        Its name in FFmpeg.

    Returns
    -------
    str
    """
    kind = _MEDIA_TYPES.get(container.lower(), f"audio/x-{container}")
    if kind in _CODEC_STATED:
        return f'{kind}; codecs="{_MEDIA_CODECS.get(codec, codec)}"'
    return kind


class PyavSource:
    """PyAV's view of an open file, as `mer.audio.decoding.Source`.

    Raises
    ------
    AudioDecodeError, AudioVideoError
        If FFmpeg cannot read it, or it holds a film.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        try:
            with self._container() as (container, stream):
                self.sample_rate = stream.codec_context.sample_rate
                self.channels = stream.codec_context.channels
                self.media_type = media_type(container.format.name, stream.codec_context.name)
                self.frames = self._length(container, stream)
        except _pyav_errors() as error:
            raise AudioDecodeError(path, "is not audio, or too damaged to open") from error

    def _length(self, container: InputContainer, stream: AudioStream) -> int:
        """Frames by the packets of the stream, or by the header where it states nearly the same."""
        stated, base = stream.duration, stream.time_base
        header = math.ceil(stated * base * self.sample_rate) if stated and base else 0
        self.stated_seconds = header / max(1, self.sample_rate)
        if base and base > LENGTH_TOLERANCE_SECONDS:  # Musepack: a tick is a block of 64 frames
            return self._decoded_frames()
        ticks, end = 0, 0
        for packet in self._packets(container, stream):
            ticks += packet.duration or 0
            end = max(end, (packet.pts or 0) + (packet.duration or 0))
        if stream.codec_context.name == "vorbis":  # FFmpeg knows too few of its durations
            ticks = max(ticks, end - (stream.start_time or 0))
        counted = math.ceil(ticks * base * self.sample_rate) if base else 0
        if counted and abs(counted - header) > LENGTH_TOLERANCE_SECONDS * self.sample_rate:
            return counted
        return header or self._decoded_frames()

    def _decoded_frames(self) -> int:
        return sum(block.shape[1] for block in self.blocks())

    def spans(self, spans: list[Span]) -> Iterator[Iterator[Waveform]]:
        """Yield the blocks (channels, frames) of each span."""
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

    def blocks(self) -> Iterator[Waveform]:
        """Yield blocks (channels, frames) from the start to the end; damage is left out."""
        return self._decoded(math.ceil(MAX_DURATION_SECONDS * self.sample_rate) + 1)

    def _container(self) -> contextlib.AbstractContextManager[tuple[InputContainer, AudioStream]]:
        return _container(self._path, self._descriptor)

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
    """A file descriptor as a file object for PyAV, with a name that helps FFmpeg to guess.

    The file ends where its audio ends (`audio_end`). It is given up after very many calls, which
    FFmpeg makes when it looks for something in small steps.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._end = audio_end(descriptor)
        self._calls_left = _LEAST_CALLS + self._end // _BYTES_OF_A_CALL
        self.is_given_up = False
        self.name = name
        self.seek(0)

    def read(self, size: int) -> bytes:
        left = self._end - self.tell()
        if left <= 0 or self._is_called_too_often():
            return b""
        return os.read(self._descriptor, min(size, left))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset, whence = self._end + offset, os.SEEK_SET
        if self._is_called_too_often():
            raise ValueError("the file is searched in too many small steps")
        try:
            return os.lseek(self._descriptor, offset, whence)
        except OSError as error:  # a place before the file, of which a damaged file tells
            self._calls_left -= _CALLS_OF_AN_ERROR
            raise ValueError(f"no place {offset}") from error

    def tell(self) -> int:
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def _is_called_too_often(self) -> bool:
        self._calls_left -= 1
        self.is_given_up |= self._calls_left < 0
        return self.is_given_up


@contextlib.contextmanager
def _container(
    path: Path, descriptor: int, metadata_errors: str = "replace"
) -> Iterator[tuple[InputContainer, AudioStream]]:
    import av  # noqa: PLC0415  # only decoding needs it

    # FFmpeg opens no other file: it gets a handle, few demuxers and no protocol. `max_size` is an
    # option of WAV alone.
    options = {
        "format_whitelist": DEMUXERS,
        "protocol_whitelist": "none",
        "max_size": str(_PCM_PACKET_BYTES),
    }
    handle = _Handle(descriptor, "audio" + path.suffix.lower())
    with av.open(
        handle, "r", options=options, metadata_errors=metadata_errors, buffer_size=256 * 1024
    ) as container:
        yield container, _audio_stream(path, container)
        if handle.is_given_up:
            raise ValueError("FFmpeg searches it in too many small steps")


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


def container_tags(path: Path, descriptor: int) -> dict[str, bytes]:
    """Return the tags that FFmpeg finds; parameters as `encoded_audio_sha256`.

    Values are bytes, for not every file keeps to UTF-8. Those of the file come before those of its
    stream. Empty if FFmpeg cannot read the file.
    """
    try:
        with _container(path, descriptor, metadata_errors="surrogateescape") as opened:
            container, stream = opened
            tags: dict[str, str] = stream.metadata | container.metadata
    except AudioError:
        return {}
    except _pyav_errors():
        return {}
    return {name: value.encode("utf-8", "surrogateescape") for name, value in tags.items()}


def packets_sha256(path: Path, descriptor: int) -> str:
    """Hash the packets of a file's audio; parameters and result as `encoded_audio_sha256`."""
    try:
        with _container(path, descriptor) as (container, stream):
            return _packets_sha256(container, stream)
    except _pyav_errors():
        return ""


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
