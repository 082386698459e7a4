"""How well journeys keep to their curve, and from which score on a match is right.

    python -m benchmarks.journeys [--songs 12] [--csv LABELS]

It makes lists from the songs of the database of the settings, such as the demo catalogue after
`manage.py prepare`. Journeys lead from each of eight moods to each other one, in every shape. The
second table counts by score how many songs lie in the quadrant that is asked for. The quadrant of
a demo piece is that which its composer intended. LABELS has the quadrants of other songs: columns
`file`, a part of the path, and `quadrant`.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import django
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot

MOODS = ("calm", "angry", "happy", "sad", "tense", "melancholy", "party", "dreamy")
BINS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.01)
GRID = (0.2, 0.35, 0.65, 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=12, help="steps of a journey")
    parser.add_argument("--csv", type=Path, help="quadrants of songs that are no demo pieces")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    django.setup()
    from recommender.index import index_snapshot  # noqa: PLC0415  after setup

    snapshot = index_snapshot()
    print(f"{snapshot.song_count} songs\n")
    _print_journeys(snapshot, options.songs)
    labels = _quadrants(snapshot, options.csv)
    if (labels != "").any():
        _print_matches(snapshot, labels)


def _print_journeys(snapshot: IndexSnapshot, count: int) -> None:
    from recommender.playlists import PlaylistRequest, playlist_generate  # noqa: PLC0415
    from recommender.playlists.journeys import SHAPES  # noqa: PLC0415

    print("| shape | journeys | songs | mean distance | steps forward | ms, median |")
    print("|---|---|---|---|---|---|")
    for shape in SHAPES:
        distances, forward, songs, times = [], [], [], []
        for start, end in itertools.permutations(MOODS, 2):
            request = PlaylistRequest(
                journey=(start, end), journey_shape=shape, count=count, seed=1
            )
            before = time.process_time()
            made = playlist_generate(request=request, snapshot=snapshot)
            times.append(time.process_time() - before)
            songs.append(len(made.entries))
            if made.fit is not None and made.entries:
                distances.append(made.fit.distance)
                forward.append(made.fit.forward)
        print(
            f"| {shape} | {len(songs)} | {np.mean(songs):.1f} | {np.mean(distances):.3f} "
            f"| {np.mean(forward):.1%} | {1000 * np.median(times):.0f} |"
        )
    print()


def _quadrants(snapshot: IndexSnapshot, labels: Path | None) -> NDArray[np.str_]:
    """Return the quadrant of each row; empty where it is not known."""
    from catalog.demo.pieces import PIECES  # noqa: PLC0415
    from catalog.models import Song  # noqa: PLC0415

    titles = {piece.title: str(piece.intended.quadrant) for piece in PIECES}
    files: dict[str, str] = {}
    if labels is not None:
        with labels.open(newline="") as rows:
            files = {row["file"]: row["quadrant"] for row in csv.DictReader(rows)}
    known: dict[int, str] = {}
    for pk, title, path in Song.objects.values_list("pk", "title", "relative_path"):
        name = path.rpartition("/")[2]
        known[pk] = files.get(name) or files.get(name.rpartition(".")[0]) or titles.get(title, "")
    labels = [known.get(song_id, "") for song_id in np.asarray(snapshot.song_ids).tolist()]
    # The rows of songs that are gone or have changed are never found.
    return np.where(snapshot.alive, labels, "")


def _print_matches(snapshot: IndexSnapshot, labels: NDArray[np.str_]) -> None:
    columns = {
        name: _by_score(pairs)
        for name, pairs in (
            ("moods", _moods(snapshot, labels)),
            ("points", _points(snapshot, labels)),
            ("seed songs", _seeds(snapshot, labels)),
        )
    }
    print(f"| score | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for low, high in itertools.pairwise(BINS):
        cells = [f"{column[low][0]:.2f} of {column[low][1]}" for column in columns.values()]
        print(f"| {low:.1f} to {min(high, 1):.1f} | {' | '.join(cells)} |")


def _by_score(
    pairs: Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]],
) -> Mapping[float, tuple[float, int]]:
    """Return by the lower bound of a bin the share of right songs, and their number."""
    scores, right = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    shares = {}
    for low, high in itertools.pairwise(BINS):
        inside = (scores >= low) & (scores < high)
        shares[low] = (float(right[inside].mean()) if inside.any() else 0.0, int(inside.sum()))
    return shares


def _moods(
    snapshot: IndexSnapshot, labels: NDArray[np.str_]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    from mer.affect import AffectPoint  # noqa: PLC0415
    from recommender.moods import MOODS as NAMED  # noqa: PLC0415
    from recommender.playlists.targets import mood_target  # noqa: PLC0415

    rows = np.flatnonzero(labels != "")
    for mood in NAMED.values():
        quadrant = str(AffectPoint(mood.valence, mood.arousal).quadrant)
        scores = mood_target(mood.name, "moods", snapshot).match(snapshot, rows)
        yield scores, labels[rows] == quadrant


def _points(
    snapshot: IndexSnapshot, labels: NDArray[np.str_]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    from mer.affect import AffectPoint  # noqa: PLC0415
    from recommender.playlists.targets import point_target  # noqa: PLC0415

    rows = np.flatnonzero(labels != "")
    for point in itertools.starmap(AffectPoint, itertools.product(GRID, GRID)):
        scores = point_target(point, snapshot).match(snapshot, rows)
        yield scores, labels[rows] == str(point.quadrant)


def _seeds(
    snapshot: IndexSnapshot, labels: NDArray[np.str_]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    from recommender.playlists.targets import songs_target  # noqa: PLC0415

    rows = np.flatnonzero(labels != "")
    for row in rows[:300]:
        others = rows[rows != row]
        seed = {int(snapshot.song_ids[np.array([row])][0]): 1.0}
        yield songs_target(seed, snapshot).match(snapshot, others), labels[others] == labels[row]


if __name__ == "__main__":
    main()
