"""What ten items of feedback are worth to listeners whose taste is known, on labelled songs.

    python -m benchmarks.simulated_listeners SUITE [--songs report] [--listeners 400]

SUITE is a folder of `python -m mer.research playlists prepare`: labelled songs, and predictions of
networks that were not trained on them. The command fills a temporary database with the songs whose
place on the plane is known.

A simulated listener has a *plane*: the labelled place of a song, shifted, scaled and turned a
little, is where the listener hears it. The listener has a *taste*: for genres, for a direction of
the plane, and for artists. A song is worth the taste for it, 0 to 1, times how well its place fits
the mood that was asked for. The listener asks for one mood of each quadrant and responds to ten
songs of the lists, best first, once to each: a song in another quadrant than the mood asks for is
moved to where the listener hears it; any other song is liked or skipped, by taste. Then the
listener asks again. Both times nDCG@10 is that of the songs without the ten.

Constants were chosen with the listeners of `--listeners-of tune`; those of `report` are others, by
their seeds.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import django
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.contrib.auth.models import User
    from numpy.typing import NDArray

    from recommender.index import IndexSnapshot

    Floats = NDArray[np.float64]

DEPTH: Final = 10
MOODS: Final = {
    "Q1": ("joy", "excitement", "energetic", "party", "uplifting", "triumphant"),
    "Q2": ("anger", "fear", "tense", "rebellious", "dark", "dramatic"),
    "Q3": ("sadness", "melancholy", "lonely", "gloomy", "bored", "nostalgic"),
    "Q4": ("calmness", "peaceful", "tender", "romantic", "dreamy", "content"),
}
_SHIFT: Final = 0.12
_SCALE: Final = 0.2
_TURN: Final = 0.08
"""Standard deviations of the planes of listeners."""
_OWN: Final = 0.05
"""That of where a listener hears one song, besides the plane."""
_FIT: Final = 0.19
_TASTE: Final = 2.0
_SEEDS: Final = {"tune": 0, "report": 100_000}


@dataclass(frozen=True, slots=True)
class Kind:
    """Shares of genres, places and artists in the variance of a taste; whether it hides a plane."""

    genres: float = 0.0
    places: float = 0.0
    artists: float = 0.0
    has_plane: bool = True


KINDS: Final = {
    "genres": Kind(genres=1.0, has_plane=False),
    "genres; plane": Kind(genres=1.0),
    "genres 80%, artists 20%; plane": Kind(genres=0.8, artists=0.2),
    "genres 50%, places 30%, artists 20%; plane": Kind(genres=0.5, places=0.3, artists=0.2),
    "places; plane": Kind(places=1.0),
    "artists; plane": Kind(artists=1.0),
    "no taste; plane": Kind(),
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """The songs of one catalogue, aligned: ids, (songs, 2) places, artists, genres."""

    song_ids: list[int]
    places: Floats
    artists: list[str]
    genres: list[frozenset[str]]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a listener is like: (songs,) taste in [0, 1], (songs, 2) places that are heard."""

    taste: Floats
    heard: Floats
    moods: tuple[str, ...]

    @classmethod
    def drawn(cls, songs: Labelled, seed: int, kind: Kind) -> Hidden:
        """Draw a listener; the same seed gives the same one."""
        rng = np.random.default_rng(seed)
        moods = tuple(str(rng.choice(names)) for names in MOODS.values())
        shift = rng.normal(0, _SHIFT, 2)
        scale = rng.normal(0, 1, (2, 2)) * np.array([[_SCALE, _TURN], [_TURN, _SCALE]])
        own = rng.normal(0, _OWN, songs.places.shape)
        heard = songs.places
        if kind.has_plane:
            heard = heard + shift + (heard - 0.5) @ scale.T + own
        taste = np.zeros(len(songs.song_ids))
        for name, part in _tastes(songs, rng).items():
            taste += np.sqrt(getattr(kind, name)) * (part - part.mean()) / (part.std() or 1.0)
        return cls(1 / (1 + np.exp(-_TASTE * taste)), np.clip(heard, 0, 1), moods)

    def worth(self, mood: str) -> Floats:
        """Return what each song is worth for a mood, in [0, 1]."""
        place = _place_of(mood)
        same = ((self.heard >= 0.5) == (place >= 0.5)).all(axis=1)
        near = np.exp(-((self.heard - place) ** 2).sum(axis=1) / (2 * _FIT**2))
        return self.taste * (same + near) / 2


