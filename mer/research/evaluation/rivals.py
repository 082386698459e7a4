"""Comparison of the house network with the models of ``compare``, on the same songs.

The predictions of the models are read from the files that ``compare`` wrote.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from mer.errors import InputError
from mer.metrics import holm
from mer.research.architectures.base import architectures
from mer.research.evaluation.tasks import TASKS, compare, scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mer.research.evaluation.tasks import Task, TaskPredictions
    from mer.research.inputs.features import TrackFeatures

    Classes = NDArray[np.int64]

_AGAIN = (
    "run `python -m mer.research compare --split test` again, or name another folder with --rivals"
)


def read_all(folder: Path, tests: Sequence[TrackFeatures]) -> dict[str, dict[str, Classes]]:
    """Read the predicted classes of every model, by task and by model.

    Parameters
    ----------
    folder : Path
        With the files of ``compare``; the result is empty without them.
    tests : sequence of TrackFeatures
        Of the test split.

    Returns
    -------
    dict of str to dict of str to (songs, networks) int64 ndarray
        In the order of the task's songs among `tests`.

    Raises
    ------
    InputError
        If a file is damaged or has other songs or labels; the message names it.
    """
    return {
        task.name: {
            path.stem.removeprefix(f"{task.dataset}-"): read(path, task, tests)
            for path in sorted(folder.glob(f"{task.dataset}-*.json"))
        }
        for task in TASKS
    }


def read(path: Path, task: Task, tests: Sequence[TrackFeatures]) -> Classes:
    """Predicted classes of one file, (songs, networks); see `read_all`."""
    songs = task.songs(tests)
    try:
        kept = json.loads(path.read_text())
        probabilities = np.array(
            kept["probabilities"], dtype=np.float64
        )  # (networks, songs, classes)
        labels = dict(zip(kept["songs"], kept["labels"], strict=True))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error!r}); {_AGAIN}") from error
    if probabilities.ndim != 3 or probabilities.shape[1:] != (len(kept["songs"]), task.classes):
        raise InputError(
            f"{path} holds an array of {probabilities.shape} for {len(kept['songs'])} songs and "
            f"{task.classes} classes; {_AGAIN}"
        )
    ids = [song.track.track_id for song in songs]
    if len(labels) != len(kept["songs"]) or set(ids) != set(labels):
        different = sorted(set(ids) ^ set(labels), key=str)
        raise InputError(
            f"{path} should hold the {len(ids)} test songs of {task.dataset}, but holds "
            f"{len(kept['songs'])} songs, of which {different[:3]} and others differ; {_AGAIN}"
        )
    truth = task.labels(songs).tolist()
    if wrong := [name for name, label in zip(ids, truth, strict=True) if labels[name] != label]:
        raise InputError(f"{path} has other labels, as of song {wrong[0]}; {_AGAIN}")
    place = {name: index for index, name in enumerate(kept["songs"])}
    predicted: Classes = probabilities.argmax(axis=2)[:, [place[name] for name in ids]].T
    return predicted


def measure(predictions: TaskPredictions, rivals: Mapping[str, Classes]) -> list[dict[str, Any]]:
    """Compare the house network, with all inputs, with each model on the test songs.

    Parameters
    ----------
    predictions : TaskPredictions
        Of the test split.
    rivals : mapping of str to (songs, networks) int64 ndarray
        Keys are names, followed by ``+`` and the frozen front end if there is one.

    Returns
    -------
    list of dict
        The best macro-F1 first: ``name``, ``title``, ``paper`` (None for a baseline),
        ``front_end``, ``networks``, its ``scores``, and ``house_more`` with paired differences of
        accuracy and macro-F1. ``p_holm`` of macro-F1 is adjusted for all models of the task.
    """
    labels, classes = predictions.labels, predictions.task.classes
    house = predictions.by_inputs[predictions.task.all_inputs].predicted
    rows = []
    for key, predicted in rivals.items():
        name, _, front_end = key.partition("+")
        entry = architectures().get(name)
        paper = entry.paper if entry is not None and entry.paper != "baseline" else None
        rows.append(
            {
                "name": key,
                "title": entry.title if entry is not None else name,
                "paper": paper,
                "front_end": front_end or ("own" if entry is not None else None),
                "networks": predicted.shape[1],
                "scores": scores(labels, predicted, classes),
                "house_more": compare(labels, house, predicted, classes),
            }
        )
    adjusted = holm([row["house_more"]["macro_f1"]["p_value"] for row in rows])
    for row, p_value in zip(rows, adjusted, strict=True):
        row["house_more"]["macro_f1"]["p_holm"] = p_value
    return sorted(rows, key=lambda row: -row["scores"]["macro_f1"]["estimate"])
