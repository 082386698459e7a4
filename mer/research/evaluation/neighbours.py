"""Precision of nearest neighbours by the fused embedding and by other embeddings."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.audio.patches import MUSICNN, load
from mer.errors import ShapeError
from mer.metrics import bootstrap_ci, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mer.research.inputs.features import TrackFeatures

    Floats = NDArray[np.float64]

NEAREST: Final = 10
_PENULTIMATE: Final = slice(0, 200)  # of a MusiCNN patch's row
_MFCC: Final = 20


def precision(embeddings: Floats, labels: NDArray[np.int64], nearest: int = NEAREST) -> Floats:
    """Share of each song's nearest neighbours (by cosine similarity) that have its label.

    Parameters
    ----------
    embeddings : (songs, width) float ndarray
    labels : (songs,) int ndarray
    nearest : int
        Less than the number of songs.

    Returns
    -------
    (songs,) float ndarray in [0, 1]

    Raises
    ------
    ShapeError
        If there are not more songs than neighbours.
    """
    if len(embeddings) <= nearest or len(embeddings) != len(labels):
        raise ShapeError(f"{len(embeddings)} songs have no {nearest} neighbours each")
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    found = np.argsort(-similarity, axis=1, kind="stable")[:, :nearest]
    shares: Floats = (labels[found] == labels[:, None]).mean(axis=1)
    return shares


def musicnn_embeddings(songs: Sequence[TrackFeatures]) -> Floats:
    """Mean over patches of MusiCNN's penultimate layer, (songs, 200)."""
    rows = [
        s.audio[:, _PENULTIMATE].double().mean(dim=0).numpy() for s in songs if s.audio is not None
    ]
    return np.stack(rows)


def mfcc_statistics(paths: Sequence[Path]) -> Floats:
    """Mean and deviation of 20 MFCCs, (songs, 40), each column with unit variance over songs."""
    # Only this function needs librosa.
    import librosa  # noqa: PLC0415

    rows = []
    for path in paths:
        mfcc = librosa.feature.mfcc(
            y=load(path), sr=MUSICNN.sample_rate, n_mfcc=_MFCC, n_fft=MUSICNN.n_fft,
            hop_length=MUSICNN.hop_length,
        )  # fmt: skip
        rows.append(np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)]))
    table = np.stack(rows).astype(np.float64)
    scaled: Floats = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-9)
    return scaled


def measure(
    fused: Mapping[str, Sequence[Floats]],
    rivals: Mapping[str, Floats],
    labels: NDArray[np.int64],
) -> dict[str, Any]:
    """Precision of every embedding, and of the fused ones less each rival.

    Parameters
    ----------
    fused : mapping of str to sequence of (songs, 256) float ndarrays
        By inputs; one embedding per network, whose precisions are averaged.
    rivals : mapping of str to (songs, width) float ndarray
    labels : (songs,) int ndarray

    Returns
    -------
    dict
        ``precision`` by embedding, and ``more_than`` by rival and then by inputs.
    """
    ours = {
        name: np.mean([precision(e, labels) for e in each], axis=0) for name, each in fused.items()
    }
    theirs = {name: precision(embedding, labels) for name, embedding in rivals.items()}
    nothing = np.zeros(len(labels))

    def mean(shares: Floats) -> float:
        return float(np.mean(shares))

    def mean_of_second(_: Floats, shares: Floats) -> float:
        return float(np.mean(shares))

    return {
        "songs": len(labels),
        "precision": {
            name: asdict(bootstrap_ci(mean, shares)) for name, shares in (ours | theirs).items()
        },
        "more_than": {
            rival: {
                name: asdict(paired_bootstrap(mean_of_second, nothing, shares, theirs[rival]))
                for name, shares in ours.items()
            }
            for rival in theirs
        },
    }
