"""Predictions of models as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from mer.research.architectures.base import ModelOutput


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of a model for some songs.

    Parameters
    ----------
    probabilities : (songs, classes) float64 ndarray
    affect : (songs, 2) float64 ndarray in [0, 1]
        Valence, arousal.
    gates : mapping of str to (songs,) float64 ndarray
    attention_entropy : (songs,) float64 ndarray or None
        Of the audio's attention over the text, divided by its maximum; NaN for songs with fewer
        than two tokens.
    """

    probabilities: NDArray[np.float64]
    affect: NDArray[np.float64]
    gates: Mapping[str, NDArray[np.float64]]
    attention_entropy: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, output: ModelOutput) -> Predictions:
        """Convert a network's output."""

        def array(tensor: Tensor) -> NDArray[np.float64]:
            return tensor.detach().double().cpu().numpy()

        entropy = None
        if output.attention is not None and output.text_mask is not None:
            weights, mask = output.attention, output.text_mask
            per_step = -(weights * weights.clamp(min=1e-12).log()).sum(dim=-1).mean(dim=1)
            real = output.audio_mask
            if real is None:
                real = torch.ones_like(per_step, dtype=torch.bool)
            per_step = (per_step * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)
            maximum = mask.sum(dim=1).clamp(min=1).to(per_step.dtype).log()
            entropy = array(torch.where(maximum > 0, per_step / maximum, torch.nan))
        return cls(
            array(output.logits.softmax(dim=1)),
            array(output.affect),
            {name: array(gate) for name, gate in output.gates.items()},
            entropy,
        )


def mean_of(parts: Sequence[Predictions]) -> Predictions:
    """Average several predictions of the same songs, for example of several windows."""
    first = parts[0]
    entropies = [part.attention_entropy for part in parts]
    return Predictions(
        np.mean([part.probabilities for part in parts], axis=0),
        np.mean([part.affect for part in parts], axis=0),
        {name: np.mean([part.gates[name] for part in parts], axis=0) for name in first.gates},
        None if entropies[0] is None else np.mean([e for e in entropies if e is not None], axis=0),
    )


def concatenated(parts: Sequence[Predictions]) -> Predictions:
    """Concatenate the predictions of several parts of the songs."""
    first = parts[0]
    entropies = [part.attention_entropy for part in parts]
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.affect for part in parts]),
        {name: np.concatenate([part.gates[name] for part in parts]) for name in first.gates},
        None if entropies[0] is None else np.concatenate([e for e in entropies if e is not None]),
    )
