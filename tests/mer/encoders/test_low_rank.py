"""Corrections are merged into the weights of the network they belong to, and of no other."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mer.encoders.low_rank import bundled, linear_layers, merge, unbundled
from mer.errors import CheckpointCorruptError


def network(width: int = 6) -> nn.Sequential:
    """Linear layers at two depths, among layers that are left alone."""
    torch.manual_seed(3)
    inner = nn.Sequential(nn.Linear(width, 9), nn.GELU(), nn.Linear(9, width, bias=False))
    return nn.Sequential(nn.Embedding(11, width), nn.LayerNorm(width), inner, nn.Linear(width, 4))


def corrections(plain: nn.Sequential, rank: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    parts = {}
    for name, linear in linear_layers(plain):
        outputs, inputs = linear.weight.shape
        parts[f"{name}.down"] = 0.5 * torch.randn(rank, inputs, generator=generator)
        parts[f"{name}.up"] = 0.5 * torch.randn(outputs, rank, generator=generator)
    return parts


def inputs() -> torch.Tensor:
    return torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(0))


def test_the_product_is_added_to_each_weight_and_nothing_else_changes() -> None:
    plain = network()
    merged, correction = copy.deepcopy(plain), corrections(plain)
    merge(merged, correction)
    weights = plain.state_dict()
    names = {f"{name}.weight" for name, _ in linear_layers(plain)}
    assert names == {"2.0.weight", "2.2.weight", "3.weight"}
    for name, after in merged.state_dict().items():
        stem = name.rpartition(".")[0]
        added = correction[f"{stem}.up"] @ correction[f"{stem}.down"] if name in names else 0
        torch.testing.assert_close(after, weights[name] + added, rtol=0, atol=1e-6)


def test_frozen_weights_and_those_of_low_precision_can_be_merged() -> None:
    plain = network()
    correction = corrections(plain)
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
    own = corrections(network())
    return {
        "another width": corrections(network(width=8)),
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
    weights, correction = plain.state_dict(), corrections(plain)
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
