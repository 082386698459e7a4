from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import av
import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mer.audio import patches as audio
from mer.audio.decoding import open_audio
from mer.audio.patches import (
    MUSICNN,
    load,
    load_segments,
    log_mel,
    probe,
    song_patches,
    waveform_patches,
)
from mer.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioSilentError,
    AudioTooLongError,
    AudioTooShortError,
    InputError,
)
from tests.places import DATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FORMATS = ("wav", "flac", "mp3", "ogg", "opus", "m4a")
SONGS = DATA / "songs"


def music(seconds: float, sample_rate: int, seed: int = 0) -> NDArray[np.float32]:
    """Make (samples, 2) of tones that glide and swell, noise bursts and near silence."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    glide = np.sin(2 * np.pi * (200 + 30 * np.sin(0.7 * time)) * time) * (0.2 + 0.2 * (time % 1))
    bursts = rng.standard_normal(len(time)) * 0.1 * (np.sin(2 * np.pi * 1.7 * time) > 0.7)
    left, right = glide + bursts, 0.6 * glide + 0.001 * rng.standard_normal(len(time))
    return (0.9 * np.stack([left, right], axis=1)).astype(np.float32)


def write(path: Path, samples: NDArray[np.float32], sample_rate: int) -> Path:
    """Write a file of whatever kind the suffix says; the encoders are lossy where it is."""
    if path.suffix == ".m4a":
        _write_m4a(path, samples, sample_rate)
        return path
    subtype = {".opus": "OPUS", ".wav": "FLOAT"}.get(path.suffix)
    kind = "OGG" if path.suffix == ".opus" else None
    channels = samples.shape[1]
    with soundfile.SoundFile(path, "w", sample_rate, channels, subtype, format=kind) as file:
        for block in np.array_split(samples, max(1, len(samples) // sample_rate)):
            file.write(block)  # libsndfile's Vorbis encoder dies of minutes in one call
    return path


def _write_m4a(path: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    with av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp", layout="stereo"
        )
        frame.sample_rate = sample_rate
        frame.pts = 0  # so that the file says how many samples of priming to skip
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Forty seconds of stereo at 48 kHz in every format."""
    folder = tmp_path_factory.mktemp("library")
    samples = music(40.0, 48_000)
    return {suffix: write(folder / f"song.{suffix}", samples, 48_000) for suffix in FORMATS}


def patches_of_whole_file(path: Path, patches: audio.AudioPatches) -> NDArray[np.float32]:
    """Cut the same patches from the log-mel of the whole song."""
    whole = log_mel(load(path)).T
    starts = np.round(patches.start_seconds * 16_000 / 256).astype(int)
    return np.stack([whole[start : start + 187] for start in starts])


