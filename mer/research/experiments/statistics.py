"""Songs, predictions and statistics of the experiments.

Every figure is a function of the number of times that each song counts. Bootstrap samples and
subsets with a majority class are such counts, so that a whole bootstrap is a few matrix products.
Thousands of calls of scikit-learn's functions would take hours. The tests compare these figures
with scikit-learn's and with `mer.metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, Literal, TypedDict

import numpy as np

from mer.errors import InputError
from mer.metrics import RESAMPLES
from mer.research.architectures.base import architecture
from mer.research.harness.examples import CLEAN, tracks
from mer.research.harness.labels import Labeller
from mer.research.harness.run import Run
from mer.research.tables import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.research.architectures.base import FrontEndKind
    from mer.research.experiments.base import Setting
    from mer.research.harness.examples import Condition, Example
    from mer.research.harness.run import Trained

    Labels = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Statistic = Callable[[Labels, Floats, Floats], Floats]


@dataclass(frozen=True, slots=True)
class Songs:
    """Songs with their labels of one target.

    Parameters
    ----------
    examples : tuple of Example
    labels : (songs,) int64 ndarray
        Of `mer.research.harness.labels.CLASS_NAMES`.
    affect : (songs, 2) float64 ndarray in [0, 1]
        Valence, arousal; NaN where unknown.
    prior : (classes,) float64 ndarray
        Shares of the classes among the training songs.
    """

    examples: tuple[Example, ...]
    labels: Labels
    affect: Floats
    prior: Floats

    @property
    def baseline(self) -> Floats:
        """Baseline: class shares of the training songs for every song, (songs, 1, classes)."""
        return np.tile(self.prior, (len(self.examples), 1, 1))


def songs_of(
    setting: Setting,
    dataset: str,
    target: str,
    *,
    trained_on: str | None = None,
    having: Sequence[str] = (),
) -> Songs:
    """Labelled songs of the split of `setting`.

    Parameters
    ----------
    setting : Setting
    dataset, target : str
    trained_on : str or None
        Data set whose training songs define derived classes; `dataset` by default.
    having : sequence of str
        Modalities that every song must have.

    Raises
    ------
    InputError
        If no song is left.
    """
    training = tracks(setting.material.songs(trained_on or dataset, "train"))
    labeller = Labeller.fit(target, training)
    pool = [
        example
        for example in setting.material.songs(dataset, setting.split)
        if all(getattr(example.features, name) is not None for name in having)
    ]
    labels = labeller.labels(tracks(pool)) if pool else None
    kept: list[int] = []
    if labels is not None:
        known = ~labels.affect.isnan().any(dim=1) if target == "va" else labels.known
        kept = known.nonzero()[:, 0].tolist()
    if labels is None or not kept:
        raise InputError(
            f"no {setting.split} song of {dataset} is labelled with {target} and has "
            f"{', '.join(having) or 'any input'}; give another split or more data"
        )
    classes = labeller.labels(training).classes.double().numpy().sum(axis=0)
    return Songs(
        tuple(pool[i] for i in kept),
        labels.hard.numpy()[kept],
        labels.affect.double().numpy()[kept],
        classes / classes.sum() if classes.sum() else np.full(len(classes), 1 / len(classes)),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """An architecture with one of its front ends."""

    model: str
    front_end: FrontEndKind

    @property
    def name(self) -> str:
        """Name in JSON files and legends."""
        return f"{self.model}/{self.front_end}"

    @property
    def cells(self) -> tuple[str, str]:
        """First two cells, under `ROW_COLUMNS`."""
        return architecture(self.model).title, self.front_end


ROW_COLUMNS: Final = ("Model", "Front end")
BASELINE: Final = ("Class shares of the training songs", "none")
"""First cells of the row of `Songs.baseline`."""


def rows_of(setting: Setting) -> list[Row]:
    """Models with each of their front ends.

    Raises
    ------
    InputError
        If no model has one of the front ends.
    """
    rows = [
        Row(model, front_end)
        for model, front_end in product(setting.models, setting.front_ends)
        if front_end in architecture(model).inputs
    ]
    if not rows:
        known = sorted({kind for model in setting.models for kind in architecture(model).inputs})
        raise InputError(
            f"none of the models ({', '.join(setting.models)}) has a front end "
            f"{','.join(setting.front_ends)!r}; they have {', '.join(known)}"
        )
    return rows


def runs_of(setting: Setting, row: Row, dataset: str, target: str) -> list[Run]:
    """Give the runs of all seeds, with the settings that all experiments share."""
    return [
        Run(
            model=row.model,
            dataset=dataset,
            target=target,
            seed=seed,
            front_end=row.front_end,
            size=setting.size,
            epochs=setting.epochs.get(row.front_end),
        )
        for seed in setting.seeds
    ]


def predict_probabilities(
    trained: Sequence[Trained], songs: Songs, condition: Condition = CLEAN
) -> Floats:
    """Probabilities predicted by networks of several seeds, (songs, seeds, classes)."""
    predicted = [network.predict(songs.examples, condition).probabilities for network in trained]
    return np.stack(predicted, axis=1)


@dataclass(frozen=True, slots=True)
class Draws:
    """Number of times that each song counts.

    Parameters
    ----------
    samples : (samples, songs) float64 ndarray
        The estimate is the mean of the figures of these.
    resampled : (resamples * each, songs) float64 ndarray
        The interval is that of the means over every `each` of these.
    each : int
    """

    samples: Floats
    resampled: Floats
    each: int = 1

    @classmethod
    def of(cls, songs: int, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
        """All songs once, and the bootstrap samples of `mer.metrics.bootstrap_ci`."""
        generator = np.random.default_rng(seed)
        rows = [
            np.bincount(generator.integers(0, songs, songs), minlength=songs)
            for _ in range(resamples)
        ]
        return cls(np.ones((1, songs)), np.stack(rows).astype(np.float64))

    def values(self, of: Callable[[Floats], Floats]) -> Floats:
        """Estimate, then the figure of each resample.

        Parameters
        ----------
        of : callable
            From counts (draws, songs) to figures (draws,).

        Returns
        -------
        (1 + resamples,) float64 ndarray
        """
        resampled = of(self.resampled)
        if self.each > 1:
            resampled = _row_means(resampled.reshape(-1, self.each))
        return np.concatenate([_row_means(of(self.samples)[None]), resampled])


class Figures(TypedDict):
    """A figure with its 95% interval, and the figure of each seed."""

    estimate: float
    low: float
    high: float
    each: list[float]


def figures(values: Floats) -> Figures:
    """Mean over seeds, and its percentile interval over songs.

    Parameters
    ----------
    values : (seeds, 1 + resamples) float64 ndarray
        Rows as `Draws.values` gives them; sums and differences of such rows are such rows.

    Returns
    -------
    Figures
    """
    means = values.mean(axis=0)
    low, high = np.nanquantile(means[1:], [0.025, 0.975])
    return Figures(
        estimate=float(means[0]), low=float(low), high=float(high), each=values[:, 0].tolist()
    )


BOUNDS: Final[tuple[Literal["estimate", "low", "high"], ...]] = ("estimate", "low", "high")


def shown(figure: Figures) -> str:
    """Text of a figure in tables: ``.707 [.634, .780]``."""
    return interval({key: figure[key] for key in BOUNDS})


def sampled(name: str, labels: Labels, predicted: Floats, draws: Draws) -> Floats:
    """Figures of networks in all draws.

    Parameters
    ----------
    name : str
        Of `STATISTICS`.
    labels : (songs,) int64 ndarray
    predicted : (songs, seeds, classes) float64 ndarray
    draws : Draws

    Returns
    -------
    (seeds, 1 + resamples) float64 ndarray
    """
    statistic = STATISTICS[name]

    def of_seed(seed: int) -> Floats:
        return draws.values(lambda counts: statistic(labels, predicted[:, seed], counts))

    return np.stack([of_seed(seed) for seed in range(predicted.shape[1])])


def tallies(labels: Labels, predicted: Floats, counts: Floats) -> Floats:
    """Confusion matrices (draws, target, prediction) of the most probable classes."""
    classes = predicted.shape[1]
    cells = np.eye(classes * classes)[labels * classes + predicted.argmax(axis=1)]
    tally: Floats = (counts @ cells).reshape(-1, classes, classes)
    return tally


def _diagonal(tally: Floats) -> Floats:
    right: Floats = np.diagonal(tally, axis1=1, axis2=2)
    return right


def _f1(tally: Floats) -> Floats:
    f1: Floats = 2 * _diagonal(tally) / np.maximum(tally.sum(axis=1) + tally.sum(axis=2), 1)
    return f1


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Quotient; NaN where `whole` is 0."""
    quotient: Floats = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
    return quotient


