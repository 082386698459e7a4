"""``python -m mer evaluate --csv FILE``: measures the model on labelled songs of a user.

The table has one song in each row:

======================= ==========================================================
column                  content
======================= ==========================================================
``path``                audio file, relative to the folder of the table; required
``valence``, ``arousal`` both from 0 to 1
``quadrant``            Q1 to Q4
``mood``                one word or a few
``lyrics``              path of a text file
``title``, ``artist``   context
======================= ==========================================================

Every row needs a label: a quadrant, a mood, or valence and arousal. A wrong cell is an error
before any song is decoded. A song that cannot be used is reported and skipped.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm import tqdm

from mer.affect import QUADRANTS, AffectPoint, Quadrant
from mer.errors import DatasetError, MerError
from mer.lyrics import read_judged_lyrics
from mer.metrics import accuracy, bootstrap_ci, ccc, confusion, ece, macro_f1, pearson, rmse
from mer.prediction import SongInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.pipeline import EmotionPipeline
    from mer.prediction import EmotionPrediction

LABELS: Final = ("quadrant", "valence", "arousal", "mood")
_BATCH: Final = 8
_WORST: Final = 10
_FEWEST_FOR_AGREEMENT: Final = 3
_WITHIN_ONE: Final = 0.683
_WITHIN_TWO: Final = 0.954
"""Shares of a normal distribution within one and two standard deviations."""


@dataclass(frozen=True, slots=True)
class OwnSong:
    """One labelled row.

    Parameters
    ----------
    line : int
        Line in the table, for messages.
    song : SongInput
    quadrant : Quadrant or None
    point : AffectPoint or None
    mood : str or None
    """

    line: int
    song: SongInput
    quadrant: Quadrant | None = None
    point: AffectPoint | None = None
    mood: str | None = None


def read_songs(table: Path) -> list[OwnSong]:
    """Read a table of labelled songs; decodes no audio.

    Parameters
    ----------
    table : Path

    Returns
    -------
    list of OwnSong

    Raises
    ------
    DatasetError
        If the table is absent, lacks the column ``path`` or every label, or a cell is wrong. The
        message names line and column.
    LyricsError
        If a lyrics file cannot be read, or is refused.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = [name.strip().lower() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table} cannot be read: {error}; give a CSV file in UTF-8") from error
    if "path" not in columns or not set(LABELS) & set(columns):
        raise DatasetError(
            f"{table} needs a column path and one of {', '.join(LABELS)}; it has {columns}"
        )
    if not rows:
        raise DatasetError(f"{table} has no rows; give at least one song")
    return [_song(table, line, row) for line, row in rows]


def _song(table: Path, line: int, row: Mapping[str, str | None]) -> OwnSong:
    cells = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
    where = f"{table}, line {line}"
    if not cells["path"]:
        raise DatasetError(f"{where}, column path: is empty; give an audio file")
    lyrics = cells.get("lyrics")
    song = SongInput(
        path=table.parent / Path(cells["path"]).expanduser(),
        lyrics=read_judged_lyrics(table.parent / Path(lyrics).expanduser()) if lyrics else None,
        title=cells.get("title") or None,
        artist=cells.get("artist") or None,
    )
    point = _point(cells, where)
    quadrant = cells.get("quadrant", "").upper()
    if quadrant and quadrant not in set(Quadrant):
        raise DatasetError(f"{where}, column quadrant: {quadrant!r} is not Q1 to Q4")
    mood = cells.get("mood") or None
    if not (point or quadrant or mood):
        raise DatasetError(f"{where}: has no label; fill {', '.join(LABELS)} or delete the line")
    known = Quadrant(quadrant) if quadrant else (point.quadrant if point else None)
    return OwnSong(line, song, known, point, mood)


def _point(cells: Mapping[str, str], where: str) -> AffectPoint | None:
    given = {name: cells.get(name, "") for name in ("valence", "arousal")}
    if not any(given.values()):
        return None
    values = {}
    for name, text in given.items():
        try:
            values[name] = float(text)
        except ValueError as error:
            raise DatasetError(f"{where}, column {name}: {text!r} is not a number") from error
        if not 0 <= values[name] <= 1:
            raise DatasetError(
                f"{where}, column {name}: {text} is outside 0 to 1; on another scale, divide first"
            )
    return AffectPoint(values["valence"], values["arousal"])


