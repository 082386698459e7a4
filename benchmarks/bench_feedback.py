"""What a listener's feedback costs a request, in milliseconds.

    python -m benchmarks.bench_feedback [--songs 100000] [--likes 500]

It makes rows of random songs in memory, and feedback on some of them. It measures the fit of the
profile, which is made once after a change, and the candidates and scores of a request for a mood,
without feedback and with it. The database is not asked: `feedback_of` reads one row where nothing
has changed, `history_mark` another one.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import django
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from recommender.feedback import Feedback
    from recommender.index import IndexSnapshot

REPEATS = 15
MOOD = "joy"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=100_000)
    parser.add_argument("--likes", type=int, default=500)
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    django.setup()
    _report(options.songs, options.likes)


def _report(songs: int, likes: int) -> None:
    from recommender.personal.profile import profile_fit  # noqa: PLC0415  after setup
    from recommender.playlists.choosing import _scored  # noqa: PLC0415
    from recommender.playlists.listener import Listener  # noqa: PLC0415
    from recommender.playlists.scoring import MATCH_FLOOR  # noqa: PLC0415
    from recommender.playlists.targets import aim_of_parts, mood_target  # noqa: PLC0415

    snapshot = _snapshot(songs)
    feedback = _feedback(likes)
    aim = aim_of_parts([(1.0, mood_target(MOOD, "moods", snapshot))])
    profile = profile_fit(feedback, {}, snapshot)
    listener = Listener(profile)
    heard = listener.snapshot_of(snapshot)

    def without() -> None:
        _scored(snapshot, aim, snapshot.alive, MATCH_FLOOR)

    def moved() -> None:
        fresh = listener.snapshot_of(snapshot)
        _scored(fresh, aim, fresh.alive, MATCH_FLOOR)

    rows, scores = _scored(heard, aim, heard.alive, MATCH_FLOOR)
    print(f"{songs} songs, {likes} likes, 50 skips, 20 corrections; {len(rows)} songs scored\n")
    print("| step | ms of processor, median |\n|---|---|")
    for name, step in (
        ("fit of the profile, after a change", lambda: profile_fit(feedback, {}, snapshot)),
        ("candidates and scores without feedback", without),
        ("the same on the listener's plane", moved),
        ("ranks by taste", lambda: listener.ranked(scores, heard, rows)),
    ):
        print(f"| {name} | {_milliseconds(step):.1f} |")


def _milliseconds(step: Callable[[], object]) -> float:
    """Return the median processor time, which other processes do not lengthen."""
    step()
    times = []
    for _ in range(REPEATS):
        before = time.thread_time()
        step()
        times.append(time.thread_time() - before)
    return 1000 * float(np.median(times))


def _snapshot(songs: int) -> IndexSnapshot:
    from recommender.index.rows import COLUMNS, Rows  # noqa: PLC0415
    from recommender.index.state import State  # noqa: PLC0415

    rng = np.random.default_rng(0)
    state = State("made", None)
    fused = rng.standard_normal((songs, 256), np.float32)
    fused /= np.linalg.norm(fused, axis=1, keepdims=True)
    columns = {
        name: np.zeros((songs, kind.width)[: 1 + (kind.width > 1)], kind.dtype)
        for name, kind in COLUMNS.items()
    }
    columns["song_ids"] = np.arange(1, songs + 1)
    columns["recordings"] = -columns["song_ids"]
    columns["affect"] = rng.random((songs, 10), np.float32)
    columns["quadrants"] = rng.dirichlet(np.ones(4), songs).astype(np.float32)
    columns["artists"] = rng.integers(1, songs // 10, songs)
    codes = np.array([state.genres.code(f"Genre {number}; Pop") for number in range(200)])
    columns["genres"] = codes[rng.integers(200, size=songs)].astype(np.int32)
    state.add([Rows(columns, fused)])
    return state.snapshot()


def _feedback(likes: int) -> Feedback:
    from recommender.feedback import (  # noqa: PLC0415
        Correction,
        Feedback,
        Like,
        SkippedSong,
    )

    now = datetime(2026, 1, 1, tzinfo=UTC)
    rng = np.random.default_rng(1)
    return Feedback(
        "made",
        likes=tuple(Like(number * 7 + 1, now) for number in range(likes)),
        skips=tuple(SkippedSong(number * 11 + 2, 0.2, now) for number in range(50)),
        corrections=tuple(
            Correction(number * 13 + 3, *rng.random(4).tolist(), now, "made")
            for number in range(20)
        ),
    )


if __name__ == "__main__":
    main()
