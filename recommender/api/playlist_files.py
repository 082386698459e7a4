"""Kept playlists as files, in each format of `recommender.exports`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import path
from django.utils.translation import gettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import exceptions
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from recommender import selectors
from recommender.api.base import StrictQuery
from recommender.exports import FORMATS
from recommender.models import Scope
from recommender.playlists import gone_notes, playlist_listed

if TYPE_CHECKING:
    from rest_framework.request import Request

    from recommender.exports import ExportFormat


class ExportRenderer(BaseRenderer):
    """Text that is a playlist file already."""

    charset = "utf-8"

    def render(self, data: str, *_args: object, **_kwargs: object) -> bytes:
        return data.encode()


# Without a docstring, which would be the description of each format in the schema.
class ExportView(StrictQuery, APIView):
    scope = Scope.PLAYLISTS
    export_format: ExportFormat
    http_method_names = ["get", "head"]  # what OPTIONS tells cannot be written in the format

    def get(self, request: Request, pk: str, suffix: str) -> Response:
        playlist = selectors.playlist_list(request.user).filter(pk=pk).first()
        if playlist is None:
            raise exceptions.NotFound(gettext("You have no such playlist."))
        text = self.export_format.write(
            playlist_listed(playlist),
            location=lambda song: (
                reverse("song-audio", args=[song.pk], request=request) if song.has_audio else ""
            ),
            name=playlist.name,
            notes=gone_notes(playlist),
        )
        disposition = f'attachment; filename="playlist-{playlist.pk}.{suffix}"'
        return Response(text, headers={"Content-Disposition": disposition})


def _export_view(export_format: ExportFormat) -> type[ExportView]:
    renderer = type(
        "Renderer",
        (ExportRenderer,),
        {"media_type": export_format.media_type, "format": export_format.suffix},
    )
    view = type(
        "FormatExportView",
        (ExportView,),
        {
            "permission_classes": [IsAuthenticated],
            "renderer_classes": [renderer],
            "export_format": export_format,
        },
    )
    is_json = export_format.media_type.endswith("json")
    content = OpenApiTypes.OBJECT if is_json else OpenApiTypes.STR
    documented = extend_schema(
        summary=f"One of your playlists as {export_format.name}",
        responses={(200, export_format.media_type): content},
    )
    return extend_schema_view(get=documented)(view)


urlpatterns = [
    path(
        f"playlists/<uuid:pk>/export.{suffix}",
        _export_view(export_format).as_view(),
        {"suffix": suffix},
        name="playlist-export",
    )
    for suffix, export_format in FORMATS.items()
]
