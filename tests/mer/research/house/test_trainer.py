"""Training: targets, masks, losses, and resuming after a kill."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from mer.affect import Quadrant
from mer.batches import AffettiBatch, AffettiConfig
from mer.errors import CheckpointCorruptError
from mer.network import AffettiNetwork
from mer.research.datasets.base import AffectLabels, Track
from mer.research.house.mixture import Plane, targets
from mer.research.house.trainer import (
    ContrastiveCues,
    Recipe,
    Trainer,
    _gate_loss,
    feature_batch,
    fit_statistics,
    loss,
    withhold,
)
from mer.research.inputs.features import TrackFeatures

if TYPE_CHECKING:
    from collections.abc import Sequence
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
        patch.setattr("mer.research.house.trainer.loss", fatal)
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
    assert (known.weights[0] > 0).tolist() == [True, False, True, True, False, False]  # a word
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


def sung(index: int, *, has_lyrics: bool = True) -> TrackFeatures:
    """A song that sings its name."""
    spoken = song(index, tuple(Quadrant)[index % 4])
    assert spoken.context is not None
    verse = torch.randn(2, 10, generator=torch.Generator().manual_seed(200 + index)).half()
    return replace(spoken, lyrics=torch.cat([spoken.context, verse]) if has_lyrics else None)


WITH_LYRICS = [
    sung(index, has_lyrics=index % 3 > 0) for index in range(10)
]  # 0, 3, 6 and 9 have none


def contrast_of(songs: Sequence[TrackFeatures]) -> tuple[AffettiBatch, ContrastiveCues]:
    """Batch of all of `songs`, and what their gates should doubt."""
    trainer = Trainer(RECIPE, CONFIG, songs, TEXTS, PLANE)
    batch = feature_batch(trainer.songs, CONFIG)
    is_copy = torch.zeros(len(songs), dtype=torch.bool)
    return batch, trainer._contrast(batch, torch.arange(len(songs)), is_copy)


def cues(songs: Sequence[TrackFeatures]) -> torch.Tensor:
    network = AffettiNetwork(CONFIG)
    fit_statistics(network, WITH_LYRICS)
    return network.cues(feature_batch(songs, CONFIG))


def test_false_lyrics_are_those_of_the_singer_before() -> None:
    _, contrast = contrast_of(WITH_LYRICS)
    before = [None, 8, 1, None, 2, 4, None, 5, 7, None]
    lyrics = [None if n is None else WITH_LYRICS[n].lyrics for n in before]
    strange = [replace(one, lyrics=other) for one, other in zip(WITH_LYRICS, lyrics, strict=True)]
    torch.testing.assert_close(contrast.modified[:, 1], cues(strange)[:, 1])
    assert contrast.is_modified[:, 1].tolist() == [index % 3 > 0 for index in range(10)]


def test_false_audio_is_a_distorted_copy() -> None:
    copied = [replace(one, copies=(one.audio + 5,)) for one in WITH_LYRICS if one.audio is not None]
    _, contrast = contrast_of(copied)
    spoilt = [replace(one, audio=one.copies[0]) for one in copied]
    torch.testing.assert_close(contrast.modified[:, 0], cues(spoilt)[:, 0])
    assert contrast.is_modified[:, 0].all()
    _, without = contrast_of(WITH_LYRICS)
    assert not without.is_modified[:, 0].any()


def test_a_song_with_the_audio_of_a_copy_has_no_modified_audio() -> None:
    songs = [replace(one, copies=(one.audio + 5,)) for one in WITH_LYRICS if one.audio is not None]
    trainer = Trainer(replace(RECIPE, copy_share=0.5), CONFIG, songs, TEXTS, PLANE)
    torch.manual_seed(0)
    batch, is_copy = trainer._with_copies(torch.arange(len(songs)))
    assert is_copy.any()
    assert not is_copy.all()
    clean = feature_batch(songs, CONFIG).audio
    assert ((batch.audio - clean).abs().amax(dim=(1, 2)) > 1).equal(is_copy)
    contrast = trainer._contrast(batch, torch.arange(len(songs)), is_copy)
    assert contrast.is_modified[:, 0].equal(~is_copy)
    torch.testing.assert_close(contrast.original, cues(songs))


def test_lyrics_without_a_title_have_no_modified_lyrics() -> None:
    _, contrast = contrast_of([replace(one, context=None) for one in WITH_LYRICS])
    assert not contrast.is_modified[:, 1].any()
    assert (contrast.original[:, 1] == 0).all()


def test_what_is_withheld_cannot_be_false() -> None:
    songs = [replace(one, copies=(one.audio,)) for one in WITH_LYRICS if one.audio is not None]
    trainer = Trainer(RECIPE, CONFIG, songs, TEXTS, PLANE)
    torch.manual_seed(0)
    batch = withhold(feature_batch(songs, CONFIG), replace(RECIPE, modality_dropout=0.7))
    none = torch.zeros(len(songs), dtype=torch.bool)
    contrast = trainer._contrast(batch, torch.arange(len(songs)), none)
    for place, mask in enumerate((batch.audio_mask, batch.lyrics_mask)):
        withheld = ~mask.any(dim=1)
        assert withheld.any()
        assert not contrast.is_modified[withheld, place].any()
        assert (contrast.modified[withheld, place] == 0).all()


def test_a_lone_singer_has_nobody_to_be_taken_for() -> None:
    _, contrast = contrast_of([WITH_LYRICS[1], WITH_LYRICS[0]])
    assert not contrast.is_modified[:, 1].any()


def untrained() -> AffettiNetwork:
    """Without dropout, so that two passes are the same, and with cues that change no gate yet."""
    torch.manual_seed(2)
    network = AffettiNetwork(CONFIG)
    torch.nn.init.zeros_(network.doubt.weight)
    fit_statistics(network, WITH_LYRICS)
    return network.eval()


def gradients(
    network: AffettiNetwork, recipe: Recipe, *, are_texts: bool
) -> dict[str, torch.Tensor]:
    examples = TEXTS if are_texts else WITH_LYRICS
    wanted = targets([example.track for example in examples], PLANE)
    network.zero_grad()
    batch = feature_batch(examples, CONFIG)
    contrast = None if are_texts else contrast_of(WITH_LYRICS)[1]
    error = loss(network, batch, wanted, recipe, contrast=contrast, are_texts=are_texts)
    error.backward()  # type: ignore[no-untyped-call]
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in network.named_parameters()
    }


def test_wariness_moves_doubt_only() -> None:
    network = untrained()
    without = gradients(network, replace(RECIPE, wariness=0.0), are_texts=False)
    with_it = gradients(network, replace(RECIPE, wariness=1.0), are_texts=False)
    moved = {
        name for name in without if not torch.allclose(without[name], with_it[name], atol=1e-7)
    }
    assert "doubt.weight" in moved
    assert moved <= {"doubt.weight", "doubt.bias"}


@pytest.mark.parametrize("wariness", [0.0, 0.3])
def test_songs_are_trained_with_the_gate_loss_and_texts_without(
    monkeypatch: pytest.MonkeyPatch, wariness: float
) -> None:
    asked: dict[bool, set[type]] = {True: set(), False: set()}

    def noted(*args: Any, are_texts: bool = False, contrast: ContrastiveCues | None = None) -> Any:
        asked[are_texts].add(type(contrast))
        return loss(*args, contrast=contrast, are_texts=are_texts)

    monkeypatch.setattr("mer.research.house.trainer.loss", noted)
    Trainer(replace(RECIPE, epochs=1, wariness=wariness), CONFIG, WITH_LYRICS, TEXTS, PLANE).train()
    assert asked == {True: {type(None)}, False: {ContrastiveCues if wariness else type(None)}}


def test_gates_learn_to_mistrust_lyrics_that_do_not_meet_the_title() -> None:
    """Each song's title is a line of its own lyrics, and of nobody else's."""
    generator = torch.Generator().manual_seed(3)
    lines = [torch.randn(4, 10, generator=generator) for _ in range(16)]
    songs = [
        replace(song(i, tuple(Quadrant)[i % 4]), lyrics=line, context=line[:3])
        for i, line in enumerate(lines)
    ]
    network = untrained()
    batch, contrast = contrast_of(songs)
    known = network.states(batch)
    optimizer = torch.optim.Adam(network.doubt.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        lesson = _gate_loss(network, known, contrast)
        lesson.mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    own = network.weigh(known._replace(cues=contrast.original))
    strange = network.weigh(known._replace(cues=contrast.modified))
    assert (strange[..., 1] < own[..., 1]).all()
    assert (strange[..., 1] < 0.9 * own[..., 1]).float().mean() > 0.8


def test_who_has_one_modality_cannot_mistrust_it() -> None:
    lone = [replace(example, lyrics=None, context=None) for example in WITH_LYRICS]
    network = untrained()
    batch, contrast = contrast_of(
        [replace(one, copies=(one.audio,)) for one in lone if one.audio is not None]
    )
    lesson = _gate_loss(network, network.states(batch), contrast)
    assert contrast.is_modified[:, 0].all()
    assert (lesson == 0).all()
    batch, contrast = contrast_of(WITH_LYRICS)
    assert _gate_loss(network, network.states(batch), contrast).isfinite().all()
