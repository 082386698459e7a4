"""Low-rank corrections of a transformer's linear layers (LoRA).

A layer ``W x`` becomes ``(W + up @ down) x`` with `down` (rank, inputs) and `up` (outputs, rank).
In training ``W`` stays as it is; for use the correction is added to it, and costs nothing.

References
----------
Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models", ICLR.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mer.errors import CheckpointCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PREFIX: Final = "text_adapter."
_FOREIGN: Final = (
    "the checkpoint's text adapter is not of this text encoder; use the release that wrote it, or "
    "train the model anew"
)


class LowRankLinear(nn.Module):
    """A frozen linear layer and a correction that is trained; the correction starts as nothing.

    Parameters
    ----------
    linear : nn.Linear
        Kept as it is; may be of lower precision than the correction, which is float32.
    rank : int
    """

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(requires_grad=False)
        scale = 1 / math.sqrt(linear.in_features)
        self.down = nn.Parameter(scale * torch.randn(rank, linear.in_features))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, states: Tensor) -> Tensor:
        """Take (..., inputs) to (..., outputs) in the precision of the states."""
        narrow = F.linear(states, self.down.to(states.dtype))
        corrected: Tensor = self.linear(states) + F.linear(narrow, self.up.to(states.dtype))
        return corrected


def make_trainable(network: nn.Module, rank: int) -> None:
    """Put a correction on every linear layer of `network`, in place; all else is frozen."""
    network.requires_grad_(requires_grad=False)
    for name, linear in list(_linears(network)):
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, LowRankLinear(linear, rank))


def corrections(network: nn.Module) -> dict[str, Tensor]:
    """Corrections of `network`, by names that `merge` understands; views, not copies."""
    return {
        name: parameter.detach()
        for name, parameter in network.named_parameters()
        if name.endswith((".down", ".up"))
    }


def merge(network: nn.Module, correction: Mapping[str, Tensor]) -> None:
    """Add corrections to the weights of a network that was never made trainable, in place.

    Parameters
    ----------
    network : nn.Module
    correction : mapping of str to Tensor
        As `corrections` gives it.

    Raises
    ------
    CheckpointCorruptError
        If it is of another network, which is left as it was.
    """
    linears = dict(_linears(network))
    try:
        changes = {
            linears[name]: correction[f"{name}.up"] @ correction[f"{name}.down"]
            for name in sorted({name.rpartition(".")[0] for name in correction})
        }
    except (KeyError, RuntimeError) as error:
        raise CheckpointCorruptError(_FOREIGN) from error
    if any(change.shape != linear.weight.shape for linear, change in changes.items()):
        raise CheckpointCorruptError(_FOREIGN)
    with torch.no_grad():
        for linear, change in changes.items():
            linear.weight += change.to(linear.weight)


def bundled(state: Mapping[str, Tensor], correction: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put a network's weights and the corrections of its text encoder into one mapping."""
    return {**state, **{f"{_PREFIX}{name}": part for name, part in correction.items()}}


def unbundled(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Take apart what `bundled` put together: the weights, then the corrections."""
    weights = {name: part for name, part in state.items() if not name.startswith(_PREFIX)}
    correction = {name.removeprefix(_PREFIX): state[name] for name in state.keys() - weights.keys()}
    return weights, correction


def _linears(network: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module
