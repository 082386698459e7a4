"""Audio files as people have them, made from tones and silence; ffmpeg writes what needs it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 44_100

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg is not on this machine"
)

needs_mpcenc = pytest.mark.skipif(
    shutil.which("mpcenc") is None, reason="mpcenc (musepack-tools) is not on this machine"
)

CODECS = {
    # suffix: options of ffmpeg
    "aac": "",
    "ac3": "",
    "aif": "",
    "aiff": "",
    "alac": "-c:a alac -f ipod",
    "au": "",
    "caf": "",
    "dts": "-strict -2 -c:a dca",
    "eac3": "",
    "flac": "",
    "m4a": "",
    "m4b": "-f ipod",
    "mka": "",
    "mp2": "",
    "mp3": "",
    "mp4": "",
    "oga": "-c:a flac",
    "ogg": "",
    "opus": "",
    "spx": "-ar 16000 -ac 1 -c:a libspeex",
    "tta": "",
    "w64": "",
    "wav": "",
    "webm": "",
    "wma": "",
    "wv": "",
}


def tones(seconds: float, rate: int = RATE, *, hz: float = 220.0) -> NDArray[np.float32]:
    """Return stereo chords (samples, 2) with a beat; peak below 0.6."""
    time = np.arange(round(seconds * rate)) / rate
    left = sum(np.sin(2 * np.pi * hz * ratio * time) for ratio in (1.0, 1.26, 1.5)) / 6
    right = sum(np.sin(2 * np.pi * hz * ratio * time) for ratio in (1.0, 1.2, 1.5)) / 6
    beat = (0.6 + 0.4 * np.sign(np.sin(2 * np.pi * 2 * time)))[:, None]
    return (np.stack([left, right], axis=1) * beat).astype(np.float32)


def write(path: Path, samples: NDArray[np.float32], rate: int = RATE, options: str = "") -> Path:
    """Write a file with ffmpeg, which takes the samples as WAV."""
    source = path.with_name(path.name + ".source.wav")
    soundfile.write(source, samples, rate, subtype="FLOAT")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", source, *options.split(), path], check=True
    )
    source.unlink()
    return path


def piped(path: Path, samples: NDArray[np.float32], form: str, rate: int = RATE) -> Path:
    """Write a file as ffmpeg writes to a pipe: it cannot go back to fill in the length."""
    result = subprocess.run(
        f"ffmpeg -v error -f f32le -ar {rate} -ac 2 -i - -f {form} -".split(),
        input=np.ascontiguousarray(samples, dtype="<f4").tobytes(),
        stdout=subprocess.PIPE,
        check=True,
    )
    path.write_bytes(result.stdout)
    return path


def id3(payload: bytes, *, frame: bytes = b"APIC") -> bytes:
    """Return an ID3v2.3 tag with one frame."""
    body = frame + struct.pack(">I", len(payload)) + b"\0\0" + payload
    size = len(body)
    synchsafe = bytes((size >> shift) & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + synchsafe + body


def latin1_title(m4a: bytes) -> bytes:
    """Turn the title "Cafee" of an M4A into one with a Latin-1 byte."""
    assert m4a.count(b"Cafee") == 1
    return m4a.replace(b"Cafee", b"Caf\xe9e")


def unknown_wav_codec(wav: bytes) -> bytes:
    """Set a codec number that nobody knows."""
    at = wav.index(b"fmt ") + 8
    return wav[:at] + struct.pack("<H", 0x5A5A) + wav[at + 2 :]


def aac_channels(m4a: bytes, channels: int) -> bytes:
    """Set the number of channels in the sample entry, and leave the codec to the decoder."""
    at = m4a.index(b"mp4a") + 20
    return m4a[:at] + struct.pack(">H", channels) + m4a[at + 2 :]


def musepack(path: Path, sound: NDArray[np.float64], rate: int = RATE) -> Path:
    """Write a Musepack file, which ffmpeg only reads; the tags are APEv2."""
    source = path.with_suffix(".source.wav")
    soundfile.write(source, sound, rate, subtype="PCM_16")
    subprocess.run(["mpcenc", "--silent", source, path], check=True, capture_output=True)
    source.unlink()
    return path
