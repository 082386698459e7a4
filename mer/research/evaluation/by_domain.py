"""Figures by domain: within the training domains, and with each domain left out of training.

All inputs are audio alone, because only popular music has texts here. *In domain* is out of fold:
no network was trained on a song by the artist. *Left out* is a network that was trained without any
song of the domain.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.affect import GEMS, QUADRANTS
from mer.metrics import accuracy, auc, bootstrap_ci, ece, macro_f1, spearman
from mer.research.house.mixture import TASKS, targets
from mer.research.house.validation import DOMAINS, out_of_fold, predict
from mer.research.tables import grid, interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.batches import AffettiOutput
    from mer.research.house.mixture import Plane
    from mer.research.house.validation import FoldNetwork
    from mer.research.inputs.features import TrackFeatures

    Floats = NDArray[np.float64]

_AUDIO: Final = ("audio",)
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_HEARD_VALENCE: Final = ("joyful_activation", "sadness", "tension")
_HEARD_AROUSAL: Final = ("calmness", "power")


def measure(
    folds: Sequence[FoldNetwork], left_out: Mapping[str, FoldNetwork], plane: Plane
) -> dict[str, Any]:
    """Figures of every domain, in domain and left out.

    Parameters
    ----------
    folds : sequence of FoldNetwork
        Of cross-validation, calibrated.
    left_out : mapping of str to FoldNetwork
        By the names in `DOMAINS`, calibrated.
    plane : Plane

    Returns
    -------
    dict
        ``in_domain`` and ``left_out``, each by domain.
    """
    songs = [song for fold in folds for song in fold.held_out if song.audio is not None]
    inside, outside = {}, {}
    for name, sets in DOMAINS.items():
        own = [song for song in songs if song.track.dataset in sets]
        if own:
            inside[name] = _figures(own, out_of_fold(folds, own, _AUDIO), plane)
        if name in left_out:
            held = [song for song in left_out[name].held_out if song.audio is not None]
            output = predict(left_out[name].network, held, _AUDIO)
            others = [song for song in songs if song.track.dataset not in sets]
            known = out_of_fold(folds, others, _AUDIO).novelty[:, 0].double().numpy()
            novelty = output.novelty[:, 0].double().numpy()
            outside[name] = _figures(held, output, plane) | {
                "novelty_auc": auc(
                    np.arange(len(novelty) + len(known)) < len(novelty),
                    np.concatenate([novelty, known]),
                )
            }
    return {"in_domain": inside, "left_out": outside}


def _figures(songs: Sequence[TrackFeatures], output: AffettiOutput, plane: Plane) -> dict[str, Any]:
    figures: dict[str, Any] = {"songs": len(songs)}
    affect = output.affect.double().numpy()
    classed = [i for i, song in enumerate(songs) if song.track.labels.quadrant is not None]
    if classed:
        figures["quadrants"] = _quadrants([songs[i] for i in classed], output, classed)
    rated = [i for i, song in enumerate(songs) if song.track.labels.felt is not None]
    if rated:
        felt = np.array([songs[i].track.labels.felt for i in rated])
        # A network that no felt emotions calibrate has their logits alone.
        predicted = output.felt if output.felt.shape[1] else output.gems_logits.sigmoid()
        figures["felt"] = _felt(felt, predicted.double().numpy()[rated], affect[rated])
    wanted = targets([song.track for song in songs], plane)
    known = (wanted.weights[:, TASKS.index("valence")] > 0).numpy()
    bounds = output.intervals.double().numpy()[known].reshape(-1, 2, 2)
    figures["places"] = _places(wanted.affect.double().numpy()[known], affect[known], bounds)
    return figures


def _quadrants(
    songs: Sequence[TrackFeatures], output: AffettiOutput, rows: Sequence[int]
) -> dict[str, Any]:
    probabilities = output.quadrant_logits.double().softmax(dim=1).numpy()[rows]
    labels = np.array([QUADRANTS.index(song.track.labels.quadrant or "") for song in songs])
    affect = output.affect.double().numpy()[rows]
    sides = {}
    for axis, (name, high) in enumerate((("valence", (0, 3)), ("arousal", (0, 1)))):
        is_high = np.isin(labels, high)
        sides[f"{name}_auc"] = auc(is_high, affect[:, axis])
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": asdict(bootstrap_ci(accuracy, labels, predicted)),
        "macro_f1": macro_f1(labels, predicted, len(QUADRANTS)),
        "largest_class": float(np.bincount(labels).max() / len(labels)),
        "confidence": float(probabilities.max(axis=1).mean()),
        "ece": ece(labels, probabilities),
        "recall": [float((predicted[labels == c] == c).mean()) for c in np.unique(labels)],
        **sides,
    }


def _felt(shares: Floats, predicted: Floats, affect: Floats) -> dict[str, float]:
    """Rank correlations with the shares of listeners, by emotion and with the plane's axes."""
    by_emotion = {name: spearman(shares[:, i], predicted[:, i]) for i, name in enumerate(GEMS)}
    axes = {
        f"{axis} and {name}": spearman(shares[:, GEMS.index(name)], affect[:, column])
        for column, axis, names in (
            (0, "valence", _HEARD_VALENCE),
            (1, "arousal", _HEARD_AROUSAL),
        )
        for name in names
    }
    eight = float(np.mean([by_emotion[name] for name in GEMS if name != "amazement"]))
    error = float(np.abs(shares - predicted).mean())
    return {**by_emotion, "mean of eight": eight, "mean absolute error": error, **axes}


