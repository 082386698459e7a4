"""Baselines that are not networks: class shares and linear probes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.errors import InputError
from mer.research.architectures.base import Architecture
from mer.research.harness.examples import CLEAN, MODALITIES, Batcher, tracks
from mer.research.harness.labels import CLASS_NAMES, Labeller
from mer.research.harness.predictions import Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator

    from mer.research.harness.examples import Condition, Example, Material
    from mer.research.harness.run import Run

    Floats = NDArray[np.float64]

ESTIMATORS: Final = {
    "majority": ("majority or mean", ()),
    "probe-audio": ("linear probe of MusiCNN", ("audio",)),
    "probe-text": ("linear probe of MiniLM", ("lyrics", "context")),
    "probe": ("linear probe of all", MODALITIES),
}
"""Title and input modalities by name."""

_PENALTIES: Final = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # inverse strengths
_ALPHAS: Final = (1e2, 1e3, 1e4, 1e5)


@dataclass(frozen=True, slots=True)
class Estimator:
    """A fitted baseline.

    Parameters
    ----------
    run : Run
    labeller : Labeller
    batcher : Batcher
        Determines the modalities of each song.
    reads : tuple of str
        Input modalities.
    classify, regress : callable
        From (songs, features) to (songs, classes) and to (songs, 2).
    parameters : int
    seconds : float
        Of fitting.
    """

    run: Run
    labeller: Labeller
    batcher: Batcher
    reads: tuple[str, ...]
    classify: Callable[[Floats], Floats] = field(repr=False)
    regress: Callable[[Floats], Floats] = field(repr=False)
    parameters: int
    seconds: float

    def predict(self, examples: Sequence[Example], condition: Condition = CLEAN) -> Predictions:
        """Predict songs; see `mer.research.harness.run.Trained.predict`."""
        rows = pooled(condition.shuffled(examples), self.batcher, self.reads, condition)
        affect = np.clip(self.regress(rows), 0, 1)
        return Predictions(self.classify(rows), affect, {})


def pooled(
    examples: Sequence[Example],
    batcher: Batcher,
    reads: Sequence[str],
    condition: Condition = CLEAN,
) -> Floats:
    """One row per song: mean and deviation over audio patches, mean over text tokens.

    Parameters
    ----------
    examples : sequence of Example
    batcher : Batcher
        Of an entry with patches as input.
    reads : sequence of str
    condition : Condition

    Returns
    -------
    (songs, features) float64 ndarray
        With zeros for missing modalities and one constant column.
    """
    present = batcher.present(examples, condition)
    batch = batcher.batch(examples, present, [0.5] * len(examples), condition)
    columns = [np.ones((len(examples), 1))]
    for name, states, mask in (
        ("audio", batch.patches, batch.patches_mask),
        ("lyrics", batch.lyrics, batch.lyrics_mask),
        ("context", batch.context, batch.context_mask),
    ):
        if name not in reads:
            continue
        weights = mask.unsqueeze(-1).double()
        count = weights.sum(dim=1).clamp(min=1)
        mean = (states.double() * weights).sum(dim=1) / count
        columns.append(mean.numpy())
        if name == "audio":
            square = ((states.double() - mean.unsqueeze(1)) ** 2 * weights).sum(dim=1) / count
            columns.append(square.sqrt().numpy())
    return np.concatenate(columns, axis=1)


def fit_estimator(
    run: Run, material: Material, train: Sequence[Example] | None = None
) -> Estimator:
    """Fit a baseline of `ESTIMATORS` on a set's training songs.

    Parameters
    ----------
    run : Run
    material : Material
    train : sequence of Example or None
        Replaces the training split.

    Raises
    ------
    InputError
        If no training song is labelled.
    """
    _, reads = ESTIMATORS[run.model]
    pool = list(material.songs(run.dataset, "train") if train is None else train)
    labeller = Labeller.fit(run.target, tracks(pool))
    labels = labeller.labels(tracks(pool))
    songs = [e for e, known in zip(pool, labels.known.tolist(), strict=True) if known]
    if not songs:
        raise InputError(f"no training song of {run.dataset} is labelled with {run.target}")
    labels = labeller.labels(tracks(songs))
    batcher = Batcher(_entry(run.model), "musicnn", "small", material.sounds)
    began = time.perf_counter()
    rows = pooled(songs, batcher, reads)
    affect = labels.affect.double().numpy()
    classes = len(CLASS_NAMES[run.target])
    hard = labels.hard.numpy()
    groups = np.array([f"{song.track.artist_group}" for song in songs])
    if reads:
        classify, regress = _probe(rows, hard, classes, affect, groups)
        parameters = rows.shape[1] * (classes + 2)
    else:
        classify, regress = _prior(hard, classes, affect)
        parameters = 0
    seconds = time.perf_counter() - began
    return Estimator(run, labeller, batcher, reads, classify, regress, parameters, seconds)


def _entry(name: str) -> Architecture:
    def build(_: object) -> None:
        raise InputError(f"{name} is fitted by scikit-learn, not built")

    return Architecture(
        name,
        ESTIMATORS[name][0],
        "baseline",
        MODALITIES,
        {"musicnn": frozenset({"patches", "lyrics", "context"})},
        None,
        {"small": 0.0, "paper": 0.0},
        1,
        build,  # type: ignore[arg-type]
    )


def _prior(
    hard: NDArray[np.int64], classes: int, affect: Floats
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    share = np.bincount(hard, minlength=classes) / len(hard)
    mean = np.nanmean(affect, axis=0) if np.isfinite(affect).any() else np.full(2, 0.5)

    def classify(rows: Floats) -> Floats:
        return np.tile(share, (len(rows), 1))

    def regress(rows: Floats) -> Floats:
        return np.tile(mean, (len(rows), 1))

    return classify, regress


def _probe(
    rows: Floats,
    hard: NDArray[np.int64],
    classes: int,
    affect: Floats,
    groups: NDArray[np.str_],
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Logistic regression and ridge; penalties by 5-fold cross-validation, artists apart."""
    # scikit-learn is loaded only when a probe is fitted.
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

    classifier = _searched(LogisticRegression(max_iter=2000), "logisticregression__C", _PENALTIES)
    regressor = _searched(Ridge(), "ridge__alpha", _ALPHAS)
    rated = np.isfinite(affect).all(axis=1)
    with threadpool_limits(1):  # several BLAS threads are slower on small problems
        classifier.fit(rows, hard, groups=groups)
        if rated.any():
            regressor.fit(rows[rated], affect[rated], groups=groups[rated])

    def classify(rows: Floats) -> Floats:
        probabilities = np.zeros((len(rows), classes))
        probabilities[:, classifier.classes_] = classifier.predict_proba(rows)
        return probabilities

    def regress(rows: Floats) -> Floats:
        predicted: Floats = regressor.predict(rows) if rated.any() else np.full((len(rows), 2), 0.5)
        return predicted

    return classify, regress


def _searched(estimator: BaseEstimator, name: str, values: Sequence[float]) -> BaseEstimator:
    # scikit-learn is loaded only when a probe is fitted.
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.model_selection import GridSearchCV, GroupKFold  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    # Squared penalties are invariant to rotation, and weights lie in the span of the songs: the
    # rotation onto that span gives the same predictions with a seventh of the columns.
    return GridSearchCV(
        make_pipeline(StandardScaler(), PCA(svd_solver="full"), estimator),
        {name: list(values)},
        cv=GroupKFold(n_splits=5),
    )
