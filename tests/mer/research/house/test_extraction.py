"""The command ``features``: songs and their distorted copies, audio alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from mer.research import cli
from mer.research.datasets.base import AffectLabels, Track
from mer.research.house import extraction
from mer.research.inputs.features import TrackFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mer.research.inputs.distortions import Distortion


class RecordingCache:
    """A cache of two patches a song that records what it is asked for."""

    calls: list[tuple[str, tuple[str, ...]]]

    def __init__(self, folder: Path, *, is_wide: bool) -> None:
        assert is_wide
        self.folder = folder

    def features(
        self, tracks: Sequence[Track], distortion: Distortion | None = None
    ) -> list[TrackFeatures]:
        for track in tracks:
            assert track.lyrics is track.title is track.artist is None
        name = distortion.name if distortion else "clean"
        self.calls.append((name, tuple(track.track_id for track in tracks)))
        return [TrackFeatures(track, torch.zeros(2, 1825)) for track in tracks]


def song(name: str, split: str) -> Track:
    return Track("mirex", name, split, AffectLabels(), lyrics="la", title="Song", artist="Me")


@pytest.mark.parametrize(
    ("options", "copies"), [(["--augmented", "2"], 2), (["--augmented", "0"], 0), ([], 1)]
)
def test_copies_are_made_of_training_and_validation_songs(
    options: list[str],
    copies: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tracks = [song("a", "train"), song("b", "val"), song("c", "test")]
    tracks.append(Track("warriner", "calm", "train", AffectLabels(), lyrics="calm"))
    monkeypatch.setattr(extraction, "load_tracks", lambda data: tracks)
    monkeypatch.setattr(extraction, "FeatureCache", RecordingCache)
    RecordingCache.calls = []
    assert cli.main(["features", "--data", "x", *options]) == 0
    assert RecordingCache.calls == [
        ("clean", ("a", "b", "c")),
        *((f"augmented-{copy}", ("a", "b")) for copy in range(1, copies + 1)),
    ]
    printed = capsys.readouterr().out
    assert "3 songs, 6 patches" in printed
    assert printed.count("augmented copy") == copies
