"""Time of searches, and of linking recordings, by the number of songs.

    python -m benchmarks.bench_search [--songs 10000 100000]

It fills a temporary SQLite database with synthetic songs, a tenth of them second files of others.
Nothing is left behind.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import django
import numpy as np
from django.apps import apps
from django.core.management import call_command

MODEL_VERSION = "affetti-00000000"
SYLLABLES = ("ba", "ra", "li", "ton", "mer", "sou", "ka", "del", "vi", "or", "shen", "qui", "zu")
MOST_LINKED = 10_000
"""So many songs are linked in a larger catalogue; the time of one song is what counts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, nargs="+", default=[10_000, 100_000])
    for count in parser.parse_args().songs:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["AFFETTI_VAR_DIR"] = folder
            pid = os.fork()  # one Django a database
            if not pid:
                measure(count)
                os._exit(0)
            os.waitpid(pid, 0)


def measure(count: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    fill(count)
    # Django's models can be imported only now.
    from catalog.models import Song  # noqa: PLC0415
    from catalog.recordings import recordings_link  # noqa: PLC0415
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
