"""The suite that every architecture of the comparison passes.

The songs are synthetic and the networks small. In `tests.mer.research.song_batches`, inputs that an
architecture does not list are nan.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mer import checkpoint
from mer.errors import InputError, PackageMissingError
from mer.research.architectures.base import ModelOutput, architecture, architectures
from mer.research.inputs.front_ends import FRONT_ENDS, front_end
from tests.mer.research.song_batches import alone, options, other, padded, song_batch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import Tensor

    from mer.research.architectures.base import FrontEndKind, SongBatch

CASES: list[tuple[str, FrontEndKind]] = [
    (name, kind)
    for name, row in architectures().items()
    for kind in row.inputs
    if kind == "own" or row.inputs[kind] != row.inputs.get("own")
]
EVERY = pytest.mark.parametrize(("name", "kind"), CASES, ids=["-".join(case) for case in CASES])


def subsets(names: Iterable[str]) -> list[tuple[str, ...]]:
    """All non-empty subsets of the modalities, the full set first."""
    names = tuple(names)
    counts = range(len(names), 0, -1)
    return [chosen for count in counts for chosen in itertools.combinations(names, count)]


def build(
    name: str, kind: FrontEndKind, variant: str = "full", classes: int = 4, seed: int = 0
) -> nn.Module:
    row = architecture(name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return row.build(options(row, front_end=kind, variant=variant, classes=classes, seed=seed))


@functools.cache
def network(name: str, kind: FrontEndKind, variant: str = "full", classes: int = 4) -> nn.Module:
    """Build a network for evaluation, with noise on all parameters: zeros would hide errors."""
    built = build(name, kind, variant, classes).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    return built


@torch.no_grad()
def predict(net: nn.Module, batch: SongBatch) -> ModelOutput:
    output = net(batch)
    assert isinstance(output, ModelOutput)
    return output


def assert_finite(output: ModelOutput) -> None:
    for value in (output.logits, output.affect, *output.gates.values(), *output.auxiliary.values()):
        assert value.isfinite().all()


def assert_same(one: ModelOutput, another: ModelOutput, song: int | slice) -> None:
    """The outputs `another` equal those of `one` at the position `song`."""
    pairs = {"logits": (one.logits, another.logits), "affect": (one.affect, another.affect)}
    pairs |= {gate: (one.gates[gate], another.gates[gate]) for gate in one.gates}
    for what, (left, right) in pairs.items():
        named = functools.partial("{}: {}".format, what)
        torch.testing.assert_close(left[song], right, atol=1e-5, rtol=1e-5, msg=named)


def loss(output: ModelOutput, labels: Tensor) -> Tensor:
    """Cross-entropy, the architecture's own losses, and a squared error of affect."""
    target = torch.stack([labels % 2, labels // 2 % 2], dim=1).float()
    return (
        F.cross_entropy(output.logits, labels)
        + 0.5 * F.mse_loss(output.affect, target)
        + torch.stack([torch.zeros(()), *output.auxiliary.values()]).sum()
    )


# --- the registry ------------------------------------------------------------------------------


def test_an_unknown_architecture_lists_the_known() -> None:
    with pytest.raises(InputError, match="'nobody'; there are"):
        architecture("nobody")


@pytest.mark.parametrize("name", architectures())
def test_an_entry_is_whole(name: str) -> None:
    row = architecture(name)
    assert row.name == name
    assert row.title
    assert row.variants[0] == "full"
    assert set(row.modalities) <= {"audio", "lyrics", "context"}
    assert set(row.training) >= set(row.inputs)
    assert row.test_windows >= 1
    for kind, inputs in row.inputs.items():
        reads_windows = bool(inputs & {"log_mel", "waveform"})
        assert not reads_windows or row.mel_preset in FRONT_ENDS
        assert not (kind == "musicnn" and reads_windows)
        assert bool(inputs & {"log_mel", "waveform", "patches"}) == ("audio" in row.modalities)
        assert bool(inputs & {"lyrics", "context", "words"}) == bool(
            {"lyrics", "context"} & set(row.modalities)
        )


@pytest.mark.parametrize(
    "name", [name for name, row in architectures().items() if len(row.variants) > 1]
)
def test_an_unknown_variant_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="upside-down"):
        build(name, "own", "upside-down")


# --- outputs -----------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(("songs", "classes"), [(1, 5), (3, 4), (3, 5)])
def test_shapes(name: str, kind: FrontEndKind, songs: int, classes: int) -> None:
    batch = song_batch(architecture(name), songs, front_end=kind)
    output = predict(network(name, kind, classes=classes), batch)
    assert output.logits.shape == (songs, classes)
    assert output.affect.shape == (songs, 2)
    assert ((output.affect > 0) & (output.affect < 1)).all()
    for gate in output.gates.values():
        assert gate.shape == (songs,)
        assert ((gate >= 0) & (gate <= 1)).all()
    assert all(extra.shape == () for extra in output.auxiliary.values())


@EVERY
def test_attention_rows_sum_to_one_over_real_tokens(name: str, kind: FrontEndKind) -> None:
    row = architecture(name)
    present = subsets(row.modalities)
    batch = song_batch(row, len(present), front_end=kind, present=present)
    output = predict(network(name, kind), batch)
    if output.attention is None:
        assert output.text_mask is None
        return
    assert output.text_mask is not None
    assert output.attention.ndim == 4
    assert (output.attention >= 0).all()
    total = output.attention.sum(dim=3)
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-5, rtol=0)
    keys = output.text_mask.shape[1]
    real = (output.attention[..., :keys] * output.text_mask[:, None, None]).sum(dim=3)
    read = output.text_mask.any(dim=1)
    assert read.any()
    torch.testing.assert_close(real[read], torch.ones_like(real[read]), atol=1e-5, rtol=0)