def _tastes(songs: Labelled, rng: np.random.Generator) -> dict[str, Floats]:
    names = sorted(set().union(*songs.genres))
    of_genres = dict(zip(names, rng.normal(size=len(names)), strict=True))
    direction = rng.normal(size=2)
    known = sorted(set(songs.artists))
    of_artists = dict(zip(known, rng.normal(size=len(known)), strict=True))
    return {
        "genres": np.array([np.mean([of_genres[name] for name in one]) for one in songs.genres]),
        "places": (songs.places - 0.5) @ direction,
        "artists": np.array([of_artists[name] for name in songs.artists]),
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """nDCG@10 of a listener before and after, the feedback, and changes of others' lists."""

    before: float
    after: float
    moved: int
    liked: int
    skipped: int
    others_changed: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path, help="folder of songs.csv and predictions/all.npz")
    parser.add_argument(
        "--listeners-of", choices=tuple(_SEEDS), default="report", help="which listeners"
    )
    parser.add_argument("--listeners", type=int, default=400, help="of each kind")
    parser.add_argument("--feedbacks", type=int, default=10, help="that each gives")
    parser.add_argument("--kind", choices=tuple(KINDS), action="append", help="default: all")
    parser.add_argument("--set", default="panda4q", help="how names of catalogues begin")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "recommender.settings",
            "AFFETTI_VAR_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/listeners.sqlite3",
            "AFFETTI_INDEX_DIR": f"{folder}/index",
        }
        django.setup()
        _report(options)


def _report(options: argparse.Namespace) -> None:
    from django.core.management import call_command  # noqa: PLC0415  after setup

    call_command("migrate", verbosity=0)
    catalogues = _catalogues(options.suite, options.set)
    print(f"{sum(len(songs.song_ids) for songs, _ in catalogues)} songs\n")
    print("| taste; plane | listeners | moved, liked, skipped | before | after | rise | better |")
    print("|---|---|---|---|---|---|---|")
    changed = 0
    for kind in options.kind or KINDS:
        outcomes = list(_outcomes(catalogues, options, kind))
        changed += sum(one.others_changed for one in outcomes)
        before = np.array([one.before for one in outcomes])
        after = np.array([one.after for one in outcomes])
        low, high = _interval(after - before)
        given = [
            np.mean([getattr(one, name) for one in outcomes])
            for name in ("moved", "liked", "skipped")
        ]
        print(
            f"| {kind} | {len(outcomes)} | {given[0]:.1f}, {given[1]:.1f}, {given[2]:.1f} "
            f"| {before.mean():.3f} | {after.mean():.3f} "
            f"| {(after - before).mean():+.3f} [{low:+.3f}, {high:+.3f}] "
            f"| {(after > before).mean():.0%} |"
        )
    print(f"\nLists of others that changed: {changed}")


