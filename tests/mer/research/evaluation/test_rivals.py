"""Predictions of other models, read from files and compared with the house network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mer.affect import QUADRANTS
from mer.errors import InputError
from mer.research.datasets.base import AffectLabels, Track
from mer.research.evaluation import rivals
from mer.research.evaluation.tasks import TASKS, Predictions, TaskPredictions
from mer.research.inputs.features import TrackFeatures

if TYPE_CHECKING:
    from pathlib import Path

QUADRANT = TASKS[0]
STATES = torch.ones(1, 2)
SONGS = tuple(
    TrackFeatures(
        Track("panda4q", f"MT{index}", "test", AffectLabels(quadrant=QUADRANTS[index % 4])),
        audio=STATES,
        context=STATES,
    )
    for index in range(40)
)
LABELS = QUADRANT.labels(SONGS)


def chances(answers: np.ndarray) -> np.ndarray:
    return np.eye(4)[answers] * 0.6 + 0.1


def written(folder: Path, name: str = "panda4q-li.json", **changes: Any) -> Path:
    """Keep two networks, of which the second is always wrong, with the songs from last to first."""
    said = np.stack([chances(LABELS), chances((LABELS + 1) % 4)])[:, ::-1]
    kept = {
        "songs": [song.track.track_id for song in SONGS][::-1],
        "labels": LABELS[::-1].tolist(),
        "probabilities": said.tolist(),
    }
    path = folder / name
    path.write_text(json.dumps(kept | changes))
    return path


def test_songs_are_matched_by_id(tmp_path: Path) -> None:
    answers = rivals.read(written(tmp_path), QUADRANT, SONGS)
    assert answers.shape == (40, 2)
    assert answers[:, 0].tolist() == LABELS.tolist()
    assert answers[:, 1].tolist() == ((LABELS + 1) % 4).tolist()


def test_every_file_of_a_set_is_a_rival(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, "panda4q-late-fusion+musicnn.json")
    found = rivals.read_all(tmp_path, SONGS)
    assert list(found["quadrant"]) == ["late-fusion+musicnn", "li"]
    assert found["cluster"] == {}
    assert rivals.read_all(tmp_path / "absent", SONGS) == {"quadrant": {}, "cluster": {}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"songs": [f"MT{index + 1}" for index in range(40)]}, "MT0"),
        ({"songs": ["MT1"] * 40}, "should hold the 40 test songs of panda4q"),
        ({"labels": [0] * 40}, "has other labels, as of song MT1;"),
        ({"labels": [0]}, "is damaged"),
        ({"probabilities": [[[0.5, 0.5]] * 40]}, r"\(1, 40, 2\) for 40 songs and 4 classes"),
        ({"probabilities": [[0.5], [0.5, 0.5]]}, "is damaged"),
        ({"probabilities": None}, "holds an array"),
    ],
)
def test_a_file_about_anything_else_is_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        rivals.read_all(tmp_path, SONGS)
    assert str(path) in str(caught.value)
    assert "--rivals" in str(caught.value)


def test_no_json_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "panda4q-li.json").write_text("{")
    with pytest.raises(InputError, match=r"panda4q-li\.json is damaged"):
        rivals.read_all(tmp_path, SONGS)


@pytest.mark.usefixtures("few_draws")
def test_the_house_is_compared_with_each_on_the_same_songs() -> None:
    nothing = np.zeros((40, 1, 1))
    said = Predictions(chances(LABELS)[:, None], LABELS[:, None], nothing, nothing, nothing)
    half = np.where(np.arange(40) < 20, LABELS, (LABELS + 1) % 4)
    rows = rivals.measure(
        TaskPredictions(QUADRANT, SONGS, {"audio": said, "audio+context": said}),
        {"majority": np.zeros((40, 1), dtype=np.int64), "li+musicnn": LABELS[:, None],
         "li": np.stack([LABELS, half], axis=1)},
    )  # fmt: skip
    assert [row["name"] for row in rows] == ["li+musicnn", "li", "majority"]
    assert [row["paper"] for row in rows] == ["Li", "Li", None]
    assert [row["front_end"] for row in rows] == ["musicnn", "own", None]
    equal, averaged, majority = (row["house_more"]["macro_f1"] for row in rows)
    assert equal["difference"]["estimate"] == 0
    assert equal["p_holm"] == 1
    assert averaged["difference"]["estimate"] == pytest.approx(0.25)
    assert majority["difference"]["low"] > 0.8
    # Three rivals: the smallest p counts three times, the next two.
    assert sorted([majority["p_holm"], averaged["p_holm"]])[1] == pytest.approx(
        max(3 * min(majority["p_value"], averaged["p_value"]), 2 * averaged["p_value"])
    )
