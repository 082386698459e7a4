"""Low-rank corrections of a transformer's linear layers (LoRA), merged into its weights.

A layer ``W x`` becomes ``(W + up @ down) x`` with `down` (rank, inputs) and `up` (outputs, rank).
A merged layer costs no more than the original. `mer.research.house.low_rank` trains corrections.

References
----------
Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models", ICLR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from mer.errors import CheckpointCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

_PREFIX: Final = "text_adapter."
_FOREIGN: Final = (
    "the checkpoint's text adapter is not of this text encoder; use the release that wrote it, or "
    "train the model anew"
)


def merge(network: nn.Module, correction: Mapping[str, Tensor]) -> None:
    """Add corrections to the weights of a network, in place.

    Parameters
    ----------
    network : nn.Module
        With plain linear layers.
    correction : mapping of str to Tensor
        ``NAME.down`` (rank, inputs) and ``NAME.up`` (outputs, rank) of each linear layer ``NAME``
        to correct.

    Raises
    ------
    CheckpointCorruptError
        If it belongs to another network. `network` stays unchanged.
    """
    linears = dict(linear_layers(network))
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
    """Combine a network's weights and the corrections of its text encoder in one mapping."""
    return {**state, **{f"{_PREFIX}{name}": part for name, part in correction.items()}}


def unbundled(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Split the mapping that `bundled` returns into weights and corrections."""
    weights = {name: part for name, part in state.items() if not name.startswith(_PREFIX)}
    correction = {name.removeprefix(_PREFIX): state[name] for name in state.keys() - weights.keys()}
    return weights, correction


def linear_layers(network: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Iterate over the linear layers of `network` and their names."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module
