"""One fresh process that makes playlists; `bench_playlist` starts it. Prints JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

MOODS = ("calm", "angry", "happy", "melancholy", "dark", "uplifting", "tense", "peaceful")
COUNT = 30
SHARES = (1.0, 0.1, 0.01, 0.001)


def main() -> None:
    requests = int(sys.argv[1])
    django.setup()
    from recommender.index import index_snapshot  # noqa: PLC0415  needs Django
    from recommender.playlists import (  # noqa: PLC0415
        PlaylistRequest,
        playlist_generate,
        songs_similar,
    )

    before = private_mb()
    body: dict[str, Any] = {"moods": ["calm"], "count": COUNT}
    first = Times()
    first.add(lambda: playlist_generate(request=PlaylistRequest.from_json(body)))
    snapshot = index_snapshot()
    song_ids = snapshot.song_ids[np.arange(0, len(snapshot), max(1, len(snapshot) // 997))].tolist()
    result = {"first_request": first.quantiles(), "kinds": {}, "index": {}}
    for kind, body_of in bodies(song_ids).items():
        made = [PlaylistRequest.from_json(body_of(n)) for n in range(requests)]
        times = Times()
        for request in made:
            times.add(lambda request=request: playlist_generate(request=request))
        result["kinds"][kind] = times.quantiles()
    times = Times()
    for song_id in song_ids[:requests]:
        times.add(lambda song_id=song_id: songs_similar(song_id=song_id))
    result["kinds"]["similar"] = times.quantiles()
    result["private_mb"] = private_mb() - before
    result["index"] = index_queries(snapshot, requests)
    print(json.dumps(result))


def bodies(song_ids: list[int]) -> dict[str, Callable[[int], dict[str, Any]]]:
    """Return, for each kind of request, a function that gives the body of the n-th request."""
    return {
        "mood": lambda n: {"moods": [MOODS[n % len(MOODS)]], "count": COUNT, "seed": n},
        "point": lambda n: {
            "point": {"valence": 0.3 + n * 0.37 % 0.4, "arousal": 0.3 + n * 0.61 % 0.4},
            "count": COUNT,
            "seed": n,
        },
        "song": lambda n: {
            "song_ids": [song_ids[n * 7919 % len(song_ids)]],
            "count": COUNT,
            "seed": n,
            "min_match": 0,
        },
        "journey": lambda n: {
            "journey": [MOODS[n % len(MOODS)], MOODS[(n + 3) % len(MOODS)]],
            "count": COUNT,
            "seed": n,
        },
        "years": lambda n: {
            "moods": [MOODS[n % len(MOODS)]],
            "year_from": 1980,
            "year_to": 1989,
            "count": COUNT,
            "seed": n,
        },
    }


def index_queries(snapshot: Any, requests: int) -> dict[str, Any]:
    """Return times and recall@20 of searches by embedding under filters of several shares."""
    build, rng = snapshot.build, np.random.default_rng(1)
    rows = rng.choice(len(build), min(requests, len(build)), replace=False)
    queries = build.fused(rows) + 0.03 * rng.standard_normal((len(rows), 256)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    every = build.fused(np.arange(len(build)))
    found = {}
    for share in SHARES:
        allowed = None if share == 1 else rng.random(len(build)) < share
        times, hits = Times(), []
        for number, query in enumerate(queries):
            rows = times.add(lambda q=query, a=allowed: build.search_fused(q, 20, a)[1])
            if number < 50:
                scores = every @ query
                if allowed is not None:
                    scores[~allowed] = -np.inf
                truth = np.argpartition(-scores, min(20, len(scores) - 1))[:20]
                hits.append(len(np.intersect1d(truth, rows)) / len(rows))
        found[f"{share:.1%}"] = {**times.quantiles(), "recall": float(np.mean(hits))}
    return found


class Times:
    """Milliseconds of calls by the clock, and of the processor alone.

    On a machine that others use, only the second says what a call takes.
    """

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def add(self, call: Callable[[], Any]) -> Any:
        started, worked = time.perf_counter(), time.thread_time()
        result = call()
        self.wall.append(1_000 * (time.perf_counter() - started))
        self.cpu.append(1_000 * (time.thread_time() - worked))
        return result

    def quantiles(self) -> dict[str, float]:
        cpu50, cpu99 = np.percentile(self.cpu, [50, 99])
        return {**quantiles(self.wall), "cpu_p50_ms": float(cpu50), "cpu_p99_ms": float(cpu99)}


def quantiles(times: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "runs": len(times)}


def private_mb(pid: int | str = "self") -> float:
    """Return the memory of a process that no other process shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = [int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")]
    return sum(kib) / 1024


if __name__ == "__main__":
    main()
