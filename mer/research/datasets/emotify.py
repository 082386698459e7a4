"""Emotify: excerpts of four genres with the feelings that players of a game marked (GEMS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mer.affect import GEMS, UNIT
from mer.errors import DatasetError
from mer.research.datasets.base import (
    AffectLabels,
    AnnotationKind,
    Track,
    audio_file,
    parse_rating,
    parse_split,
    read_table,
)
from mer.research.datasets.layout import find_audio, hash_split, plain_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LICENCE: Final = "none stated; research use"
CITATION: Final = (
    "Aljanaki, Wiering & Veltkamp (2016), Studying emotion induced by music through a "
    "crowdsourcing game, Information Processing & Management 52(1), 115-128."
)
SCALE: Final = UNIT
"""The labels are marks, not ratings: a player marks up to three of nine feelings."""
ANNOTATION_KIND: Final[AnnotationKind] = "induced"

GENRES: Final = ("classical", "rock", "electronic", "pop")
"""Folders of the recordings, 100 songs each; song numbers run through them in this order."""

_SONGS_A_GENRE: Final = 100


def load(root: Path) -> list[Track]:
    """Excerpts with the share of the players who felt each of `GEMS`, and the number of players.

    Excerpts without any mark are left out. The release has no split and no artist, so
    `layout.hash_split` divides its songs; a table of shares has its own split.

    Parameters
    ----------
    root : Path
        Holds ``emotify/`` with one of two layouts. As released: ``data.csv``, one row a player and
        song, and optionally ``emotifymusic/GENRE/NUMBER.mp3``. As shares: ``songs.csv``, one row a
        song, and ``audio/ID.opus``; it is used where both are present.

    Raises
    ------
    DatasetError
        If the table or a clip beside a table of shares is absent, or a cell is not as expected.
    """
    folder = root / "emotify"
    return _shares(folder) if (folder / "songs.csv").is_file() else _released(folder)


def _shares(folder: Path) -> list[Track]:
    path = folder / "songs.csv"
    tracks = []
    columns = ("id", "genre", "raters", "split", *GEMS)
    for number, row in enumerate(read_table(path, columns, licence=LICENCE), start=2):
        where = f"{path}, line {number}"
        felt = tuple(
            parse_rating(row[name], low=0.0, high=1.0, where=f"{where}, column {name}")
            for name in GEMS
        )
        if total := sum(felt):
            tracks.append(
                Track(
                    dataset="emotify",
                    track_id=plain_id(row["id"], where=f"{where}, column id"),
                    split=parse_split(row["split"], where=f"{where}, column split"),
                    labels=AffectLabels(
                        gems=tuple(share / total for share in felt),
                        felt=felt,
                        raters=int(plain_id(row["raters"], where=f"{where}, column raters")),
                    ),
                    audio_path=audio_file(folder / "audio" / f"{row['id']}.opus"),
                    genres=(row["genre"],),
                )
            )
    return tracks


def _released(folder: Path) -> list[Track]:
    path = folder / "data.csv"
    marks: dict[str, list[tuple[int, ...]]] = {}
    genres: dict[str, str] = {}
    for number, row in enumerate(
        read_table(path, ("track id", "genre", *GEMS), licence=LICENCE), start=2
    ):
        where = f"{path}, line {number}"
        song_id = plain_id(row["track id"], where=f"{where}, column track id")
        if row["genre"] not in GENRES:
            raise DatasetError(
                f"{where}, column genre: {row['genre']!r} is not one of {', '.join(GENRES)}"
            )
        genres[song_id] = row["genre"]
        marks.setdefault(song_id, []).append(_marks(row, where=where))
    return [
        _track(folder, song_id, genres[song_id], players)
        for song_id, players in marks.items()
        if any(map(any, players))
    ]


def _marks(row: Mapping[str, str], *, where: str) -> tuple[int, ...]:
    for name in GEMS:
        if row[name] not in {"0", "1"}:
            raise DatasetError(f"{where}, column {name}: {row[name]!r} is not 0 or 1")
    return tuple(int(row[name]) for name in GEMS)


def _track(folder: Path, song_id: str, genre: str, players: Sequence[tuple[int, ...]]) -> Track:
    counts = [sum(column) for column in zip(*players, strict=True)]
    number = (int(song_id) - 1) % _SONGS_A_GENRE + 1
    return Track(
        dataset="emotify",
        track_id=song_id,
        split=hash_split(f"emotify {song_id}"),
        labels=AffectLabels(
            gems=tuple(count / sum(counts) for count in counts),
            felt=tuple(count / len(players) for count in counts),
            raters=len(players),
        ),
        audio_path=find_audio(folder / "emotifymusic" / genre, str(number)),
        genres=(genre,),
    )
