"""Training of low-rank corrections of linear layers (LoRA).

`mer.encoders.low_rank` has the formula and merges trained corrections into the weights.

References
----------
Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models", ICLR.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mer.encoders.low_rank import linear_layers


class LowRankLinear(nn.Module):
    """A frozen linear layer plus a trainable correction, which starts at zero.

    Parameters
    ----------
    linear : nn.Linear
        Not changed. Its precision may be lower than that of the correction, which is float32.
    rank : int
    """

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(requires_grad=False)
        scale = 1 / math.sqrt(linear.in_features)
        self.down = nn.Parameter(scale * torch.randn(rank, linear.in_features))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, states: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs) in the precision of the states."""
        narrow = F.linear(states, self.down.to(states.dtype))
        corrected: Tensor = self.linear(states) + F.linear(narrow, self.up.to(states.dtype))
        return corrected


def make_trainable(network: nn.Module, rank: int) -> None:
    """Add a correction to every linear layer of `network`, in place, and freeze all else."""
    network.requires_grad_(requires_grad=False)
    for name, linear in list(linear_layers(network)):
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, LowRankLinear(linear, rank))


def corrections(network: nn.Module) -> dict[str, Tensor]:
    """Corrections of `network`, named as `mer.encoders.low_rank.merge` takes them; views."""
    return {
        name: parameter.detach()
        for name, parameter in network.named_parameters()
        if name.endswith((".down", ".up"))
    }
