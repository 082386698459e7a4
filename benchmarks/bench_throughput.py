"""Songs a second from files to stored predictions, in embedded mode, on all cores.

    python -m benchmarks.bench_throughput [--songs 300] [--distinct 12]

It writes MP3 files of three to five minutes with lyrics beside them and runs ``manage.py ingest
--wait`` on a new catalogue. Files beyond the distinct ones are copies with a changed byte, which
the catalogue takes for recordings of their own. The time starts when the first song is taken and
ends with the last, so loading the networks counts. On a busy machine the processor time says what
an idle one would do: songs a second = cores ÷ processor seconds of a song, at most.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench_analysis import write_song
from benchmarks.gpu.section import LYRIC

ROOT = Path(__file__).resolve().parents[1]


def write_songs(folder: Path, count: int, distinct: int, first_seed: int = 0) -> None:
    """Write songs of 180 to 300 seconds, each with lyrics that no other has."""
    folder.mkdir()
    files: list[bytes] = []
    for number in range(count):
        path = folder / f"Nobody {number % 40} - Song {number}.mp3"
        if number < distinct:
            write_song(path, seconds=180 + 120 * number // distinct, seed=first_seed + number)
            files.append(path.read_bytes())
        else:
            data = bytearray(files[number % distinct])
            data[len(data) // 2 + 997 * number] ^= 1
            path.write_bytes(data)
        path.with_suffix(".txt").write_text(f"Number {number} has a first line\n{LYRIC}")


def processor_seconds() -> float:
    """Of the commands that have ended, and of their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ingest(folder: Path, var: Path) -> str:
    """Ingest a folder into the catalogue of `var`; return what the command says."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"},
        "AFFETTI_VAR_DIR": str(var),
        "DATABASE_URL": f"sqlite:///{var / 'bench.sqlite3'}",
        "AFFETTI_SECRET_KEY": "bench",
    }
    command = [sys.executable, str(ROOT / "manage.py")]
    quiet = subprocess.DEVNULL
    subprocess.run([*command, "migrate"], check=True, env=environment, stdout=quiet)
    done = subprocess.run(
        [*command, "ingest", str(folder), "--wait"],
        check=True, env=environment, stdout=subprocess.PIPE, stderr=quiet, text=True,
    )  # fmt: skip
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=300)
    parser.add_argument("--distinct", type=int, default=12)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        var, few = Path(place, "var"), Path(place, "few")
        var.mkdir()
        write_songs(few, 1, 1, first_seed=1000)
        ingest(few, var)  # the files of Python and of the networks are in memory from here on
        music = Path(place, "music")
        write_songs(music, arguments.songs, min(arguments.distinct, arguments.songs))
        start, used = time.perf_counter(), processor_seconds()
        said = ingest(music, Path(place, "var"))
        seconds, used = time.perf_counter() - start, processor_seconds() - used
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    print(said)
    print(
        f"{arguments.songs} songs in {seconds:.0f} s: {arguments.songs / seconds:.2f} songs/s; "
        f"{used / arguments.songs:.2f} processor seconds a song, so at most "
        f"{cores * arguments.songs / used:.2f} songs/s on {cores} idle cores; "
        f"{platform.machine()}, load {load:.1f} at the end."
    )


if __name__ == "__main__":
    main()
