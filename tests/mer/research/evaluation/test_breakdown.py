"""Errors by class, genre and confidence; agreement of valence and arousal with norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from mer.affect import QUADRANTS, AffectPoint
from mer.batches import AffettiConfig
from mer.network import AffettiNetwork
from mer.research.datasets.base import AffectLabels, Track
from mer.research.evaluation import breakdown
from mer.research.evaluation.tasks import TASKS, Predictions, TaskPredictions
from mer.research.house.mixture import Plane
from mer.research.inputs.features import TrackFeatures

if TYPE_CHECKING:
    from collections.abc import Callable

    from mer.batches import AffettiOutput

MOMENTS = ((0.5, 0.2), (0.5, 0.2))
PLANE = Plane(MOMENTS, MOMENTS, MOMENTS)
QUADRANT = TASKS[0]
NAMES = tuple(QUADRANTS)
PLACES = {"Q1": (0.8, 0.7), "Q2": (0.2, 0.9), "Q3": (0.3, 0.1), "Q4": (0.7, 0.3)}


def song(index: int) -> TrackFeatures:
    quadrant = QUADRANTS[index % 4]
    valence, arousal = PLACES[quadrant]
    labels = AffectLabels(quadrant=quadrant, valence=valence + index / 1000, arousal=arousal)
    track = Track("panda4q", f"MT{index}", "test", labels)
    return TrackFeatures(track, audio=torch.ones(2, 6), context=torch.ones(2, 4))


SONGS = tuple(song(index) for index in range(40))
LABELS = QUADRANT.labels(SONGS)


def said(probabilities: np.ndarray, **changes: np.ndarray) -> Predictions:
    """One network that places songs where their words are."""
    places = np.array([PLANE.place("panda4q", song.track.labels) for song in SONGS])[:, None]
    parts = {
        "probabilities": probabilities[:, None],
        "quadrants": LABELS[:, None],
        "affect": places,
        "spread": np.full((40, 1, 2), 0.1),
        "gates": np.ones((40, 1, 3)),
    }
    return Predictions(**{**parts, **changes})


def sure(answers: np.ndarray, confidence: float | np.ndarray) -> np.ndarray:
    """Probabilities with `confidence` in the answer and the rest shared out."""
    rest = (1 - np.broadcast_to(confidence, (len(answers),))[:, None]) / 3
    return np.where(np.eye(4)[answers] > 0, np.reshape(confidence, (-1, 1)), rest)


@pytest.mark.usefixtures("few_draws")
def test_a_class_has_precision_recall_and_intervals() -> None:
    answers = np.where(LABELS == 1, 0, LABELS)  # every angry song is called happy
    rows = breakdown.by_class(LABELS, np.stack([answers, LABELS], axis=1), NAMES)
    assert rows["Q1"]["songs"] == 10
    assert rows["Q1"]["precision"]["estimate"] == pytest.approx((0.5 + 1) / 2)
    assert rows["Q1"]["recall"] == {"estimate": 1, "low": 1, "high": 1}
    assert rows["Q2"]["f1"]["estimate"] == pytest.approx(0.5)
    assert 0.6 < rows["Q1"]["precision"]["low"] < 0.75 < rows["Q1"]["precision"]["high"] < 0.9
    counts = breakdown.mean_confusion(LABELS, np.stack([answers, LABELS], axis=1), 4)
    assert counts[1].tolist() == [5, 5, 0, 0]
    assert counts.sum() == 40


@pytest.mark.usefixtures("few_draws")
def test_small_genres_are_other() -> None:
    genres: list[tuple[str, ...]] = [("Jazz", "Vocal")] * 12 + [("Rap",)] * 3 + [()] * 25
    answers = np.where(np.arange(40) < 6, (LABELS + 1) % 4, LABELS)[:, None]
    rows = breakdown.by_genre(LABELS, answers, genres)
    assert list(rows) == ["Jazz", "Vocal", "other"]
    assert rows["Jazz"]["songs"] == 12
    assert rows["Jazz"]["accuracy"]["estimate"] == 0.5
    assert rows["other"] == {
        "songs": 28, "accuracy": {"estimate": 1, "low": 1, "high": 1}, "commonest": 0.25,
    }  # fmt: skip
    assert list(breakdown.by_genre(LABELS, answers, [()] * 40)) == ["other"]


def test_errors_are_ordered_by_confidence_and_have_no_names() -> None:
    answers = np.where(np.arange(40) < 15, (LABELS + 1) % 4, LABELS)
    part = said(sure(answers, np.linspace(0.4, 0.9, 40)))
    rows = breakdown.confident_errors(TaskPredictions(QUADRANT, SONGS, {"audio+context": part}))
    assert [row["song"] for row in rows] == [f"MT{index}" for index in range(14, 4, -1)]
    assert rows[0]["label"] == "Q3"
    assert rows[0]["said"] == "Q4"
    assert rows[0]["of_the_label"] == pytest.approx((1 - rows[0]["confidence"]) / 3)


@pytest.mark.usefixtures("few_draws")
def test_ambiguous_predictions_are_counted_apart() -> None:
    first = np.arange(40) < 10
    answers = np.where(first & (np.arange(40) % 2 == 0), (LABELS + 1) % 4, LABELS)
    figures = breakdown.by_confidence(LABELS, said(sure(answers, np.where(first, 0.49, 0.5))))
    assert figures["share"]["estimate"] == 0.25
    assert figures["accuracy_ambiguous"]["estimate"] == 0.5
    assert figures["accuracy_ambiguous"]["low"] < 0.5 < figures["accuracy_ambiguous"]["high"]
    assert figures["accuracy_sure"] == {"estimate": 1, "low": 1, "high": 1}
    assert breakdown.by_confidence(LABELS, said(sure(LABELS, 0.9)))["accuracy_ambiguous"] is None


@pytest.mark.usefixtures("few_draws")
def test_errors_are_counted_within_their_spreads() -> None:
    places = np.array([PLANE.place("panda4q", song.track.labels) for song in SONGS])
    off = np.where(np.arange(40) < 20, 0.05, np.where(np.arange(40) < 30, 0.15, 0.25))
    affect = places[:, None] + off[:, None, None]
    figures = breakdown.affect_figures(said(sure(LABELS, 0.9), affect=affect), places)
    assert figures["songs"] == 40
    assert figures["valence"]["within_one_spread"]["estimate"] == 0.5
    assert figures["valence"]["within_two_spreads"]["estimate"] == 0.75
    assert figures["arousal"]["rmse"]["estimate"] == pytest.approx(np.sqrt((off**2).mean()))
    knowing = np.repeat(off[:, None, None] * 2, 2, axis=2)
    figures = breakdown.affect_figures(
        said(sure(LABELS, 0.9), affect=affect, spread=knowing), places
    )
    assert figures["valence"]["spread_with_error"]["estimate"] > 0.9  # rounding breaks ties
    assert figures["valence"]["within_one_spread"]["low"] == 1
    assert figures["valence"]["spread"] == pytest.approx(2 * off.mean())


@pytest.mark.usefixtures("few_draws")
def test_places_of_unknown_words_do_not_count() -> None:
    places = np.array([PLANE.place("panda4q", song.track.labels) for song in SONGS])
    places[5:] = np.nan
    figures = breakdown.affect_figures(said(sure(LABELS, 0.9)), places)
    assert figures["songs"] == 5
    assert figures["agreement"]["estimate"] == 1
    assert figures["valence"]["spearman"]["estimate"] == pytest.approx(1)
    assert (
        breakdown.affect_figures(said(sure(LABELS, 0.9)), np.full((40, 2), np.nan))["arousal"]
        is None
    )


@pytest.mark.parametrize("point", [(0.5, 0.5), (0.49, 0.5), (0.49, 0.49), (0.5, 0.49), (1, 0)])
def test_a_place_lies_in_the_quadrant_of_an_affect_point(point: tuple[float, float]) -> None:
    assert NAMES[int(breakdown.quadrant_of(np.array(point)))] == AffectPoint(*point).quadrant


@pytest.mark.usefixtures("few_draws")
def test_everything_is_measured_for_every_set_of_modalities() -> None:
    predictions = TaskPredictions(QUADRANT, SONGS, {"audio": said(sure(LABELS, 0.9)),
                                    "audio+context": said(sure(LABELS, 0.7))})  # fmt: skip
    figures = breakdown.measure(predictions, PLANE, {"MT1": ("Jazz",)})
    assert list(figures["reliability"]) == ["audio", "audio+context"]
    assert figures["reliability"]["audio"]["ece"] == pytest.approx(0.1)
    assert figures["place"]["audio"]["agreement"]["estimate"] == 1
    assert figures["ambiguous"]["audio+context"]["share"]["estimate"] == 0
    assert figures["confusion"][3] == [0, 0, 0, 10]
    assert list(figures["genres"]) == ["other"]
    assert "genres" not in breakdown.measure(predictions, PLANE)


def test_cost_is_of_the_network_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions: list[int] = []

    def seconds(act: Callable[[], AffettiOutput]) -> float:
        predictions.append(len(act().gates))
        return 0.01 * len(predictions)

    monkeypatch.setattr(breakdown, "_seconds", seconds)
    config = AffettiConfig(audio_dim=6, text_dim=4, descriptor_dim=0, text_width=8)
    network = AffettiNetwork(config).eval()
    figures = breakdown.cost(network, SONGS)
    assert figures["parameters"] == sum(part.numel() for part in network.parameters())
    assert predictions == [1] * 32 + [40]
    assert figures["one_at_a_time"] == pytest.approx(0.165)  # the median
    assert figures["in_batches"] == pytest.approx(0.33 / 40)
    assert figures["threads"] == torch.get_num_threads()
