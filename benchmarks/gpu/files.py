"""Songs a second from files: worker processes decode ahead, the device predicts whole batches."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

import soundfile
import torch

from benchmarks.gpu.section import CONTEXT, LYRIC, Card, song, started
from mer.audio.descriptors import describe
from mer.audio.patches import song_patches
from mer.pipeline import EmotionPipeline, PreparedSong

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.gpu.section import Section

_BATCH: Final = 64
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def write_song(seed: int, path: Path, seconds: float) -> None:
    """Write a stereo MP3 at 44.1 kHz."""
    soundfile.write(path, song(seed, seconds, 44_100), 44_100, format="MP3")


def prepare(path: Path) -> PreparedSong:
    """As `EmotionPipeline.prepare`, without the waveforms, which the networks do not take."""
    patches = song_patches(path)
    rows = describe(patches.segments)
    return PreparedSong(dataclasses.replace(patches, segments=patches.segments[:, :0]),
                        descriptors=rows)  # fmt: skip


def warm_up() -> None:
    """Import what a worker needs."""
    torch.set_num_threads(1)


def decoded_ahead(pool: ProcessPoolExecutor, paths: Sequence[Path]) -> Iterator[PreparedSong]:
    """Songs in order; at most four batches are prepared before they are taken."""
    waiting = deque(pool.submit(prepare, path) for path in paths[: 4 * _BATCH])
    rest = iter(paths[4 * _BATCH :])
    while waiting:
        yield waiting.popleft().result()
        path = next(rest, None)
        if path is not None:
            waiting.append(pool.submit(prepare, path))


def analyse(
    section: Section, pipeline: EmotionPipeline, songs: Iterator[PreparedSong], *, is_sung: bool
) -> tuple[int, float]:
    """Predict all songs; return their number and the seconds that predictions took."""
    count, busy, batch = 0, 0.0, []

    def predict() -> None:
        nonlocal busy, count
        start = time.perf_counter()
        pipeline.predict_prepared(batch)
        section.wait()
        busy += time.perf_counter() - start
        count += len(batch)
        batch.clear()

    for one in songs:
        batch.append(dataclasses.replace(one, lyrics=LYRIC, context=CONTEXT) if is_sung else one)
        if len(batch) == _BATCH:
            predict()
    if batch:
        predict()
    return count, busy


def main() -> None:
    section = started()
    workers = 2 if section.is_quick else max(1, (os.cpu_count() or 2) - 1)
    made, repeats, seconds = (2, 1, 20.0) if section.is_quick else (16, 12, 240.0)
    context = get_context("spawn")  # CUDA does not survive a fork
    # One thread a worker; else the NumPy of each starts as many as there are cores.
    os.environ |= dict.fromkeys(_THREADS, "1")
    torch.set_num_threads(1)
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(workers, context, warm_up) as pool,
    ):
        paths = [Path(folder, f"{index}.mp3") for index in range(made)]
        list(pool.map(write_song, range(made), paths, [seconds] * made))
        size = sum(path.stat().st_size for path in paths) / made / 2**20
        pipeline = EmotionPipeline.from_pretrained(device=section.device.type)
        first = list(pool.map(prepare, paths * (2 if section.is_quick else 4)))
        pipeline.predict_prepared(first[:_BATCH])
        prepare(paths[0])  # starts this process's decoder, two seconds
        start = time.perf_counter()
        prepare(paths[0])
        alone = time.perf_counter() - start
        section.say(
            f"{made} MP3 files of {seconds:.0f} s ({size:.1f} MiB), each read {repeats} times;\n"
            f"{workers} worker processes decode ahead. One song takes {alone * 1e3:.0f} ms to "
            "prepare in one process.\n"
        )
        every = paths * repeats
        start = time.perf_counter()
        for _ in decoded_ahead(pool, every):
            pass
        took = time.perf_counter() - start
        section.table(("", "songs/s", "GPU idle, %", "waiting for files, %"))
        section.row("files alone, no network", f"{len(every) / took:.1f}", "100", "")
        for name, is_sung in (("sound", False), ("sound, lyrics and title", True)):
            with Card() as load:
                start = time.perf_counter()
                count, busy = analyse(
                    section, pipeline, decoded_ahead(pool, every), is_sung=is_sung
                )
                took = time.perf_counter() - start
            idle = "unknown" if load.load is None else f"{100 - load.load:.0f}"
            section.row(name, f"{count / took:.1f}", idle, f"{100 * (1 - busy / took):.0f}")
    section.say("\nThe pipeline is the product's, with the timeline and the lyric lines.")


if __name__ == "__main__":
    main()
