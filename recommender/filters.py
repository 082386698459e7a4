"""Which songs a list shows and in which order; pages and API share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django_filters

from catalog.models import Song
from catalog.texts import fold, sort_key
from mer.affect import Quadrant
from recommender.search import songs_search

if TYPE_CHECKING:
    from django.db.models import QuerySet


class _StableOrderingFilter(django_filters.OrderingFilter):  # type: ignore[misc]
    """Ordering that ends with the id, so that every song is on exactly one page."""

    def filter(self, qs: QuerySet[Song], value: list[str] | None) -> QuerySet[Song]:
        ordered: QuerySet[Song] = super().filter(qs, value)
        return ordered.order_by(*(ordered.query.order_by or Song._meta.ordering), "id")


class SongFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters the songs of `selectors.song_list`.

    Searching, sorting and comparing ignore case and accents on every database.
    """

    q = django_filters.CharFilter(
        method="search",
        max_length=200,
        label="Words of title, artist or album; all must occur. Near misses if no song has them",
    )
    status = django_filters.ChoiceFilter(choices=Song.Status.choices)
    artist = django_filters.CharFilter(method="by_artist", max_length=300)
    genre = django_filters.CharFilter(method="by_genre", max_length=200)
    quadrant = django_filters.ChoiceFilter(
        field_name="current_emotion__quadrant", choices=[(q.value, q.value) for q in Quadrant]
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

    def by_genre(self, queryset: QuerySet[Song], name: str, value: str) -> QuerySet[Song]:
        # A catalogue has few genres, so they are compared here.
        genres = Song.objects.order_by().values_list("genre", flat=True).distinct()
        wanted = fold(value)
        return queryset.filter(genre__in=[genre for genre in genres if fold(genre) == wanted])
