"""Which songs a list shows and in which order; pages and API share it."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet

from catalog.models import Song
from mer.affect import Quadrant


class _StableOrderingFilter(django_filters.OrderingFilter):  # type: ignore[misc]
    """Ordering that ends with the id, so that every song is on exactly one page."""

    def filter(self, qs: QuerySet[Song], value: list[str] | None) -> QuerySet[Song]:
        ordered: QuerySet[Song] = super().filter(qs, value)
        return ordered.order_by(*(ordered.query.order_by or ("artist", "title")), "id")


class SongFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters the songs of `selectors.song_list`."""

    q = django_filters.CharFilter(method="search", label="Part of title, artist or album")
    status = django_filters.ChoiceFilter(choices=Song.Status.choices)
    artist = django_filters.CharFilter(lookup_expr="iexact")
    genre = django_filters.CharFilter(lookup_expr="iexact")
    quadrant = django_filters.ChoiceFilter(
        field_name="current_emotion__quadrant", choices=[(q.value, q.value) for q in Quadrant]
    )
    ordering = _StableOrderingFilter(
        fields={
            "artist": "artist",
            "title": "title",
            "year": "year",
            "duration_seconds": "duration_seconds",
            "created_at": "created_at",
            "current_emotion__valence": "valence",
            "current_emotion__arousal": "arousal",
        }
    )

    class Meta:
        model = Song
        fields: list[str] = []

    def search(self, queryset: QuerySet[Song], name: str, value: str) -> QuerySet[Song]:
        return queryset.filter(
            Q(title__icontains=value) | Q(artist__icontains=value) | Q(album__icontains=value)
        )
