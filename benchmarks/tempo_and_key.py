"""How often tempo and key are right, on composed pieces whose tempo and key are known.

    python -m benchmarks.tempo_and_key [--pieces N] [--seed N]

It prints the tables of docs/results/tempo-and-key.md.

Two composers write the pieces: the one of labelled pieces (`catalog.composed`), with eight
instrumentations, and the one of the demo catalogue (`catalog.demo`), with 27 ensembles. Every piece
is written to a file, and read as an analysis reads it.

The truth of a tempo is the median length of a beat. The truth of a key is its tonic and the mode
that has the third of the scale: lydian and mixolydian count as major, dorian and phrygian as minor.
Sections in other keys change nothing: the home key is the truth.

Measures are those of MIREX: Accuracy1 is the share of tempi within 4 % of the truth, Accuracy2 also
allows two and three times, a half and a third of it. The key score is 1 for the key, .5 for a key a
fifth away, .3 for the relative and .2 for the parallel key. Intervals are 95 %, of 2,000 resamples.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import librosa
import numpy as np
from tqdm import tqdm

from catalog.composed.bands import BANDS
from catalog.composed.cues import cues_of
from catalog.composed.score import frame_make
from catalog.composed.writer import Plan, dataset_write, plans
from catalog.demo import score
from catalog.demo.composer import _MUSIC_SECONDS, traits
from catalog.demo.ensembles import ENSEMBLES
from catalog.demo.pieces import PIECES
from catalog.demo.writer import piece_write
from mer.audio.descriptors import described
from mer.audio.patches import song_patches
from mer.audio.tempo_and_key import tempo_and_key
from mer.prediction import MODES, SURE_FROM, TempoAndKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from catalog.demo.pieces import Piece

SECONDS = (35.0, 60.0)
BRIGHT = {"lydian", "major", "mixolydian"}
RESAMPLES = 2_000


class Known(NamedTuple):
    """A piece: its file, and what its composer knows of it."""

    path: Path
    bpm: float
    tonic: int
    mode: str


class Found(NamedTuple):
    ours: TempoAndKey
    librosa_bpm: float
    librosa_key: tuple[int, str]
    ours_ms: float


def composed(folder: Path, wanted: Sequence[Plan]) -> Iterator[Known]:
    for plan in dataset_write(folder, wanted, processes=os.cpu_count() or 1):
        rng = np.random.default_rng(plan.seed)
        cues = cues_of(plan.intended, rng)
        frame = frame_make(cues, seconds=plan.seconds, rng=rng)
        bpm = 15.0 / float(np.median(np.diff(frame.grid)))  # the grid is of sixteenths
        yield Known(folder / plan.file, bpm, frame.bars[-1].tonic % 12, mode_of(cues.mode))


def demo(folder: Path, pieces: Sequence[Piece]) -> Iterator[Known]:
    for piece in pieces:
        band = ENSEMBLES[piece.ensemble]
        wanted = traits(piece.intended)
        wanted = replace(wanted, tempo_bpm=wanted.tempo_bpm * band.tempo_scale)
        rng = np.random.default_rng(piece.seed)
        frame = score.frame_make(wanted, band, seconds=_MUSIC_SECONDS, rng=rng)
        path = piece_write(folder, piece)
        yield Known(path, wanted.tempo_bpm, frame.tonic_midi % 12, mode_of(wanted.mode))


def mode_of(scale: str) -> str:
    return "major" if scale in BRIGHT else "minor"


def found_of(path: Path) -> Found:
    patches = song_patches(path)
    chroma = described(patches.segments).chroma
    start = time.process_time()
    ours = tempo_and_key(patches.log_mel, chroma)
    seconds = time.process_time() - start
    waveform, rate = librosa.load(path, sr=None)
    bpm = float(np.atleast_1d(librosa.beat.beat_track(y=waveform, sr=rate)[0])[0])
    return Found(ours, bpm, usual_key(waveform, rate), 1e3 * seconds)


def usual_key(waveform: np.ndarray, rate: float) -> tuple[int, str]:
    """Return the key in the usual way: mean CQT chroma, correlated with Krumhansl's profiles."""
    from mer.audio.descriptors import _KEYS, _unit  # noqa: PLC0415

    chroma = librosa.feature.chroma_cqt(y=waveform, sr=rate).mean(axis=1)
    mode, tonic = divmod(int((_unit(chroma) @ _KEYS.T).argmax()), 12)
    return tonic, MODES[mode]


def accuracy_1(bpm: float | None, known: Known) -> float:
    return float(bpm is not None and abs(bpm / known.bpm - 1) <= 0.04)


