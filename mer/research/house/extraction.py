"""The command ``features``: compute the encoder features of the house network's songs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mer.research.house.mixture import DISTORTED_SETS, SONG_SETS, load_tracks
from mer.research.house.trainer import Recipe
from mer.research.inputs.distortions import augmentation
from mer.research.inputs.features import FeatureCache, add_data_arguments

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m mer.research features``."""
    add_data_arguments(parser)
    parser.add_argument(
        "--augmented",
        type=int,
        metavar="N",
        help="distorted copies of the songs to train on (default: as many as train uses)",
    )


def run(args: argparse.Namespace) -> int:
    """Compute the audio features that ``train`` and ``evaluate`` read, and print their number.

    Text features are computed later, by the first command that trains the encoder's adapter.
    """
    copies = Recipe().copies if args.augmented is None else args.augmented
    cache = FeatureCache(args.cache, is_wide=True)
    tracks = [
        replace(track, lyrics=None, title=None, artist=None)
        for track in load_tracks(args.data)
        if track.dataset in SONG_SETS
    ]
    features = cache.features(tracks)
    patches = sum(len(f.audio) for f in features if f.audio is not None)
    print(f"{len(features)} songs, {patches} patches")  # noqa: T201
    songs = [t for t in tracks if t.dataset in DISTORTED_SETS and t.split != "test"]
    for copy in range(1, copies + 1):
        cache.features(songs, augmentation(copy))
        print(f"augmented copy {copy}: {len(songs)} songs")  # noqa: T201
    return 0
