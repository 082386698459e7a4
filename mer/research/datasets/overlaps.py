"""Check that no training track is a song of the test set.

Two tracks are the same song if one of these holds:

- they have the same id, in one set or in two sets that share ids;
- they have the same artist and title, by `layout.name_key`;
- their texts are equal up to case and spacing;
- ``song_overlaps.csv`` lists the pair.
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

SAME_IDS: Final = {"emomusic": "deam", "msdd": "deezer_va", "merge": "panda4q"}
"""Sets that use the ids of another set. DEAM contains all 744 songs of emoMusic. Songs of MERGE and
panda4q from AllMusic have its ids; MERGE's other ids do not occur in panda4q."""

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
        ``song_overlaps.csv``, pairs of one song in two sets.

    Raises
    ------
    DatasetError
        If a song is in both. The message has the number of such training tracks and one example.
        Also if the list of overlaps is absent or lacks a column.
    """
    if shared := shared_songs(train, test, overlaps=overlaps):
        one = shared[0]
        raise DatasetError(
            f"{len(shared)} of {len(train)} training tracks are songs of the test set, for example "
            f"{one.track_id} of {one.dataset}; remove what shared_songs(train, test) returns"
        )


def shared_songs(
    train: Sequence[Track], test: Sequence[Track], *, overlaps: Path | None = None
) -> list[Track]:
    """Training tracks that are songs of the test set, in the same order; as `check_transfer`."""
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
    """Artist and title of every listed track that has an id; for some sets the list has none."""
    listed: Listed = defaultdict(set)
    columns = ("artist_key", "title_key", "ds_a", "id_a", "ds_b", "id_b")
    for row in read_table(path, columns, licence="none stated"):
        for side in "ab":
            dataset = _LISTED_AS.get(row[f"ds_{side}"], row[f"ds_{side}"])
            if row[f"id_{side}"]:
                key = (dataset, row[f"id_{side}"])
                listed[key].add(("song", row["artist_key"], row["title_key"]))
    return dict(listed)