class TestLogMel:
    @pytest.mark.parametrize("samples", [48_000, 16_001, 512, 700, 131_072])
    def test_equals_librosa(self, samples: int) -> None:
        waveform = music(samples / 16_000, 16_000)[:samples].mean(axis=1)
        expected = librosa.feature.melspectrogram(
            y=waveform, sr=16_000, n_fft=512, hop_length=256, n_mels=96
        )
        result = log_mel(waveform)
        assert result.shape == (96, 1 + samples // 256)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, np.log10(10_000 * expected + 1), rtol=0, atol=1e-3)

    def test_silence_is_zero(self) -> None:
        assert not log_mel(np.zeros(4_000, dtype=np.float32)).any()


class TestDecoding:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_probe_reads_the_header(self, library: dict[str, Path], suffix: str) -> None:
        info = probe(library[suffix])
        assert info.duration_seconds == pytest.approx(40.0, abs=0.05)
        assert (info.sample_rate, info.channels) == (48_000, 2)

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_load_gives_the_mean_of_the_channels(
        self, library: dict[str, Path], suffix: str
    ) -> None:
        waveform = load(library[suffix], sample_rate=48_000)
        expected = music(40.0, 48_000).mean(axis=1)
        assert len(waveform) == pytest.approx(len(expected), abs=2_400)
        similarity = np.corrcoef(waveform[:480_000], expected[:480_000])[0, 1]
        assert similarity > (0.999999 if suffix in ("wav", "flac") else 0.95)

    def test_load_equals_librosa(self, library: dict[str, Path]) -> None:
        samples, _ = soundfile.read(library["wav"], dtype="float32")  # as librosa.load does
        expected = librosa.resample(samples.mean(axis=1), orig_sr=48_000, target_sr=16_000)
        np.testing.assert_allclose(load(library["wav"]), expected, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_segments_equal_slices_of_the_whole(
        self, library: dict[str, Path], suffix: str
    ) -> None:
        whole = load(library[suffix])
        starts = [31.25, 0.0, 7.123, 7.5, 22.0001]
        segments = load_segments(library[suffix], starts, 1.5)
        assert segments.shape == (5, 24_000)
        for start, segment in zip(starts, segments, strict=True):
            first = round(start * 16_000)
            np.testing.assert_allclose(segment, whole[first : first + 24_000], rtol=0, atol=1e-5)

    def test_segments_are_zero_outside_the_file(self, library: dict[str, Path]) -> None:
        whole = load(library["wav"])
        before, across, beyond = load_segments(library["wav"], [-0.5, 39.5, 60.0], 1.0)
        assert not before[:8_000].any()
        assert not across[8_000:].any()
        assert not beyond.any()
        np.testing.assert_allclose(before[8_000:], whole[:8_000], rtol=0, atol=1e-5)
        np.testing.assert_allclose(across[:8_000], whole[-8_000:], rtol=0, atol=1e-5)

    @pytest.mark.data
    @pytest.mark.skipif(not SONGS.is_dir(), reason="no ../shared/data")
    def test_real_vorbis_files_are_read_where_asked(self) -> None:
        # libsndfile's own seek to 44.9 s of this one lands a second away.
        (song,) = SONGS.glob("*Vibe_Ace.ogg")
        whole = load(song)
        (segment,) = load_segments(song, [44.9], 1.0)
        np.testing.assert_allclose(segment, whole[718_400:734_400], rtol=0, atol=1e-5)

    def test_no_start_and_no_duration_are_refused(self, library: dict[str, Path]) -> None:
        with pytest.raises(InputError, match="at least one start"):
            load_segments(library["wav"], [], 1.0)
        with pytest.raises(InputError, match="positive duration"):
            load_segments(library["wav"], [0.0], 0.0)


class TestSongPatches:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_equal_the_whole_file(self, library: dict[str, Path], suffix: str) -> None:
        patches = song_patches(library[suffix], max_patches=5)
        assert patches.log_mel.shape == (5, 187, 96)
        assert patches.log_mel.dtype == np.float32
        expected = patches_of_whole_file(library[suffix], patches)
        np.testing.assert_allclose(patches.log_mel, expected, rtol=0, atol=1e-3)

    @pytest.mark.parametrize("sample_rate", [8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 96_000])
    def test_equal_the_whole_file_at_any_rate(self, tmp_path: Path, sample_rate: int) -> None:
        path = write(tmp_path / "song.wav", music(15.0, sample_rate), sample_rate)
        patches = song_patches(path, max_patches=3)
        expected = patches_of_whole_file(path, patches)
        np.testing.assert_allclose(patches.log_mel, expected, rtol=0, atol=1e-3)

    @pytest.mark.parametrize(
        ("seconds", "count"), [(3.0, 1), (5.9, 1), (6.1, 2), (30.0, 10), (47.0, 15), (100.0, 16)]
    )
    def test_as_many_as_fit_up_to_the_limit(
        self, tmp_path: Path, seconds: float, count: int
    ) -> None:
        path = write(tmp_path / "song.wav", music(seconds, 16_000), 16_000)
        patches = song_patches(path)
        assert patches.log_mel.shape == (count, 187, 96)
        assert patches.duration_seconds == pytest.approx(seconds)
        assert patches.start_seconds[0] >= 0
        assert patches.start_seconds[-1] + 187 * 256 / 16_000 <= seconds + 256 / 16_000
        steps = np.diff(patches.start_seconds)
        assert (steps >= 187 * 256 / 16_000 - 1e-9).all()
        assert (np.abs(steps - seconds / count) <= 2 * 256 / 16_000).all()

    @given(total=st.integers(48_000, 12 * 3600 * 16_000), max_patches=st.integers(1, 400))
    @settings(deadline=None)
    def test_patches_never_overlap_nor_leave_the_song(self, total: int, max_patches: int) -> None:
        starts = np.array(audio.patch_frames(total, max_patches, MUSICNN))
        assert 1 <= len(starts) <= max_patches
        assert starts[0] >= 0
        assert (np.diff(starts) >= 187).all()
        assert starts[-1] + 187 <= 1 + total // 256

    def test_are_the_same_every_time(self, library: dict[str, Path]) -> None:
        first, second = song_patches(library["mp3"], 4), song_patches(library["mp3"], 4)
        np.testing.assert_array_equal(first.log_mel, second.log_mel)
        np.testing.assert_array_equal(first.start_seconds, second.start_seconds)

    def test_mono_is_read(self, tmp_path: Path) -> None:
        path = write(tmp_path / "mono.flac", music(4.0, 44_100)[:, :1], 44_100)
        assert song_patches(path).log_mel.shape == (1, 187, 96)

    def test_upper_case_suffixes_and_odd_names_are_read(self, tmp_path: Path) -> None:
        name = os.fsdecode(b"\xff caf\xc3\xa9 % {}.WAV")
        path = write(tmp_path / "a.wav", music(4.0, 16_000), 16_000).rename(tmp_path / name)
        assert song_patches(path).log_mel.shape == (1, 187, 96)

    def test_fewer_than_one_patch_is_refused(self, library: dict[str, Path]) -> None:
        with pytest.raises(InputError, match="max_patches must be at least 1, got 0"):
            song_patches(library["wav"], max_patches=0)

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts handles by /proc")
    def test_no_handle_stays_open(self, library: dict[str, Path], tmp_path: Path) -> None:
        bad = tmp_path / "bad.m4a"
        bad.write_text("not audio")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for path in library.values():
            song_patches(path, max_patches=2)
        with pytest.raises(AudioError):
            song_patches(bad)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


class TestWaveformPatches:
    @pytest.mark.parametrize("seconds", [3.0, 7.03, 40.0])
    def test_equal_those_of_the_file(self, tmp_path: Path, seconds: float) -> None:
        path = write(tmp_path / "song.flac", music(seconds, 22_050), 22_050)
        file, waveform = song_patches(path, 4), waveform_patches(load(path), 4)
        np.testing.assert_allclose(waveform.log_mel, file.log_mel, rtol=0, atol=1e-3)
        np.testing.assert_allclose(waveform.segments, file.segments, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(waveform.start_seconds, file.start_seconds)
        assert waveform.duration_seconds == file.duration_seconds

    def test_too_short_and_no_patches_are_refused(self) -> None:
        with pytest.raises(InputError, match="47999 samples are too few"):
            waveform_patches(np.zeros(47_999, dtype=np.float32))
        with pytest.raises(InputError, match="max_patches must be at least 1, got 0"):
            waveform_patches(np.zeros(48_000, dtype=np.float32), 0)


def _text(path: Path) -> None:
    path.write_text("These are words, not sounds.\n" * 200)


def _empty(path: Path) -> None:
    path.touch()


def _no_samples(path: Path) -> None:
    write(path, np.zeros((0, 2), dtype=np.float32), 44_100)


def _short(path: Path) -> None:
    write(path, music(2.9, 44_100), 44_100)


def _silent(path: Path) -> None:
    write(path, np.full((4 * 44_100, 2), 0.9e-4, dtype=np.float32), 44_100)


def _not_finite(path: Path) -> None:
    samples = music(4.0, 44_100)
    samples[100_000, 1] = np.nan
    write(path, samples, 44_100)


def _thirteen_hours(path: Path) -> None:
    size = 13 * 3600 * 8_000
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, 8_000, 8_000, 1, 8, b"data", size),
    )
    path.write_bytes(header)
    os.truncate(path, len(header) + size)  # sparse


def _huge(path: Path) -> None:
    path.write_bytes(b"RIFF")
    os.truncate(path, 4 * 1024**3 + 1)  # sparse


def _garbled(path: Path) -> None:
    write(path, music(10.0, 44_100), 44_100)
    content = bytearray(path.read_bytes())
    content[200:] = np.random.default_rng(0).bytes(len(content) - 200)
    path.write_bytes(content)


def _folder(path: Path) -> None:
    path.mkdir()


def _video(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width = stream.height = 16
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), dtype=np.uint8), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def _playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n")


