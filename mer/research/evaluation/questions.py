"""What the house network is asked on songs, and how answers are scored and compared."""

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

    from mer.network import AffettiOutput
    from mer.research.inputs.features import TrackFeatures

    Classes = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Answerer = Callable[[Sequence[TrackFeatures], Sequence[str]], AffettiOutput]


@dataclass(frozen=True, slots=True)
class Question:
    """A classification of some songs, asked with several sets of modalities.

    Parameters
    ----------
    name, dataset : str
    class_names : tuple of str
    modalities : tuple of tuples of str
        The songs are those that have all of the last one.
    """

    name: str
    dataset: str
    class_names: tuple[str, ...]
    modalities: tuple[tuple[str, ...], ...]

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.class_names)

    @property
    def everything(self) -> str:
        """The last set of modalities, as the keys of answers name it."""
        return "+".join(self.modalities[-1])

    def songs(self, examples: Sequence[TrackFeatures]) -> list[TrackFeatures]:
        """Those of `examples` that the question is about."""
        return [
            example
            for example in examples
            if example.track.dataset == self.dataset
            and all(getattr(example, part) is not None for part in self.modalities[-1])
        ]

    def labels(self, songs: Sequence[TrackFeatures]) -> Classes:
        """Classes of `songs`, from 0."""
        if self.name == "quadrant":
            quadrants = (song.track.labels.quadrant for song in songs)
            return np.array([QUADRANTS.index(quadrant) for quadrant in quadrants if quadrant])
        return np.array([song.track.labels.cluster for song in songs])

    def logits(self, output: AffettiOutput) -> torch.Tensor:
        """Of the question's head."""
        return output.quadrant_logits if self.name == "quadrant" else output.cluster_logits


QUESTIONS: Final = (
    Question(
        "quadrant", "panda4q", tuple(QUADRANTS), (("audio",), ("context",), ("audio", "context"))
    ),
    Question(
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
class Said:
    """What networks say of some songs, given some modalities.

    Parameters
    ----------
    probabilities : (songs, networks, classes) float64 ndarray
        Of the question's head; rows sum to 1.
    quadrants : (songs, networks) int64 ndarray
        Likeliest quadrant, whatever the question.
    affect : (songs, networks, 2) float64 ndarray in [0, 1]
        Valence, arousal.
    spread : (songs, networks, 2) float64 ndarray above 0
        Error that is expected of `affect`, as a standard deviation.
    gates : (songs, networks, 3) float64 ndarray
    """

    probabilities: Floats
    quadrants: Classes
    affect: Floats
    spread: Floats
    gates: Floats

    @property
    def answers(self) -> Classes:
        """Likeliest class, (songs, networks)."""
        likeliest: Classes = self.probabilities.argmax(axis=2)
        return likeliest

    @property
    def confidence(self) -> Floats:
        """Probability of the likeliest class, (songs, networks)."""
        highest: Floats = self.probabilities.max(axis=2)
        return highest


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its songs and what was answered.

    Parameters
    ----------
    question : Question
    songs : tuple of TrackFeatures
    said : mapping of str to Said
        By modalities joined with ``+``.
    """

    question: Question
    songs: tuple[TrackFeatures, ...]
    said: Mapping[str, Said]

    @property
    def labels(self) -> Classes:
        """Classes of the songs, (songs,)."""
        return self.question.labels(self.songs)


def ask(
    question: Question, examples: Sequence[TrackFeatures], networks: Sequence[Answerer]
) -> Asked:
    """Ask networks about the songs of `examples` that the question is about.

    Parameters
    ----------
    question : Question
    examples : sequence of TrackFeatures
    networks : sequence of callable
        Takes songs and modalities, gives an `AffettiOutput`.

    Returns
    -------
    Asked
    """
    songs = question.songs(examples)
    said = {}
    for modalities in question.modalities:
        outputs = [network(songs, modalities) for network in networks]
        said["+".join(modalities)] = Said(
            _stacked([question.logits(o).double().softmax(dim=1) for o in outputs]),
            _stacked([o.quadrant_logits for o in outputs]).argmax(axis=2),
            _stacked([o.affect for o in outputs]),
            _stacked([o.affect_spread for o in outputs]),
            _stacked([o.gates for o in outputs]),
        )
    return Asked(question, tuple(songs), said)


def _stacked(parts: Sequence[torch.Tensor]) -> Floats:
    return np.stack([part.double().numpy() for part in parts], axis=1)


def scores(labels: Classes, answers: Classes, classes: int) -> dict[str, Any]:
    """Accuracy and macro-F1, means over networks, with 95% intervals over songs.

    Parameters
    ----------
    labels : (songs,) int ndarray
    answers : (songs, networks) int ndarray
    classes : int

    Returns
    -------
    dict
        ``accuracy`` and ``macro_f1``, each with ``estimate``, ``low``, ``high`` and the figure of
        each network.
    """
    result: dict[str, Any] = {"songs": len(labels)}
    for name, statistic in _statistics(classes).items():
        each = [statistic(labels, answers[:, [network]]) for network in range(answers.shape[1])]
        result[name] = {**asdict(bootstrap_ci(statistic, labels, answers)), "each": each}
    return result


def compare(labels: Classes, first: Classes, second: Classes, classes: int) -> dict[str, Any]:
    """Paired bootstrap over songs of two predictors; shapes as for `scores`."""
    return {
        name: asdict(paired_bootstrap(statistic, labels, first, second))
        for name, statistic in _statistics(classes).items()
    }


def _statistics(classes: int) -> dict[str, Callable[[Classes, Classes], float]]:
    """Accuracy and macro-F1 of labels (songs,) and answers (songs, networks)."""

    def f1(labels: Classes, answers: Classes) -> float:
        return float(np.mean([macro_f1(labels, column, classes) for column in answers.T]))

    def mean_accuracy(labels: Classes, answers: Classes) -> float:
        return float(np.mean([accuracy(labels, column) for column in answers.T]))

    return {"accuracy": mean_accuracy, "macro_f1": f1}
