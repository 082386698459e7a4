"""Predicted points of the demo pieces, compared with the composer's intended points.

    python -m benchmarks.demo_plane [--checkpoint affetti] [--recordings FOLDER]

It composes the pieces into a temporary folder and analyses each twice: with lyrics, title and
artist, and with its audio alone. It prints rank correlations, the share of pieces on the intended
side of each axis, and the prediction for every piece. The recordings in FOLDER, by default
../shared/data/songs, are analysed too; there are no ratings for them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from scipy.stats import spearmanr
from tqdm import tqdm

from catalog.demo import writer
from catalog.demo.pieces import PIECES, Piece
from catalog.files.tags import read_tags
from mer.audio.patches import SUPPORTED_SUFFIXES
from mer.pipeline import EmotionPipeline
from mer.prediction import SongInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mer.prediction import EmotionPrediction

RECORDINGS = Path(__file__).resolve().parents[2] / "shared/data/songs"


HEADER = """# The demo pieces on the plane

`python -m benchmarks.demo_plane > docs/results/demo-plane.md`, model {version}, {seconds:.0f} s
for composing all pieces and analysing each twice on one CPU thread.

*Intended* is the composer's target, *predicted* the model's output.
Ensembles that a provisional checkpoint (affetti-d8588cdc) predicted on the wrong side were
rearranged, and titles and lyrics were written for the mood.
The composed pieces of the training (`catalog/composed`) follow the same cited cues as these.
So the correlations show that the path from file to plane works, not how good the model is.
"""


@dataclass(frozen=True)
class Placed:
    piece: Piece
    predicted: EmotionPrediction
    predicted_alone: EmotionPrediction


def place(pipeline: EmotionPipeline, folder: Path) -> list[Placed]:
    rows = []
    for piece in tqdm(PIECES, desc="composing and analysing", disable=None):
        path = writer.piece_write(folder, piece)
        whole = SongInput(path, piece.lyrics or None, piece.title, piece.artist)
        rows.append(Placed(piece, *pipeline.predict([whole, SongInput(path)])))
        path.unlink()
    return rows


def gates(predicted: EmotionPrediction) -> str:
    return "/".join(f"{predicted.gates[name]:.2f}" for name in ("audio", "lyrics", "context"))


def summary(intended: Sequence[Piece], predicted: Sequence[EmotionPrediction], name: str) -> str:
    cells = []
    for axis in ("valence", "arousal"):
        pairs = [
            (getattr(piece.intended, axis), getattr(prediction, axis))
            for piece, prediction in zip(intended, predicted, strict=True)
        ]
        rho = spearmanr(*zip(*pairs, strict=True)).statistic
        same = sum((m >= 0.5) == (h >= 0.5) for m, h in pairs) / len(pairs)
        cells += [f"{rho:.2f}", f"{same:.0%}"]
    same_quadrant = sum(
        piece.intended.quadrant == prediction.quadrant
        for piece, prediction in zip(intended, predicted, strict=True)
    )
    return (
        f"| {name} | {len(intended)} | {' | '.join(cells)} | {same_quadrant / len(intended):.0%} |"
    )


def summaries(rows: Sequence[Placed]) -> list[str]:
    groups = {
        "all": list(rows),
        "with lyrics": [row for row in rows if row.piece.lyrics],
        "instrumental": [row for row in rows if not row.piece.lyrics],
    }
    lines = [
        "| pieces | n | rho valence | same side | rho arousal | same side | same quadrant |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, group in groups.items():
        pieces = [row.piece for row in group]
        lines.append(summary(pieces, [row.predicted for row in group], name))
        lines.append(
            summary(pieces, [row.predicted_alone for row in group], f"{name}, audio alone")
        )
    return lines


def places(rows: Sequence[Placed]) -> list[str]:
    lines = [
        "",
        (
            "| ensemble | title | lyrics | V intended → predicted (alone) | A | quadrant "
            "| gates a/l/c |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        piece, predicted, alone = row.piece, row.predicted, row.predicted_alone
        intended = piece.intended
        lines.append(
            f"| {piece.ensemble} | {piece.title} | {'yes' if piece.lyrics else ''} "
            f"| {intended.valence:.2f} → {predicted.valence:.2f} ({alone.valence:.2f}) "
            f"| {intended.arousal:.2f} → {predicted.arousal:.2f} ({alone.arousal:.2f}) "
            f"| {intended.quadrant} → {predicted.quadrant} | {gates(predicted)} |"
        )
    return lines


def recordings(pipeline: EmotionPipeline, folder: Path) -> list[str]:
    lines = [
        "",
        "| recording | V | A | quadrant | first emotions | gates a/l/c |",
        "|---|---|---|---|---|---|",
    ]
    for path in sorted(p for p in folder.iterdir() if p.suffix in SUPPORTED_SUFFIXES):
        tags = read_tags(path)
        song = SongInput(path, tags.lyrics or None, tags.title or None, tags.artist or None)
        predicted = pipeline.predict([song])[0]
        first = sorted(predicted.emotions.items(), key=lambda item: -item[1])[:2]
        emotions = ", ".join(f"{name} {value:.2f}" for name, value in first)
        lines.append(
            f"| {tags.artist}: {tags.title} | {predicted.valence:.2f} | {predicted.arousal:.2f} "
            f"| {predicted.quadrant} | {emotions} | {gates(predicted)} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", default="affetti")
    parser.add_argument("--recordings", type=Path, default=RECORDINGS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = EmotionPipeline.from_pretrained(options.checkpoint)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        rows = place(pipeline, Path(folder))
    seconds = time.perf_counter() - start
    print(HEADER.format(version=pipeline.model_version, seconds=seconds))
    print("\n".join([*summaries(rows), *places(rows)]))
    if options.recordings.is_dir():
        print("\n".join(recordings(pipeline, options.recordings)))


if __name__ == "__main__":
    main()
