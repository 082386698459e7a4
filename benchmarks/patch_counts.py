"""How many patches of a song are enough: predictions and linear probes by the number of patches.

    python -m benchmarks.patch_counts [--data ../shared/data] [--every N] > docs/results/patches.md

Every number of patches is a selection of the same ones, which cover the song or lie evenly in it.
Predictions are from the sound alone. The probes take mean and deviation over patches of MusiCNN
(MSD) and the descriptors, in five folds that share no artist, three times:

- four recordings of some minutes: predictions;
- 200 clips of a minute (Emotify): predictions, and a ridge for what listeners felt;
- 720 clips of half a minute (4Q): a logistic regression for quadrants.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mer.affect import QUADRANTS
from mer.audio.descriptors import DESCRIPTORS, describe
from mer.audio.patches import song_patches
from mer.encoders.musicnn import AUDIO_EMBEDDING_DIM, AUDIO_ENCODER
from mer.encoding import SongEncoder
from mer.pipeline import EmotionPipeline, _Features

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

DATA = Path(__file__).resolve().parents[2] / "shared/data"
RECORDING_COUNTS = (48, 24, 16, 12, 8)
MINUTE_COUNTS = (20, 16, 12, 8, 5)
CLIP_COUNTS = (10, 8, 5, 3)
GEMS = (
    "solemnity", "tenderness", "nostalgia", "calmness", "power",
    "joyful_activation", "tension", "sadness",
)  # fmt: skip
FOLDS = 5
SEEDS = 3


def chosen(rows: Tensor, count: int) -> Tensor:
    """Return `count` rows in the middle of equal parts, or all if there are fewer."""
    return rows[[int((i + 0.5) * len(rows) / count) for i in range(count)]]


def encoded(paths: Sequence[Path], most: int, encode: Callable[..., list[Tensor]]) -> list[Tensor]:
    """Encode the most patches of each song."""
    rows = []
    for path in tqdm(paths, desc="encoding", file=sys.stderr):
        patches = song_patches(path, most)
        rows += encode([patches], [describe(patches.segments)])
    return rows


def one_network(encoder: SongEncoder) -> Callable[..., list[Tensor]]:
    """Encode with the first MusiCNN and the descriptors alone."""

    def encode(songs: Sequence, descriptors: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        networks = encoder.audio_block(AUDIO_ENCODER, songs)
        return [
            torch.cat([rows, torch.from_numpy(described)], dim=1)
            for rows, described in zip(networks, descriptors, strict=True)
        ]

    return encode


def moves_table(
    title: str, songs: Sequence[Tensor], counts: Sequence[int], pipeline: EmotionPipeline
) -> str:
    """How far predictions by fewer patches lie from those by the most."""
    most, *fewer = counts
    with torch.inference_mode():
        output = {
            count: pipeline._run_network(
                [_Features(chosen(rows, count), None, None) for rows in songs]
            )
            for count in counts
        }
    names = (
        *("patches", "valence, mean change", "largest", "arousal, mean change", "largest"),
        f"other quadrant than with {most}",
    )
    lines = [f"| {title}, {' | '.join(names)} |", "|--:|--:|--:|--:|--:|--:|"]
    best = output[most].quadrant_logits.argmax(dim=1)
    for count in fewer:
        moved = (output[count].affect - output[most].affect).abs()
        other = int((output[count].quadrant_logits.argmax(dim=1) != best).sum())
        cells = [
            f"{value:.3f}" for axis in moved.unbind(dim=1) for value in (axis.mean(), axis.max())
        ]
        lines.append(f"| {count} | {' | '.join(cells)} | {other} of {len(songs)} |")
    return "\n".join(lines)


def pooled(songs: Sequence[Tensor], counts: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    """Mean and deviation over patches of MusiCNN (MSD) and descriptors, by number of patches."""
    columns = [*range(AUDIO_EMBEDDING_DIM), *range(-DESCRIPTORS, 0)]
    return {
        count: np.stack([
            torch.cat([rows.mean(dim=0), rows.std(dim=0, correction=0)]).numpy()
            for rows in (chosen(song, count)[:, columns] for song in songs)
        ])
        for count in counts
    }  # fmt: skip


def probe_table(
    title: str,
    features: Mapping[int, NDArray[np.float32]],
    score: Callable[[NDArray[np.float32], int], float],
) -> str:
    """Mean and range over seeds of a score out of fold."""
    lines = [f"| {title}, patches | out of fold | lowest and highest of {SEEDS} |", "|--:|--:|--:|"]
    for count, columns in features.items():
        found = [score(columns, seed) for seed in range(SEEDS)]
        lines.append(f"| {count} | {np.mean(found):.3f} | {min(found):.3f} to {max(found):.3f} |")
    return "\n".join(lines)


def quadrant_score(labels: Sequence[str], groups: Sequence[str]) -> Callable[..., float]:
    """Accuracy of a logistic regression in folds that share no artist."""
    wanted = np.array([QUADRANTS.index(label) for label in labels])

    def score(features: NDArray[np.float32], seed: int) -> float:
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=500))
        folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
        found = cross_val_predict(probe, features, wanted, groups=groups, cv=folds)
        return float((found == wanted).mean())

    return score


def felt_score(shares: NDArray[np.float64]) -> Callable[..., float]:
    """Mean Spearman correlation of a ridge with the emotions that listeners felt."""

    def score(features: NDArray[np.float32], seed: int) -> float:
        probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(2, 5, 7)))
        folds = KFold(FOLDS, shuffle=True, random_state=seed)
        found = cross_val_predict(probe, features, shares, cv=folds)
        pairs = zip(found.T, shares.T, strict=True)
        return float(np.mean([spearmanr(one, other).statistic for one, other in pairs]))

    return score


def table_of(folder: Path, every: int) -> tuple[list[dict[str, str]], list[Path]]:
    """Rows of a set, or every so many of them, and their audio files."""
    with (folder / "songs.csv").open() as file:
        rows = list(csv.DictReader(file))[::every]
    files = {path.stem: path for path in folder.glob("audio/**/*") if path.is_file()}
    return rows, [files[row["id"]] for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--every", type=int, default=1, help="take every so many clips of a set")
    arguments = parser.parse_args()
    data, every = arguments.data, arguments.every
    torch.set_num_threads(1)
    start = time.monotonic()
    pipeline, encoder = EmotionPipeline.from_pretrained(), SongEncoder()
    print(
        f"# How many patches of a song\n\n`python -m benchmarks.patch_counts --every {every}`, "
        f"{pipeline.model_version}\n"
    )
    with threadpool_limits(1):
        rows, paths = table_of(data / "panda4q", every)
        score = quadrant_score(
            [row["quadrant"] for row in rows], [row["artist_group"] for row in rows]
        )
        clips = encoded(paths, CLIP_COUNTS[0], one_network(encoder))
        print(probe_table("4Q, accuracy", pooled(clips, CLIP_COUNTS), score), flush=True)
        rows, paths = table_of(data / "emotify", every)
        shares = np.array([[float(row[name]) for name in GEMS] for row in rows])
        minutes = encoded(paths, MINUTE_COUNTS[0], pipeline.encoder.audio)
        score, features = felt_score(shares), pooled(minutes, MINUTE_COUNTS)
        print("\n" + probe_table("Emotify, mean Spearman", features, score), flush=True)
        print("\n" + moves_table("Emotify", minutes, MINUTE_COUNTS, pipeline))
        paths = sorted((data / "songs").glob("*.ogg"))
        recordings = encoded(paths, RECORDING_COUNTS[0], pipeline.encoder.audio)
        print("\n" + moves_table("Recordings", recordings, RECORDING_COUNTS, pipeline))
    print(f"\n{time.monotonic() - start:.0f} s on one thread.")


if __name__ == "__main__":
    main()
