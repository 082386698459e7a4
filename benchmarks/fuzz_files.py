"""Damaged audio files go through scan, tags, decoding, analysis and storage, as a user's do.

    python -m benchmarks.fuzz_files [--files 3000] [--seed S] [--portion i/n] [--keep FOLDER]

Good files of every format are written from tones, then changed: bits of the header, the middle or
the tail, cuts, splices with another format, zeros, sizes that are far too large, other suffixes.
File number i is the same in each run with one seed, so portions can run on different machines and
a single bad file can be made again.

It prints what became of the files, and exits with 1 if any of these is not zero:

============  ==================================================================================
uncoded       files that failed with no code, or with one for errors that nobody expected
waiting       songs that are neither analysed nor failed, and jobs that did not succeed
not_finite    stored predictions with a value that is not finite
hangs         files that took longer than a decoder may take
============  ==================================================================================

A crash of this process itself ends the run, and the shell says so.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator

FOLDER_FILES = 100
HANG_SECONDS = 75.0
BUSY_SECONDS = 10.0
"""A song that is analysed may take so long on a busy machine without any hang."""
UNEXPECTED = {"", "INTERNAL_ERROR", "FILE_FAILED", "ANALYSIS_FAILED", "ANALYSIS_ABANDONED"}
HUGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\0")


def main() -> None:
    """Parse the arguments, fuzz and print."""
    parser = argparse.ArgumentParser(
        prog="fuzz_files", description="Send damaged audio files through the catalogue."
    )
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--portion", default="0/1", help="i/n: every n-th file, from the i-th")
    parser.add_argument("--keep", type=Path, help="folder for the files that are found")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.portion.split("/"))
    numbers = range(part, arguments.files, parts)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFFETTI_VAR_DIR"] = str(Path(folder) / "var")
        os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
        _prepare_database()
        report = fuzz(Path(folder), arguments.seed, numbers, keep=arguments.keep)
    print(json.dumps(report, indent=2))
    sys.exit(1 if is_bad(report) else 0)


def is_bad(report: dict[str, Any]) -> bool:
    """Return whether a fault was found."""
    return any(report[name] for name in ("uncoded", "waiting", "not_finite", "hangs"))


def fuzz(
    folder: Path, seed: int, numbers: Sequence[int], *, keep: Path | None = None
) -> dict[str, Any]:
    """Write the files with these numbers, ingest and analyse them, and report."""
    start = time.monotonic()
    corpus = make_corpus(folder / "corpus")
    report: dict[str, Any] = {
        "seed": seed, "files": len(numbers), "analysed": 0, "codes": Counter(), "uncoded": [],
        "waiting": [], "not_finite": [], "hangs": [],
    }  # fmt: skip
    firsts = range(0, len(numbers), FOLDER_FILES)
    for first in tqdm(firsts, unit=f"x{FOLDER_FILES} files", dynamic_ncols=True):
        music = folder / "music" / f"{first:06d}"
        music.mkdir(parents=True)
        for number in numbers[first : first + FOLDER_FILES]:
            name, content = mutant(corpus, seed, number)
            (music / name).write_bytes(content)
        _ingest(music, report)
        _analyse(report)
        _collect(music, report, keep)
        shutil.rmtree(music)
    report["codes"] = dict(report["codes"].most_common())
    report["seconds"] = round(time.monotonic() - start, 1)
    return report


# --- files -------------------------------------------------------------------------------------


def make_corpus(folder: Path) -> list[tuple[str, bytes]]:
    """Write good files of every format, short and small, with tags; return names and contents."""
    from tests.made_audio import CODECS, tones, write  # noqa: PLC0415  # needs pytest

    folder.mkdir()
    samples = tones(4)
    tags = "-metadata title=Title -metadata artist=Artist -metadata lyrics=Sun"
    for suffix, options in CODECS.items():
        write(folder / f"a.{suffix}", samples, options=f"{options} {tags}")
    write(folder / "vbr.mp3", samples, options=f"-write_xing 0 -q:a 4 {tags}")
    write(folder / "float.wav", samples, options=f"-c:a pcm_f32le {tags}")
    write(folder / "fragmented.m4a", samples, options=f"-movflags frag_keyframe+empty_moov {tags}")
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def mutant(corpus: Sequence[tuple[str, bytes]], seed: int, number: int) -> tuple[str, bytes]:
    """Return name and content of the file with this number."""
    rng = np.random.default_rng([seed, number])
    name, content = corpus[number % len(corpus)]
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        change = _CHANGES[rng.integers(len(_CHANGES))]
        data = change(data, rng, corpus)
    suffix = Path(name).suffix
    if rng.random() < 0.1:
        suffix = Path(corpus[rng.integers(len(corpus))][0]).suffix
    return f"f{number:06d}{suffix}", bytes(data)


def _place(data: bytearray, rng: Generator, low: float, high: float) -> int:
    return int(rng.integers(int(len(data) * low), max(int(len(data) * high), 1) + 1))


def _flip_in(low: float, high: float, most_bytes: int | None = None) -> Callable[..., bytearray]:
    def change(data: bytearray, rng: Generator, _corpus: object) -> bytearray:
        for _ in range(int(rng.integers(1, 30))):
            at = _place(data, rng, low, high)
            at = at % most_bytes if most_bytes else at
            if at < len(data):
                data[at] = int(rng.integers(256))
        return data

    return change


def _cut(data: bytearray, rng: Generator, _corpus: object) -> bytearray:
    return data[: _place(data, rng, 0, 1)]


def _splice(
    data: bytearray, rng: Generator, corpus: Sequence[tuple[str, bytes]]
) -> bytearray:  # fmt: skip
    other = corpus[rng.integers(len(corpus))][1]
    at = _place(data, rng, 0, 1)
    return data[:at] + other[int(rng.integers(len(other))) :]


def _zeros(data: bytearray, rng: Generator, _corpus: object) -> bytearray:
    at, size = _place(data, rng, 0, 1), int(rng.integers(1, 50_000))
    return data[:at] + bytes(min(size, max(0, len(data) - at))) + data[at + size :]


def _garbage(data: bytearray, rng: Generator, _corpus: object) -> bytearray:
    at = _place(data, rng, 0, 1) if rng.random() < 0.5 else 0
    return data[:at] + rng.bytes(int(rng.integers(1, 20_000))) + data[at:]


def _huge(data: bytearray, rng: Generator, _corpus: object) -> bytearray:
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, 400))
        data[at : at + 4] = HUGE[rng.integers(len(HUGE))]
    return data


def _repeat(data: bytearray, rng: Generator, _corpus: object) -> bytearray:
    at = _place(data, rng, 0, 1)
    return data + data[at:]


_CHANGES: tuple[Callable[..., bytearray], ...] = (
    _flip_in(0, 1, most_bytes=512),
    _flip_in(0, 1, most_bytes=64),
    _flip_in(0, 1),
    _flip_in(0.9, 1),
    _cut,
    _splice,
    _zeros,
    _garbage,
    _huge,
    _repeat,
)


# --- the product -------------------------------------------------------------------------------


def _prepare_database() -> None:
    import django  # noqa: PLC0415  # after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415  # after `setup`

    call_command("migrate", verbosity=0)


def _ingest(music: Path, report: dict[str, Any]) -> None:
    # Django has to be set up before its models are imported, here and below.
    from catalog.ingest.run import ingest_run, ingest_start  # noqa: PLC0415
    from catalog.work.jobs import job_start  # noqa: PLC0415

    start = time.monotonic()
    job = job_start(job_id=ingest_start(path=music, is_anywhere_allowed=True).pk, worker="fuzz")
    ingest_run(job=job)
    job.refresh_from_db()
    if job.status == "failed":
        report["waiting"].append(f"{music.name}: job {job.error_code}")
    if time.monotonic() - start > HANG_SECONDS + FOLDER_FILES:
        report["hangs"].append(f"{music.name}: scan")


def _analyse(report: dict[str, Any]) -> None:
    from catalog.analysis import songs_analyse  # noqa: PLC0415
    from catalog.work.queue import batches_next, songs_abandon, songs_waiting  # noqa: PLC0415

    for _ in range(1000):
        songs_abandon()
        batches = batches_next(songs=songs_waiting(), limit=8)
        if not batches:
            return
        start = time.monotonic()
        songs_analyse(song_ids=batches[-1], worker="fuzz")  # the suspects come last
        if time.monotonic() - start > HANG_SECONDS + BUSY_SECONDS * len(batches[-1]):
            report["hangs"].append(f"songs {batches[-1]}")


def _collect(music: Path, report: dict[str, Any], keep: Path | None) -> None:
    """Add what became of the files of a folder, and forget them."""
    from catalog.models import IngestFailure, Library, Song, SongEmotion  # noqa: PLC0415

    failed = list(IngestFailure.objects.values_list("relative_path", "code", "message"))
    for song in Song.objects.all():
        if song.status == Song.Status.FAILED:
            failed.append((song.relative_path, song.failure_code, song.failure_message))
        elif song.status != Song.Status.ANALYSED:
            report["waiting"].append(f"{song.relative_path}: {song.status}")
    for path, code, message in failed:
        report["codes"][code] += 1
        if code == "AUDIO_DECODER_TIMEOUT":
            report["hangs"].append(path)
        if code in UNEXPECTED:
            report["uncoded"].append(f"{path}: {code} {message}")
            _keep(music / path, keep)
    for emotion in SongEmotion.objects.select_related("song"):
        report["analysed"] += 1
        if not _is_finite(emotion):
            report["not_finite"].append(emotion.song.relative_path)
            _keep(music / emotion.song.relative_path, keep)
    Library.objects.all().delete()


def _keep(path: Path, keep: Path | None) -> None:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, keep)


def _is_finite(emotion: Any) -> bool:
    from catalog.results import embedding_from_bytes  # noqa: PLC0415

    values = [emotion.valence, emotion.arousal, emotion.valence_spread, emotion.arousal_spread]
    values += [emotion.confidence, *emotion.quadrants.values(), *emotion.emotions.values()]
    values += [*emotion.gates.values()]
    values += [value for point in emotion.timeline for value in point.values()]
    embedding = embedding_from_bytes(emotion.fused_embedding)
    return all(map(math.isfinite, values)) and bool(np.isfinite(embedding).all())


if __name__ == "__main__":
    main()
