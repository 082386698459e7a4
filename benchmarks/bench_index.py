"""Time and memory of the index and of playlists in large catalogues, without a database.

    python -m benchmarks.bench_index [--songs 10000 1000000] [--requests 100]

It writes a build of random songs, opens it in a fresh process, and makes playlists from it. What a
playlist asks the database at last, whether its songs are still there, is answered at once here.
Times are those of the processor alone, so other work on the machine changes them little.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import django
import numpy as np

from benchmarks.playlist_process import COUNT, MOODS, Times, bodies, index_queries, private_mb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 20_000
SHARE_WITH_WORDS = 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--open", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    if options.open:
        print(json.dumps(opened(Path(options.open), options.requests)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"AFFETTI_VAR_DIR": folder, "AFFETTI_SECRET_KEY": uuid.uuid4().hex}
        django.setup()
        for count in options.songs:
            directory = Path(folder) / f"build-{count}"
            built = build(directory, count)
            command = [sys.executable, "-m", "benchmarks.bench_index", "--open", str(directory)]
            command += ["--requests", str(options.requests)]
            done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
            result = {"songs": count, "load": os.getloadavg()[0], **built}
            print(json.dumps({**result, **json.loads(done.stdout)}, indent=1), flush=True)


def build(directory: Path, count: int) -> dict[str, Any]:
    """Write a build of random songs, and one that copies from it; return the seconds."""
    from recommender.index.files import EmbeddingIndex  # noqa: PLC0415  needs Django
    from recommender.index.rows import Genres, rows_updated  # noqa: PLC0415

    about: dict[str, Any] = {"model_version": "m", "position": "0"}
    wall, cpu = time.perf_counter(), time.process_time()
    manifest = EmbeddingIndex.build(directory, chunks(count), Genres(["pop", "rock"]), **about)
    built = {"build_s": time.perf_counter() - wall, "build_cpu_s": time.process_time() - cpu}
    former = EmbeddingIndex.open(directory)
    changed = next(chunks(1_000, first=3, step=max(1, count // 1_000)))
    ids = changed.columns["song_ids"].tolist()
    wall, cpu = time.perf_counter(), time.process_time()
    EmbeddingIndex.build(
        directory.with_name("copied"),
        rows_updated(former.blocks(), [changed], ids),
        Genres(former.genre_names),
        former=former,
        **about,
    )
    copied = {"copy_s": time.perf_counter() - wall, "copy_cpu_s": time.process_time() - cpu}
    subprocess.run(["rm", "-rf", str(directory.with_name("copied"))], check=True)
    plain = {"nprobe": manifest.nprobe, "recall_at_20": manifest.recall_at_20}
    return {**built, **copied, **plain}


def chunks(count: int, *, first: int = 0, step: int = 1) -> Iterator[Any]:
    """Yield songs with points near the centre of the plane and embeddings in clusters."""
    from recommender.index.rows import COLUMNS, Rows  # noqa: PLC0415  needs Django

    centres = np.random.default_rng(0).standard_normal((400, 256)).astype(np.float32)
    rng = np.random.default_rng(first + 1)
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        fused = centres[rng.integers(400, size=size)]
        fused = fused + 0.7 * rng.standard_normal((size, 256), dtype=np.float32)
        fused /= np.linalg.norm(fused, axis=1, keepdims=True)
        ids = first + 1 + step * np.arange(start, start + size)
        made = {
            "song_ids": ids,
            "affect": np.hstack(
                [
                    np.clip(rng.normal(0.5, 0.12, (size, 2)), 0, 1),
                    rng.dirichlet(np.ones(8), size),
                ]
            ),
            "quadrants": rng.dirichlet(np.ones(4), size),
            "artists": 1 + ids % max(1, count // 10),
            "genres": ids % 2,
            "years": 1970 + ids % 55,
            "durations": np.full(size, 200.0),
            "by_sound": np.clip(rng.normal((0.6, 0.52), 0.2, (size, 2)), 0, 1),
            "by_words": np.where(
                rng.random((size, 1)) < SHARE_WITH_WORDS,
                np.clip(rng.normal((0.6, 0.55), (0.15, 0.09), (size, 2)), 0, 1),
                np.nan,
            ),
            "recordings": np.where(ids % 10 == 0, ids // 20, -ids),
        }
        zeros = {name: (size, kind.width)[: 1 + (kind.width > 1)] for name, kind in COLUMNS.items()}
        columns = {
            name: np.asarray(made.get(name, np.zeros(zeros[name]))).astype(kind.dtype)
            for name, kind in COLUMNS.items()
        }
        yield Rows(columns, fused)


def bodies_apart() -> dict[str, Callable[[int], dict[str, Any]]]:
    """Return requests that tell sound and words apart, as `playlist_process.bodies`."""
    contrasts = ("bright_sound_sad_words", "dark_sound_bright_words")
    return {
        "contrast": lambda n: {"contrast": contrasts[n % 2], "count": COUNT, "seed": n},
        "contrast, mood": lambda n: {
            "contrast": contrasts[n % 2],
            "moods": [MOODS[n % len(MOODS)]],
            "count": COUNT,
            "seed": n,
        },
        "words alone": lambda n: {
            "moods": [MOODS[n % len(MOODS)]],
            "words_weight": 1,
            "count": COUNT,
            "seed": n,
        },
        "half words": lambda n: {
            "moods": [MOODS[n % len(MOODS)]],
            "words_weight": 0.5,
            "count": COUNT,
            "seed": n,
        },
    }


def opened(directory: Path, requests: int) -> dict[str, Any]:
    """Return what a fresh process takes to open a build and to make playlists from it."""
    django.setup()
    from recommender.index.files import EmbeddingIndex  # noqa: PLC0415
    from recommender.index.state import State  # noqa: PLC0415
    from recommender.playlists import (  # noqa: PLC0415
        PlaylistRequest,
        generate,
        playlist_generate,
    )

    there = SimpleNamespace(gates={"audio": 1.0}, lyric_lines=[])
    generate.available_emotions = lambda snapshot, rows, fields=(): dict.fromkeys(
        snapshot.song_ids[rows].tolist(), there
    )
    generate.song_titles = lambda song_ids: {}
    before = private_mb()
    first = Times()
    snapshot = first.add(lambda: State("m", EmbeddingIndex.open(directory)).snapshot())
    result: dict[str, Any] = {"open_ms": first.wall[0], "kinds": {}}
    kinds = {**bodies(list(range(1, 1_000))), **bodies_apart()}
    for kind, body_of in kinds.items():
        times = Times()
        for n in range(requests):
            request = PlaylistRequest.from_json(body_of(n))
            times.add(lambda r=request: playlist_generate(request=r, snapshot=snapshot))
        result["kinds"][kind] = times.quantiles()
    target, weights = np.full(10, 0.6, np.float32), np.zeros(10, np.float32)
    weights[[0, 1, 5]] = 1.0
    times = Times()
    for _ in range(requests):
        times.add(lambda: snapshot.search_affect(target, weights, 5_000, snapshot.alive))
    result["affect"] = times.quantiles()
    result["private_mb"] = private_mb() - before
    result["queries"] = index_queries(snapshot, requests)
    return result


if __name__ == "__main__":
    main()