def predict_songs(
    pipeline: EmotionPipeline, songs: Sequence[OwnSong]
) -> tuple[list[tuple[OwnSong, EmotionPrediction]], list[dict[str, str]]]:
    """Predict every usable song, with a progress bar.

    Parameters
    ----------
    pipeline : EmotionPipeline
    songs : sequence of OwnSong

    Returns
    -------
    predicted : list of (OwnSong, EmotionPrediction)
    failed : list of dict
        ``path``, ``code`` and ``message`` of each unusable song.
    """
    predicted: list[tuple[OwnSong, EmotionPrediction]] = []
    failed: list[dict[str, str]] = []
    with tqdm(total=len(songs), desc="songs", unit="song") as bar:
        for start in range(0, len(songs), _BATCH):
            readable, prepared = [], []
            for song in songs[start : start + _BATCH]:
                try:
                    prepared.append(pipeline.prepare(song.song))
                    readable.append(song)
                except MerError as error:
                    path = str(song.song.path)
                    failed.append({"path": path, "code": error.code, "message": str(error)})
            predicted += zip(readable, pipeline.predict_prepared(prepared), strict=True)
            bar.update(min(_BATCH, len(songs) - start))
    return predicted, failed


def measure(
    predicted: Sequence[tuple[OwnSong, EmotionPrediction]],
    moods: Mapping[str, EmotionPrediction],
) -> dict[str, Any]:
    """Measure the predictions against every kind of label in the table.

    Parameters
    ----------
    predicted : sequence of (OwnSong, EmotionPrediction)
    moods : mapping of str to EmotionPrediction
        Prediction for each mood of the table as a text.

    Returns
    -------
    dict
        ``songs`` and ``worst``; ``quadrant``, ``affect`` and ``mood`` if the table has labels.
    """
    figures: dict[str, Any] = {"songs": len(predicted)}
    for name, part in (
        ("quadrant", _quadrants([pair for pair in predicted if pair[0].quadrant])),
        ("affect", _affect([pair for pair in predicted if pair[0].point])),
        ("mood", _moods([pair for pair in predicted if pair[0].mood], moods)),
    ):
        if part:
            figures[name] = part
    figures["worst"] = _worst(predicted, moods)
    return figures


def _quadrants(predicted: Sequence[tuple[OwnSong, EmotionPrediction]]) -> dict[str, Any]:
    if not predicted:
        return {}
    target = np.array([QUADRANTS.index(song.quadrant) for song, _ in predicted if song.quadrant])
    probabilities = np.array([[p.quadrants[name] for name in QUADRANTS] for _, p in predicted])
    answers = probabilities.argmax(axis=1)
    ambiguous = np.array([prediction.is_ambiguous for _, prediction in predicted])
    right = bootstrap_ci(accuracy, target, answers)
    return {
        "songs": len(target),
        "accuracy": {"estimate": right.estimate, "low": right.low, "high": right.high},
        "macro_f1": macro_f1(target, answers, len(QUADRANTS)),
        "majority": float(np.bincount(target).max() / len(target)),
        "ece": ece(target, probabilities),
        "confusion": confusion(target, answers, len(QUADRANTS)).tolist(),
        "sure": _part(answers == target, ~ambiguous),
        "ambiguous": _part(answers == target, ambiguous),
    }