class TestBadFiles:
    @pytest.mark.parametrize(
        ("name", "make", "error", "reason"),
        [
            ("text.mp3", _text, AudioDecodeError, "is not audio"),
            ("text.wav", _text, AudioDecodeError, "is not audio"),
            ("text.m4a", _text, AudioDecodeError, "is not audio"),
            ("text.opus", _text, AudioDecodeError, "is not audio"),
            ("playlist.m4a", _playlist, AudioDecodeError, "is not audio"),
            ("video.m4a", _video, AudioDecodeError, "contains no audio stream"),
            ("garbled.flac", _garbled, AudioDecodeError, "damaged"),
            ("nan.wav", _not_finite, AudioDecodeError, "not finite"),
            ("empty.mp3", _empty, AudioEmptyError, r"is empty \(0 bytes\)"),
            ("none.wav", _no_samples, AudioEmptyError, "contains no samples"),
            ("short.wav", _short, AudioTooShortError, r"lasts 2\.90 s; at least 3 s"),
            ("short.m4a", _short, AudioTooShortError, r"lasts 2\.9\d s; at least 3 s"),
            ("long.wav", _thirteen_hours, AudioTooLongError, r"lasts 13\.0 h; at most 12 h"),
            ("huge.wav", _huge, AudioTooLongError, "larger than 4 GiB"),
            ("silent.wav", _silent, AudioSilentError, "is silent"),
            ("folder.wav", _folder, AudioError, "not a regular file"),
            ("words.txt", _text, AudioError, r"no supported suffix; use one of \.aac"),
        ],
    )
    def test_fail_with_their_code_and_reason(
        self,
        tmp_path: Path,
        name: str,
        make: Callable[[Path], None],
        error: type[AudioError],
        reason: str,
    ) -> None:
        make(tmp_path / name)
        with pytest.raises(AudioError, match=reason) as caught:
            song_patches(tmp_path / name)
        assert type(caught.value) is error
        assert str(caught.value).startswith(str(tmp_path / name))

    def test_an_absent_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(AudioError, match=r"absent\.mp3: cannot be opened: No such file"):
            probe(tmp_path / "absent.mp3")

    @pytest.mark.parametrize("suffix", ["flac", "m4a"])
    def test_a_file_that_vanishes_while_it_is_read_is_still_read(
        self, library: dict[str, Path], tmp_path: Path, suffix: str
    ) -> None:
        path = tmp_path / f"song.{suffix}"
        path.write_bytes(library[suffix].read_bytes())
        with open_audio(path) as reader:
            path.unlink()
            assert [len(piece) for piece in reader.read([(0, 1_000)])] == [1_000]

    @pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "opus"])
    def test_what_is_left_of_a_cut_file_is_used(
        self, library: dict[str, Path], tmp_path: Path, suffix: str
    ) -> None:
        content = library[suffix].read_bytes()
        path = tmp_path / f"cut.{suffix}"
        path.write_bytes(content[: len(content) // 2])
        patches = song_patches(path)
        assert 10 < patches.duration_seconds < 30
        expected = patches_of_whole_file(library[suffix], patches)
        # But for the last patch, for the end of a stream is decoded with what was never there.
        np.testing.assert_allclose(patches.log_mel[:-1], expected[:-1], rtol=0, atol=1e-3)

    @pytest.mark.parametrize("suffix", ["flac", "mp3"])
    def test_too_little_left_of_a_cut_file_is_damage(
        self, library: dict[str, Path], tmp_path: Path, suffix: str
    ) -> None:
        content = library[suffix].read_bytes()
        path = tmp_path / f"cut.{suffix}"
        path.write_bytes(content[: len(content) // 20])
        with pytest.raises(AudioDecodeError, match=r"is damaged: only .* s of 40\.0 s"):
            song_patches(path)

    def test_a_cut_m4a_has_lost_its_index(self, library: dict[str, Path], tmp_path: Path) -> None:
        path = tmp_path / "cut.m4a"
        path.write_bytes(library["m4a"].read_bytes()[:-20_000])
        with pytest.raises(AudioDecodeError):
            song_patches(path)


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, mer.audio.patches; sys.exit('torch' in sys.modules or 'av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
