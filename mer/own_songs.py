"""``python -m mer evaluate --csv FILE``: how right the model is on a user's own labelled songs.

The table has one song a row: ``path`` (relative to the table's folder), and any of ``valence`` and
``arousal`` (both, from 0 to 1), ``quadrant`` (Q1 to Q4) and ``mood`` (a word or a few). ``lyrics``
(path of a text file), ``title`` and ``artist`` are given to the model where they stand. A song that
cannot be read is named and left out; a wrong cell stops everything before any song is heard.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.affect import QUADRANTS, AffectPoint, Quadrant
from mer.errors import DatasetError, MerError
from mer.lyrics import read_lyrics
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
        Of the table, for messages.
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
    """Read a table of labelled songs; no song is heard yet.

    Parameters
    ----------
    table : Path

    Returns
    -------
    list of OwnSong

    Raises
    ------
    DatasetError
        If the table is absent, has no ``path`` or no label, or a cell is wrong; the message names
        the line and the column.
    LyricsError
        If a lyrics file cannot be read.
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
        lyrics=read_lyrics(table.parent / Path(lyrics).expanduser()) if lyrics else None,
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


def judge(
    pipeline: EmotionPipeline, songs: Sequence[OwnSong]
) -> tuple[list[tuple[OwnSong, EmotionPrediction]], list[dict[str, str]]]:
    """Predict every song that can be read, with a progress bar.

    Parameters
    ----------
    pipeline : EmotionPipeline
    songs : sequence of OwnSong

    Returns
    -------
    judged : list of (OwnSong, EmotionPrediction)
    failed : list of dict
        ``path``, ``code`` and ``message`` of each song that cannot be used.
    """
    from tqdm import tqdm

    judged: list[tuple[OwnSong, EmotionPrediction]] = []
    failed: list[dict[str, str]] = []
    with tqdm(total=len(songs), desc="listening", unit="song") as bar:
        for start in range(0, len(songs), _BATCH):
            readable, prepared = [], []
            for song in songs[start : start + _BATCH]:
                try:
                    prepared.append(pipeline.prepare(song.song))
                    readable.append(song)
                except MerError as error:
                    path = str(song.song.path)
                    failed.append({"path": path, "code": error.code, "message": str(error)})
            judged += zip(readable, pipeline.predict_prepared(prepared), strict=True)
            bar.update(min(_BATCH, len(songs) - start))
    return judged, failed


def measure(
    judged: Sequence[tuple[OwnSong, EmotionPrediction]],
    moods: Mapping[str, EmotionPrediction],
) -> dict[str, Any]:
    """Figures of every kind of label that stands in the table.

    Parameters
    ----------
    judged : sequence of (OwnSong, EmotionPrediction)
    moods : mapping of str to EmotionPrediction
        Each mood word of the table, by itself.

    Returns
    -------
    dict
        ``quadrant``, ``affect``, ``mood`` where there are labels for them, and ``worst``.
    """
    figures: dict[str, Any] = {"songs": len(judged)}
    for name, part in (
        ("quadrant", _quadrants([pair for pair in judged if pair[0].quadrant])),
        ("affect", _affect([pair for pair in judged if pair[0].point])),
        ("mood", _moods([pair for pair in judged if pair[0].mood], moods)),
    ):
        if part:
            figures[name] = part
    figures["worst"] = _worst(judged, moods)
    return figures


def _quadrants(judged: Sequence[tuple[OwnSong, EmotionPrediction]]) -> dict[str, Any]:
    if not judged:
        return {}
    target = np.array([QUADRANTS.index(song.quadrant) for song, _ in judged if song.quadrant])
    chances = np.array([[said.quadrants[q] for q in QUADRANTS] for _, said in judged])
    answers = chances.argmax(axis=1)
    ambiguous = np.array([said.is_ambiguous for _, said in judged])
    right = bootstrap_ci(accuracy, target, answers)
    return {
        "songs": len(target),
        "accuracy": {"estimate": right.estimate, "low": right.low, "high": right.high},
        "macro_f1": macro_f1(target, answers, len(QUADRANTS)),
        "majority": float(np.bincount(target).max() / len(target)),
        "ece": ece(target, chances),
        "confusion": confusion(target, answers, len(QUADRANTS)).tolist(),
        "sure": _part(answers == target, ~ambiguous),
        "ambiguous": _part(answers == target, ambiguous),
    }


