"""The moods that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.base import LISTENERS, StrictQuery, unit_field
from recommender.models import Scope
from recommender.moods import MOODS

if TYPE_CHECKING:
    from rest_framework.request import Request


class MoodOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    valence = unit_field()
    arousal = unit_field()
    emotions = serializers.DictField(child=serializers.FloatField())
    aliases = serializers.ListField(child=serializers.CharField())


class MoodListView(StrictQuery, APIView):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ

    @extend_schema(summary="Moods that have a name", responses=MoodOutput(many=True))
    def get(self, request: Request) -> Response:
        return Response(MoodOutput(MOODS.values(), many=True).data)


urlpatterns = [path("moods/", MoodListView.as_view(), name="mood-list")]
