"""``python -m mer.research domains``: a packaged checkpoint on each set of songs, by audio alone.

Every song goes the whole way from its file. The sides of the quadrants are binary labels. Valence
and arousal, by mood words or as composed, and felt emotions have Spearman's rank correlation.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from tqdm import tqdm

from mer.affect import GEMS, QUADRANTS, Quadrant
from mer.errors import DatasetError
from mer.metrics import accuracy, auc, ece, macro_f1, spearman
from mer.pipeline import EmotionPipeline
from mer.prediction import SongInput
from mer.research.datasets import composed
from mer.research.datasets.base import SPLITS
from mer.research.datasets.registry import dataset
from mer.research.tables import grid

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    from mer.prediction import EmotionPrediction
    from mer.research.datasets.base import Track

    Judged = Sequence[tuple[Track, EmotionPrediction]]

SETS: Final = ("panda4q", "mirex", "emopia", "emotify", "composed")
_BATCH: Final = 8
_FELT: Final = ("joyful_activation", "sadness", "tension", "calmness", "power")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research domains``."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default="affetti", help="checkpoint (default: %(default)s)")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="NAME", help="default: all")
    parser.add_argument("--split", choices=SPLITS, nargs="+", default=("val",), help="default: val")
    parser.add_argument("--threads", type=int, default=0, help="of torch (default: its choice)")


def run(args: argparse.Namespace) -> int:
    """Print the tables."""
    if args.threads:
        torch.set_num_threads(args.threads)
    pipeline = EmotionPipeline.from_pretrained(args.model)
    sides: list[list[str | float | None]] = []
    places: list[list[str | float | None]] = []
    felt: list[list[str | float | None]] = []
    for name in args.sets:
        songs = [
            track
            for track in dataset(name).load(args.data)
            if track.split in args.split and track.audio_path is not None
        ]
        if not songs:
            raise DatasetError(f"{name} has no song with audio in {', '.join(args.split)}")
        judged = list(zip(songs, _predictions(pipeline, songs), strict=True))
        with_sides = [(song, p) for song, p in judged if song.labels.quadrant is not None]
        kinds = composed.instrumentations(args.data) if name == "composed" else {}
        for title, part in _parts(name, with_sides, kinds):
            sides.append([title, *side_figures(part)])
        if placed := [(song, p) for song, p in judged if song.labels.valence is not None]:
            places.append([name, *place_figures(placed)])
        if shares := [(song, p) for song, p in judged if song.labels.gems is not None]:
            felt.append([name, *felt_figures(shares)])
    columns = ("set", "songs", "accuracy", "macro-F1", "AUC valence", "AUC arousal", "confidence",
               "ECE", "arousal sd", *(f"recall {q}" for q in QUADRANTS))  # fmt: skip
    lines = [f"{pipeline.model_version}, audio alone, {' and '.join(args.split)}", ""]
    correlated = ("set", "songs", *_AXES)
    asked = ("set", "songs", *(f"{axis}: {name}" for axis, name in _pairs()))
    for names, rows in ((columns, sides), (correlated, places), (asked, felt)):
        lines += [*grid(names, rows), ""] if rows else []
    print("\n".join(lines))  # noqa: T201
    return 0


def _predictions(pipeline: EmotionPipeline, songs: Sequence[Track]) -> Iterable[EmotionPrediction]:
    for start in tqdm(range(0, len(songs), _BATCH), desc=songs[0].dataset, disable=None):
        yield from pipeline.predict(
            [SongInput(s.audio_path) for s in songs[start : start + _BATCH]]
        )


def _parts(name: str, judged: Judged, kinds: Mapping[str, str]) -> list[tuple[str, Judged]]:
    """Return the whole set, then the songs of each kind in `kinds`, by track id."""
    parts = [
        (f"{name}, {kind}", [pair for pair in judged if kinds[pair[0].track_id] == kind])
        for kind in sorted(set(kinds.values()))
    ]
    return [(title, part) for title, part in [(name, judged), *parts] if part]


def side_figures(judged: Judged) -> list[str | float | None]:
    """Figures of songs with a quadrant, in the order of the table's columns after the name."""
    true = np.array([QUADRANTS.index(s.labels.quadrant) for s, _ in judged if s.labels.quadrant])
    probabilities = np.array([[p.quadrants[q] for q in QUADRANTS] for _, p in judged])
    best = probabilities.argmax(axis=1)
    high = np.isin(true, [QUADRANTS.index(q) for q in (Quadrant.Q1, Quadrant.Q4)])
    lively = np.isin(true, [QUADRANTS.index(q) for q in (Quadrant.Q1, Quadrant.Q2)])
    valence, arousal = (np.array([getattr(p, a) for _, p in judged]) for a in _AXES)
    recalls = [
        float(np.mean(best[true == q] == q)) if q in true else None for q in range(len(QUADRANTS))
    ]
    return [
        str(len(judged)),
        accuracy(true, best),
        macro_f1(true, best, len(QUADRANTS)),
        auc(high, valence),
        auc(lively, arousal),
        float(probabilities.max(axis=1).mean()),
        ece(true, probabilities),
        float(arousal.std()),
        *recalls,
    ]


_AXES: Final = ("valence", "arousal")


def _pairs() -> list[tuple[str, str]]:
    return [(axis, name) for axis in _AXES for name in _FELT]


def place_figures(judged: Judged) -> list[str | float | None]:
    """Rank correlation of valence and arousal with their labels."""
    return [
        str(len(judged)),
        *(
            spearman(
                np.array([getattr(p, axis) for _, p in judged]),
                np.array([getattr(song.labels, axis) for song, _ in judged]),
            )
            for axis in _AXES
        ),
    ]


def felt_figures(judged: Judged) -> list[str | float | None]:
    """Rank correlation of valence and arousal with shares of felt emotions."""
    shares = np.array([song.labels.gems for song, _ in judged])
    return [
        str(len(judged)),
        *(
            spearman(np.array([getattr(p, axis) for _, p in judged]), shares[:, GEMS.index(name)])
            for axis, name in _pairs()
        ),
    ]
