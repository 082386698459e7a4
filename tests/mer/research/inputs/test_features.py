"""The feature cache: computed once, resumable, never stale."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mer import encoding
from mer.audio.patches import AudioPatches
from mer.encoders.text import TokenStates
from mer.research.datasets.base import AffectLabels, Track
from mer.research.inputs import features
from mer.research.inputs.distortions import Distortion
from mer.research.inputs.features import FeatureCache, TrackFeatures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class CountingAudio:
    encoded: list[int]
    names: list[str]

    @classmethod
    def from_pretrained(cls, name: str) -> CountingAudio:
        cls.names.append(name)
        return cls()

    def to(self, device: torch.device) -> CountingAudio:
        assert device.type == "cpu"
        return self

    def embed(self, log_mel: torch.Tensor) -> torch.Tensor:
        self.encoded.append(len(log_mel))
        return log_mel[:, 0, :6]


class CountingText:
    read: list[str]
    shift: float
    fails_after: int | None

    @classmethod
    def from_pretrained(cls, name: str) -> CountingText:
        assert name == "all-MiniLM-L6-v2"
        return cls()

    def adapt(self, correction: Mapping[str, torch.Tensor]) -> CountingText:
        self.shift = sum(float(part.sum()) for part in correction.values())
        return self

    def to(self, device: torch.device) -> CountingText:
        assert device.type == "cpu"
        return self

    def quicken(self) -> CountingText:
        return self

    def encode(self, texts: Sequence[str], max_tokens: int) -> TokenStates:
        if self.fails_after is not None and len(self.read) >= self.fails_after:
            raise KeyboardInterrupt
        self.read.extend(texts)
        length = max(len(text) for text in texts)
        states = torch.zeros(len(texts), length, 4)
        mask = torch.zeros(len(texts), length, dtype=torch.bool)
        for row, text in enumerate(texts):
            states[row, : len(text), 0] = torch.tensor([float(ord(letter)) for letter in text])
            states[row, : len(text), 1] = self.shift
            mask[row, : len(text)] = True
        return TokenStates(states, mask, torch.zeros(len(texts), length, 2, dtype=torch.int64))


def patches(path: Path) -> AudioPatches:
    return constant(float(path.read_text()))


def constant(value: float) -> AudioPatches:
    return AudioPatches(
        log_mel=np.full((2, 187, 96), value, dtype=np.float32),
        segments=np.full((2, 48_000), value, dtype=np.float32),
        start_seconds=np.array([0.0, 3.0]),
        duration_seconds=6.0,
    )


@pytest.fixture(autouse=True)
def encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    CountingAudio.names = []
    CountingAudio.encoded, CountingText.read, CountingText.fails_after = [], [], None
    monkeypatch.setattr(encoding, "MusicnnEncoder", CountingAudio)
    monkeypatch.setattr(encoding, "TextEncoder", CountingText)
    monkeypatch.setattr(features, "song_patches", patches)
    monkeypatch.setattr(features, "load", lambda path: np.full(96_000, float(path.read_text())))
    monkeypatch.setattr(features, "waveform_patches", lambda wave: constant(wave.mean()))
    monkeypatch.setattr(encoding, "describe", lambda segments: np.full((len(segments), 3), 7.0))


def text(index: int, lyrics: str | None = None) -> Track:
    return Track("words", str(index), "train", AffectLabels(), lyrics=lyrics or f"word{index:03}")


def letters(states: torch.Tensor | None) -> str:
    assert states is not None
    return "".join(chr(int(value)) for value in states[:, 0])


def test_audio_lyrics_and_context_are_separate(tmp_path: Path) -> None:
    path = tmp_path / "a.opus"
    path.write_text("2.5")
    song = Track(
        "mirex", "1", "train", AffectLabels(), path, lyrics="la", title="Song", artist="Me"
    )
    found, word = FeatureCache(tmp_path / "cache").features([song, text(1)])
    assert found.audio is not None
    assert found.audio.shape == (2, 6)
    assert (found.audio == 2.5).all()
    assert letters(found.lyrics) == "la"
    assert letters(found.context) == "Song by Me"
    assert word.audio is None
    assert word.context is None
    assert letters(word.lyrics) == "word001"


def test_rows_are_computed_once_for_any_set_of_tracks(tmp_path: Path) -> None:
    tracks = [text(index) for index in range(100)]
    FeatureCache(tmp_path).features(tracks)
    assert sorted(CountingText.read) == sorted(f"word{index:03}" for index in range(100))
    CountingText.read.clear()
    found = FeatureCache(tmp_path).features(tracks[::-3])
    assert CountingText.read == []
    assert [letters(f.lyrics) for f in found] == [t.lyrics for t in tracks[::-3]]


def test_an_interrupted_extraction_resumes(tmp_path: Path) -> None:
    tracks = [text(index) for index in range(100)]
    CountingText.fails_after = 64
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path).features(tracks)
    kept = len(CountingText.read)
    CountingText.read, CountingText.fails_after = [], None
    FeatureCache(tmp_path).features(tracks)
    assert len(CountingText.read) == 100 - kept > 0


def test_wide_rows_hold_the_network_and_the_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "a.opus"
    path.write_text("2")
    track = Track("mirex", "1", "train", AffectLabels(), path)
    (narrow,) = FeatureCache(tmp_path / "cache").features([track])
    assert CountingAudio.names == ["MSD_musicnn"]
    (wide,) = FeatureCache(tmp_path / "cache", is_wide=True).features([track])
    assert CountingAudio.names == ["MSD_musicnn"]  # its rows are kept
    assert narrow.audio is not None
    assert wide.audio is not None
    assert wide.audio.tolist() == [[2.0] * 6 + [7.0] * 3] * 2
    assert torch.equal(wide.audio[:, :6], narrow.audio)
    FeatureCache(tmp_path / "cache", is_wide=True).features([track])
    assert len(CountingAudio.names) == 1


def folders(cache: Path) -> set[str]:
    return {folder.name for folder in cache.iterdir()}


def shift(found: TrackFeatures) -> float:
    """The adapter's shift of the lyrics' states."""
    assert found.lyrics is not None
    return float(found.lyrics[0, 1])


def test_an_adapter_has_its_own_folder_of_texts(tmp_path: Path) -> None:
    (plain,) = FeatureCache(tmp_path).features([text(1)])
    assert folders(tmp_path) == {"all-MiniLM-L6-v2"}
    one, other = {"a.up": torch.ones(2, 1)}, {"a.up": torch.ones(3, 1)}
    (adapted,) = FeatureCache(tmp_path, adapter=one).features([text(1)])
    (again,) = FeatureCache(tmp_path, adapter=other).features([text(1)])
    assert [shift(found) for found in (plain, adapted, again)] == [0, 2, 3]
    assert len(folders(tmp_path)) == 3
    assert all(re.fullmatch(r"all-MiniLM-L6-v2(-[0-9a-f]{8})?", name) for name in folders(tmp_path))
    for adapter, expected in ((None, 0), ({}, 0), (one, 2), (dict(one), 2), (other, 3)):
        (found,) = FeatureCache(tmp_path, adapter=adapter).features([text(1)])
        assert shift(found) == expected
    assert CountingText.read == ["word001"] * 3  # once each
    assert len(folders(tmp_path)) == 3


def test_the_order_of_corrections_does_not_matter(tmp_path: Path) -> None:
    parts = {"a.up": torch.ones(2, 1), "a.down": torch.zeros(1, 3)}
    FeatureCache(tmp_path, adapter=parts).features([text(1)])
    FeatureCache(tmp_path, adapter=dict(reversed(parts.items()))).features([text(1)])
    assert len(folders(tmp_path)) == len(CountingText.read) == 1


def test_an_adapter_is_of_texts_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.opus"
    path.write_text("2.5")
    track = Track("mirex", "1", "train", AffectLabels(), path, lyrics="la")
    cache = tmp_path / "cache"
    FeatureCache(cache).features([track])
    FeatureCache(cache, adapter={"a.up": torch.ones(2, 1)}).features([track])
    assert CountingAudio.names == ["MSD_musicnn"]
    assert sorted(name.split("-")[0] for name in folders(cache)) == ["MSD_musicnn", "all", "all"]


def test_changed_text_or_file_is_computed_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.opus"
    path.write_text("1")
    track = Track("mirex", "1", "train", AffectLabels(), path, lyrics="old")
    FeatureCache(tmp_path / "cache").features([track])
    path.write_text("12")
    changed = Track("mirex", "1", "train", AffectLabels(), path, lyrics="new")
    (found,) = FeatureCache(tmp_path / "cache").features([changed])
    assert letters(found.lyrics) == "new"
    assert found.audio is not None
    assert (found.audio == 12).all()


def song(folder: Path, name: str = "a", value: str = "2") -> Track:
    path = folder / f"{name}.opus"
    path.write_text(value)
    return Track("mirex", name, "train", AffectLabels(), path, lyrics="la")


def louder(name: str, seeds: list[int]) -> Distortion:
    def apply(wave: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        seeds.append(seed)
        return wave * 3

    return Distortion(name, apply)


def test_distorted_rows_lie_beside_the_clean_ones(tmp_path: Path) -> None:
    track, seeds = song(tmp_path), []
    cache = FeatureCache(tmp_path / "cache")
    for _ in range(2):
        (clean,) = cache.features([track])
        (distorted,) = cache.features([track], louder("louder", seeds))
        assert clean.audio is not None
        assert distorted.audio is not None
        assert (clean.audio == 2).all()
        assert (distorted.audio == 6).all()
        assert letters(distorted.lyrics) == "la"
    assert len(seeds) == 1  # computed once
    assert CountingText.read == ["la"]


def test_seeds_are_those_of_song_and_distortion(tmp_path: Path) -> None:
    tracks, seeds = [song(tmp_path, "a"), song(tmp_path, "b")], []
    FeatureCache(tmp_path / "one").features(tracks, louder("louder", seeds))
    FeatureCache(tmp_path / "one").features(tracks, louder("other", seeds))
    assert len(set(seeds)) == 4
    FeatureCache(tmp_path / "two").features(tracks[::-1], louder("louder", seeds))
    assert seeds[4:] == [seeds[1], seeds[0]]


def test_keys_of_clean_songs_are_stable(tmp_path: Path) -> None:
    track = song(tmp_path)
    FeatureCache(tmp_path / "cache").features([track])
    (shard,) = (tmp_path / "cache" / "MSD_musicnn").glob("*.npz")
    text = f"{tmp_path.name}/a.opus 1"
    with np.load(shard) as file:
        assert file["keys"].tolist() == [sha256(text.encode()).hexdigest()[:16]]


def test_songs_are_decoded_once_for_all_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []

    def counted(path: Path) -> AudioPatches:
        decoded.append(path.stem)
        return patches(path)

    monkeypatch.setattr(features, "song_patches", counted)
    tracks = [song(tmp_path, "a"), song(tmp_path, "b", "3")]
    FeatureCache(tmp_path / "cache").features(tracks[:1])
    FeatureCache(tmp_path / "cache", is_wide=True).features(tracks)
    assert decoded == ["a", "a", "b"]
    assert CountingAudio.encoded == [2] * 2  # `a` was encoded once
