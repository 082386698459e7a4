"""The moods that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from mer.affect import AffectPoint, Quadrant
from recommender.api.base import LISTENERS, StrictQuery, unit_field
from recommender.models import Scope
from recommender.moods import MOODS
from recommender.song_map import mood_counts

if TYPE_CHECKING:
    from rest_framework.request import Request


class MoodOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    valence = unit_field()
    arousal = unit_field()
    quadrant = serializers.ChoiceField(choices=[(q.value, q.value) for q in Quadrant])
    emotions = serializers.DictField(child=serializers.FloatField())
    aliases = serializers.ListField(child=serializers.CharField())
    songs = serializers.IntegerField(help_text="That lie nearer to it than to any other mood.")


class MoodListView(StrictQuery, APIView):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ

    @extend_schema(summary="Moods that have a name", responses=MoodOutput(many=True))
    def get(self, request: Request) -> Response:
        counts = mood_counts()
        moods = [
            {
                "name": mood.name,
                "valence": mood.valence,
                "arousal": mood.arousal,
                "quadrant": AffectPoint(mood.valence, mood.arousal).quadrant,
                "emotions": mood.emotions,
                "aliases": mood.aliases,
                "songs": counts[mood.name],
            }
            for mood in MOODS.values()
        ]
        return Response(MoodOutput(moods, many=True).data)


urlpatterns = [path("moods/", MoodListView.as_view(), name="mood-list")]