def _places(labels: Floats, affect: Floats, bounds: Floats) -> dict[str, Any]:
    """Quantiles of labels and predictions, rank correlation, coverage of the intervals."""
    places = {}
    for axis, name in enumerate(("valence", "arousal")):
        low, high = bounds[:, axis, 0], bounds[:, axis, 1]
        places[name] = {
            "labels": np.quantile(labels[:, axis], _QUANTILES).tolist(),
            "predicted": np.quantile(affect[:, axis], _QUANTILES).tolist(),
            "spearman": spearman(labels[:, axis], affect[:, axis]),
            "coverage": float(((low <= labels[:, axis]) & (labels[:, axis] <= high)).mean()),
            "width": float((high - low).mean()),
        }
    return places


def markdown(report: Mapping[str, Any]) -> Iterator[str]:
    """Lines of the page's sections about domains.

    Parameters
    ----------
    report : mapping
        From `measure`.
    """
    parts = {"in domain": report["in_domain"], "left out": report["left_out"]}
    yield "## Domains, by audio alone"
    yield ""
    yield "*In domain*: out of fold. *Left out*: the network was trained on no song of the domain."
    yield "Composed pieces have the composer's intention as label, not ratings."
    yield "*Novel* is the AUC of the novelty between the domain and the training domains."
    yield ""
    yield from _quadrant_table(parts)
    yield ""
    yield from _felt_table(parts)
    yield ""
    yield from _place_table(parts)
    yield ""


def _quadrant_table(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    columns = (
        "quadrants", "training", "songs", "accuracy", "macro-F1", "largest class", "confidence",
        "ECE", "AUC of valence / arousal", "recall of each quadrant", "novel",
    )  # fmt: skip
    yield from grid(
        columns,
        [
            (
                name,
                part,
                str(figures["songs"]),
                interval(found["accuracy"]),
                found["macro_f1"],
                found["largest_class"],
                found["confidence"],
                found["ece"],
                f"{found['valence_auc']:.2f} / {found['arousal_auc']:.2f}",
                " ".join(f"{recall:.2f}" for recall in found["recall"]),
                figures.get("novelty_auc"),
            )
            for part, domains in parts.items()
            for name, figures in domains.items()
            if (found := figures.get("quadrants"))
        ],
    )


def _felt_table(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    found: dict[str, dict[str, float]] = {
        part: figures["felt"]
        for part, domains in parts.items()
        for figures in domains.values()
        if "felt" in figures
    }
    yield "Rank correlation with the shares of listeners who felt an emotion (Emotify):"
    yield ""
    names: dict[str, float] = next(iter(found.values()), {})
    rows: list[tuple[str | float, ...]] = [
        (name.replace("_", " "), *(figures[name] for figures in found.values())) for name in names
    ]
    yield from grid(("", *found), rows)


def _place_table(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "Quantiles (5, 25, 50, 75 and 95%) of labels and predictions, and intervals of 90%."
    yield "Labels are word norms, middles of quadrants, a crosswalk from felt emotions, or those of"
    yield "the composer."
    yield ""
    columns = (
        "", "training", "axis", "labels", "predicted", "rank correlation", "in the interval",
        "mean width",
    )  # fmt: skip
    yield from grid(
        columns,
        [
            (
                name,
                part,
                axis,
                " ".join(f"{value:.2f}" for value in place["labels"]),
                " ".join(f"{value:.2f}" for value in place["predicted"]),
                place["spearman"],
                place["coverage"],
                place["width"],
            )
            for part, domains in parts.items()
            for name, figures in domains.items()
            for axis, place in figures["places"].items()
        ],
    )
