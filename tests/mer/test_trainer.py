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
from mer.mixture import SONG_SETS, Plane, targets
from mer.models.affetti import AffettiConfig, AffettiNetwork
from mer.trainer import Recipe, Trainer, _misplaced_trust, feature_batch, loss, withhold

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
    """A song whose lyrics are its number."""
    lyrics = torch.full((2, 10), float(index + 1)).half() if has_lyrics else None
    return replace(song(index, tuple(Quadrant)[index % 4]), lyrics=lyrics)


SUNG = [sung(index, has_lyrics=index % 3 > 0) for index in range(10)]  # 0, 3, 6 and 9 have none


def estranged(share: float, songs: Sequence[TrackFeatures]) -> list[TrackFeatures]:
    torch.manual_seed(0)
    trainer = Trainer(replace(RECIPE, stranger_share=share), CONFIG, SUNG, TEXTS, PLANE)
    return trainer._estranged(list(songs))


def singer(example: TrackFeatures) -> int | None:
    return None if example.lyrics is None else int(example.lyrics[0, 0]) - 1


def test_strangers_lyrics_are_of_the_same_batch() -> None:
    changed = estranged(1.0, SUNG[:6] * 10)
    assert [singer(one) is None for one in changed] == [i % 6 in (0, 3) for i in range(60)]
    assert {singer(one) for one in changed} == {None, 1, 2, 4, 5}


def test_strangers_lyrics_are_all_that_changes() -> None:
    changed = estranged(1.0, SUNG)
    assert [singer(one) for one in changed] != [singer(one) for one in SUNG]
    for before, after in zip(SUNG, changed, strict=True):
        assert after.track is before.track  # its labels stay its own
        assert after.audio is before.audio
        assert after.context is before.context


def test_no_lyrics_are_changed_without_strangers_or_singers() -> None:
    assert all(one is other for one, other in zip(estranged(0.0, SUNG), SUNG, strict=True))
    silent = [example for example in SUNG if example.lyrics is None]
    assert all(one is other for one, other in zip(estranged(1.0, silent), silent, strict=True))
    assert estranged(1.0, []) == []


def test_strangers_come_as_often_as_asked() -> None:
    crowd = [sung(index) for index in range(400)]
    changed = sum(
        one is not other for one, other in zip(estranged(0.25, crowd), crowd, strict=True)
    )
    assert 70 < changed < 130


def test_texts_that_stand_alone_are_never_estranged(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[str] = []
    original = Trainer._estranged

    def noted(self: Trainer, songs: list[TrackFeatures]) -> list[TrackFeatures]:
        met.extend(one.track.dataset for one in songs)
        return original(self, songs)

    monkeypatch.setattr(Trainer, "_estranged", noted)
    Trainer(replace(RECIPE, epochs=1, stranger_share=1.0), CONFIG, SUNG, TEXTS, PLANE).train()
    assert len(met) == len(SUNG)
    assert set(met) <= set(SONG_SETS)


def untrained() -> AffettiNetwork:
    """Without dropout, so that two passes are the same."""
    torch.manual_seed(2)
    network = AffettiNetwork(CONFIG)
    network.standardise_to([one.audio.float() for one in SUNG if one.audio is not None])
    return network.eval()


def gradients(
    network: AffettiNetwork, recipe: Recipe, *, are_texts: bool
) -> dict[str, torch.Tensor]:
    examples = TEXTS if are_texts else SUNG
    wanted = targets([example.track for example in examples], PLANE)
    network.zero_grad()
    batch = feature_batch(examples, CONFIG)
    loss(network, batch, wanted, recipe, are_texts=are_texts).backward()  # type: ignore[no-untyped-call]
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in network.named_parameters()
    }


def test_reliability_moves_the_gates_only() -> None:
    network = untrained()
    without = gradients(network, replace(RECIPE, reliability=0.0), are_texts=False)
    with_it = gradients(network, replace(RECIPE, reliability=1.0), are_texts=False)
    moved = {
        name for name in without if not torch.allclose(without[name], with_it[name], atol=1e-7)
    }
    assert moved == {"gate.weight", "gate.bias"}


def test_reliability_asks_nothing_of_texts_that_stand_alone() -> None:
    network = untrained()
    without = gradients(network, replace(RECIPE, reliability=0.0), are_texts=True)
    with_it = gradients(network, replace(RECIPE, reliability=1.0), are_texts=True)
    assert all(torch.equal(without[name], with_it[name]) for name in without)


def test_gates_learn_to_trust_the_modality_that_errs_less() -> None:
    """Audio tells the quadrant by itself in a network whose lyrics and context say the opposite."""
    network = untrained()
    known = network.states(feature_batch(SUNG, CONFIG))
    heads = network.judge(known.states[:, :, 0], known.present)
    right = heads.quadrant_logits.mean(dim=0).argmax(dim=1)
    wanted = targets([example.track for example in SUNG], PLANE)
    quadrant = torch.nn.functional.one_hot(right, 4).float()
    wanted = wanted._replace(quadrant=quadrant, weights=torch.eye(6)[:1].expand(len(SUNG), -1) * 20)
    known = known._replace(
        states=torch.stack([known.states[:, :, 0], *[-known.states[:, :, 0]] * 2], dim=2)
    )
    before = network.weigh(known).detach()
    optimizer = torch.optim.Adam(network.gate.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        trust = _misplaced_trust(network, known, wanted, RECIPE)
        trust.mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    after = network.weigh(known).detach()
    assert after[..., 0].mean() > before[..., 0].mean() + 0.1
    missing = ~known.present.expand(len(after), -1, -1)
    assert (after[missing] == 0).all()


def test_a_missing_modality_deserves_nothing_and_a_lone_one_all() -> None:
    network = untrained()
    lone = [replace(example, lyrics=None, context=None) for example in SUNG]
    wanted = targets([example.track for example in lone], PLANE)
    trust = _misplaced_trust(network, network.states(feature_batch(lone, CONFIG)), wanted, RECIPE)
    torch.testing.assert_close(trust, torch.zeros(4, len(lone)), atol=1e-5, rtol=0)
    some = network.states(feature_batch(SUNG, CONFIG))
    assert _misplaced_trust(network, some, wanted, RECIPE).isfinite().all()
