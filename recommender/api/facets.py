"""The values that constraints of a playlist take here, with the numbers of songs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.base import LISTENERS, StrictQuery
from recommender.models import Scope
from recommender.playlists.facets import playlist_facets

if TYPE_CHECKING:
    from rest_framework.request import Request


class FacetOutput(serializers.Serializer[Any]):
    value = serializers.CharField()
    songs = serializers.IntegerField(help_text="Songs that lists may have.")


class FacetsOutput(serializers.Serializer[Any]):
    genres = FacetOutput(many=True, help_text="The most frequent first.")
    decades = FacetOutput(many=True, help_text="In order, such as 1990.")


class FacetsView(StrictQuery, APIView):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ

    @extend_schema(summary="Genres and decades of the songs, with counts", responses=FacetsOutput)
    def get(self, request: Request) -> Response:
        return Response(FacetsOutput(playlist_facets()).data)


urlpatterns = [path("facets/", FacetsView.as_view(), name="facets")]
