"""Which songs a list shows and in which order; pages and API share it but for the mood.

The page's filter of moods goes by the point of a song, as its rows and the map do
(`selectors.song_list`); `quadrant` of the API goes by the most probable quadrant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import django_filters
from django.db.models import Q

from catalog.files.names import folded
from catalog.models import Song, SongCredit
from catalog.texts import fold, sort_key
from mer.affect import Quadrant
from recommender.search import songs_search

if TYPE_CHECKING:
    from decimal import Decimal

    from django.db.models import QuerySet


_ID: Final[dict[str, Any]] = {"min_value": 1, "max_value": 2**63 - 1, "decimal_places": 0}


class _IdsFilter(django_filters.BaseInFilter, django_filters.NumberFilter):  # type: ignore[misc]
    """Ids with commas between them."""


class _StableOrderingFilter(django_filters.OrderingFilter):  # type: ignore[misc]
    """Ordering that ends with the id, so that every song is on exactly one page."""

    def filter(self, qs: QuerySet[Song], value: list[str] | None) -> QuerySet[Song]:
        ordered: QuerySet[Song] = super().filter(qs, value)
        return ordered.order_by(*(ordered.query.order_by or ("artist_sort", "title_sort")), "id")


class SongFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters the songs of `selectors.song_list`.

    Searching, sorting and comparing ignore case and accents on every database.
    """

    q = django_filters.CharFilter(
        method="search",
        max_length=200,
        label="Words of title, artist or album; all must occur. Near misses if no song has them",
    )
    ids = _IdsFilter(field_name="id", **_ID, label="Songs with these ids")
    status = django_filters.ChoiceFilter(choices=Song.Status.choices)
    artist = django_filters.CharFilter(method="by_artist", max_length=300)
    genre = django_filters.CharFilter(method="by_genre", max_length=200)
    artist_id = django_filters.NumberFilter(
        method="by_credit",
        **_ID,
        label="Songs that credit the artist",
    )
    album_id = django_filters.NumberFilter(
        field_name="album_entry_id",
        **_ID,
        label="Songs of the album",
    )
    quadrant = django_filters.ChoiceFilter(
        field_name="current_emotion__quadrant",
        choices=[(q.value, q.value) for q in Quadrant],
        label="Songs whose most probable quadrant this is; their point may lie in another",
    )
    ordering = _StableOrderingFilter(
        fields={
            "artist_sort": "artist",
            "title_sort": "title",
            "album_sort": "album",
            "year": "year",
            "duration_seconds": "duration_seconds",
            "created_at": "created_at",
            "current_emotion__valence": "valence",
            "current_emotion__arousal": "arousal",
        }
    )
    is_near = False
    """Whether the songs are near misses, because no song has all words of `q`."""

    class Meta:
        model = Song
        fields: list[str] = []

    def search(self, queryset: QuerySet[Song], name: str, value: str) -> QuerySet[Song]:
        found, self.is_near = songs_search(queryset, value)
        return found

    def by_artist(self, queryset: QuerySet[Song], name: str, value: str) -> QuerySet[Song]:
        return queryset.filter(artist_sort=sort_key(value))

    def by_credit(self, queryset: QuerySet[Song], name: str, value: Decimal) -> QuerySet[Song]:
        credited = SongCredit.objects.filter(artist_id=int(value)).values("song_id")
        return queryset.filter(pk__in=credited)

    def by_genre(self, queryset: QuerySet[Song], name: str, value: str) -> QuerySet[Song]:
        # A catalogue has few texts of genres, so they are compared here; `genres` has their parts.
        genres = Song.objects.order_by().values_list("genre", flat=True).distinct()
        wanted = fold(value)
        equal = [genre for genre in genres if fold(genre) == wanted]
        part = Song.genres.through.objects.filter(genre__key=folded(value)).values("song_id")
        return queryset.filter(Q(genre__in=equal) | Q(pk__in=part))
