"""Where the model places the demo pieces, beside where the composer meant them to lie.

    python -m benchmarks.demo_plane [--checkpoint affetti] [--recordings FOLDER]

Composes the pieces into a temporary folder and analyses each twice: with its lyrics, title and
artist, and by its audio alone. Prints rank correlations, the share of the pieces on the intended
side of each axis, and every place. Real recordings in FOLDER (by default ../shared/data/songs,
where it exists) are placed too; nobody has rated those.
"""

from __future__ import annotations

import argparse
import sys
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
for composing everything and analysing it twice on one CPU thread.

Meant is the composer's intention, heard the model's prediction. Ensembles that a provisional
checkpoint (affetti-d8588cdc) heard on the wrong side were rearranged, and titles and lyrics were
written for the mood: the correlations say that the way from file to plane works, not how good
the model is.
"""


@dataclass(frozen=True)
class Placed:
    piece: Piece
    heard: EmotionPrediction
    heard_alone: EmotionPrediction


def place(pipeline: EmotionPipeline, folder: Path) -> list[Placed]:
    rows = []
    for piece in tqdm(PIECES, desc="composing and listening", disable=None):
        path = writer.piece_write(folder, piece)
        whole = SongInput(path, piece.lyrics or None, piece.title, piece.artist)
        rows.append(Placed(piece, *pipeline.predict([whole, SongInput(path)])))
        path.unlink()
    return rows


def gates(heard: EmotionPrediction) -> str:
    return "/".join(f"{heard.gates[name]:.2f}" for name in ("audio", "lyrics", "context"))


def summary(meant: Sequence[Piece], heard: Sequence[EmotionPrediction], name: str) -> str:
    cells = []
    for axis in ("valence", "arousal"):
        pairs = [
            (getattr(piece.intended, axis), getattr(prediction, axis))
            for piece, prediction in zip(meant, heard, strict=True)
        ]
        rho = spearmanr(*zip(*pairs, strict=True)).statistic
        same = sum((m >= 0.5) == (h >= 0.5) for m, h in pairs) / len(pairs)
        cells += [f"{rho:.2f}", f"{same:.0%}"]
    same_quadrant = sum(
        piece.intended.quadrant == prediction.quadrant
        for piece, prediction in zip(meant, heard, strict=True)
    )
    return f"| {name} | {len(meant)} | {' | '.join(cells)} | {same_quadrant / len(meant):.0%} |"


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
        lines.append(summary(pieces, [row.heard for row in group], name))
        lines.append(summary(pieces, [row.heard_alone for row in group], f"{name}, audio alone"))
    return lines


def places(rows: Sequence[Placed]) -> list[str]:
    lines = [
        "",
        "| ensemble | title | lyrics | V meant → heard (alone) | A | quadrant | gates a/l/c |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        piece, heard, alone = row.piece, row.heard, row.heard_alone
        meant = piece.intended
        lines.append(
            f"| {piece.ensemble} | {piece.title} | {'yes' if piece.lyrics else ''} "
            f"| {meant.valence:.2f} → {heard.valence:.2f} ({alone.valence:.2f}) "
            f"| {meant.arousal:.2f} → {heard.arousal:.2f} ({alone.arousal:.2f}) "
            f"| {meant.quadrant} → {heard.quadrant} | {gates(heard)} |"
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
        heard = pipeline.predict([song])[0]
        first = sorted(heard.emotions.items(), key=lambda item: -item[1])[:2]
        emotions = ", ".join(f"{name} {value:.2f}" for name, value in first)
        lines.append(
            f"| {tags.artist}: {tags.title} | {heard.valence:.2f} | {heard.arousal:.2f} "
            f"| {heard.quadrant} | {emotions} | {gates(heard)} |"
        )
    return lines


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", default="affetti")
    parser.add_argument("--recordings", type=Path, default=RECORDINGS)
    options = parser.parse_args(arguments)
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
    main(sys.argv[1:])
