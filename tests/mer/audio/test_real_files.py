"""Files as people have them, and as public bug trackers tell of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mer.audio.decoding import SUPPORTED_SUFFIXES, open_audio
from mer.audio.patches import probe, song_patches
from mer.errors import (
    AudioDecodeError,
    AudioError,
    AudioSilentError,
    AudioTooShortError,
    AudioVideoError,
)
from tests import made_audio
from tests.made_audio import CODECS, needs_ffmpeg, piped, tones, write
from tests.places import ROOT

FAULTS = ROOT.parent / "shared" / "faults" / "files"


def seconds_of(path: Path) -> tuple[float, float]:
    """Return the length that a scan finds and the one that an analysis finds."""
    patches = song_patches(path)
    assert np.isfinite(patches.log_mel).all()
    assert np.abs(patches.segments).max() > 0.03
    return probe(path).duration_seconds, patches.duration_seconds


@needs_ffmpeg
class TestFormats:
    @pytest.mark.parametrize("suffix", CODECS)
    def test_are_read(self, tmp_path, suffix):
        path = write(tmp_path / f"song.{suffix}", tones(8), options=CODECS[suffix])
        assert seconds_of(path) == pytest.approx((8, 8), abs=0.15)
        assert f".{suffix}" in SUPPORTED_SUFFIXES

    @pytest.mark.parametrize(
        ("suffix", "media_type"),
        [
            ("aac", "audio/aac"),
            ("alac", 'audio/mp4; codecs="alac"'),
            ("flac", "audio/flac"),
            ("m4a", 'audio/mp4; codecs="mp4a.40.2"'),
            ("mp3", "audio/mpeg"),
            ("opus", "audio/ogg"),
            ("wav", "audio/wav"),
            ("webm", 'audio/webm; codecs="opus"'),
            ("wma", "audio/x-ms-wma"),
        ],
    )
    def test_the_media_type_is_that_of_the_content(self, tmp_path, suffix, media_type):
        path = write(tmp_path / f"a.{suffix}", tones(4), options=CODECS[suffix])
        path = path.rename(tmp_path / "named.mp3")
        assert probe(path).media_type == media_type

    def test_dsd_is_read(self, tmp_path):
        path = tmp_path / "song.dsf"
        path.write_bytes(_dsf(4))
        info = probe(path)
        assert (info.duration_seconds, info.sample_rate) == (pytest.approx(4, abs=0.1), 352_800)
        assert song_patches(path).log_mel.max() > 1

    @pytest.mark.parametrize(
        ("content", "name"),
        [
            ("m4a", "song.mp3"),
            ("aac", "song.mp3"),
            ("aac", "song.m4a"),
            ("wma", "song.mp3"),
            ("webm", "song.opus"),
            ("webm", "song.mp3"),
            ("webm", "song.m4a"),
            ("mp3", "song.flac"),
            ("mp3", "song.wav"),
            ("mp3", "song.m4a"),
            ("ogg", "song.mp3"),
            ("flac", "song.mp3"),
            ("wav", "song.mp3"),
            ("opus", "song.ogg"),
            ("aiff", "song.wav"),
        ],
    )
    def test_the_content_counts_and_not_the_suffix(self, tmp_path, content, name):
        made = write(tmp_path / f"made.{content}", tones(8), options=CODECS[content])
        path = made.rename(tmp_path / name)
        assert seconds_of(path) == pytest.approx((8, 8), abs=0.15)

    def test_a_cover_is_no_film(self, tmp_path):
        song = write(tmp_path / "a.m4a", tones(4))
        red = ["-f", "lavfi", "-i", "color=red:s=64x64:d=4"]
        cover = tmp_path / "red.png"
        ffmpeg = ["ffmpeg", "-v", "error"]
        subprocess.run([*ffmpeg, *red, "-frames:v", "1", cover], check=True)
        both = "-map 0:a -map 1:v -c copy -disposition:v attached_pic".split()  # noqa: SIM905
        subprocess.run([*ffmpeg, "-i", song, "-i", cover, *both, tmp_path / "png.mp4"], check=True)
        subprocess.run([*ffmpeg, "-i", song, *red, tmp_path / "film.mp4"], check=True)
        assert probe(tmp_path / "png.mp4").duration_seconds == pytest.approx(4, abs=0.1)
        with pytest.raises(AudioVideoError, match="holds a film"):
            probe(tmp_path / "film.mp4")


def _dsf(seconds: int) -> bytes:
    """DSD of one channel: a tone by sigma-delta modulation."""
    import struct  # noqa: PLC0415

    rate, block = 2_822_400, 4096
    time = np.arange(seconds * rate // 64) / (rate / 64)
    # Each 64 bits hold as many ones as the tone is high; good enough for a tone.
    ones = np.round(32 + 16 * np.sin(2 * np.pi * 440 * time)).astype(int)
    bits = (np.arange(64)[None, :] * ones[:, None] // 64) != (
        (np.arange(64)[None, :] + 1) * ones[:, None] // 64
    )
    data = np.packbits(bits, bitorder="little").tobytes()
    data += bytes(-len(data) % block)
    fmt = b"fmt " + struct.pack(
        "<QIIIIIIQII", 52, 1, 0, 1, 1, rate, 1, seconds * rate, block, 0
    )  # fmt: skip
    body = b"data" + struct.pack("<Q", 12 + len(data)) + data
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(fmt) + len(body), 0) + fmt + body


@needs_ffmpeg
class TestLengths:
    @pytest.mark.parametrize("options", ["-b:a 128k", "-q:a 4", "-b:a 64k -ac 1"])
    def test_mp3_without_xing_header(self, tmp_path, options):
        quiet = np.concatenate([tones(30) * 0.001, tones(30)])
        path = write(tmp_path / "a.mp3", quiet, options=f"-write_xing 0 {options}")
        assert seconds_of(path) == pytest.approx((60, 60), abs=0.2)
        starts = song_patches(path).start_seconds
        assert starts[-1] > 55

    @pytest.mark.parametrize("xing", [0, 1])
    def test_mp3_behind_a_cover_of_20_mb(self, tmp_path, xing):
        path = write(tmp_path / "a.mp3", tones(8), options=f"-write_xing {xing} -id3v2_version 0")
        path.write_bytes(made_audio.id3(os.urandom(20_000_000)) + path.read_bytes())
        assert seconds_of(path) == pytest.approx((8, 8), abs=0.2)

    @pytest.mark.parametrize("garbage", [bytes(200_000), b"<html><p>hello</p></html>\n" * 8_000])
    def test_mp3_behind_garbage(self, tmp_path, garbage):
        path = write(tmp_path / "a.mp3", tones(8), options="-write_xing 0 -id3v2_version 0")
        path.write_bytes(garbage + path.read_bytes())
        assert seconds_of(path) == pytest.approx((8, 8), abs=0.4)

    def test_mp3_files_joined(self, tmp_path):
        path = write(tmp_path / "a.mp3", tones(8))
        path.write_bytes(path.read_bytes() * 3)
        assert seconds_of(path) == pytest.approx((24, 24), abs=0.5)

    @pytest.mark.parametrize(
        ("form", "suffix"),
        [
            ("flac", "flac"),
            ("ogg", "ogg"),
            ("opus", "opus"),
            ("wav", "wav"),
            ("mp3", "mp3"),
            ("adts", "aac"),
            ("matroska", "mka"),
            ("webm", "webm"),
            ("au", "au"),
            ("caf", "caf"),
            ("aiff", "aiff"),
        ],
    )
    def test_written_to_a_pipe(self, tmp_path, form, suffix):
        path = piped(tmp_path / f"a.{suffix}", tones(8), form)
        assert seconds_of(path) == pytest.approx((8, 8), abs=0.2)

    def test_fragmented_m4a(self, tmp_path):
        options = "-movflags frag_keyframe+empty_moov"
        path = write(tmp_path / "a.m4a", tones(8), options=options)
        assert seconds_of(path) == pytest.approx((8, 8), abs=0.15)

    def test_flac_with_a_wrong_total(self, tmp_path):
        path = write(tmp_path / "a.flac", tones(8))
        content = bytearray(path.read_bytes())
        content[21] |= 0x0F  # the upper bits of the number of samples
        path.write_bytes(content)
        assert seconds_of(path) == pytest.approx((8, 8), abs=0.15)


@needs_ffmpeg
class TestDamage:
    def test_a_latin_1_title(self, tmp_path):
        path = write(tmp_path / "a.m4a", tones(4), options="-metadata title=Cafee")
        path.write_bytes(made_audio.latin1_title(path.read_bytes()))
        assert seconds_of(path) == pytest.approx((4, 4), abs=0.15)

    def test_an_unknown_codec(self, tmp_path):
        path = tmp_path / "a.wav"
        soundfile.write(path, tones(4), 44_100)
        path.write_bytes(made_audio.unknown_wav_codec(path.read_bytes()))
        with pytest.raises(AudioDecodeError, match="unknown codec"):
            probe(path)

    @pytest.mark.parametrize("channels", [0, 3, 9, 24, 64, 200, 65_535])
    def test_aac_that_claims_channels(self, tmp_path, channels):
        path = write(tmp_path / "a.m4a", tones(4))
        path.write_bytes(made_audio.aac_channels(path.read_bytes(), channels))
        try:
            seconds = seconds_of(path)
        except AudioError:  # a code; no crash and no other error
            return
        assert seconds == pytest.approx((4, 4), abs=0.15)

    def test_zeros_in_the_first_half_leave_the_rest(self, tmp_path):
        path = write(tmp_path / "a.mp3", tones(60))
        content = path.read_bytes()
        half = len(content) // 2
        path.write_bytes(bytes(half) + content[half:])
        assert seconds_of(path) == pytest.approx((30, 30), abs=0.3)

    @pytest.mark.parametrize("suffix", ["mp3", "aac", "flac", "ogg", "m4a", "wma", "opus"])
    def test_a_spoilt_place_leaves_the_rest(self, tmp_path, suffix):
        path = write(tmp_path / f"a.{suffix}", tones(20))
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 70] = b"\x55" * 70
        path.write_bytes(content)
        assert song_patches(path).duration_seconds > 17

    def test_one_bad_frame_of_a_short_mp3(self, tmp_path):
        path = write(tmp_path / "a.mp3", tones(3.3), options="-write_xing 0 -ac 1")
        content = bytearray(path.read_bytes())
        at = len(content) * 2 // 5
        content[at : at + 70] = b"\x55" * 70
        path.write_bytes(content)
        assert song_patches(path).duration_seconds > 3

    @pytest.mark.parametrize("value", [1e38, -1e38, np.inf, np.nan, 1e9])
    def test_a_sample_out_of_range(self, tmp_path, value):
        samples = tones(4)
        samples[len(samples) // 2] = value
        path = tmp_path / "a.wav"
        soundfile.write(path, samples, 44_100, subtype="FLOAT")
        with pytest.raises(AudioDecodeError, match="not finite or far too large"):
            song_patches(path)

    @pytest.mark.parametrize("factor", [10.0, 32_768.0])
    def test_a_loud_float_wav_is_read(self, tmp_path, factor):
        path = tmp_path / "a.wav"
        soundfile.write(path, tones(4) * factor, 44_100, subtype="FLOAT")
        assert np.isfinite(song_patches(path).log_mel).all()

    def test_nothing_is_printed(self, tmp_path, capfd):
        path = write(tmp_path / "a.mp3", tones(20), options="-b:a 320k")
        content = bytearray(path.read_bytes())
        content[5_000:-5_000:700] = b"\x99" * len(content[5_000:-5_000:700])
        path.write_bytes(content)
        seconds_of(path)
        probe(path)
        assert capfd.readouterr() == ("", "")


class TestSpecialFiles:
    @pytest.mark.parametrize("function", [probe, song_patches])
    def test_a_pipe_is_refused_at_once(self, tmp_path, function):
        path = tmp_path / "a.mp3"
        os.mkfifo(path)
        timer = threading.Timer(20, lambda: path.unlink())
        timer.start()
        with pytest.raises(AudioError, match="not a regular file"):
            function(path)
        assert path.exists()
        timer.cancel()

    def test_a_device_is_refused(self, tmp_path):
        path = tmp_path / "a.mp3"
        path.symlink_to("/dev/zero")
        with pytest.raises(AudioError, match="not a regular file"):
            probe(path)

    def test_too_many_open_files_are_not_the_files_fault(self, tmp_path, monkeypatch):
        path = tmp_path / "a.wav"
        soundfile.write(path, tones(4), 44_100)

        def refuse(*_args, **_kwargs):
            raise OSError(24, "Too many open files")

        monkeypatch.setattr("mer.audio.decoding.os.open", refuse)
        with pytest.raises(OSError, match="Too many open files"), open_audio(path):
            pass


class TestSilence:
    @pytest.mark.parametrize("noise", [0.0, 3e-4])
    @pytest.mark.parametrize("suffix", ["wav", "flac"])
    def test_a_long_silence_holds_no_patch(self, tmp_path, noise, suffix):
        rng = np.random.default_rng(0)
        rate = 16_000
        first, last = tones(60, rate), tones(30, rate, hz=330)
        gap = (noise * rng.standard_normal((7 * 60 * rate, 2))).astype(np.float32)
        soundfile.write(tmp_path / f"gap.{suffix}", np.concatenate([first, gap, last]), rate)
        soundfile.write(tmp_path / f"alone.{suffix}", np.concatenate([first, last]), rate)
        gapped, alone = (song_patches(tmp_path / f"{n}.{suffix}") for n in ("gap", "alone"))
        assert gapped.duration_seconds == 510
        starts = gapped.start_seconds
        assert ((starts < 57.1) | (starts > 479.9)).all()
        assert len(starts) == len(alone.start_seconds)
        levels = np.sqrt(np.square(gapped.segments).mean(axis=1))
        assert levels.min() > 0.01
        np.testing.assert_allclose(
            gapped.log_mel.mean(axis=(0, 1)), alone.log_mel.mean(axis=(0, 1)), atol=0.05
        )

    def test_silence_at_both_ends_holds_no_patch(self, tmp_path):
        rate = 16_000
        gap = np.zeros((60 * rate, 2), dtype=np.float32)
        path = tmp_path / "a.wav"
        soundfile.write(path, np.concatenate([gap, tones(20, rate), gap]), rate)
        starts = song_patches(path).start_seconds
        assert starts.min() >= 59
        assert starts.max() <= 81

    def test_a_pause_stays(self, tmp_path):
        rate = 16_000
        pause = np.zeros((4 * rate, 2), dtype=np.float32)
        path = tmp_path / "a.wav"
        soundfile.write(path, np.concatenate([tones(10, rate), pause, tones(10, rate)]), rate)
        patches = song_patches(path)
        step = np.diff(patches.start_seconds)
        np.testing.assert_allclose(step, step[0], atol=0.02)

    def test_a_click_in_silence_is_silence(self, tmp_path):
        samples = np.zeros((60 * 16_000, 2), dtype=np.float32)
        samples[100_000:101_000] = 0.5
        soundfile.write(tmp_path / "a.wav", samples, 16_000)
        with pytest.raises(AudioSilentError, match="is silent but for"):
            song_patches(tmp_path / "a.wav")

    @pytest.mark.parametrize("factor", [-1.0, -0.95])
    def test_an_inverse_channel_is_not_silence(self, tmp_path, factor):
        left = tones(8)[:, 0]
        path = tmp_path / "a.wav"
        soundfile.write(path, np.stack([left, factor * left], axis=1), 44_100)
        patches = song_patches(path)
        soundfile.write(tmp_path / "left.wav", left, 44_100)
        np.testing.assert_allclose(
            patches.log_mel, song_patches(tmp_path / "left.wav").log_mel, atol=0.06
        )

    def test_one_silent_channel_is_averaged(self, tmp_path):
        left = tones(8)[:, 0]
        soundfile.write(tmp_path / "a.wav", np.stack([left, 0 * left], axis=1), 44_100)
        soundfile.write(tmp_path / "left.wav", left, 44_100)
        np.testing.assert_allclose(
            song_patches(tmp_path / "a.wav").segments * 2,
            song_patches(tmp_path / "left.wav").segments,
            atol=1e-3,
        )


EXPECTED = {
    "aac_named.mp3": 8.0,
    "adts_named.m4a": 8.05,
    "cp1251.mp3": 8.0,
    "cp1251_in_latin1.mp3": 8.1,
    "f0149.wav": AudioDecodeError,
    "f0611.mp3": 3.9,
    "garbage_200k.mp3": 8.0,
    "hidden.mp3": 510.0,
    "id3v1_cp1251.mp3": 8.1,
    "latin1-title.m4a": 4.0,
    "one_bad_frame_short.mp3": 3.2,
    "opus_webm_named.opus": 8.0,
    "segv-g0112.m4a": 4.0,
    "syncedlyrics.flac": 8.0,
    "txxx_lyrics.mp3": 8.1,
    "unknown_total.flac": 8.0,
    "wav_list_info.wav": 8.0,
    "webm_named.m4a": 8.0,
    "zeros_first_half.mp3": 30.0,
}


@pytest.mark.data
@pytest.mark.skipif(not FAULTS.is_dir(), reason=f"{FAULTS} is absent")
@pytest.mark.parametrize("name", EXPECTED)
def test_the_files_of_the_bug_trackers(tmp_path, name):
    path = Path(shutil.copy(FAULTS / name, tmp_path))
    expected = EXPECTED[name]
    if isinstance(expected, float):
        assert seconds_of(path) == pytest.approx((expected, expected), abs=0.2)
    else:
        with pytest.raises(expected):
            probe(path)


@pytest.mark.data
@pytest.mark.skipif(not FAULTS.is_dir(), reason=f"{FAULTS} is absent")
def test_every_file_has_an_expected_value():
    audio = {p.name for p in FAULTS.iterdir() if p.suffix in SUPPORTED_SUFFIXES}
    assert audio == set(EXPECTED)


def test_too_short_is_not_damaged(tmp_path):
    soundfile.write(tmp_path / "a.mp3", tones(1), 44_100)
    with pytest.raises(AudioTooShortError):
        probe(tmp_path / "a.mp3")
