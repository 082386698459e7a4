"""Training of low-rank corrections: they start at zero, and nothing else is trained."""

from __future__ import annotations

import copy

import torch
from torch import nn

from mer.encoders.low_rank import merge
from mer.research.house.low_rank import LowRankLinear, corrections, make_trainable


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
