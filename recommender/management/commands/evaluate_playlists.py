"""`manage.py evaluate_playlists`: answer the queries of a playlist suite, to be scored later."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.models import Library, Song, SongEmotion
from catalog.results import embedding_to_bytes
from mer.affect import EMOTIONS, QUADRANTS, AffectPoint
from mer.files import written_aside
from recommender.errors import PlaylistRequestError
from recommender.index import index_snapshot_of
from recommender.playlists import PlaylistRequest, playlist_generate

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

COUNT: Final = 20
_ARRAYS: Final = ("songs", "affect", "quadrants", "emotions", "fused")
_HELP: Final = "make it with: python -m mer.research playlists prepare"
Row = dict[str, str]


class Command(BaseCommand):
    help = (
        "Answer the queries of a playlist suite with the recommender, in a temporary database. "
        "Score the lists with: python -m mer.research playlists score"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("suite", type=Path, help="folder of songs.csv and queries.csv")
        parser.add_argument(
            "--predictions",
            type=Path,
            metavar="FILE",
            help="arrays of the songs' emotions (default: predictions/all.npz of the suite)",
        )
        parser.add_argument(
            "--out",
            type=Path,
            metavar="FILE",
            help="where the lists go (default: runs/affetti.csv of the suite)",
        )
        parser.add_argument(
            "--diversity", type=float, metavar="D", help="of every request (default: the request's)"
        )
        parser.add_argument(
            "--here",
            action="store_true",
            help="use the configured database, which must be empty, and leave the songs there",
        )

    def handle(self, *args: object, **options: Any) -> None:
        suite: Path = options["suite"]
        predictions = options["predictions"] or suite / "predictions" / "all.npz"
        out = options["out"] or suite / "runs" / "affetti.csv"
        if not options["here"]:
            self._elsewhere(suite, predictions, out, options["diversity"])
            return
        call_command("migrate", verbosity=0)
        if Song.objects.exists():
            raise CommandError("The database has songs; leave --here out to use another one")
        tuning = {} if options["diversity"] is None else {"diversity": options["diversity"]}
        songs, queries = _table(suite / "songs.csv"), _table(suite / "queries.csv")
        found = SuiteCatalogue.filled(songs, _arrays(predictions))
        count = _write(out, found.answers(queries, tuning))
        self.stdout.write(f"{out}: {count} songs")

    def _elsewhere(
        self, suite: Path, predictions: Path, out: Path, diversity: float | None
    ) -> None:
        """Run the command again with a database and an index below a temporary folder."""
        paths = [suite, "--predictions", predictions, "--out", out]
        command = [sys.executable, "-m", "recommender", "evaluate_playlists", *map(str, paths)]
        if diversity is not None:
            command += ["--diversity", str(diversity)]
        with tempfile.TemporaryDirectory() as folder:
            changed = {
                "AFFETTI_VAR_DIR": folder,
                "DATABASE_URL": f"sqlite:///{folder}/suite.sqlite3",
                "AFFETTI_INDEX_DIR": f"{folder}/index",
            }
            # S603: this command again; the paths are arguments of their own.
            ended = subprocess.run(  # noqa: S603
                [*command, "--here"], env=os.environ | changed, check=False
            )
        if ended.returncode:
            raise CommandError(f"The lists were not made (exit code {ended.returncode}); see above")


@dataclass(frozen=True, slots=True)
class SuiteCatalogue:
    """The songs of a suite in the database; each catalogue of it is a model version of its own."""

    ids: Mapping[str, int]
    catalogues: Mapping[str, str]
    groups: Mapping[str, str]
    versions: Mapping[str, str]

    @classmethod
    def filled(
        cls, songs: Sequence[Row], arrays: Mapping[str, NDArray[np.float32]]
    ) -> SuiteCatalogue:
        """Write songs and emotions. A song without a prediction is left out."""
        rows = {str(name): row for row, name in enumerate(arrays["songs"].tolist())}
        songs = [song for song in songs if song["song"] in rows]
        library = Library.objects.create(name="playlist suite", root="/nowhere/playlist-suite")
        Song.objects.bulk_create(
            (_song(song, number, library) for number, song in enumerate(songs)), batch_size=500
        )
        keys = dict(Song.objects.values_list("relative_path", "pk"))
        ids = {song["song"]: keys[str(number)] for number, song in enumerate(songs)}
        names = sorted({song.get("catalogue", "") for song in songs})
        versions = {name: f"suite-{number:08x}" for number, name in enumerate(names)}
        SongEmotion.objects.bulk_create(
            (
                _emotion(
                    ids[song["song"]],
                    versions[song.get("catalogue", "")],
                    {name: arrays[name][rows[song["song"]]] for name in _ARRAYS[1:]},
                )
                for song in songs
            ),
            batch_size=500,
        )
        return cls(
            ids,
            {song["song"]: song.get("catalogue", "") for song in songs},
            {song["song"]: song.get("group") or song["song"] for song in songs},
            versions,
        )

    def answers(
        self, queries: Sequence[Row], tuning: Mapping[str, object]
    ) -> Iterator[tuple[object, ...]]:
        """Yield the rows of the run: query, rank by score, song, position in the list, score."""
        names = {song_id: name for name, song_id in self.ids.items()}
        snapshots = {
            catalogue: index_snapshot_of(version) for catalogue, version in self.versions.items()
        }
        for query in tqdm(queries, desc="lists", unit="query"):
            target = self._target(query)
            seed = query.get("song", "")
            catalogue = query.get("catalogue") or self.catalogues.get(seed, "")
            if target is None or catalogue not in snapshots:
                continue
            try:
                made = playlist_generate(
                    # Measures compare lists of one length, so weaker matches are in them.
                    request=PlaylistRequest.from_json(
                        {"count": COUNT, "seed": 0, "min_match": 0.0, **target, **tuning}
                    ),
                    snapshot=snapshots[catalogue],
                )
            except PlaylistRequestError as error:
                self._report(query["query"], error)
                continue
            placed = [
                (-entry.score, position, entry.song_id, entry.score)
                for position, entry in enumerate(made.entries, start=1)
            ]
            for rank, (_, position, song_id, score) in enumerate(sorted(placed), start=1):
                yield query["query"], rank, names[song_id], position, f"{score:.6f}"

    def _target(self, query: Row) -> dict[str, object] | None:
        """Return the fields of the request as JSON; None for what cannot be asked."""
        seed = query.get("song", "")
        if seed:
            if seed not in self.ids:
                return None
            group = self.groups[seed]
            others = [
                song_id
                for name, song_id in self.ids.items()
                if self.groups[name] == group
                and self.catalogues[name] == self.catalogues[seed]
                and name != seed
            ]
            return {"song_ids": [self.ids[seed]], "exclude_song_ids": others}
        if query.get("mood"):
            return {"moods": [query["mood"]]}
        if query.get("path"):
            stops = [_point(*stop.split()) for stop in query["path"].split(";")]
            return {"journey": [{"point": stop} for stop in stops]}
        if query.get("valence") and query["kind"] == "point":
            return {"point": _point(query["valence"], query["arousal"])}
        return None

    @staticmethod
    def _report(query: str, error: PlaylistRequestError) -> None:
        tqdm.write(f"{query}: {error}", file=sys.stderr)


def _point(valence: str, arousal: str) -> dict[str, float]:
    return {"valence": float(valence), "arousal": float(arousal)}


def _song(row: Row, number: int, library: Library) -> Song:
    artist = row.get("group") or row["song"]
    return Song(
        content_sha256=f"{number:064x}",
        library=library,
        relative_path=str(number),
        file_size_bytes=1,
        file_mtime_ns=1,
        title=row.get("title", "")[:300],
        artist=artist[:300],
        artist_key=artist[:300],
        genre=row.get("genres", "")[:200],
        year=int(row["year"]) if row.get("year", "").isdigit() else None,
        status=Song.Status.ANALYSED,
    )


def _emotion(song_id: int, version: str, arrays: Mapping[str, NDArray[np.float32]]) -> SongEmotion:
    valence, arousal = (float(value) for value in arrays["affect"])
    quadrants = dict(zip(QUADRANTS, arrays["quadrants"].tolist(), strict=True))
    return SongEmotion(
        song_id=song_id,
        model_version=version,
        valence=valence,
        arousal=arousal,
        quadrant=AffectPoint(valence, arousal).quadrant,
        quadrants=quadrants,
        emotions=dict(zip(EMOTIONS, arrays["emotions"].tolist(), strict=True)),
        confidence=max(quadrants.values()),
        gates={"audio": 1.0, "lyrics": 0.0, "context": 0.0},
        timeline=[],
        fused_embedding=embedding_to_bytes(arrays["fused"]),
    )


def _table(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}; {_HELP}") from error


def _arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"{path} has no predictions: {error}; {_HELP}") from error


def _write(path: Path, rows: Iterable[tuple[object, ...]]) -> int:
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("query", "rank", "song", "position", "score"))
        for row in rows:
            table.writerow(row)
            count += 1
    return count