def _part(is_right: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> dict[str, Any]:
    """How many songs are chosen, and how often the model is right on them; None of none."""
    songs = int(chosen.sum())
    return {"songs": songs, "accuracy": float(is_right[chosen].mean()) if songs else None}


def _affect(judged: Sequence[tuple[OwnSong, EmotionPrediction]]) -> dict[str, Any]:
    if len(judged) < _FEWEST_FOR_AGREEMENT:
        return {}
    true = np.array([[s.point.valence, s.point.arousal] for s, _ in judged if s.point])
    said = np.array([[p.valence, p.arousal] for _, p in judged])
    spreads = np.array([[p.valence_spread, p.arousal_spread] for _, p in judged])
    off = np.abs(true - said) / spreads
    measures = {"ccc": ccc, "pearson": pearson, "rmse": rmse}
    return {"songs": len(true)} | {
        axis: {name: each(true[:, i], said[:, i]) for name, each in measures.items()}
        | {
            "spread": float(spreads[:, i].mean()),
            "within_one_spread": float((off[:, i] <= 1).mean()),
            "within_two_spreads": float((off[:, i] <= 2).mean()),
        }
        for i, axis in enumerate(("valence", "arousal"))
    }


def _moods(
    judged: Sequence[tuple[OwnSong, EmotionPrediction]], moods: Mapping[str, EmotionPrediction]
) -> dict[str, Any]:
    """How often a song lies nearest to its own mood, of the moods in the table."""
    if not judged or len(moods) < 2:
        return {}
    names = sorted(moods)
    counts = {name: {"songs": 0, "right": 0} for name in names}
    for song, said in judged:
        nearest = min(names, key=lambda name: _distance(said, moods[name]))
        counts[str(song.mood)]["songs"] += 1
        counts[str(song.mood)]["right"] += int(nearest == song.mood)
    right = sum(count["right"] for count in counts.values())
    most = max(count["songs"] for count in counts.values())
    return {
        "songs": len(judged),
        "moods": len(names),
        "accuracy": right / len(judged),
        "majority": most / len(judged),
        "each": counts,
    }


def _distance(one: EmotionPrediction, other: EmotionPrediction) -> float:
    return float(np.hypot(one.valence - other.valence, one.arousal - other.arousal))


def _worst(
    judged: Sequence[tuple[OwnSong, EmotionPrediction]], moods: Mapping[str, EmotionPrediction]
) -> list[dict[str, Any]]:
    """Songs that the model is furthest from, by its chance of the truth, or by distance."""
    rows = []
    for song, said in judged:
        if song.quadrant:
            error = 1 - said.quadrants[song.quadrant]
        else:
            error = min(1.0, _distance(said, moods[str(song.mood)]))
        truth = song.quadrant or song.mood
        rows.append(
            {
                "path": str(song.song.path),
                "truth": str(truth),
                "said": str(said.quadrant),
                "confidence": said.confidence,
                "valence": said.valence,
                "arousal": said.arousal,
                "error": float(error),
            }
        )
    return sorted(rows, key=lambda row: -float(str(row["error"])))[:_WORST]


def evaluate_table(table: Path, pipeline: EmotionPipeline) -> dict[str, Any]:
    """Everything from the table to the figures.

    Raises
    ------
    DatasetError
        As `read_songs`; or if not one song could be used.
    """
    songs = read_songs(table)
    judged, failed = judge(pipeline, songs)
    if not judged:
        first = failed[0]
        raise DatasetError(f"not one song of {table} could be used; the first: {first['message']}")
    moods = {m: pipeline.predict_text(m) for m in sorted({s.mood for s, _ in judged if s.mood})}
    return {
        "model_version": pipeline.model_version,
        **measure(judged, moods),
        "failed": failed,
    }


def report(figures: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say the figures of `evaluate_table` to a person."""
    yield f"{figures['songs']} songs judged by {figures['model_version']}"
    if quadrant := figures.get("quadrant"):
        yield from _report_quadrants(quadrant)
    if affect := figures.get("affect"):
        for axis in ("valence", "arousal"):
            values = affect[axis]
            yield (
                f"{axis}: CCC {values['ccc']:.3f}, Pearson {values['pearson']:.3f}, "
                f"RMSE {values['rmse']:.3f} over {affect['songs']} songs; spread "
                f"{values['spread']:.3f} on average, {values['within_one_spread']:.0%} of the "
                f"songs within one (expected: {_WITHIN_ONE:.0%}), "
                f"{values['within_two_spreads']:.0%} within two ({_WITHIN_TWO:.0%})"
            )
    if mood := figures.get("mood"):
        yield (
            f"moods: {mood['accuracy']:.3f} of {mood['songs']} songs lie nearest to their own of "
            f"{mood['moods']} moods; always the commonest: {mood['majority']:.3f}"
        )
    yield "furthest off:"
    for row in figures["worst"]:
        yield (
            f"  {row['path']}: {row['truth']}, said {row['said']} ({row['confidence']:.0%}), "
            f"valence {row['valence']:.2f}, arousal {row['arousal']:.2f}"
        )
    for failure in figures["failed"]:
        yield f"  left out: {failure['code']}: {failure['message']}"


def _report_quadrants(quadrant: Mapping[str, Any]) -> Iterator[str]:
    right = quadrant["accuracy"]
    yield (
        f"quadrants: accuracy {right['estimate']:.3f} [{right['low']:.3f}, {right['high']:.3f}]"
        f", macro-F1 {quadrant['macro_f1']:.3f}, calibration error {quadrant['ece']:.3f};"
        f" always the commonest: {quadrant['majority']:.3f}"
    )
    yield "confusion (rows: truth, columns: said)  " + "  ".join(QUADRANTS)
    for name, row in zip(QUADRANTS, quadrant["confusion"], strict=True):
        yield f"{name:>38}  " + "  ".join(f"{count:2d}" for count in row)
    for kind in ("sure", "ambiguous"):
        part = quadrant[kind]
        if part["songs"]:
            yield f"{kind}: {part['songs']} songs, accuracy {part['accuracy']:.3f}"
