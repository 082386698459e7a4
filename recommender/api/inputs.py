"""What the API takes: shapes and plain limits only; the services judge the rest."""

from __future__ import annotations

from typing import Any

import django_filters
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.models import BackgroundJob, Song
from mer.affect import Quadrant
from recommender.models import Playlist
from recommender.playlists.request import (
    MAX_COUNT,
    MAX_EXCLUDED,
    MAX_MOODS,
    MAX_SEED,
    MAX_SEED_SONGS,
    MAX_TEXT_LENGTH,
)


class StrictSerializer(serializers.Serializer[Any]):
    """An input whose unknown fields are errors, so that a misspelt one is not passed over."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                {name: [f"This is not a field; these are: {known}."] for name in unknown}
            )
        return super().to_internal_value(data)


class PointInput(StrictSerializer):
    """A place on the plane; 0.5 is neutral."""

    valence = serializers.FloatField(min_value=0, max_value=1)
    arousal = serializers.FloatField(min_value=0, max_value=1)


class WeightedMoodInput(StrictSerializer):
    name = serializers.CharField(max_length=100)
    weight = serializers.FloatField(min_value=0.01, max_value=100, default=1.0)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "maxLength": 100},
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 100},
                    "weight": {"type": "number", "minimum": 0.01, "maximum": 100, "default": 1},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        ]
    }
)
class MoodField(serializers.Field[Any, Any, Any, Any]):
    """A mood's name, or its name and weight."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        mood = WeightedMoodInput(data={"name": data} if isinstance(data, str) else data)
        mood.is_valid(raise_exception=True)
        return dict(mood.validated_data)


class PlaylistInput(StrictSerializer):
    """A target (at least one of the first five fields; several are blended) and its limits."""

    moods = serializers.ListField(
        child=MoodField(), max_length=MAX_MOODS, required=False, help_text="See /api/v1/moods/."
    )
    point = PointInput(required=False)
    text = serializers.CharField(max_length=MAX_TEXT_LENGTH, required=False)
    song_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1), max_length=MAX_SEED_SONGS, required=False
    )
    history = serializers.BooleanField(
        required=False, help_text="What you have been listening to; needs a login."
    )
    count = serializers.IntegerField(min_value=1, max_value=MAX_COUNT, required=False)
    diversity = serializers.FloatField(
        min_value=0, max_value=1, required=False, help_text="0 best matches, 1 most various."
    )
    seed = serializers.IntegerField(
        min_value=0,
        max_value=MAX_SEED,
        required=False,
        allow_null=True,
        help_text="The same seed over the same catalogue gives the same list.",
    )
    artist_spacing = serializers.IntegerField(
        min_value=0,
        max_value=MAX_COUNT,
        required=False,
        help_text="At least so many songs between two of one artist.",
    )
    max_per_artist = serializers.IntegerField(min_value=1, max_value=MAX_COUNT, required=False)
    genre = serializers.CharField(max_length=200, required=False)
    year_from = serializers.IntegerField(min_value=0, max_value=9999, required=False)
    year_to = serializers.IntegerField(min_value=0, max_value=9999, required=False)
    exclude_song_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1), max_length=MAX_EXCLUDED, required=False
    )
    exclude_heard_days = serializers.IntegerField(min_value=0, max_value=3650, required=False)
    name = serializers.CharField(
        max_length=Playlist._meta.get_field("name").max_length, required=False
    )
    save = serializers.BooleanField(  # type: ignore[assignment]
        required=False, help_text="Keep the list as yours. Default: true with a login."
    )


class ListenInput(StrictSerializer):
    song_id = serializers.IntegerField(min_value=1)
    listened_at = serializers.DateTimeField(required=False, help_text="Default: now.")
    seconds_played = serializers.FloatField(min_value=0, required=False, allow_null=True)


class IngestInput(StrictSerializer):
    path = serializers.CharField(
        max_length=1000, help_text="A folder or file inside one of the catalogue's roots."
    )


class LoginInput(StrictSerializer):
    username = serializers.CharField(
        max_length=get_user_model()._meta.get_field("username").max_length
    )
    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class SimilarInput(serializers.Serializer[Any]):
    """Query of a request for similar songs."""

    count = serializers.IntegerField(min_value=1, max_value=100, default=20)


class _StableOrderingFilter(django_filters.OrderingFilter):  # type: ignore[misc]
    """Ordering that ends with the id, so that no song shows on two pages or on none."""

    def filter(self, qs: QuerySet[Song], value: list[str] | None) -> QuerySet[Song]:
        ordered: QuerySet[Song] = super().filter(qs, value)
        return ordered.order_by(*(ordered.query.order_by or ("artist", "title")), "id")


class SongFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Which songs, and in which order; the pages use it as well."""

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


class JobFilter(django_filters.FilterSet):  # type: ignore[misc]
    kind = django_filters.ChoiceFilter(choices=BackgroundJob.Kind.choices)
    status = django_filters.ChoiceFilter(choices=BackgroundJob.Status.choices)

    class Meta:
        model = BackgroundJob
        fields: list[str] = []