def _row_means(values: Floats) -> Floats:
    """Mean of each row without its NaN; NaN if all are."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))


def accuracy(labels: Labels, predicted: Floats, counts: Floats) -> Floats:
    """Share of songs whose most probable class is their label.

    Parameters
    ----------
    labels : (songs,) int64 ndarray
    predicted : (songs, classes) float64 ndarray
    counts : (draws, songs) float64 ndarray
        Number of times that each song counts.

    Returns
    -------
    (draws,) float64 ndarray
    """
    tally = tallies(labels, predicted, counts)
    shares: Floats = _diagonal(tally).sum(axis=1) / tally.sum(axis=(1, 2))
    return shares


def macro_f1(labels: Labels, predicted: Floats, counts: Floats) -> Floats:
    """Mean F1 over all classes, as `mer.metrics.macro_f1`; arguments as `accuracy`."""
    means: Floats = _f1(tallies(labels, predicted, counts)).mean(axis=1)
    return means


def weighted_f1(labels: Labels, predicted: Floats, counts: Floats) -> Floats:
    """F1 of each class, weighted by its songs; arguments as `accuracy`."""
    tally = tallies(labels, predicted, counts)
    means: Floats = (_f1(tally) * tally.sum(axis=2)).sum(axis=1) / tally.sum(axis=(1, 2))
    return means


def balanced_accuracy(labels: Labels, predicted: Floats, counts: Floats) -> Floats:
    """Mean recall over the classes that have songs; arguments as `accuracy`."""
    tally = tallies(labels, predicted, counts)
    return _row_means(_ratio(_diagonal(tally).copy(), tally.sum(axis=2)))


def kappa(labels: Labels, predicted: Floats, counts: Floats) -> Floats:
    """Cohen's kappa; arguments as `accuracy`; NaN where the expected agreement is 1."""
    tally = tallies(labels, predicted, counts)
    songs = tally.sum(axis=(1, 2))
    observed = _diagonal(tally).sum(axis=1) / songs
    expected = (tally.sum(axis=1) * tally.sum(axis=2)).sum(axis=1) / songs**2
    return _ratio(observed - expected, 1 - expected)


