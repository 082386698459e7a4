"""Loss of every architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from mer.research.architectures.base import ModelOutput, TrainingDefaults
    from mer.research.harness.labels import Labels


def loss(output: ModelOutput, labels: Labels, settings: TrainingDefaults, target: str) -> Tensor:
    """Cross-entropy of the classes, ``1 - CCC`` of valence and arousal, the auxiliary losses.

    Parameters
    ----------
    output : ModelOutput
    labels : Labels
        Of the same songs.
    settings : TrainingDefaults
    target : str
        For ``va`` the classes are ignored, and half the squared error is added [Li].

    Returns
    -------
    () float Tensor
    """
    device = output.logits.device
    total = output.logits.new_zeros(()).float()
    known = labels.known.to(device)
    if target != "va" and bool(known.any()):
        total = total + F.cross_entropy(
            output.logits.float()[known],
            labels.classes.to(device)[known],
            label_smoothing=settings.label_smoothing,
        )
    rated = ~labels.affect.isnan().any(dim=1).to(device)
    if int(rated.sum()) > 1 and (settings.affect_weight or target == "va"):
        predicted, true = output.affect.float()[rated], labels.affect.to(device)[rated]
        disagreement = (2 - differentiable_ccc(predicted, true).sum()) / 2
        if target == "va":
            total = total + disagreement + 0.5 * F.mse_loss(predicted, true)
        else:
            total = total + settings.affect_weight * disagreement
    for error in output.auxiliary.values():
        total = total + error.float()
    return total


def differentiable_ccc(predicted: Tensor, target: Tensor) -> Tensor:
    """CCC of each column; (songs, columns) to (columns,); see `mer.metrics.ccc`."""
    mean, true_mean = predicted.mean(dim=0), target.mean(dim=0)
    covariance = ((predicted - mean) * (target - true_mean)).mean(dim=0)
    variances = predicted.var(dim=0, correction=0) + target.var(dim=0, correction=0)
    return 2 * covariance / (variances + (mean - true_mean) ** 2).clamp(min=1e-8)
