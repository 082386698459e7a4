"""Classification tasks of the evaluation, their predictions, scores and comparisons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.affect import QUADRANTS
from mer.metrics import accuracy, bootstrap_ci, macro_f1, paired_bootstrap
from mer.research.datasets.mirex import CLUSTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch
    from numpy.typing import NDArray

    from mer.batches import AffettiOutput
    from mer.research.inputs.features import TrackFeatures

    Classes = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Predictor = Callable[[Sequence[TrackFeatures], Sequence[str]], AffettiOutput]


@dataclass(frozen=True, slots=True)
class Task:
    """A classification task on the songs of one data set, for several sets of inputs.

    Parameters
    ----------
    name, dataset : str
    class_names : tuple of str
    modalities : tuple of tuples of str
        Sets of inputs; the task's songs have all modalities of the last set.
    """

    name: str
    dataset: str
    class_names: tuple[str, ...]
    modalities: tuple[tuple[str, ...], ...]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def all_inputs(self) -> str:
        """Key of the last set of modalities in `TaskPredictions.by_inputs`."""
        return "+".join(self.modalities[-1])

    def songs(self, examples: Sequence[TrackFeatures]) -> list[TrackFeatures]:
        """Songs of the task among `examples`."""
        return [
            example
            for example in examples
            if example.track.dataset == self.dataset
            and all(getattr(example, part) is not None for part in self.modalities[-1])
        ]

    def labels(self, songs: Sequence[TrackFeatures]) -> Classes:
        """Class of each of `songs`, (songs,), from 0."""
        if self.name == "quadrant":
            quadrants = (song.track.labels.quadrant for song in songs)
            return np.array([QUADRANTS.index(quadrant) for quadrant in quadrants if quadrant])
        return np.array([song.track.labels.cluster for song in songs])

    def logits(self, output: AffettiOutput) -> torch.Tensor:
        """Logits of the task's head, (songs, classes)."""
        return output.quadrant_logits if self.name == "quadrant" else output.cluster_logits


TASKS: Final = (
    Task("quadrant", "panda4q", tuple(QUADRANTS), (("audio",), ("context",), ("audio", "context"))),
    Task(
        "cluster",
        "mirex",
        CLUSTERS,
        (
            ("audio",),
            ("lyrics",),
            ("context",),
            ("audio", "lyrics"),
            ("audio", "lyrics", "context"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of several networks for some songs, from one set of inputs.

    Parameters
    ----------
    probabilities : (songs, networks, classes) float64 ndarray
        Of the task's head; rows sum to 1.
    quadrants : (songs, networks) int64 ndarray
        Most probable quadrant, in every task.
    affect : (songs, networks, 2) float64 ndarray in [0, 1]
        Valence, arousal.
    spread : (songs, networks, 2) float64 ndarray above 0
        Expected error of `affect`, as a standard deviation.
    gates : (songs, networks, 3) float64 ndarray
    """

    probabilities: Floats
    quadrants: Classes
    affect: Floats
    spread: Floats
    gates: Floats

    @property
    def predicted(self) -> Classes:
        """Most probable class, (songs, networks)."""
        classes: Classes = self.probabilities.argmax(axis=2)
        return classes

    @property
    def confidence(self) -> Floats:
        """Probability of the most probable class, (songs, networks)."""
        highest: Floats = self.probabilities.max(axis=2)
        return highest


@dataclass(frozen=True, slots=True)
class TaskPredictions:
    """A task, its songs and their predictions from each set of inputs.

    Parameters
    ----------
    task : Task
    songs : tuple of TrackFeatures
    by_inputs : mapping of str to Predictions
        Keys are modalities joined with ``+``.
    """

    task: Task
    songs: tuple[TrackFeatures, ...]
    by_inputs: Mapping[str, Predictions]

    @property
    def labels(self) -> Classes:
        """Classes of the songs, (songs,)."""
        return self.task.labels(self.songs)


def predict_task(
    task: Task, examples: Sequence[TrackFeatures], networks: Sequence[Predictor]
) -> TaskPredictions:
    """Predict the task's songs among `examples` with several networks.

    Parameters
    ----------
    task : Task
    examples : sequence of TrackFeatures
    networks : sequence of callable
        From songs and modalities to an `AffettiOutput`.

    Returns
    -------
    TaskPredictions
    """
    songs = task.songs(examples)
    by_inputs = {}
    for modalities in task.modalities:
        outputs = [network(songs, modalities) for network in networks]
        by_inputs["+".join(modalities)] = Predictions(
            _stacked([task.logits(o).double().softmax(dim=1) for o in outputs]),
            _stacked([o.quadrant_logits for o in outputs]).argmax(axis=2),
            _stacked([o.affect for o in outputs]),
            _stacked([o.affect_spread for o in outputs]),
            _stacked([o.gates for o in outputs]),
        )
    return TaskPredictions(task, tuple(songs), by_inputs)


def _stacked(parts: Sequence[torch.Tensor]) -> Floats:
    return np.stack([part.double().numpy() for part in parts], axis=1)


def scores(labels: Classes, predicted: Classes, classes: int) -> dict[str, Any]:
    """Accuracy and macro-F1, means over networks, with 95% intervals over songs.

    Parameters
    ----------
    labels : (songs,) int ndarray
    predicted : (songs, networks) int ndarray
    classes : int

    Returns
    -------
    dict
        ``accuracy`` and ``macro_f1``, each with ``estimate``, ``low``, ``high`` and the figure of
        each network.
    """
    result: dict[str, Any] = {"songs": len(labels)}
    for name, statistic in _statistics(classes).items():
        each = [statistic(labels, predicted[:, [network]]) for network in range(predicted.shape[1])]
        result[name] = {**asdict(bootstrap_ci(statistic, labels, predicted)), "each": each}
    return result


def compare(labels: Classes, first: Classes, second: Classes, classes: int) -> dict[str, Any]:
    """Paired bootstrap over songs of two models; shapes as for `scores`."""
    return {
        name: asdict(paired_bootstrap(statistic, labels, first, second))
        for name, statistic in _statistics(classes).items()
    }


def _statistics(classes: int) -> dict[str, Callable[[Classes, Classes], float]]:
    """Accuracy and macro-F1 of labels (songs,) and predicted classes (songs, networks)."""

    def f1(labels: Classes, predicted: Classes) -> float:
        return float(np.mean([macro_f1(labels, column, classes) for column in predicted.T]))

    def mean_accuracy(labels: Classes, predicted: Classes) -> float:
        return float(np.mean([accuracy(labels, column) for column in predicted.T]))

    return {"accuracy": mean_accuracy, "macro_f1": f1}
