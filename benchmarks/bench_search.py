"""Time of searches, and of linking recordings, by the number of songs.

    python -m benchmarks.bench_search [--songs 10000 100000] [--postgres URL] [--search-only]

It fills a temporary SQLite database, or one that it makes on the server of `URL`, with synthetic
songs, a tenth of them second files of others. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from typing import TYPE_CHECKING

import django
import numpy as np
import psycopg
from django.apps import apps
from django.core.management import call_command

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL_VERSION = "affetti-00000000"
SYLLABLES = ("ba", "ra", "li", "ton", "mer", "sou", "ka", "del", "vi", "or", "shen", "qui", "zu")
ADDED = 100
"""Songs that are added while it searches, for each kind of search."""
MOST_LINKED = 10_000
"""So many songs are linked in a larger catalogue; the time of one song is what counts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--postgres", help="address of a database on the server to use")
    parser.add_argument("--search-only", action="store_true", help="link no recordings")
    options = parser.parse_args()
    for count in options.songs:
        with tempfile.TemporaryDirectory() as folder, database(options.postgres):
            os.environ["AFFETTI_VAR_DIR"] = folder
            pid = os.fork()  # one Django a database
            if not pid:
                measure(count, is_linking=not options.search_only)
                os._exit(0)
            os.waitpid(pid, 0)


@contextlib.contextmanager
def database(url: str | None) -> Iterator[None]:
    """Have the settings name a new, empty database of a PostgreSQL server."""
    if not url:
        yield
        return
    name = f"affetti_bench_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        os.environ["DATABASE_URL"] = url.rpartition("/")[0] + f"/{name}"
        os.environ["AFFETTI_SECRET_KEY"] = "only-for-this-run"
        try:
            yield
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def while_songs_are_added(searches: dict[str, str]) -> None:
    """Print the times of searches before each of which a song is added."""
    from catalog.models import Library, Song  # noqa: PLC0415
    from recommender.search import songs_search  # noqa: PLC0415

    library = Library.objects.get()
    for name, words in searches.items():
        times = []
        for number in range(ADDED):
            Song.objects.create(
                content_sha256=f"{name} {number}"[:64],
                library=library,
                relative_path=f"{name} {number}.flac",
                file_size_bytes=1,
                file_mtime_ns=1,
                title=f"Added {number}",
                artist=f"Later {name}",
            )
            start = time.perf_counter()
            songs_search(Song.objects.filter(is_available=True), words)[0].count()
            times.append(1e3 * (time.perf_counter() - start))
        p50, p99 = np.percentile(times, (50, 99))
        print(f"  {name:26} while songs are added: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


def measure(count: int, *, is_linking: bool) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    fill(count)
    # Django's models can be imported only now.
    from catalog.models import Song  # noqa: PLC0415
    from recommender.search import songs_search  # noqa: PLC0415

    print(f"{count} songs")
    title, artist = Song.objects.values_list("title", "artist")[0]
    one, other = title.split()[0], artist.split()[0]
    searches = {
        "one word": one.upper(),
        "words of two fields": f"{other} {one}",
        "near miss": f"{one[:4]}{one[5]}{one[4]}{one[6:]}",
        "nothing near": "xxxxxxxxxxxx",
    }
    for name, words in searches.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            found, is_near = songs_search(Song.objects.filter(is_available=True), words)
            number = found.count()
            times.append(time.perf_counter() - start)
        print(
            f"  {name:26} first {1e3 * times[0]:7.1f} ms, again {1e3 * times[-1]:7.1f} ms, "
            f"{number} songs{', near' if is_near else ''}"
        )
    while_songs_are_added(searches)
    if is_linking:
        linking()


def linking() -> None:
    """Print how long it takes to link the recordings of the songs."""
    from catalog.models import Song  # noqa: PLC0415
    from catalog.recordings import recordings_link  # noqa: PLC0415

    start = time.perf_counter()
    count = recordings_link(model_version=MODEL_VERSION, most=MOST_LINKED)
    seconds = time.perf_counter() - start
    linked = Song.objects.exclude(recording=None).count()
    print(
        f"  linking                    {seconds:.1f} s for {count}, "
        f"{1e3 * seconds / count:.2f} ms a song, {linked} songs linked"
    )


def fill(count: int) -> None:
    song_model, emotion_model = (apps.get_model("catalog", n) for n in ("Song", "SongEmotion"))
    library = apps.get_model("catalog", "Library").objects.create(name="bench", root="/nowhere")
    rng = np.random.default_rng(0)

    def word() -> str:
        return "".join(rng.choice(SYLLABLES, 4))

    artists = [f"{word()} {word()}".title() for _ in range(max(1, count // 20))]
    titles = [f"{word()} {word()}".title() for _ in range(count)]
    for start in range(0, count, 1_000):
        songs = []
        for number in range(start, min(start + 1_000, count)):
            # Every tenth song is another file of the one before it.
            same = number - 1 if number % 10 == 1 else number
            song = song_model(
                content_sha256=f"{number:064x}",
                library=library,
                relative_path=f"{number}.flac",
                file_size_bytes=1,
                file_mtime_ns=1,
                title=titles[same] + (" (Remastered)" if same != number else ""),
                artist=artists[same % len(artists)],
                album=titles[number // 10],
                duration_seconds=120.0 + same % 180,
                status="analysed",
            )
            song.texts_fold()
            songs.append(song)
        song_model.objects.bulk_create(songs)
        ids = song_model.objects.filter(content_sha256__in=[s.content_sha256 for s in songs])
        fused = np.full(256, 1 / 16, "<f4").tobytes()
        emotion_model.objects.bulk_create(
            emotion_model(
                song_id=pk,
                model_version=MODEL_VERSION,
                valence=0.5,
                arousal=0.5,
                quadrant="Q1",
                quadrants={},
                emotions={},
                confidence=0.5,
                gates={},
                timeline=[],
                fused_embedding=fused,
            )
            for pk in ids.values_list("pk", flat=True)
        )


if __name__ == "__main__":
    main()
