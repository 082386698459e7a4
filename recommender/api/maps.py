"""The map of the songs: whole or in tiles, in bytes or as JSON."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.views import APIView

from recommender import song_map
from recommender.api.base import LISTENERS, StrictQuery, unit_field, valid_data
from recommender.models import Scope

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

    from recommender.song_map import SongMap

_COLUMNS: Final = (
    "Then three columns in the order of ids: the distance to the id before (uint32), valence and "
    "arousal (uint16, of which 65,535 is 1)."
)
MAP_WORDS: Final = (
    "Little-endian numbers. First `ASM1`, the number of songs here and that of all songs (uint32 "
    f"each). {_COLUMNS} Of more than {song_map.MAP_SONGS} songs these are an even choice. With "
    "`form=json` the same is JSON. The ETag changes when the map does."
)


class FormInput(serializers.Serializer[Any]):
    form = serializers.ChoiceField(
        choices=["binary", "json"], default="binary", help_text="The form of the answer."
    )


class MapOutput(serializers.Serializer[Any]):
    """One number a song in each of the lists."""

    total = serializers.IntegerField(help_text="Songs of the whole map, or of the tile.")
    ids = serializers.ListField(child=serializers.IntegerField())
    valence = serializers.ListField(child=unit_field())
    arousal = serializers.ListField(child=unit_field())


MAP_RESPONSES: Final = {
    (200, "application/octet-stream"): OpenApiTypes.BINARY,
    (200, "application/json"): MapOutput,
}


def map_answer(made: SongMap, request: Request) -> HttpResponseBase:
    """Answer with a map in the form that is asked for; 304 where the client has it."""
    form = valid_data(FormInput(data=request.query_params.dict()))["form"]
    is_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
    is_json = form == "json"
    etag = f'"{made.etag}{"-json" if is_json else ""}{"-gzip" if is_gzip else ""}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    not_changed = get_conditional_response(request._request, etag=etag)
    if not_changed is not None and not_changed.status_code == 304:
        return HttpResponse(status=304, headers=headers)
    if is_json:
        whole: HttpResponse = JsonResponse(song_map.map_in_lists(made), headers=headers)
    else:
        whole = HttpResponse(made.body, "application/octet-stream", headers=headers)
    if is_gzip:
        packed = gzip.compress(whole.content, 1, mtime=0) if is_json else made.compressed
        whole.content = packed
        whole.headers["Content-Encoding"] = "gzip"
    return get_conditional_response(request._request, etag=etag, response=whole) or whole


class MapTileView(StrictQuery, APIView):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ
    action = "read"
    query_inputs = {"read": FormInput}

    @extend_schema(
        summary="A tile of the map",
        description=(
            "The plane has 2^zoom tiles along each side; tile 0, 0 has the least valence and "
            f"arousal. A tile has at most {song_map.TILE_SONGS} of its songs, an even choice. They "
            "are also in the tiles inside it. Little-endian numbers. First `AST1`, the "
            f"number of songs here and that of all songs of the tile (uint32 each). {_COLUMNS}"
        ),
        parameters=[
            FormInput,
            OpenApiParameter("zoom", {"type": "integer", "minimum": 0, "maximum": 16}, "path"),
            OpenApiParameter("column", {"type": "integer", "minimum": 0}, "path"),
            OpenApiParameter("row", {"type": "integer", "minimum": 0}, "path"),
        ],
        responses={
            **MAP_RESPONSES,
            404: OpenApiResponse(description="There is no such tile."),
        },
    )
    def get(self, request: Request, zoom: int, column: int, row: int) -> HttpResponseBase:
        if zoom > song_map.MOST_ZOOM or max(column, row) >= 2**zoom:
            raise NotFound
        return map_answer(song_map.map_tile(zoom, column, row), request)


urlpatterns = [
    path(
        "songs/map/tiles/<int:zoom>/<int:column>/<int:row>/",
        MapTileView.as_view(),
        name="map-tile",
    ),
]
