"""Training: targets, masks, learning, and going on after a kill."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from mer.affect import Quadrant
from mer.datasets.base import AffectLabels, Track
from mer.errors import CheckpointCorruptError
from mer.features import TrackFeatures
from mer.mixture import Plane, targets
from mer.models.affetti import AffettiConfig, AffettiNetwork
from mer.trainer import Recipe, Trainer, feature_batch, loss, withhold

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = AffettiConfig(audio_dim=12, text_dim=10, descriptor_dim=0, text_width=8, dropout=0.1)
RECIPE = Recipe(epochs=3, batch_songs=4, batch_texts=4, averaging=0.5, learning_rate=1e-2)
PLANE = Plane(
    words=((0.5, 0.2), (0.45, 0.1)),
    emobank=((0.5, 0.1), (0.5, 0.05)),
    deezer=((0.5, 0.2), (0.5, 0.2)),
)
HAPPY = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def song(index: int, quadrant: Quadrant) -> TrackFeatures:
    generator = torch.Generator().manual_seed(index)
    labels = AffectLabels(quadrant=quadrant, valence=0.6, arousal=0.5, emotions=HAPPY)
    place = torch.full((1, 12), float(int(quadrant[1])))
    return TrackFeatures(
        Track("panda4q", str(index), "train", labels),
        audio=(torch.randn(3, 12, generator=generator) + place).half(),
        context=torch.randn(2, 10, generator=generator).half(),
    )


def word(index: int) -> TrackFeatures:
    generator = torch.Generator().manual_seed(100 + index)
    labels = AffectLabels(valence=0.3, arousal=0.6)
    track = Track("warriner", f"word{index}", "train", labels, lyrics=f"word{index}")
    return TrackFeatures(track, lyrics=torch.randn(3, 10, generator=generator).half())


SONGS = [song(index, tuple(Quadrant)[index % 4]) for index in range(10)]
TEXTS = [word(index) for index in range(6)]


class Killed(Exception):  # noqa: N818
    """Stands for the kill."""


def train(folder: Path | None, recipe: Recipe = RECIPE) -> AffettiNetwork:
    return Trainer(recipe, CONFIG, SONGS, TEXTS, PLANE, folder).train()


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def same(one: AffettiNetwork, other: AffettiNetwork) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(k == m and torch.equal(left, right) for (k, left), (m, right) in pairs)


@pytest.mark.parametrize("steps_before_kill", [1, 4, 7])
def test_killed_and_resumed_equals_straight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps_before_kill: int
) -> None:
    straight = train(tmp_path / "straight")
    calls = itertools.count()

    def fatal(*args: object, **options: bool) -> torch.Tensor:
        if next(calls) >= 2 * steps_before_kill:
            raise Killed
        return loss(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("mer.trainer.loss", fatal)
        with pytest.raises(Killed):
            train(tmp_path / "killed")
    assert same(train(tmp_path / "killed"), straight)
    histories = [only(tmp_path / name, "*.jsonl").read_text() for name in ("straight", "killed")]
    assert histories[0] == histories[1]
    assert len(histories[0].splitlines()) == RECIPE.epochs


def test_seed_decides(tmp_path: Path) -> None:
    assert same(train(None), train(None))
    assert not same(train(None), train(None, replace(RECIPE, seed=1)))


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = train(tmp_path)
    stamp = only(tmp_path, "*.pt").stat().st_mtime_ns
    assert same(train(tmp_path), first)
    assert only(tmp_path, "*.pt").stat().st_mtime_ns == stamp


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    train(tmp_path)
    path = only(tmp_path, "*.pt")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointCorruptError, match=r"\.pt is damaged"):
        train(tmp_path)


def test_another_training_does_not_resume_from_this_state(tmp_path: Path) -> None:
    other = replace(RECIPE, seed=1)
    train(tmp_path)
    assert same(train(tmp_path, other), train(None, other))


def test_it_learns_a_few_songs_by_heart() -> None:
    recipe = replace(
        RECIPE, epochs=60, modality_dropout=0.0, patch_dropout=0.0, label_smoothing=0.0
    )
    network = train(None, recipe)
    logits = network(feature_batch(SONGS, CONFIG)).quadrant_logits
    expected = [tuple(Quadrant).index(song.track.labels.quadrant) for song in SONGS]
    assert logits.argmax(dim=1).tolist() == expected


def test_unlabelled_targets_weigh_nothing() -> None:
    known = targets([TEXTS[0].track, SONGS[0].track], PLANE)
    assert known.weights[0].tolist() == [0.5, 0.0, 1.0, 1.0, 0.0, 0.0]  # a word
    assert known.weights[1, 1] == 0  # a clip of panda4q has no cluster
    assert known.quadrant[1].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_soft_quadrant_agrees_with_the_plane() -> None:
    known = targets([TEXTS[0].track], PLANE)
    valence, arousal = known.affect[0].tolist()
    assert valence < 0.5 < arousal
    assert known.quadrant[0].sum() == pytest.approx(1)
    assert known.quadrant[0].argmax() == 1  # Q2
    assert known.quadrant[0, 0] + known.quadrant[0, 3] == pytest.approx(valence)


def test_the_mean_of_a_set_is_neutral() -> None:
    labels = AffectLabels(valence=0.5, arousal=0.45)
    assert PLANE.place("panda4q", labels) == pytest.approx((0.5, 0.5))
    assert PLANE.place("emobank", labels) == pytest.approx((0.5, 1 / (1 + 2.718281828)))
    assert PLANE.place("goemotions", AffectLabels()) is None


def test_withholding_leaves_every_song_something() -> None:
    torch.manual_seed(0)
    recipe = replace(RECIPE, modality_dropout=0.9, patch_dropout=0.9)
    batch = feature_batch([*SONGS, *TEXTS], CONFIG)
    for _ in range(20):
        kept = withhold(batch, recipe)
        masks = (kept.audio_mask, kept.lyrics_mask, kept.context_mask)
        assert torch.stack([mask.any(dim=1) for mask in masks]).any(dim=0).all()
        assert not (kept.audio_mask & ~batch.audio_mask).any()
    assert withhold(
        batch, replace(recipe, modality_dropout=0.0, patch_dropout=0.0)
    ).audio_mask.equal(batch.audio_mask)