VARIANTS = [
    (name, kind, variant) for name, kind in CASES for variant in architecture(name).variants[1:]
]


@pytest.mark.parametrize(("name", "kind", "variant"), VARIANTS, ids=map("-".join, VARIANTS))
def test_every_variant_runs_with_every_set_of_modalities(
    name: str, kind: FrontEndKind, variant: str
) -> None:
    row = architecture(name)
    present = subsets(row.modalities)
    batch = song_batch(row, len(present), front_end=kind, present=present)
    output = predict(network(name, kind, variant), batch)
    assert output.logits.shape == (len(present), 4)
    assert_finite(output)


# --- missing modalities, batches, padding ------------------------------------------------------

CHOICES = [
    (name, kind, present)
    for name, kind in CASES
    for present in subsets(architecture(name).modalities)
]


@pytest.mark.parametrize(
    ("name", "kind", "present"),
    CHOICES,
    ids=["-".join((name, kind, *present)) for name, kind, present in CHOICES],
)
def test_a_batch_without_a_modality_gets_finite_outputs(
    name: str, kind: FrontEndKind, present: tuple[str, ...]
) -> None:
    batch = song_batch(architecture(name), 2, front_end=kind, present=[present])
    output = predict(network(name, kind), batch)
    assert_finite(output)
    assert not torch.allclose(output.logits[0], output.logits[1], atol=1e-6), (
        "the output ignores the song"
    )


@EVERY
def test_every_modality_changes_the_output(name: str, kind: FrontEndKind) -> None:
    row = architecture(name)
    batch, another = (song_batch(row, 3, front_end=kind, seed=seed) for seed in (0, 9))
    before = predict(network(name, kind), batch)
    for modality in row.modalities:
        after = predict(network(name, kind), other(batch, another, modality))
        change = (after.logits - before.logits).abs().amax(dim=1)
        assert (change > 1e-6).all(), modality


@EVERY
def test_a_song_alone_equals_the_song_among_others(name: str, kind: FrontEndKind) -> None:
    row = architecture(name)
    present = subsets(row.modalities)
    songs = max(3, len(present))
    batch = song_batch(row, songs, front_end=kind, present=present)
    together = predict(network(name, kind), batch)
    for song in range(songs):
        song_alone = predict(network(name, kind), alone(batch, song))
        assert_same(together, song_alone, slice(song, song + 1))


@EVERY
def test_padding_changes_nothing(name: str, kind: FrontEndKind) -> None:
    row = architecture(name)
    present = subsets(row.modalities)
    batch = song_batch(row, max(3, len(present)), front_end=kind, present=present)
    before = predict(network(name, kind), batch)
    assert_same(before, predict(network(name, kind), padded(batch)), slice(None))


@pytest.mark.parametrize("name", [name for name, kind in CASES if kind == "own"])
def test_a_whole_training_window_gets_finite_outputs(name: str) -> None:
    row = architecture(name)
    frames = 1
    if row.mel_preset is not None:
        mel = front_end(row.mel_preset)
        frames = mel.frames(round(row.window_seconds["small"] * mel.sample_rate))
    assert_finite(predict(network(name, "own"), song_batch(row, 1, frames=frames)))


# --- training ----------------------------------------------------------------------------------


