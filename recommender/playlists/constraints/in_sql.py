"""Conditions of songs in SQL, for lists of songs that are no playlists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q

from catalog.models import Library, Song
from mer.prediction import SURE_FROM
from recommender.index.protocol import PLAYABLE, SAME_RECORDING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from django.db.models import QuerySet

    from recommender.index.protocol import Condition

_FIELDS: Final[Mapping[str, str]] = {
    "years": "year",
    "durations": "duration_seconds",
    "libraries": "library",
    "confidences": "current_emotion__confidence",
    "valence": "current_emotion__valence",
    "arousal": "current_emotion__arousal",
}
"""Fields of the songs of `selectors.song_list`, by the columns of the index."""


def in_sql(condition: Condition, genre_names: Sequence[str]) -> Q:
    """Return a condition on the rows of `selectors.song_list`; `genre_names` have the codes."""
    if condition.column == SAME_RECORDING:
        found = same_recordings(condition.any_of or ())
    elif condition.column == "genres":
        found = Q(genre__in=[genre_names[code] for code in condition.any_of or ()])
    elif condition.column == "keys":
        keys = [code - 1 for code in condition.any_of or ()]
        found = Q(estimated_key__in=keys, key_confidence__gte=SURE_FROM)
    elif condition.column == "tempos":
        # A tag of 0 beats is none, as in the index.
        tagged = Q(bpm__gt=0) & _range("bpm", condition)
        estimated = Q(tempo_confidence__gte=SURE_FROM) & _range("estimated_bpm", condition)
        found = tagged | (estimated & (Q(bpm=None) | Q(bpm=0)))
    elif condition == PLAYABLE:
        found = ~Q(library__kind=Library.Kind.TABLE)
    else:
        found = _range(_FIELDS[condition.column], condition)
    return ~found if condition.is_refused else found


def same_recordings(wanted: Collection[int] | QuerySet[Any, Any]) -> Q:
    """Return the condition of the files of the recordings of songs: ids, or a query for them."""
    recordings = Song.objects.filter(pk__in=wanted).exclude(recording=None).order_by()
    return Q(pk__in=wanted) | Q(recording__in=recordings.values("recording"))


def _range(field: str, condition: Condition) -> Q:
    found = Q(**{f"{field}__isnull": False})
    if condition.low is not None:
        found &= Q(**{f"{field}__gte": condition.low})
    if condition.high is not None:
        found &= Q(**{f"{field}__lte": condition.high})
    if condition.any_of is not None:
        found &= Q(**{f"{field}__in": condition.any_of})
    return found
