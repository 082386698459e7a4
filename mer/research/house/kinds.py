"""Fits `mer.kinds.KindStatistics` to training songs, whose kind of music follows from their set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F

from mer.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from mer.kinds import KindStatistics
    from mer.research.datasets.base import Track

_EMPHASIS: Final = 3.0
"""Factor on the few descriptors; with it they contribute a fifth of the sum over columns."""
_RARE: Final = 20.0
"""Songs of a kind at which its own statistics have half the weight."""
_CONSTANT: Final = 2e-3
"""A deviation below this share of the mean is rounding of float16: the column is left out."""
_RANK: Final = 200
_RIDGE: Final = 1e3
"""Inverse of the penalty's strength of scikit-learn's logistic regression."""
_ROUNDING: Final = 0.05
"""Smallest share of the energy outside the principal components."""
_FLOOR: Final = 0.05
"""Least variance of a component within kinds, relative to their mean."""


def kind_of(track: Track) -> str | None:
    """Kind of music of a track by its set and genres; None if they do not say."""
    genres = set(track.genres)
    match track.dataset:
        case "emopia":
            return "solo piano"
        case "composed":
            return _COMPOSED.get(next(iter(track.genres), ""))
        case "panda4q" | "mirex" | "emotify":
            if genres & {"Classical", "classical"}:
                return "orchestral"
            return "electronic" if genres in ({"Electronic"}, {"electronic"}) else "band"
    return None


_COMPOSED: Final = {
    "piano": "solo piano",
    "strings": "orchestral",
    "orchestra": "orchestral",
    "chiptune": "chiptune",
    "electronic": "electronic",
    "band": "band",
    "acoustic": "band",
}
"""Kinds of the composer's instrumentations."""


def fit(
    statistics: KindStatistics, pooled: Tensor, tracks: Sequence[Track], descriptors: int
) -> None:
    """Fit all buffers of `statistics`, in place.

    Parameters
    ----------
    statistics : KindStatistics
    pooled : (songs, columns) float Tensor
        Of clean recordings: means over patches, then standard deviations.
    tracks : sequence of Track
        Of the same songs.
    descriptors : int
        Number of descriptors, the last columns of either half.
    """
    deviation, mean = pooled.std(dim=0), pooled.mean(dim=0)
    varies = deviation / (1e-4 + _CONSTANT * mean.abs())
    used = varies.argsort(descending=True)[: len(statistics.used)].sort().values
    emphasis = torch.ones(2, pooled.shape[1] // 2)
    emphasis[:, emphasis.shape[1] - descriptors :] = _EMPHASIS
    statistics.used.copy_(used)
    statistics.is_spread.copy_(used >= pooled.shape[1] // 2)
    statistics.mean.copy_(mean[used])
    scale = (varies > 1) * emphasis.flatten() / deviation.clamp(min=1e-4)
    statistics.scale.copy_(scale[used])
    columns = statistics.standardised(pooled)
    kinds = torch.tensor([_index(track) for track in tracks])
    _fit_moments(statistics, columns, kinds)
    _fit_assignment(statistics, columns, kinds)
    _fit_novelty(statistics, columns, kinds)


def _index(track: Track) -> int:
    kind = kind_of(track)
    return -1 if kind is None else KINDS.index(kind)


def _fit_moments(statistics: KindStatistics, columns: Tensor, kinds: Tensor) -> None:
    """Mean and deviation by kind, those of rare kinds drawn towards all songs'."""
    deviation = columns.std(dim=0).clamp(min=1e-4)
    for kind in range(len(KINDS)):
        own = columns[kinds == kind]
        if len(own) < 2:
            continue
        share = len(own) / (len(own) + _RARE)
        ratio = own.std(dim=0) / deviation
        varies = statistics.scale > 0
        statistics.kind_mean[kind] = share * own.mean(dim=0)
        statistics.kind_std[kind] = torch.where(varies, share * ratio + 1 - share, 1.0)


def _fit_assignment(statistics: KindStatistics, columns: Tensor, kinds: Tensor) -> None:
    """Logistic regression on principal components, every kind with the same total weight."""
    known = kinds >= 0
    present = torch.unique(kinds[known])  # sorted
    statistics.bias.fill_(-1e4)  # a kind without songs is never assigned
    statistics.bias[present] = 0.0
    if len(present) < 2:
        return
    directions = _principal(columns[known], _RANK)
    inputs = (columns[known] - columns[known].mean(dim=0)) @ directions
    weight, bias = _logistic(inputs, kinds[known], present)
    statistics.weight[:, present] = directions @ weight
    shift = columns[known].mean(dim=0) @ directions @ weight
    statistics.bias[present] = bias - shift


def _principal(columns: Tensor, components: int) -> Tensor:
    """Principal directions (columns, components); zeros beyond the rank."""
    centred = columns - columns.mean(dim=0)
    found = torch.linalg.svd(centred, full_matrices=False).Vh[:components].T
    directions = torch.zeros(columns.shape[1], components)
    directions[:, : found.shape[1]] = found
    return directions


def _logistic(inputs: Tensor, kinds: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and biases of a balanced, penalised logistic regression, by L-BFGS."""
    labels = torch.searchsorted(present, kinds)
    counts = torch.bincount(labels).float()
    importance = (len(labels) / len(counts) / counts)[labels]
    weight = torch.zeros(inputs.shape[1], len(present), requires_grad=True)
    bias = torch.zeros(len(present), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        errors = F.cross_entropy(inputs @ weight + bias, labels, reduction="none")
        total = (errors * importance).sum() + 0.5 * _RIDGE * (weight**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def _fit_novelty(statistics: KindStatistics, columns: Tensor, kinds: Tensor) -> None:
    statistics.basis.copy_(_principal(columns, statistics.basis.shape[1]))
    inside = columns @ statistics.basis
    centres = torch.stack(
        [
            inside[kinds == kind].mean(dim=0) if (kinds == kind).any() else inside.mean(dim=0)
            for kind in range(len(KINDS))
        ]
    )
    rest = inside - torch.where((kinds >= 0)[:, None], centres[kinds], inside.mean(dim=0))
    variance, axes = torch.linalg.eigh(torch.cov(rest.T))
    floored = variance + _FLOOR * variance.mean() + 1e-6
    statistics.whitening.copy_(axes / floored.sqrt())
    statistics.centres.copy_(centres @ statistics.whitening)
    energy = (columns**2).sum(dim=1)
    outside = energy - (inside**2).sum(dim=1)
    # With fewer songs than components nothing is outside but rounding errors, which must not count.
    statistics.residual.copy_(outside.mean().clamp(min=_ROUNDING * energy.mean()))
    distance = statistics.log_distance(columns)
    statistics.novelty_moments.copy_(torch.stack([distance.mean(), distance.std().clamp(min=1e-3)]))
