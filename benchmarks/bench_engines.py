"""Memory, disk and time of the index in Qdrant, by the number of songs.

    python -m benchmarks.bench_engines [--songs 10000 50000 200000] [--requests 30]

The engine is that of the server, inside this process (`qdrant-edge-py`): what a network and the
server's own requests add is not measured. Songs are random; their embeddings lie in clusters. Times
are those of the processor, of all threads together, so other work on the machine changes them
little. Each size has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recommender.index.rows import Rows

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 2_000
CLUSTERS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, nargs="+", default=[10_000, 50_000, 200_000])
    parser.add_argument("--requests", type=int, default=30)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {"AFFETTI_VAR_DIR": folder, "AFFETTI_SECRET_KEY": "of a benchmark"}
            os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
            django.setup()
            print(json.dumps(measured(options.one, options.requests)))
        return
    for songs in options.songs:
        command = [sys.executable, "-m", "benchmarks.bench_engines", "--one", str(songs)]
        command += ["--requests", str(options.requests)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
        result = json.loads(done.stdout)
        print(json.dumps({"songs": songs, "load": os.getloadavg()[0], **result}, indent=1))


def measured(songs: int, requests: int) -> dict[str, Any]:
    """Return the figures of a catalogue of so many songs."""
    from recommender.index.remote import RemoteIndex, points_write  # noqa: PLC0415  needs Django
    from recommender.index.rows import Genres  # noqa: PLC0415
    from recommender.index.statistics import statistics_of  # noqa: PLC0415
    from tests.edge import EdgeCollections, edge_folder  # noqa: PLC0415

    genres = Genres(f"genre {number}" for number in range(100))
    with edge_folder() as folder:
        held = EdgeCollections(folder)
        held.create("songs")
        statistics, before, load = None, rss_mb(), 0.0
        for rows in made(songs):
            if statistics is None:
                statistics = statistics_of(rows.columns, rows.fused)
            started = time.process_time()
            points_write(held, "songs", rows, genres, statistics)
            load += time.process_time() - started
        assert statistics is not None
        started = time.process_time()
        held.settle("songs")
        optimise = time.process_time() - started
        index = RemoteIndex(held, "songs", statistics)
        figures = {
            "load_s": round(load, 1),
            "optimise_s": round(optimise, 1),
            "disk_bytes_a_song": round(bytes_of(folder) / songs),
            "memory_mb": round(rss_mb() - before),
        }
        return figures | searches(index, held, requests)


def searches(index: Any, held: Any, requests: int) -> dict[str, Any]:
    """Return the median milliseconds of searches, and the recall of the nearest 20."""
    from recommender.index.points import formula_of, query_of  # noqa: PLC0415
    from recommender.index.protocol import Condition, FirstPhase, Nearest  # noqa: PLC0415

    rng = np.random.default_rng(9)
    asked = [point.song_id for point in held.matching("songs", None, requests)]
    vectors = [np.array(one, np.float32) for one in held.fused("songs", asked).values()]
    targets = [np.array([*rng.uniform(0.2, 0.8, 2), *[0.0] * 8], np.float32) for _ in vectors]
    weights = np.array([1, 1, *[0] * 8], np.float32)
    # Years are 1950 to 2029, uniform.
    tenth, hundredth = (
        [Condition("years", low=1990, high=1997)],
        [Condition("years", low=1990, high=1997), Condition("genres", any_of=tuple(range(10)))],
    )
    place = (0.7, 0.3)
    phase = FirstPhase(
        place, place, 0.27, (0.5, 0.9, 0.5, 0.0), 0.8, (0.125,) * 8, 0.2, 0.5, 0.5, 1.0, 1.0
    )

    def ranked(number: int) -> None:
        nearest = [Nearest(targets[number], 5_000, weights), Nearest(vectors[number], 5_000)]
        queries = [(*query_of(one), one.k) for one in nearest]
        held.search_ranked("songs", queries, None, formula_of(phase, 1), 3_000)

    def gathered(number: int) -> None:
        nearest = [Nearest(targets[number], 5_000, weights), Nearest(vectors[number], 5_000)]
        index.gathered((), nearest, tenth, phase)

    found: dict[str, Any] = {
        "20 similar": median(lambda n: index.search(Nearest(vectors[n], 20)), requests),
        "20 similar of 10 %": median(
            lambda n: index.search(Nearest(vectors[n], 20), tenth), requests
        ),
        "20 similar of 1 %": median(
            lambda n: index.search(Nearest(vectors[n], 20), hundredth), requests
        ),
        "5,000 nearest in affect": median(
            lambda n: index.search(Nearest(targets[n], 5_000, weights)), requests
        ),
        "formula, best 3,000 of 10,000": median(ranked, requests),
        "gathered as rows, of 10 %": median(gathered, requests),
    }
    for name, conditions in (("recall@20", []), ("recall@20 of 10 %", tenth)):
        shares = []
        for vector in vectors:
            nearest = Nearest(vector, 20)
            true = index.search(nearest, conditions, is_exact=True)
            shares.append(len({*true} & {*index.search(nearest, conditions)}) / len(true))
        found[name] = round(float(np.mean(shares)), 4)
    return found


def made(songs: int) -> Iterator[Rows]:
    """Yield random songs, some thousands at a time."""
    from tests.recommender.index.made_rows import rows_with  # noqa: PLC0415

    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, 256)) * 0.7
    for start in range(0, songs, CHUNK):
        count = min(CHUNK, songs - start)
        fused = centres[rng.integers(CLUSTERS, size=count)] + rng.standard_normal((count, 256))
        fused /= np.linalg.norm(fused, axis=1, keepdims=True)
        ids = np.arange(start + 1, start + count + 1)
        yield rows_with(
            ids,
            fused,
            rng=rng,
            affect=np.clip(rng.normal(0.5, 0.15, (count, 10)), 0, 1),
            genres=rng.integers(100, size=count),
            confidences=rng.random(count),
            recordings=-ids,
        )


def median(ask: Callable[[int], object], requests: int) -> float:
    """Return the median milliseconds of the processor."""
    times = []
    for number in range(requests):
        started = time.process_time()
        ask(number)
        times.append(time.process_time() - started)
    return round(1_000 * float(np.median(times)), 1)


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