def _catalogues(suite: Path, prefix: str) -> list[tuple[Labelled, tuple[str, IndexSnapshot]]]:
    """Write the songs into the database; return each catalogue with its version and snapshot."""
    from recommender.index import index_snapshot_of  # noqa: PLC0415  after setup
    from recommender.management.commands.evaluate_playlists import (  # noqa: PLC0415
        SuiteCatalogue,
    )

    with (suite / "songs.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if _is_wanted(row, prefix)]
    with np.load(suite / "predictions" / "all.npz", allow_pickle=False) as file:
        filled = SuiteCatalogue.filled(rows, {name: file[name] for name in file.files})
    found = defaultdict(list)
    for row in rows:
        if row["song"] in filled.ids:
            found[row["catalogue"]].append(row)
    return [
        (
            Labelled(
                [filled.ids[row["song"]] for row in held],
                np.array([[float(row["valence"]), float(row["arousal"])] for row in held]),
                [row["group"] for row in held],
                [frozenset(one.strip() for one in row["genres"].split(";")) for row in held],
            ),
            (filled.versions[name], index_snapshot_of(filled.versions[name])),
        )
        for name, held in found.items()
    ]


def _is_wanted(row: dict[str, str], prefix: str) -> bool:
    return row["catalogue"].startswith(prefix) and bool(row["valence"])


def _outcomes(
    catalogues: Sequence[tuple[Labelled, tuple[str, IndexSnapshot]]],
    options: argparse.Namespace,
    kind: str,
) -> Iterator[Outcome]:
    from django.contrib.auth.models import User  # noqa: PLC0415  after setup

    from catalog.models import ModelVersion  # noqa: PLC0415

    for place, (songs, (version, snapshot)) in enumerate(catalogues):
        ModelVersion.objects.update(is_serving=False)
        ModelVersion.objects.update_or_create(name=version, defaults={"is_serving": True})
        other: User | None = None
        for number in range(place, options.listeners, len(catalogues)):
            user = User.objects.create(username=f"{kind} {number}")
            seed = _SEEDS[options.listeners_of] + number
            hidden = Hidden.drawn(songs, seed, KINDS[kind])
            yield _outcome(songs, snapshot, hidden, (user, other), options.feedbacks)
            other = user


def _outcome(
    songs: Labelled,
    snapshot: IndexSnapshot,
    hidden: Hidden,
    users: tuple[User, User | None],
    feedbacks: int,
) -> Outcome:
    """Let a listener ask, respond, and ask again; the second user and a stranger ask meanwhile."""
    user, other = users
    lists = [_list(mood, user, snapshot) for mood in hidden.moods]
    others = [_list(hidden.moods[0], one, snapshot) for one in (other, None)]
    said = _responses(songs, hidden, lists)[:feedbacks]
    ids = [song_id for song_id, _, _ in said]
    before = _measure(songs, hidden, ids, user, snapshot)
    for _, respond, given in said:
        respond(user=user, **given)
    after = _measure(songs, hidden, ids, user, snapshot)
    again = [_list(hidden.moods[0], one, snapshot) for one in (other, None)]
    counts = [respond.__name__ for _, respond, _ in said]
    return Outcome(
        before,
        after,
        moved=counts.count("song_place"),
        liked=counts.count("song_like"),
        skipped=counts.count("song_skip"),
        others_changed=sum(was != now for was, now in zip(others, again, strict=True)),
    )


def _responses(
    songs: Labelled, hidden: Hidden, lists: Sequence[Sequence[tuple[int, float]]]
) -> list[tuple[int, Any, dict[str, Any]]]:
    """Return the song, the function and the arguments of each item of feedback, in turn."""
    from recommender.feedback import song_like, song_place, song_skip  # noqa: PLC0415

    places = {song_id: place for place, song_id in enumerate(songs.song_ids)}
    found: list[tuple[int, Any, dict[str, Any]]] = []
    done: set[int] = set()
    for turn in range(max(map(len, lists)) * len(lists)):
        rank, number = divmod(turn, len(lists))
        if rank >= len(lists[number]) or (song_id := lists[number][rank][0]) in done:
            continue
        done.add(song_id)
        place = places[song_id]
        heard = hidden.heard[place]
        is_right = ((heard >= 0.5) == (_place_of(hidden.moods[number]) >= 0.5)).all()
        given: dict[str, Any] = {"song_id": song_id}
        if not is_right:
            given |= {"valence": float(heard[0]), "arousal": float(heard[1])}
            found.append((song_id, song_place, given))
        elif hidden.taste[place] > 0.5:
            found.append((song_id, song_like, given))
        elif hidden.taste[place] < 0.5:
            found.append((song_id, song_skip, given | {"share_played": 0.1}))
    return found


def _place_of(mood: str) -> Floats:
    from recommender.moods import mood_find  # noqa: PLC0415  after setup

    found = mood_find(mood)
    if found is None:
        raise ValueError(f"no mood is called {mood}")
    return np.array([found.valence, found.arousal])


def _measure(
    songs: Labelled, hidden: Hidden, left_out: Sequence[int], user: User, snapshot: IndexSnapshot
) -> float:
    """Return the mean nDCG@10 of a listener's moods, without some songs."""
    places = {song_id: place for place, song_id in enumerate(songs.song_ids)}
    is_left = np.ones(len(songs.song_ids), bool)
    is_left[[places[song_id] for song_id in left_out]] = False
    found = []
    for mood in hidden.moods:
        worth = hidden.worth(mood)
        listed = _list(mood, user, snapshot, left_out)
        gains = worth[[places[song_id] for song_id, _ in listed[:DEPTH]]]
        best = np.sort(worth[is_left])[::-1][:DEPTH]
        found.append(_gained(gains) / _gained(best))
    return float(np.mean(found))


def _gained(gains: Floats) -> float:
    return float((gains / np.log2(np.arange(len(gains)) + 2)).sum())


def _list(
    mood: str, user: User | None, snapshot: IndexSnapshot, left_out: Sequence[int] = ()
) -> list[tuple[int, float]]:
    """Return songs and what they are ranked by, best first."""
    from recommender.playlists import PlaylistRequest, playlist_generate  # noqa: PLC0415
    from recommender.playlists.listener import TASTE_FACTOR  # noqa: PLC0415

    request = PlaylistRequest.from_json(
        {"moods": [mood], "count": 20, "seed": 0, "min_match": 0.0}
        | ({"exclude_song_ids": [*left_out]} if left_out else {})
    )
    made = playlist_generate(request=request, user=user, snapshot=snapshot)
    return sorted(
        (
            (entry.song_id, entry.score * math.exp(TASTE_FACTOR * entry.reason.get("taste", 0.0)))
            for entry in made.entries
        ),
        key=lambda one: (-one[1], one[0]),
    )


def _interval(values: Floats) -> tuple[float, float]:
    """Return the 95% interval of a mean, of a bootstrap over listeners."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(10_000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
