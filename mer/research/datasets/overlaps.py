"""Guards of transfer: no song that a model is tested on may be among those it was trained on.

Two tracks are one song when they have one id in sets that share ids, one artist and title, equal
texts but for case and spacing, or are a pair of ``song_overlaps.csv``.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from mer.errors import DatasetError
from mer.research.datasets.base import read_table
from mer.research.datasets.layout import name_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mer.research.datasets.base import Track

SAME_IDS: Final = {"emomusic": "deam", "msdd": "deezer_va"}
"""Sets whose ids are those of another: DEAM holds all 744 songs of emoMusic."""

_LISTED_AS: Final = {"gemslyrics": "gems_lyrics", "deezer": "deezer_va", "moody": "moodylyrics"}

Identity = tuple[str, ...]
Listed = dict[tuple[str, str], set[Identity]]


def check_transfer(
    train: Sequence[Track], test: Sequence[Track], *, overlaps: Path | None = None
) -> None:
    """Refuse a run that trains on songs of its test set.

    Parameters
    ----------
    train, test : sequence of Track
        Of any sets.
    overlaps : Path or None
        ``song_overlaps.csv``, pairs of one song in two sets; without it such pairs are found by
        artist and title alone.

    Raises
    ------
    DatasetError
        If a song is in both; says how many training tracks that concerns, names one, and how to
        remove them. Also if the list of overlaps is absent or lacks a column.
    """
    if shared := _shared(train, test, overlaps):
        one = shared[0]
        raise DatasetError(
            f"{len(shared)} of {len(train)} training tracks are songs of the test set, for example "
            f"{one.track_id} of {one.dataset}; remove them with without_shared(train, test)"
        )


def without_shared(
    train: Sequence[Track], test: Sequence[Track], *, overlaps: Path | None = None
) -> list[Track]:
    """Training tracks that are no song of the test set, in the same order.

    Parameters
    ----------
    train, test : sequence of Track
        Of any sets.
    overlaps : Path or None
        As for `check_transfer`.

    Raises
    ------
    DatasetError
        If the list of overlaps is absent or lacks a column.
    """
    shared = {id(track) for track in _shared(train, test, overlaps)}
    return [track for track in train if id(track) not in shared]


def _shared(train: Sequence[Track], test: Sequence[Track], overlaps: Path | None) -> list[Track]:
    listed = _read_overlaps(overlaps) if overlaps else {}
    held: set[Identity] = set()
    for track in test:
        held |= _identities(track, listed)
    return [track for track in train if not held.isdisjoint(_identities(track, listed))]


def _identities(track: Track, listed: Mapping[tuple[str, str], set[Identity]]) -> set[Identity]:
    found: set[Identity] = {
        ("id", SAME_IDS.get(track.dataset, track.dataset), track.track_id),
        *listed.get((track.dataset, track.track_id), set()),
    }
    if track.artist and track.title:
        found.add(("song", name_key(track.artist), name_key(track.title)))
    if text := " ".join((track.lyrics or "").casefold().split()):
        found.add(("text", text))
    return found


def _read_overlaps(path: Path) -> Listed:
    """Artist and title of every listed track; the list has no ids for some sets."""
    listed: Listed = defaultdict(set)
    columns = ("artist_key", "title_key", "ds_a", "id_a", "ds_b", "id_b")
    for row in read_table(path, columns, licence="none stated"):
        for side in "ab":
            dataset = _LISTED_AS.get(row[f"ds_{side}"], row[f"ds_{side}"])
            if row[f"id_{side}"]:
                key = (dataset, row[f"id_{side}"])
                listed[key].add(("song", row["artist_key"], row["title_key"]))
    return dict(listed)
