"""Kinds of music: which kind a recording is, features relative to its kind, and its novelty.

A piano piece differs from a pop song in every column of the audio features, whatever its mood. So
the features are standardised with the statistics of the recording's kind: solo piano, orchestra,
electronic music, a band, chiptune. The kind is a soft assignment, computed from the recording
alone. The other songs of a library have no influence, so that a library of one mood is not
rescaled. A recording that is unlike all training music keeps the statistics of all of it.

`mer.research.house.kinds` fits the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

KINDS: Final = ("band", "electronic", "orchestral", "solo piano", "chiptune")
"""Kinds of music that the training sets have."""

_CLIP: Final = 12.0
"""Standardised columns are clipped here, in standard deviations."""
_NARROWEST: Final = 0.3
"""Smallest deviation of a kind, relative to that of all songs."""
_FAR: Final = 6.0
"""Novelty, in deviations of training songs, at which a kind's statistics lose half their weight."""


class PooledAudio(NamedTuple):
    """Pooled audio of a batch of songs.

    Attributes
    ----------
    features : (songs, columns) float Tensor
        Mean and deviation over patches, relative to the kind of music.
    kinds : (songs, kinds) float Tensor in [0, 1]
        Soft assignment; rows sum to 1.
    novelty : (songs,) float Tensor
        Distance from the training songs, in their standard deviations; 0 is their mean.
    """

    features: Tensor
    kinds: Tensor
    novelty: Tensor


class KindStatistics(nn.Module):
    """Assigns pooled audio to kinds of music and standardises it. All numbers are buffers.

    The novelty is the logarithm of two parts: the Mahalanobis distance from the nearest kind in
    the principal components of the training songs [1]_, and the energy outside those components.

    Parameters
    ----------
    width, columns : int
        Width of pooled audio (mean and deviation of every audio column), and how many of its
        columns are used; the others never vary.
    kinds, components : int
        Number of kinds and of principal components.

    References
    ----------
    .. [1] Lee, Lee, Lee & Shin (2018), "A simple unified framework for detecting out-of-
       distribution samples and adversarial attacks", NeurIPS.
    """

    used: Tensor
    is_spread: Tensor
    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor
    kind_mean: Tensor
    kind_std: Tensor
    basis: Tensor
    whitening: Tensor
    centres: Tensor
    residual: Tensor
    novelty_moments: Tensor

    def __init__(self, width: int, columns: int, kinds: int, components: int) -> None:
        super().__init__()
        self.register_buffer("used", torch.arange(width)[:columns])
        self.register_buffer("is_spread", torch.arange(width)[:columns] >= width // 2)
        shapes: dict[str, tuple[int, ...]] = {
            "mean": (columns,),
            "weight": (columns, kinds),
            "bias": (kinds,),
            "kind_mean": (kinds, columns),
            "basis": (columns, components),
            "whitening": (components, components),
            "centres": (kinds, components),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("scale", torch.ones(columns))
        self.register_buffer("kind_std", torch.ones(kinds, columns))
        self.register_buffer("residual", torch.ones(()))
        self.register_buffer("novelty_moments", torch.tensor([0.0, 1.0]))

    def forward(self, pooled: Tensor, several: Tensor) -> PooledAudio:
        """Assign and standardise.

        Parameters
        ----------
        pooled : (songs, width) float Tensor
            Means over patches, then standard deviations.
        several : (songs,) bool Tensor
            Whether a song has more than one patch. A single patch has no deviation; an average one
            takes its place.

        Returns
        -------
        PooledAudio
        """
        known = (several[:, None] | ~self.is_spread).to(pooled.dtype)
        columns = self.standardised(pooled) * known
        kinds = torch.softmax(columns @ self.weight + self.bias, dim=1)
        novelty = self.novelty(columns)
        near = torch.sigmoid(_FAR - novelty)[:, None]
        mean = near * (kinds @ self.kind_mean)
        deviation = near * (kinds @ self.kind_std) + 1 - near
        features = (columns - mean) / deviation.clamp(min=_NARROWEST) * known
        return PooledAudio(features.clamp(-_CLIP, _CLIP), kinds, novelty)

    def standardised(self, pooled: Tensor) -> Tensor:
        """Compute the used columns (songs, columns) in deviations of all training songs."""
        centred = pooled[:, self.used] - self.mean
        return (centred * self.scale).clamp(-_CLIP, _CLIP)

    def novelty(self, columns: Tensor) -> Tensor:
        """Novelty (songs,) of standardised columns, in deviations of training songs."""
        mean, deviation = self.novelty_moments.unbind()
        return (self.log_distance(columns) - mean) / deviation

    def log_distance(self, columns: Tensor) -> Tensor:
        """Logarithm of the distance (songs,) from the training songs."""
        inside = columns @ self.basis
        outside = (columns**2).sum(dim=1) - (inside**2).sum(dim=1)
        apart = (inside @ self.whitening)[:, None] - self.centres
        nearest = (apart**2).mean(dim=2).amin(dim=1)
        return (nearest + outside.clamp(min=0.0) / self.residual).clamp(min=1e-6).log()