def accuracy_2(bpm: float | None, known: Known) -> float:
    factors = (1, 2, 3, 1 / 2, 1 / 3)
    return float(bpm is not None and any(abs(bpm / known.bpm / f - 1) <= 0.04 for f in factors))


def is_key(key: tuple[int | None, str], known: Known) -> float:
    return float(key == (known.tonic, known.mode))


def key_score(key: tuple[int | None, str], known: Known) -> float:
    tonic, mode = key
    if tonic is None:
        return 0.0
    apart = (tonic - known.tonic) % 12
    if mode == known.mode:
        return {0: 1.0, 5: 0.5, 7: 0.5}.get(apart, 0.0)
    relative = 9 if known.mode == "major" else 3
    return {relative: 0.3, 0: 0.2}.get(apart, 0.0)


def interval(values: Sequence[float]) -> str:
    """Return the mean with its bootstrap interval."""
    rng = np.random.default_rng(0)
    sample = np.array(values)
    means = sample[rng.integers(len(sample), size=(RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{sample.mean():.2f} [{low:.2f}, {high:.2f}]"


def tempo_table(rows: Sequence[tuple[Known, Found]]) -> list[str]:
    ways: dict[str, Callable[[Found], float | None]] = {
        "Affetti": lambda found: found.ours.tempo_bpm,
        "`librosa.beat.beat_track`": lambda found: found.librosa_bpm,
        "always 120": lambda found: 120.0,
    }
    lines = ["| tempo | Accuracy1 | Accuracy2 |", "|---|--:|--:|"]
    for name, way in ways.items():
        first = interval([accuracy_1(way(found), known) for known, found in rows])
        second = interval([accuracy_2(way(found), known) for known, found in rows])
        lines.append(f"| {name} | {first} | {second} |")
    return lines


def key_table(rows: Sequence[tuple[Known, Found]]) -> list[str]:
    ways: dict[str, Callable[[Found], tuple[int | None, str]]] = {
        "Affetti": lambda found: (found.ours.tonic, found.ours.mode),
        "CQT chroma, Krumhansl's profiles": lambda found: found.librosa_key,
        "always C major": lambda found: (0, "major"),
    }
    lines = ["| key | MIREX score | exactly right |", "|---|--:|--:|"]
    for name, way in ways.items():
        weighted = interval([key_score(way(found), known) for known, found in rows])
        exact = interval([is_key(way(found), known) for known, found in rows])
        lines.append(f"| {name} | {weighted} | {exact} |")
    return lines


def confidence_table(rows: Sequence[tuple[Known, Found]]) -> list[str]:
    lines = [
        "| confidence | pieces | tempo, Accuracy1 | pieces | key, exactly right |",
        "|---|--:|--:|--:|--:|",
    ]
    edges = (0.0, SURE_FROM, 0.75, 0.9, 1.0)
    for low, high in itertools.pairwise(edges):
        tempi = [
            accuracy_1(found.ours.tempo_bpm, known)
            for known, found in rows
            if low <= found.ours.tempo_confidence < high
        ]
        keys = [
            is_key((found.ours.tonic, found.ours.mode), known)
            for known, found in rows
            if low <= found.ours.key_confidence < high
        ]
        cells = (f"{len(v)} | {interval(v) if v else ''}" for v in (tempi, keys))
        lines.append(f"| {low:g} to {high:g} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pieces", type=int, default=104, help="of the composer of labelled ones")
    parser.add_argument("--seed", type=int, default=12, help="those of 11 chose the method")
    arguments = parser.parse_args()
    wanted = plans(arguments.pieces, tuple(BANDS), seconds=SECONDS, seed=arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            f"{len(wanted)} composed pieces of 35 to 60 seconds": composed(Path(folder), wanted),
            f"{len(PIECES)} pieces of the demo catalogue": demo(Path(folder), PIECES),
        }
        print("# Tempo and key")
        print(f"\n`python -m benchmarks.tempo_and_key --seed {arguments.seed}`")
        every = []
        for title, pieces in sets.items():
            rows = [(known, found_of(known.path)) for known in tqdm(pieces, title, file=sys.stderr)]
            every += rows
            print(f"\n## {title}\n")
            print("\n".join([*tempo_table(rows), "", *key_table(rows)]))
        print("\n## Confidence, all pieces\n")
        print("\n".join(confidence_table(every)))
        cost = float(np.median([found.ours_ms for _, found in every]))
        print(f"\nThe estimate takes {cost:.1f} ms of one core, beside what is computed anyway.")


if __name__ == "__main__":
    main()