def _part(is_right: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> dict[str, Any]:
    """Count the chosen songs and measure accuracy on them; None for no songs."""
    songs = int(chosen.sum())
    return {"songs": songs, "accuracy": float(is_right[chosen].mean()) if songs else None}


def _affect(predicted: Sequence[tuple[OwnSong, EmotionPrediction]]) -> dict[str, Any]:
    if len(predicted) < _FEWEST_FOR_AGREEMENT:
        return {}
    true = np.array([[s.point.valence, s.point.arousal] for s, _ in predicted if s.point])
    affect = np.array([[p.valence, p.arousal] for _, p in predicted])
    spreads = np.array([[p.valence_spread, p.arousal_spread] for _, p in predicted])
    errors = np.abs(true - affect) / spreads
    measures = {"ccc": ccc, "pearson": pearson, "rmse": rmse}
    return {"songs": len(true)} | {
        axis: {name: each(true[:, i], affect[:, i]) for name, each in measures.items()}
        | {
            "spread": float(spreads[:, i].mean()),
            "within_one_spread": float((errors[:, i] <= 1).mean()),
            "within_two_spreads": float((errors[:, i] <= 2).mean()),
        }
        for i, axis in enumerate(("valence", "arousal"))
    }


def _moods(
    predicted: Sequence[tuple[OwnSong, EmotionPrediction]], moods: Mapping[str, EmotionPrediction]
) -> dict[str, Any]:
    """How often the nearest of all moods in the table is the label of the song."""
    if not predicted or len(moods) < 2:
        return {}
    names = sorted(moods)
    counts = {name: {"songs": 0, "right": 0} for name in names}
    for song, prediction in predicted:
        nearest = min(names, key=lambda name: _distance(prediction, moods[name]))
        counts[str(song.mood)]["songs"] += 1
        counts[str(song.mood)]["right"] += int(nearest == song.mood)
    right = sum(count["right"] for count in counts.values())
    most = max(count["songs"] for count in counts.values())
    return {
        "songs": len(predicted),
        "moods": len(names),
        "accuracy": right / len(predicted),
        "majority": most / len(predicted),
        "each": counts,
    }


def _distance(one: EmotionPrediction, other: EmotionPrediction) -> float:
    return float(np.hypot(one.valence - other.valence, one.arousal - other.arousal))


def _worst(
    predicted: Sequence[tuple[OwnSong, EmotionPrediction]], moods: Mapping[str, EmotionPrediction]
) -> list[dict[str, Any]]:
    """Songs with the largest error: 1 - probability of the quadrant, or distance to the mood."""
    rows = []
    for song, prediction in predicted:
        if song.quadrant:
            error = 1 - prediction.quadrants[song.quadrant]
        else:
            error = min(1.0, _distance(prediction, moods[str(song.mood)]))
        truth = song.quadrant or song.mood
        rows.append(
            {
                "path": str(song.song.path),
                "truth": str(truth),
                "said": str(prediction.quadrant),
                "confidence": prediction.confidence,
                "valence": prediction.valence,
                "arousal": prediction.arousal,
                "error": float(error),
            }
        )
    return sorted(rows, key=lambda row: -float(str(row["error"])))[:_WORST]


def evaluate_table(table: Path, pipeline: EmotionPipeline) -> dict[str, Any]:
    """Read a table, predict its songs and measure the predictions.

    Parameters
    ----------
    table : Path
    pipeline : EmotionPipeline

    Returns
    -------
    dict
        Of `measure`, with ``model_version`` and ``failed``.

    Raises
    ------
    DatasetError
        As `read_songs`; or if no song could be used.
    LyricsError
        As `read_songs`.
    """
    songs = read_songs(table)
    predicted, failed = predict_songs(pipeline, songs)
    if not predicted:
        first = failed[0]
        raise DatasetError(f"no song of {table} could be used; the first: {first['message']}")
    moods = {m: pipeline.predict_text(m) for m in sorted({s.mood for s, _ in predicted if s.mood})}
    return {
        "model_version": pipeline.model_version,
        **measure(predicted, moods),
        "failed": failed,
    }


def report(figures: Mapping[str, Any]) -> Iterator[str]:
    """Format the result of `evaluate_table` as lines of text.

    Parameters
    ----------
    figures : mapping
        Of `evaluate_table`.

    Yields
    ------
    str
    """
    yield f"{figures['songs']} songs predicted by {figures['model_version']}"
    if quadrant := figures.get("quadrant"):
        yield from _report_quadrants(quadrant)
    if affect := figures.get("affect"):
        for axis in ("valence", "arousal"):
            values = affect[axis]
            yield (
                f"{axis}: CCC {values['ccc']:.3f}, Pearson {values['pearson']:.3f}, "
                f"RMSE {values['rmse']:.3f} over {affect['songs']} songs; mean spread "
                f"{values['spread']:.3f}, {values['within_one_spread']:.0%} of the "
                f"songs within one spread (expected: {_WITHIN_ONE:.0%}), "
                f"{values['within_two_spreads']:.0%} within two ({_WITHIN_TWO:.0%})"
            )
    if mood := figures.get("mood"):
        yield (
            f"moods: accuracy {mood['accuracy']:.3f} over {mood['songs']} songs and "
            f"{mood['moods']} moods; most frequent mood: {mood['majority']:.3f}"
        )
    yield "largest errors:"
    for row in figures["worst"]:
        yield (
            f"  {row['path']}: label {row['truth']}, predicted {row['said']} "
            f"({row['confidence']:.0%}), valence {row['valence']:.2f}, arousal {row['arousal']:.2f}"
        )
    for failure in figures["failed"]:
        yield f"  skipped: {failure['code']}: {failure['message']}"


def _report_quadrants(quadrant: Mapping[str, Any]) -> Iterator[str]:
    right = quadrant["accuracy"]
    yield (
        f"quadrants: accuracy {right['estimate']:.3f} [{right['low']:.3f}, {right['high']:.3f}]"
        f", macro-F1 {quadrant['macro_f1']:.3f}, calibration error {quadrant['ece']:.3f};"
        f" most frequent quadrant: {quadrant['majority']:.3f}"
    )
    yield "confusion (rows: label, columns: prediction)  " + "  ".join(QUADRANTS)
    for name, row in zip(QUADRANTS, quadrant["confusion"], strict=True):
        yield f"{name:>44}  " + "  ".join(f"{count:2d}" for count in row)
    for kind in ("sure", "ambiguous"):
        part = quadrant[kind]
        if part["songs"]:
            yield f"{kind}: {part['songs']} songs, accuracy {part['accuracy']:.3f}"
