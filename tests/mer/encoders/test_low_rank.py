"""Low-rank corrections: nothing at first, all that is trained, and no cost once merged."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mer.encoders.low_rank import (
    LowRankLinear,
    bundled,
    corrections,
    make_trainable,
    merge,
    unbundled,
)
from mer.errors import CheckpointCorruptError


def network(width: int = 6) -> nn.Sequential:
    """Linear layers at two depths, among layers that are left alone."""
    torch.manual_seed(3)
    inner = nn.Sequential(nn.Linear(width, 9), nn.GELU(), nn.Linear(9, width, bias=False))
    return nn.Sequential(nn.Embedding(11, width), nn.LayerNorm(width), inner, nn.Linear(width, 4))


def inputs() -> torch.Tensor:
    return torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(0))


def trained(plain: nn.Sequential, rank: int = 2, steps: int = 20) -> nn.Sequential:
    """Copy `plain`, give the copy corrections and let them learn something."""
    learner = copy.deepcopy(plain)
    make_trainable(learner, rank)
    wanted = torch.randn(5, 7, 4, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        (learner(inputs()) - wanted).square().mean().backward()
        optimizer.step()
    return learner


def test_corrections_begin_as_nothing() -> None:
    plain = network()
    learner = copy.deepcopy(plain)
    make_trainable(learner, rank=3)
    assert torch.equal(learner(inputs()), plain(inputs()))
    parts = corrections(learner)
    assert all(not part.any() for name, part in parts.items() if name.endswith(".up"))
    assert all(part.any() for name, part in parts.items() if name.endswith(".down"))


def test_every_linear_layer_has_one_of_the_rank_and_in_full_precision() -> None:
    learner = network().to(torch.bfloat16)
    make_trainable(learner, rank=3)
    parts = corrections(learner)
    assert {name: tuple(part.shape) for name, part in parts.items()} == {
        "2.0.down": (3, 6), "2.0.up": (9, 3),
        "2.2.down": (3, 9), "2.2.up": (6, 3),
        "3.down": (3, 6), "3.up": (4, 3),
    }  # fmt: skip
    assert {part.dtype for part in parts.values()} == {torch.float32}
    assert learner(inputs()).dtype == torch.bfloat16


def test_all_but_corrections_is_frozen() -> None:
    plain = network()
    learner = trained(plain)
    open_to_training = {name for name, p in learner.named_parameters() if p.requires_grad}
    assert open_to_training == set(corrections(learner))
    kept = {name.replace(".linear.", "."): part for name, part in learner.state_dict().items()}
    assert all(torch.equal(kept[name], part) for name, part in plain.state_dict().items())


def test_merged_is_what_was_trained() -> None:
    plain = network()
    learner, merged = trained(plain), copy.deepcopy(plain)
    merge(merged, corrections(learner))
    assert (plain(inputs()) - learner(inputs())).abs().max() > 0.1
    torch.testing.assert_close(merged(inputs()), learner(inputs()), rtol=0, atol=1e-5)
    assert not any(isinstance(module, LowRankLinear) for module in merged.modules())
    assert merged.state_dict().keys() == plain.state_dict().keys()


def test_merged_weights_differ_by_no_more_than_the_rank() -> None:
    plain = network()
    merged = copy.deepcopy(plain)
    merge(merged, corrections(trained(plain, rank=2)))
    change = merged[2][0].weight - plain[2][0].weight
    assert torch.linalg.matrix_rank(change.detach(), rtol=1e-4) == 2


def test_frozen_weights_and_those_of_low_precision_can_be_merged() -> None:
    plain = network()
    correction = corrections(trained(plain))
    half = copy.deepcopy(plain).to(torch.bfloat16).requires_grad_(requires_grad=False)
    merge(half, correction)
    merge(plain, correction)
    assert half[3].weight.dtype == torch.bfloat16
    torch.testing.assert_close(half[3].weight.float(), plain[3].weight, rtol=0.02, atol=0.01)


def test_no_correction_changes_nothing() -> None:
    plain, merged = network(), network()
    merge(merged, {})
    assert torch.equal(merged(inputs()), plain(inputs()))


def foreign() -> dict[str, dict[str, torch.Tensor]]:
    own = corrections(trained(network(), steps=1))
    return {
        "another width": corrections(trained(network(width=8), steps=1)),
        "another layer": {f"9.{name}": part for name, part in own.items()},
        "no linear layer": {"1.up": torch.zeros(6, 2), "1.down": torch.zeros(2, 6)},
        "a half": {name: part for name, part in own.items() if name.endswith(".up")},
        "another rank": {"3.up": torch.zeros(4, 2), "3.down": torch.zeros(3, 6)},
    }


@pytest.mark.parametrize("kind", list(foreign()))
def test_a_foreign_correction_is_refused(kind: str) -> None:
    with pytest.raises(CheckpointCorruptError, match="not of this text encoder"):
        merge(network(), foreign()[kind])


def test_what_is_bundled_can_be_taken_apart() -> None:
    plain = network()
    weights, correction = plain.state_dict(), corrections(trained(plain))
    both = bundled(weights, correction)
    assert len(both) == len(weights) + len(correction)
    assert sum(name.startswith("text_adapter.") for name in both) == len(correction)
    weights_again, correction_again = unbundled(both)
    assert list(weights_again) == list(weights)
    assert weights_again.keys().isdisjoint(both.keys() - weights.keys())
    assert correction_again.keys() == correction.keys()
    assert all(torch.equal(weights_again[name], part) for name, part in weights.items())
    assert all(torch.equal(correction_again[name], part) for name, part in correction.items())


def test_weights_alone_have_no_corrections() -> None:
    weights = network().state_dict()
    assert unbundled(bundled(weights, {})) == (dict(weights), {})