def macro_auc(labels: Labels, predicted: Floats, counts: Floats) -> Floats:
    """Area under the ROC of each class against the rest, mean over classes; as `accuracy`."""
    return _row_means(_by_class(_auc, labels, predicted, counts))


def macro_ap(labels: Labels, predicted: Floats, counts: Floats) -> Floats:
    """Average precision of each class against the rest, mean over classes; as `accuracy`."""
    return _row_means(_by_class(_average_precision, labels, predicted, counts))


def _by_class(
    of: Callable[[Floats, Floats], Floats], labels: Labels, predicted: Floats, counts: Floats
) -> Floats:
    """Figures (draws, classes) from the counts of songs in and outside a class at each score."""
    columns = []
    for index in range(predicted.shape[1]):
        order = np.argsort(predicted[:, index], kind="stable")
        # Equal scores are one step of the curve.
        steps = np.flatnonzero(np.diff(predicted[order, index], prepend=-np.inf))
        members = counts[:, order] * (labels[order] == index)
        sums = (
            np.add.reduceat(each, steps, axis=1) for each in (members, counts[:, order] - members)
        )
        columns.append(of(*sums))
    return np.stack(columns, axis=1)


def _auc(members: Floats, others: Floats) -> Floats:
    """Area under the ROC curve from counts (draws, scores), by increasing score."""
    below = others.cumsum(axis=1) - others / 2
    return _ratio((members * below).sum(axis=1), members.sum(axis=1) * others.sum(axis=1))


def _average_precision(members: Floats, others: Floats) -> Floats:
    """Average precision from counts (draws, scores), by increasing score."""
    found = members[:, ::-1].cumsum(axis=1)
    taken = found + others[:, ::-1].cumsum(axis=1)
    precision = found / np.maximum(taken, 1)
    return _ratio((members[:, ::-1] * precision).sum(axis=1), members.sum(axis=1))


STATISTICS: Final[Mapping[str, Statistic]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "weighted_f1": weighted_f1,
    "kappa": kappa,
    "macro_auc": macro_auc,
    "macro_ap": macro_ap,
}


def concordance(truth: Floats, predicted: Floats, counts: Floats) -> Floats:
    """`mer.metrics.ccc` of one quantity in all draws.

    Parameters
    ----------
    truth, predicted : (songs,) float64 ndarray
        Same scale.
    counts : (draws, songs) float64 ndarray

    Returns
    -------
    (draws,) float64 ndarray
        0 when one is constant, NaN when both are.
    """
    # Relative to the first value: large squares would not cancel exactly.
    x, y = truth - truth[0], predicted - predicted[0]
    songs = counts.sum(axis=1)
    mean_x, mean_y = counts @ x / songs, counts @ y / songs
    squares = counts @ (x * x + y * y) / songs - mean_x**2 - mean_y**2
    covariance = counts @ (x * y) / songs - mean_x * mean_y
    apart = mean_x - mean_y + truth[0] - predicted[0]
    return _ratio(2 * covariance, squares + apart**2)


def area(levels: Sequence[float], values: Sequence[Floats]) -> Floats:
    """Mean height of a curve between its first level and its last, by trapezoids.

    Parameters
    ----------
    levels : sequence of float
        Rising, at least two.
    values : sequence of ndarray
        All of one shape, as is the area; one a level.
    """
    whole: Floats = np.trapezoid(np.stack(values), np.asarray(levels), axis=0)
    return whole / (levels[-1] - levels[0])


def trained_rows(
    setting: Setting, dataset: str, target: str
) -> Iterator[tuple[Row, list[Trained]]]:
    """Rows with their networks of all seeds, trained or read row by row."""
    for row in rows_of(setting):
        yield row, [setting.train(run) for run in runs_of(setting, row, dataset, target)]
