"""API v1: thin views; input serializer, then a service or selector, then output serializer.

Whoever may call a view is stated on it; the default is nobody without a login.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from knox.models import get_token_model
from rest_framework import exceptions, mixins, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from catalog.ingest.run import ingest_start
from catalog.models import BackgroundJob, Song
from recommender import history, selectors
from recommender.access import IsListener, LoginThrottle
from recommender.api import inputs, outputs
from recommender.api.reading import TokenAuthentication
from recommender.exports.m3u8 import playlist_m3u8
from recommender.models import Listen, Playlist
from recommender.moods import MOODS
from recommender.playlists import generate as playlists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer


_LISTENERS: Final = [AllowAny, IsListener]
"""Both must agree; the first tells the schema that a login is not always needed."""


def _owner(request: Request) -> User:
    """Return who is logged in, in views for which somebody must be."""
    return cast("User", request.user)


def _valid(serializer: BaseSerializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


@extend_schema_view(
    list=extend_schema(summary="Songs"), retrieve=extend_schema(summary="A song and its emotion")
)
class SongViewSet(viewsets.ReadOnlyModelViewSet[Song]):
    permission_classes = _LISTENERS
    queryset = Song.objects.none()
    filterset_class = inputs.SongFilter

    def get_queryset(self) -> QuerySet[Song]:
        return selectors.song_list()

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return outputs.SongOutput if self.action == "list" else outputs.SongDetailOutput

    @extend_schema(
        summary="Songs that sound and read alike",
        parameters=[inputs.SimilarInput],
        responses=outputs.SimilarSongOutput(many=True),
        filters=False,
    )
    @action(detail=True, pagination_class=None)
    def similar(self, request: Request, pk: str) -> Response:
        query = _valid(inputs.SimilarInput(data=request.query_params))
        song = self.get_object()
        found = playlists.songs_similar(song_id=song.pk, k=query["count"])
        songs = selectors.songs_by_id(match.song_id for match in found)
        answer = [
            {"song": songs[match.song_id], "similarity": match.similarity}
            for match in found
            if match.song_id in songs
        ]
        output = outputs.SimilarSongOutput(answer, many=True, context={"request": request})
        return Response(output.data)

    @extend_schema(
        summary="Places of the songs on the plane",
        description=f"At most {selectors.MAP_SONGS} songs; an even choice of a larger catalogue.",
        responses=outputs.SongMapOutput,
        filters=False,
    )
    @action(detail=False, pagination_class=None)
    def map(self, request: Request) -> Response:
        return Response(outputs.SongMapOutput({"songs": selectors.song_map()}).data)


class MoodListView(APIView):
    permission_classes = _LISTENERS

    @extend_schema(summary="Moods that have a name", responses=outputs.MoodOutput(many=True))
    def get(self, request: Request) -> Response:
        return Response(outputs.MoodOutput(MOODS.values(), many=True).data)


@extend_schema_view(
    list=extend_schema(
        summary="Your playlists", responses=outputs.PlaylistSummaryOutput(many=True)
    ),
    retrieve=extend_schema(summary="One of your playlists", responses=outputs.PlaylistOutput),
    destroy=extend_schema(summary="Delete one of your playlists"),
)
class PlaylistViewSet(
    mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[Playlist]
):
    permission_classes = [IsAuthenticated]
    queryset = Playlist.objects.none()
    serializer_class = outputs.PlaylistSummaryOutput

    def get_permissions(self) -> Sequence[Any]:
        if self.action == "create":
            return [permission() for permission in _LISTENERS]
        return super().get_permissions()

    def get_queryset(self) -> QuerySet[Playlist]:
        return selectors.playlist_list(self.request.user)

    def retrieve(self, request: Request, pk: str) -> Response:
        playlist = self.get_object()
        return Response(self._output(outputs.PlaylistOutput, _kept_answer(playlist)))

    @extend_schema(
        summary="Make a playlist",
        description="With a login the list is kept as yours, unless `save` is false.",
        request=inputs.PlaylistInput,
        responses={
            200: OpenApiResponse(outputs.GeneratedPlaylistOutput, "Made, not kept."),
            201: OpenApiResponse(outputs.GeneratedPlaylistOutput, "Made and kept."),
        },
    )
    def create(self, request: Request) -> Response:
        data = _valid(inputs.PlaylistInput(data=request.data))
        name = data.pop("name", "")
        is_kept = data.pop("save", request.user.is_authenticated)
        if is_kept and not request.user.is_authenticated:
            raise exceptions.NotAuthenticated("Log in to keep a playlist, or leave `save` out.")
        generated = playlists.playlist_generate(
            request=playlists.PlaylistRequest.from_json(data), user=request.user
        )
        kept = None
        if is_kept:
            kept = playlists.playlist_save(user=_owner(request), generated=generated, name=name)
        answer = _generated_answer(generated, kept, name)
        return Response(
            self._output(outputs.GeneratedPlaylistOutput, answer),
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


@extend_schema_view(list=extend_schema(summary="What you have listened to"))
class ListenViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Listen]):
    permission_classes = [IsAuthenticated]
    queryset = Listen.objects.none()
    serializer_class = outputs.ListenOutput

    def get_queryset(self) -> QuerySet[Listen]:
        return selectors.listen_list(self.request.user)

    @extend_schema(
        summary="Note that you heard a song",
        request=inputs.ListenInput,
        responses={201: outputs.ListenOutput},
    )
    def create(self, request: Request) -> Response:
        data = _valid(inputs.ListenInput(data=request.data))
        listen = history.listen_record(user=_owner(request), **data)
        return Response(outputs.ListenOutput(listen).data, status=HTTPStatus.CREATED)


@extend_schema_view(
    list=extend_schema(summary="Background jobs", responses=outputs.JobOutput(many=True))
)
class JobViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[BackgroundJob]):
    permission_classes = [IsAdminUser]
    queryset = BackgroundJob.objects.none()
    serializer_class = outputs.JobOutput
    filterset_class = inputs.JobFilter

    def get_queryset(self) -> QuerySet[BackgroundJob]:
        return selectors.job_list()

    @extend_schema(
        summary="A background job, its progress and failures", responses=outputs.JobDetailOutput
    )
    def retrieve(self, request: Request, pk: str) -> Response:
        answer = selectors.job_detail(self.get_object())
        return Response(outputs.JobDetailOutput(answer, context={"request": request}).data)


class IngestJobView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        summary="Ingest a folder or file",
        description="Answers at once; follow the job at its `url`, also given as `Location`.",
        request=inputs.IngestInput,
        responses={202: outputs.JobOutput},
    )
    def post(self, request: Request) -> Response:
        data = _valid(inputs.IngestInput(data=request.data))
        job = ingest_start(path=Path(data["path"]), user=_owner(request))
        output = outputs.JobOutput(job, context={"request": request}).data
        return Response(output, status=HTTPStatus.ACCEPTED, headers={"Location": output["url"]})


class LoginView(APIView):
    permission_classes = [AllowAny]
    # Credentials come in the body; the class is here for its WWW-Authenticate header.
    authentication_classes = [TokenAuthentication]
    throttle_classes = [LoginThrottle]

    @extend_schema(
        summary="Get a token",
        request=inputs.LoginInput,
        responses={201: outputs.TokenOutput},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        data = _valid(inputs.LoginInput(data=request.data))
        user = authenticate(request._request, **data)
        if user is None:
            raise exceptions.AuthenticationFailed("User name and password do not match.")
        instance, token = get_token_model().objects.create(user=user)
        user_logged_in.send(sender=type(user), request=request._request, user=user)
        output = outputs.TokenOutput({"token": token, "expires_at": instance.expiry})
        return Response(output.data, status=HTTPStatus.CREATED)


class LogoutView(APIView):
    permission_classes = [IsAuthenticated]
    authentication_classes = [TokenAuthentication]

    @extend_schema(summary="Revoke the token of this request", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        request.auth.delete()
        return Response(status=HTTPStatus.NO_CONTENT)
