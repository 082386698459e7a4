"""The house network beside every architecture and baseline of ``compare``, on the same songs.

What ``compare`` kept of them is read from its files, so that nothing is trained again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from mer.errors import InputError
from mer.metrics import holm
from mer.research.architectures.base import architectures
from mer.research.evaluation.questions import QUESTIONS, compare, scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mer.research.evaluation.questions import Asked, Question
    from mer.research.inputs.features import TrackFeatures

    Answers = NDArray[np.int64]

_AGAIN = (
    "run `python -m mer.research compare --split test` again, or name another folder with --rivals"
)


def read_all(folder: Path, tests: Sequence[TrackFeatures]) -> dict[str, dict[str, Answers]]:
    """Read what every rival answered, by question and by rival.

    Parameters
    ----------
    folder : Path
        With the files of ``compare``; no files or no folder is no rivals.
    tests : sequence of TrackFeatures
        Of the test split.

    Returns
    -------
    dict of str to dict of str to (songs, networks) int64 ndarray
        In the order in which a question takes the songs of `tests`.

    Raises
    ------
    InputError
        If a file is damaged or not about the same songs and labels; the message names it.
    """
    return {
        question.name: {
            path.stem.removeprefix(f"{question.dataset}-"): read(path, question, tests)
            for path in sorted(folder.glob(f"{question.dataset}-*.json"))
        }
        for question in QUESTIONS
    }


def read(path: Path, question: Question, tests: Sequence[TrackFeatures]) -> Answers:
    """Answers of one file, (songs, networks); as `read_all`."""
    songs = question.songs(tests)
    try:
        kept = json.loads(path.read_text())
        said = np.array(kept["probabilities"], dtype=np.float64)  # (networks, songs, classes)
        labels = dict(zip(kept["songs"], kept["labels"], strict=True))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error!r}); {_AGAIN}") from error
    if said.ndim != 3 or said.shape[1:] != (len(kept["songs"]), question.classes):
        raise InputError(
            f"{path} holds an array of {said.shape} for {len(kept['songs'])} songs and "
            f"{question.classes} classes; {_AGAIN}"
        )
    ids = [song.track.track_id for song in songs]
    if len(labels) != len(kept["songs"]) or set(ids) != set(labels):
        strange = sorted(set(ids) ^ set(labels), key=str)
        raise InputError(
            f"{path} is not about the {len(ids)} test songs of {question.dataset} but about "
            f"{len(kept['songs'])}, of which {strange[:3]} and others differ; {_AGAIN}"
        )
    truth = question.labels(songs).tolist()
    if wrong := [name for name, label in zip(ids, truth, strict=True) if labels[name] != label]:
        raise InputError(f"{path} has other labels, as of song {wrong[0]}; {_AGAIN}")
    place = {name: index for index, name in enumerate(kept["songs"])}
    answers: Answers = said.argmax(axis=2)[:, [place[name] for name in ids]].T
    return answers


def measure(asked: Asked, rivals: Mapping[str, Answers]) -> list[dict[str, Any]]:
    """Compare the house network, given everything, with each rival on the test songs.

    Parameters
    ----------
    asked : Asked
        Of the test split.
    rivals : mapping of str to (songs, networks) int64 ndarray
        By name and, after ``+``, frozen front end.

    Returns
    -------
    list of dict
        The best macro-F1 first: ``name``, ``title``, ``paper`` (None for a baseline),
        ``front_end``, ``networks``, its ``scores``, and ``house_more`` with paired differences of
        accuracy and macro-F1, the latter's p also adjusted for all rivals of the question (Holm).
    """
    labels, classes = asked.labels, asked.question.classes
    house = asked.said[asked.question.everything].answers
    rows = []
    for key, answers in rivals.items():
        name, _, front_end = key.partition("+")
        entry = architectures().get(name)
        paper = entry.paper if entry is not None and entry.paper != "baseline" else None
        rows.append(
            {
                "name": key,
                "title": entry.title if entry is not None else name,
                "paper": paper,
                "front_end": front_end or ("own" if entry is not None else None),
                "networks": answers.shape[1],
                "scores": scores(labels, answers, classes),
                "house_more": compare(labels, house, answers, classes),
            }
        )
    adjusted = holm([row["house_more"]["macro_f1"]["p_value"] for row in rows])
    for row, p_value in zip(rows, adjusted, strict=True):
        row["house_more"]["macro_f1"]["p_holm"] = p_value
    return sorted(rows, key=lambda row: -row["scores"]["macro_f1"]["estimate"])
