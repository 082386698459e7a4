"""Playlists: make, keep, read, delete, export."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import exceptions, mixins, serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from mer.prediction import MODALITIES
from recommender import selectors
from recommender.api.base import LISTENERS, StrictSerializer, account, unit_field, valid_data
from recommender.api.songs import SongOutput
from recommender.exports.m3u8 import playlist_m3u8
from recommender.models import Playlist
from recommender.playlists import generate as playlists
from recommender.playlists.request import (
    MAX_COUNT,
    MAX_EXCLUDED,
    MAX_MOODS,
    MAX_SEED,
    MAX_SEED_SONGS,
    MAX_TEXT_LENGTH,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer


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


class ReasonOutput(serializers.Serializer[Any]):
    distance = serializers.FloatField(help_text="From the target on the plane.")
    valence = unit_field()
    arousal = unit_field()
    shared_emotions = serializers.ListField(child=serializers.CharField())
    modality = serializers.ChoiceField(choices=[(m, m) for m in MODALITIES])
    sentence = serializers.CharField()


class EntryOutput(serializers.Serializer[Any]):
    position = serializers.IntegerField(help_text="Counted from 0.")
    score = unit_field(help_text="How well it matches the target.")
    reason = ReasonOutput()
    song = SongOutput()


class PlaylistSummaryOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    entry_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class PlaylistOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    request = serializers.DictField(help_text="POST it again, with the seed, for the same list.")
    seed = serializers.IntegerField()
    model_version = serializers.CharField()
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="What to know of it, in words."
    )
    entries = EntryOutput(many=True)


class TargetOutput(serializers.Serializer[Any]):
    """What the request came to."""

    valence = unit_field()
    arousal = unit_field()
    emotions = serializers.DictField(child=serializers.FloatField())


class GeneratedPlaylistOutput(PlaylistOutput):
    id = serializers.UUIDField(allow_null=True, help_text="Null if the list is not kept.")
    created_at = serializers.DateTimeField(allow_null=True)
    target = TargetOutput()


@extend_schema_view(
    list=extend_schema(summary="Your playlists", responses=PlaylistSummaryOutput(many=True)),
    retrieve=extend_schema(summary="One of your playlists", responses=PlaylistOutput),
    destroy=extend_schema(summary="Delete one of your playlists"),
)
class PlaylistViewSet(
    mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[Playlist]
):
    permission_classes = [IsAuthenticated]
    queryset = Playlist.objects.none()
    serializer_class = PlaylistSummaryOutput

    def get_permissions(self) -> Sequence[Any]:
        if self.action == "create":
            return [permission() for permission in LISTENERS]
        return super().get_permissions()

    def get_queryset(self) -> QuerySet[Playlist]:
        return selectors.playlist_list(self.request.user)

    def retrieve(self, request: Request, pk: str) -> Response:
        playlist = self.get_object()
        return Response(self._output(PlaylistOutput, _kept_answer(playlist)))

    @extend_schema(
        summary="Make a playlist",
        description="With a login the list is kept as yours, unless `save` is false.",
        request=PlaylistInput,
        responses={
            200: OpenApiResponse(GeneratedPlaylistOutput, "Made, not kept."),
            201: OpenApiResponse(GeneratedPlaylistOutput, "Made and kept."),
        },
    )
    def create(self, request: Request) -> Response:
        data = valid_data(PlaylistInput(data=request.data))
        name = data.pop("name", "")
        is_kept = data.pop("save", request.user.is_authenticated)
        if is_kept and not request.user.is_authenticated:
            raise exceptions.NotAuthenticated("Log in to keep a playlist, or leave `save` out.")
        generated = playlists.playlist_generate(
            request=playlists.PlaylistRequest.from_json(data), user=request.user
        )
        kept = None
        if is_kept:
            kept = playlists.playlist_save(user=account(request), generated=generated, name=name)
        answer = _generated_answer(generated, kept, name)
        return Response(
            self._output(GeneratedPlaylistOutput, answer),
            status=HTTPStatus.OK if kept is None else HTTPStatus.CREATED,
        )

    def _output(self, serializer: type[BaseSerializer[Any]], answer: dict[str, Any]) -> Any:
        return serializer(answer, context=self.get_serializer_context()).data


def _kept_answer(playlist: Playlist) -> dict[str, Any]:
    entries = list(playlists.playlist_entries(playlist=playlist))
    songs = selectors.songs_by_id(entry.song_id for entry in entries)
    return {
        "id": playlist.pk,
        "name": playlist.name,
        "created_at": playlist.created_at,
        "request": playlist.request,
        "seed": playlist.seed,
        "model_version": playlist.model_version,
        "notes": playlist.notes,
        "entries": [
            {
                "position": entry.position,
                "score": entry.score,
                "reason": entry.reason,
                "song": songs[entry.song_id],
            }
            for entry in entries
            if entry.song_id in songs
        ],
    }


def _generated_answer(
    generated: playlists.GeneratedPlaylist, kept: Playlist | None, name: str
) -> dict[str, Any]:
    songs = selectors.songs_by_id(entry.song_id for entry in generated.entries)
    return {
        "id": kept and kept.pk,
        "name": kept.name if kept else name or playlists.playlist_name(generated.request),
        "created_at": kept and kept.created_at,
        "request": generated.request.to_json(),
        "seed": generated.seed,
        "model_version": generated.model_version,
        "target": generated,
        "notes": generated.notes,
        "entries": [
            {
                "position": position,
                "score": entry.score,
                "reason": entry.reason,
                "song": songs[entry.song_id],
            }
            for position, entry in enumerate(generated.entries)
            if entry.song_id in songs
        ],
    }


class M3U8Renderer(BaseRenderer):
    """Text that is a playlist file already."""

    media_type = "audio/x-mpegurl"
    format = "m3u8"
    charset = "utf-8"

    def render(self, data: str, *_args: object, **_kwargs: object) -> bytes:
        return data.encode()


class PlaylistExportView(APIView):
    permission_classes = [IsAuthenticated]
    renderer_classes = [M3U8Renderer]

    @extend_schema(
        summary="One of your playlists as M3U8",
        responses={(200, "audio/x-mpegurl"): OpenApiTypes.STR},
    )
    def get(self, request: Request, pk: str) -> Response:
        playlist = selectors.playlist_list(request.user).filter(pk=pk).first()
        if playlist is None:
            raise exceptions.NotFound("You have no such playlist.")
        text = playlist_m3u8(
            songs=[entry.song for entry in playlists.playlist_entries(playlist=playlist)],
            location=lambda song: reverse("song-audio", args=[song.pk], request=request),
            name=playlist.name,
        )
        disposition = f'attachment; filename="playlist-{playlist.pk}.m3u8"'
        return Response(text, headers={"Content-Disposition": disposition})


_router = SimpleRouter()
_router.register("playlists", PlaylistViewSet, basename="playlist")
urlpatterns = [
    *_router.urls,
    path(
        "playlists/<uuid:pk>/export.m3u8",
        PlaylistExportView.as_view(),
        name="playlist-export",
    ),
]