@EVERY
def test_gradients_reach_every_parameter(name: str, kind: FrontEndKind) -> None:
    row = architecture(name)
    net = build(name, kind).train()
    present = [*subsets(row.modalities), row.modalities]
    batch = song_batch(row, len(present), front_end=kind, present=present)
    loss(net(batch), torch.arange(len(present)) % 4).backward()  # type: ignore[no-untyped-call]
    missed = [
        key
        for key, parameter in net.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]
    assert not missed
    for key, parameter in net.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), key


OVERFIT_CASES = [
    (name, kind, present)
    for name, kind in CASES
    for present in subsets(architecture(name).modalities)
    if present == architecture(name).modalities or (kind == "own" and len(present) == 1)
]
STEPS = 150
SHORT = 32
"""Number of frames that leaves every architecture at least one step after pooling."""


@pytest.mark.parametrize(
    ("name", "kind", "present"),
    OVERFIT_CASES,
    ids=["-".join((name, kind, *present)) for name, kind, present in OVERFIT_CASES],
)
def test_sixteen_songs_are_overfitted(
    name: str, kind: FrontEndKind, present: tuple[str, ...]
) -> None:
    """From all modalities and from each one, at the architecture's own rate and weight decay.

    Dropout and label smoothing are off.
    """
    row = architecture(name)
    defaults = row.training[kind]
    net = build(name, kind).train()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    batch = song_batch(row, 16, front_end=kind, present=[present], frames=SHORT)
    labels = torch.arange(16) * 7 // 3 % 4
    learner = torch.optim.AdamW(
        net.parameters(), lr=defaults.learning_rate, weight_decay=defaults.weight_decay
    )
    best = 0.0
    for _ in range(STEPS):
        output = net(batch)
        best = max(best, float((output.logits.argmax(dim=1) == labels).float().mean()))
        if best >= 0.95:
            return
        learner.zero_grad()
        loss(output, labels).backward()  # type: ignore[no-untyped-call]
        learner.step()
    pytest.fail(f"{STEPS} steps fit {best:.0%} of 16 songs")


@EVERY
def test_the_same_seed_builds_the_same_network(name: str, kind: FrontEndKind) -> None:
    one, another = (build(name, kind).state_dict() for _ in range(2))
    assert one.keys() == another.keys()
    assert all(torch.equal(one[key], another[key]) for key in one)


@EVERY
def test_mixed_precision_trains(name: str, kind: FrontEndKind) -> None:
    row = architecture(name)
    net = build(name, kind).train()
    present = [*subsets(row.modalities), row.modalities]
    batch = song_batch(row, len(present), front_end=kind, present=present, frames=SHORT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = net(batch)
    assert_finite(output)
    labels = torch.arange(len(present)) % 4
    half = dataclasses.replace(output, logits=output.logits.float(), affect=output.affect.float())
    loss(half, labels).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@EVERY
def test_cuda_equals_the_cpu(name: str, kind: FrontEndKind) -> None:
    row = architecture(name)
    try:
        here = network(name, kind)
    except PackageMissingError as error:  # the GPU check runs without the research extra
        pytest.skip(str(error))
    present = subsets(row.modalities)
    batch = song_batch(row, len(present), front_end=kind, present=present)
    moved = {key: value.cuda() for key, value in batch._asdict().items() if key != "words"}
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        there = predict(copy.deepcopy(here).cuda(), batch._replace(**moved))
    assert there.logits.is_cuda
    expected = predict(here, batch)
    torch.testing.assert_close(there.logits.cpu(), expected.logits, atol=1e-3, rtol=1e-3)


# --- checkpoints -------------------------------------------------------------------------------


@EVERY
def test_a_checkpoint_restores_the_network_bit_for_bit(
    name: str, kind: FrontEndKind, tmp_path: Path
) -> None:
    """Also if the second network was built without training songs: the file has the vocabulary."""
    row = architecture(name)
    net = network(name, kind)
    path = checkpoint.save(net.state_dict(), {"architecture": name}, {}, tmp_path, "tiny")
    state, config = checkpoint.load(path)
    blank = options(row, front_end=kind, seed=5)
    blank = dataclasses.replace(
        blank, documents=(), patch_mean=torch.zeros(1756), patch_std=torch.ones(1756)
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        again = architecture(config["architecture"]).build(blank)
    again.load_state_dict(state)
    batch = song_batch(row, 3, front_end=kind)
    before, after = predict(net, batch), predict(again.eval(), batch)
    assert torch.equal(before.logits, after.logits)
    assert torch.equal(before.affect, after.affect)
