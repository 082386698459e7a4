"""How many patches of a song are enough: predictions and linear probes by the number of patches.

    python -m benchmarks.patch_counts [--data ../shared/data] > docs/results/patches.md

It compares the predictions for a song's sound by some of its patches with those by the most, and
cross-validates linear probes on the features of the first MusiCNN and the descriptors:

- four recordings of some minutes: 48, 24, 16, 12 and 8 patches;
- 100 clips of a minute (Emotify): 20, 12, 8 and 5 patches; a ridge predicts what listeners felt;
- 720 clips of half a minute (4Q): 10, 8, 5 and 3 patches; a logistic regression predicts quadrants,
  in five folds that share no artist.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from mer.audio.descriptors import describe
from mer.audio.patches import load, waveform_patches
from mer.encoders.musicnn import AUDIO_ENCODER
from mer.encoding import SongEncoder
from mer.pipeline import EmotionPipeline, PreparedSong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mer.audio.patches import AudioPatches
    from mer.prediction import EmotionPrediction

DATA = Path(__file__).resolve().parents[2] / "shared/data"
RECORDING_COUNTS = (48, 24, 16, 12, 8)
MINUTE_COUNTS = (20, 12, 8, 5)
CLIP_COUNTS = (10, 8, 5, 3)
MINUTES = 100
GEMS = (
    "solemnity", "tenderness", "nostalgia", "calmness", "power",
    "joyful_activation", "tension", "sadness",
)  # fmt: skip
FOLDS = 5
SEEDS = 3


class Song(NamedTuple):
    """Patches of a song with their descriptors."""

    patches: AudioPatches
    descriptors: NDArray[np.float32]


def songs_of(path: Path, counts: Sequence[int]) -> dict[int, Song]:
    """Patches of a song by their number; the file is decoded once."""
    waveform = load(path)
    found = {count: waveform_patches(waveform, count) for count in counts}
    return {count: Song(some, describe(some.segments)) for count, some in found.items()}


def predictions(
    paths: Sequence[Path], counts: Sequence[int], pipeline: EmotionPipeline
) -> list[dict[int, EmotionPrediction]]:
    """Predict each song from its sound alone, by the number of patches."""
    rows = []
    for path in tqdm(paths, desc="predicting", disable=None):
        songs = songs_of(path, counts)
        rows.append({
            count: pipeline.predict_prepared(
                [PreparedSong(song.patches, descriptors=song.descriptors)]
            )[0]
            for count, song in songs.items()
        })  # fmt: skip
    return rows


def moves_table(title: str, rows: list[dict[int, EmotionPrediction]]) -> str:
    """How far predictions by fewer patches lie from those by the most."""
    most, *fewer = rows[0]
    lines = [
        f"| {title}: patches against {most} | valence, mean | valence, most | arousal, mean "
        "| arousal, most | other quadrant |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for count in fewer:
        valence, arousal = (
            np.array([abs(getattr(row[count], a) - getattr(row[most], a)) for row in rows])
            for a in ("valence", "arousal")
        )
        other = sum(row[count].quadrant != row[most].quadrant for row in rows)
        lines.append(
            f"| {count} | {valence.mean():.3f} | {valence.max():.3f} | {arousal.mean():.3f} "
            f"| {arousal.max():.3f} | {other} of {len(rows)} |"
        )
    return "\n".join(lines)


def pooled(
    paths: Sequence[Path], counts: Sequence[int], encoder: SongEncoder
) -> dict[int, NDArray[np.float32]]:
    """Mean and deviation over patches of each song's columns, by the number of patches."""
    rows: dict[int, list[NDArray[np.float32]]] = {count: [] for count in counts}
    for path in tqdm(paths, desc="encoding", disable=None):
        for count, song in songs_of(path, counts).items():
            (encoded,) = encoder.audio_block(AUDIO_ENCODER, [song.patches])
            columns = np.concatenate([encoded.numpy(), song.descriptors], axis=1)
            rows[count].append(np.concatenate([columns.mean(axis=0), columns.std(axis=0)]))
    return {count: np.stack(found) for count, found in rows.items()}


def probe_table(title: str, scores: Mapping[int, Sequence[float]]) -> str:
    lines = [f"| {title} | out of fold | lowest and highest of {SEEDS} seeds |", "|--:|--:|--:|"]
    for count, found in scores.items():
        low, high = min(found), max(found)
        lines.append(f"| {count} | {np.mean(found):.3f} | {low:.3f}–{high:.3f} |")
    return "\n".join(lines)


def quadrant_score(labels: Sequence[str], groups: Sequence[str]) -> Callable[..., float]:
    """Accuracy of a logistic regression in folds that share no group."""
    wanted = np.array(labels)

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
        return float(np.mean([spearmanr(a, b).statistic for a, b in zip(found.T, shares.T)]))

    return score


def scored(
    features: Mapping[int, NDArray[np.float32]], score: Callable[..., float]
) -> dict[int, list[float]]:
    return {
        count: [score(columns, seed) for seed in range(SEEDS)]
        for count, columns in features.items()
    }


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "songs.csv").open() as file:
        return list(csv.DictReader(file))


def audio_of(folder: Path, row: Mapping[str, str]) -> Path:
    (path,) = folder.glob(f"**/{row['id']}.*")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    data: Path = parser.parse_args().data
    torch.set_num_threads(1)
    start = time.monotonic()
    pipeline, encoder = EmotionPipeline.from_pretrained(), SongEncoder()
    felt, quadrants = table_of(data / "emotify"), table_of(data / "panda4q")
    minutes = felt[:: max(1, len(felt) // MINUTES)]
    print(f"# How many patches\n\n`python -m benchmarks.patch_counts`, {pipeline.model_version}\n")
    with threadpool_limits(1):
        recordings = sorted((data / "songs").glob("*.ogg"))
        print(moves_table("Recordings", predictions(recordings, RECORDING_COUNTS, pipeline)))
        paths = [audio_of(data / "emotify", row) for row in minutes]
        print("\n" + moves_table("Minutes", predictions(paths, MINUTE_COUNTS, pipeline)))
        paths = [audio_of(data / "emotify", row) for row in felt]
        shares = np.array([[float(row[name]) for name in GEMS] for row in felt])
        scores = scored(pooled(paths, MINUTE_COUNTS, encoder), felt_score(shares))
        print("\n" + probe_table("Emotify, mean Spearman; patches", scores))
        paths = [audio_of(data / "panda4q", row) for row in quadrants]
        groups = [row["artist_group"] for row in quadrants]
        score = quadrant_score([row["quadrant"] for row in quadrants], groups)
        scores = scored(pooled(paths, CLIP_COUNTS, encoder), score)
        print("\n" + probe_table("4Q, accuracy; patches", scores))
    print(f"\n{time.monotonic() - start:.0f} s on one thread of a busy machine.")


if __name__ == "__main__":
    main()
