"""What a request that leaves no song could do without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recommender.index import index_snapshot
from recommender.playlists.constraints import CONSTRAINTS, allowed_rows
from recommender.playlists.worded import worded

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from recommender.playlists.request import PlaylistRequest


@dataclass(frozen=True, slots=True)
class WayOut:
    """A constraint that can be left out, and the number of songs that are then allowed.

    `songs` is None where to count them would take a search.
    """

    noun: str
    inputs: tuple[str, ...]
    """Its names in an address."""
    songs: int | None


def ways_out(*, request: PlaylistRequest, user: User | AnonymousUser | None) -> list[WayOut]:
    """Return the constraints that a request sets, the one that keeps the most songs out first."""
    words = worded(request)
    snapshot = index_snapshot()
    is_counted = snapshot.source is None and not words.filters and not words.exclusions
    found = []
    for constraint in CONSTRAINTS:
        if constraint.is_by_default or not constraint.is_active(request):
            continue
        songs = None
        if is_counted:
            allowed, _ = allowed_rows(snapshot, request, user, [constraint])
            songs = int(allowed.sum())
        inputs = tuple(name for field in constraint.fields() for name in field.inputs)
        found.append(WayOut(constraint.noun, inputs, songs))
    return sorted(found, key=lambda way: -(way.songs or 0))
