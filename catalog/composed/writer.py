"""Composed pieces as a data set: audio files and one table, written by several processes."""

from __future__ import annotations

import csv
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile

from catalog.composed.composer import compose
from catalog.composed.sound import SAMPLE_RATE
from mer.affect import QUADRANTS, AffectPoint, Quadrant
from mer.files import written_aside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COLUMNS: Final = (
    "id", "file", "valence", "arousal", "quadrant", "instrumentation", "seed", "split",
)  # fmt: skip
_SPLITS: Final = ("train", "train", "train", "train", "train", "val", "test")
_GAP: Final = 0.03
"""No composed coordinate is nearer to the middle or to an end of its axis."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One piece to be composed."""

    name: str
    intended: AffectPoint
    instrumentation: str
    seconds: float
    seed: int
    split: str

    @property
    def file(self) -> str:
        return f"audio/{self.name}.flac"


def plans(
    count: int, instrumentations: Sequence[str], *, seconds: tuple[float, float], seed: int
) -> list[Plan]:
    """Return `count` plans; the same arguments give the same plans.

    Instrumentations and quadrants take turns, so each pair of them is equally frequent. Each seven
    pieces of a pair are five for training, one for validation and one for testing.
    """
    made = []
    for number in range(count):
        turn, place = divmod(number, len(instrumentations))
        quadrant = QUADRANTS[turn % len(QUADRANTS)]
        rng = np.random.default_rng((seed, number))
        made.append(
            Plan(
                name=f"{seed}-{number:05d}",
                intended=_point(quadrant, rng),
                instrumentation=instrumentations[place],
                seconds=float(rng.uniform(*seconds)),
                seed=int(rng.integers(2**32)),
                split=_SPLITS[turn // len(QUADRANTS) % len(_SPLITS)],
            )
        )
    return made


def _point(quadrant: Quadrant, rng: np.random.Generator) -> AffectPoint:
    """Draw a point of a quadrant; every one is equally likely."""
    valence, arousal = np.round(rng.uniform(_GAP, 0.5 - _GAP, 2), 4)
    return AffectPoint(
        float(valence) + (0.5 if quadrant in {Quadrant.Q1, Quadrant.Q4} else 0.0),
        float(arousal) + (0.5 if quadrant in {Quadrant.Q1, Quadrant.Q2} else 0.0),
    )


def dataset_write(folder: Path, wanted: Sequence[Plan], *, processes: int) -> Iterator[Plan]:
    """Compose the planned pieces into `folder`, and yield each when its file is there.

    ``songs.csv`` is written last: a folder with it is complete. Raises OSError if the folder cannot
    be written.
    """
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    # A process uses one core: many small matrix products gain nothing from more threads.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(_piece_write, [folder] * len(wanted), wanted)
    with written_aside(folder / "songs.csv") as part, part.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(_row(plan) for plan in wanted)


def _piece_write(folder: Path, plan: Plan) -> Plan:
    samples = compose(
        plan.intended, instrumentation=plan.instrumentation, seconds=plan.seconds, seed=plan.seed
    )
    with written_aside(folder / plan.file, is_synced=False) as part:
        soundfile.write(part, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return plan


def _row(plan: Plan) -> tuple[str | float | int, ...]:
    return (
        plan.name,
        plan.file,
        round(plan.intended.valence, 4),
        round(plan.intended.arousal, 4),
        plan.intended.quadrant,
        plan.instrumentation,
        plan.seed,
        plan.split,
    )
