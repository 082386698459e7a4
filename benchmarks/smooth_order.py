"""What the field `smooth` of a list does to the steps of tempo, key and mood between neighbours.

    python -m benchmarks.smooth_order [--lists 200] [--songs 25]

The lists are made up: places on a tenth of the plane, as of one mood, tempi from 60 to 190 beats a
minute and keys, all drawn evenly and apart from each other. Real songs of one mood have tempi that
are nearer, so the steps are smaller before and after.
"""

from __future__ import annotations

import argparse
import os
from types import SimpleNamespace
from typing import Any

import django
import numpy as np

SMOOTH = (0.0, 0.25, 0.5, 1.0)
_SIDE = 0.1**0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="smooth_order", description=__doc__)
    parser.add_argument("--lists", type=int, default=200)
    parser.add_argument("--songs", type=int, default=25, help="of each list")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recommender.settings")
    django.setup()
    print("smooth  tempo (half octaves)  tempo (% of the beat)  key (steps)  plane")
    for smooth in SMOOTH:
        found = [_steps(seed, options.songs, smooth) for seed in range(options.lists)]
        tempo, key, plane = np.mean(found, axis=0)
        percent = 100 * (2 ** (tempo / 2) - 1)
        print(f"{smooth:6.2f}  {tempo:20.3f}  {percent:21.1f}  {7 * key:11.2f}  {plane:5.3f}")


def _steps(seed: int, count: int, smooth: float) -> list[float]:
    """Return the mean steps of tempo, key and place between the neighbours of one list."""
    from recommender.playlists.smooth import (  # noqa: PLC0415  # after the set-up
        arrange_smoothly,
        key_distances,
        tempo_distances,
    )

    rng = np.random.default_rng(seed)
    songs: Any = SimpleNamespace(
        affect=_SIDE * rng.random((count, 2)),
        tempos=rng.uniform(60, 190, count),
        keys=rng.integers(1, 25, count),
    )
    artists = np.arange(count)[:, np.newaxis]
    order, _ = arrange_smoothly(songs, np.arange(count), artists, spacing=3, smooth=smooth)
    plane = np.linalg.norm(songs.affect[:, np.newaxis] - songs.affect, axis=2)
    tables = (tempo_distances(songs.tempos), key_distances(songs.keys), plane)
    return [float(np.mean(table[order[:-1], order[1:]])) for table in tables]


if __name__ == "__main__":
    main()
