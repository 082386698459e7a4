"""Training data, and the corrections in the checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from mer import checkpoint
from mer.batches import AffettiConfig
from mer.encoders.low_rank import unbundled
from mer.network import AffettiNetwork
from mer.research.datasets.base import AffectLabels, Track
from mer.research.house import open_weights, training
from mer.research.house.mixture import Plane
from mer.research.house.training import Material
from mer.research.inputs.features import TrackFeatures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mer.research.datasets.base import Split
    from mer.research.inputs.distortions import Distortion

ADAPTER = {"layer.up": torch.ones(2, 1), "layer.down": torch.ones(1, 2)}


def track(dataset: str, split: Split, number: int) -> Track:
    labels = AffectLabels(valence=0.1 * number, arousal=0.05 * number)
    return Track(dataset, str(number), split, labels, lyrics=f"word {number}")


SPLITS: tuple[Split, ...] = ("train", "train", "val", "test")
TRACKS = [
    track(dataset, split, number)
    for dataset in ("panda4q", "mirex", "emobank", "deezer_va")
    for number, split in enumerate(SPLITS)
]


class Store:
    """In place of the feature cache: an audio row says what was done to the song."""

    made: list[tuple[Path, bool, Mapping[str, torch.Tensor]]]
    copied: list[tuple[str, list[str]]]

    def __init__(self, folder: Path, *, is_wide: bool, adapter: Mapping[str, torch.Tensor]) -> None:
        Store.made.append((folder, is_wide, adapter))

    def features(
        self, tracks: Sequence[Track], distortion: Distortion | None = None
    ) -> list[TrackFeatures]:
        if distortion is not None:
            Store.copied.append((distortion.name, [f"{t.dataset} {t.split}" for t in tracks]))
        value = 0.0 if distortion is None else float(distortion.name[-1])
        return [
            TrackFeatures(t, torch.full((1, 1), value) if t.dataset == "panda4q" else None)
            for t in tracks
        ]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Track], Plane, Path]]:
    """Nothing is read, computed or trained; what the adapter was asked for."""
    found: list[tuple[list[Track], Plane, Path]] = []

    def adapter(tracks: list[Track], plane: Plane, folder: Path) -> dict[str, torch.Tensor]:
        found.append((tracks, plane, folder))
        return ADAPTER

    Store.made, Store.copied = [], []
    monkeypatch.setattr(training, "load_tracks", lambda data: TRACKS)
    monkeypatch.setattr(training, "adapter", adapter)
    monkeypatch.setattr(training, "FeatureCache", Store)
    return found


def test_features_are_read_with_the_adapter(
    asked: list[tuple[list[Track], Plane, Path]],
) -> None:
    material = Material.load(Path("data"), Path("cache"), Path("work"), copies=2)
    assert asked == [(TRACKS, Plane.of(TRACKS), Path("work"))]
    assert Store.made == [(Path("cache"), True, ADAPTER)]
    assert material.adapter is ADAPTER
    assert material.plane == Plane.of(TRACKS)
    assert [example.track for example in material.examples] == TRACKS


def test_what_is_not_for_training_can_be_left_out(
    asked: list[tuple[list[Track], Plane, Path]],
) -> None:
    whole = Material.load(Path("data"), Path("cache"), Path("work"), copies=0)
    part = Material.load(Path("data"), Path("cache"), Path("work"), copies=0, only_development=True)
    assert [example.track for example in part.examples] == [e.track for e in whole.development]
    assert len(part.examples) < len(whole.examples)
    # Places and the adapter are those of all tracks.
    assert part.plane == whole.plane
    assert asked[0] == asked[1]


def test_copies_are_of_the_songs_that_may_be_trained_on(
    asked: list[tuple[list[Track], Plane, Path]],
) -> None:
    material = Material.load(Path("data"), Path("cache"), Path("work"), copies=2)
    may_be = [f"{name} {split}" for name in ("panda4q", "mirex") for split in SPLITS[:3]]
    assert Store.copied == [("augmented-1", may_be), ("augmented-2", may_be)]
    for example in material.examples:
        values = [float(copy) for copy in example.copies]
        is_heard = example.track.dataset == "panda4q" and example.track.split != "test"
        assert values == ([1.0, 2.0] if is_heard else [])
    assert len(asked) == 1


def run_training(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_open: bool,
) -> tuple[AffettiNetwork, Path]:
    """Save an untrained network; return it and the path of its checkpoint."""
    config = AffettiConfig(audio_dim=12, text_dim=10, descriptor_dim=0, text_width=8)
    network = AffettiNetwork(config)
    monkeypatch.setattr(training, "text_start", lambda *_: {})
    monkeypatch.setattr(training, "cross_validate", lambda *_, start: [])
    monkeypatch.setattr(training, "leave_domains_out", lambda *_, start: {})
    monkeypatch.setattr(training, "calibrate", lambda *_: config)
    monkeypatch.setattr(training, "train_final", lambda *_: network)
    monkeypatch.setattr(open_weights, "load_tracks", lambda data: TRACKS)
    monkeypatch.setattr(open_weights, "leave_instrumentations_out", lambda *_, start: {})
    for name in ("affetti-00000000", "affetti-open-00000000"):
        (folder / f"{name}.safetensors").write_bytes(b"")
    arguments = argparse.Namespace(
        data=Path("data"), cache=Path("cache"), work=folder / "work", out=folder,
        epochs=None, seed=0, threads=0, open=is_open,
    )  # fmt: skip
    assert training.run(arguments) == 0
    return network, Path(capsys.readouterr().out.strip())


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.safetensors")}


def test_the_checkpoint_carries_the_corrections(
    asked: list[tuple[list[Track], Plane, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network, path = run_training(tmp_path, monkeypatch, capsys, is_open=False)
    weights, correction = unbundled(checkpoint.load(path)[0])
    assert correction.keys() == ADAPTER.keys()
    assert all(torch.equal(correction[name], part) for name, part in ADAPTER.items())
    network.load_state_dict(weights)
    assert names(tmp_path) == {path.stem, "affetti-open-00000000"}
    assert asked[0][2] == tmp_path / "work"


def test_the_open_checkpoint_has_its_own_name_licence_and_no_corrections(
    asked: list[tuple[list[Track], Plane, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network, path = run_training(tmp_path, monkeypatch, capsys, is_open=True)
    assert path.stem.startswith("affetti-open-")
    weights, correction = unbundled(checkpoint.load(path)[0])
    network.load_state_dict(weights)
    assert correction == {}
    assert Store.made == [(Path("cache"), True, {})]
    assert asked == []
    card = checkpoint.read_card(path)
    assert card["licence"] == "CC BY-SA 4.0; see docs/model-card-open.md"
    assert card["model_card"] == "docs/model-card-open.md"
    assert names(tmp_path) == {path.stem, "affetti-00000000"}
