"""What you say of songs and artists; it changes your lists from the next request on."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Artist, Song
from recommender import feedback
from recommender.api.base import StrictQuery, StrictSerializer, account, unit_field, valid_data
from recommender.api.cursors import OF_PAGES
from recommender.feedback import FeedbackKind
from recommender.models import Scope, SongFeedback
from recommender.moods import mood_find

if TYPE_CHECKING:
    from rest_framework.request import Request

_KINDS = [(kind.value, kind.value) for kind in FeedbackKind]


class RatingInput(StrictSerializer):
    stars = serializers.IntegerField(min_value=1, max_value=5)


class MoodInput(StrictSerializer):
    """Where the song belongs: both numbers, or a mood."""

    valence = unit_field(required=False, help_text="0 unpleasant, 1 pleasant.")
    arousal = unit_field(required=False, help_text="0 quiet, 1 lively.")
    mood = serializers.CharField(
        max_length=100, required=False, help_text="Instead of numbers: a mood of `/moods/`."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return valence and arousal, also where a mood was sent."""
        if "mood" in attrs and len(attrs) == 1:
            mood = mood_find(attrs["mood"])
            if mood is None:
                raise serializers.ValidationError(
                    {"mood": [gettext("There is no such mood; /api/v1/moods/ lists them.")]}
                )
            return {"valence": mood.valence, "arousal": mood.arousal}
        missing = {"valence", "arousal"} - set(attrs)
        if "mood" in attrs or missing:
            problem = [gettext("Give valence and arousal, or mood.")]
            raise serializers.ValidationError(
                {name: problem for name in sorted(missing) or ["mood"]}  # noqa: C420  see RUF024
            )
        return attrs


class SkipInput(StrictSerializer):
    skipped_at = serializers.DateTimeField(required=False, help_text="Default: now.")
    seconds_played = serializers.FloatField(min_value=0, required=False, allow_null=True)
    share_played = unit_field(
        required=False,
        allow_null=True,
        help_text="Of the song's length; default: computed from the seconds.",
    )
    playlist_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="A playlist of yours that it was skipped in."
    )


class SkipOutput(serializers.Serializer[Any]):
    song_id = serializers.IntegerField()
    skipped_at = serializers.DateTimeField()
    seconds_played = serializers.FloatField(allow_null=True)
    share_played = unit_field(allow_null=True)
    playlist_id = serializers.UUIDField(allow_null=True)


class KindInput(serializers.Serializer[Any]):
    """Query of the list of feedback, and of its deletion."""

    kind = serializers.ChoiceField(
        choices=_KINDS, required=False, help_text="Only this; default: everything."
    )


class SaidSongOutput(serializers.Serializer[Song]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()


class SaidArtistOutput(serializers.Serializer[Artist]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class FeedbackOutput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=_KINDS)
    when = serializers.DateTimeField()
    song = SaidSongOutput(allow_null=True)
    artist = SaidArtistOutput(allow_null=True)
    stars = serializers.IntegerField(allow_null=True)
    share_played = unit_field(allow_null=True)
    valence = unit_field(allow_null=True, help_text="Where you place the song.")
    arousal = unit_field(allow_null=True)
    said_valence = unit_field(allow_null=True, help_text="Where the catalogue had it then.")
    said_arousal = unit_field(allow_null=True)


def _song(pk: int) -> Song:
    return get_object_or_404(Song.objects.filter(is_available=True).only("pk"), pk=pk)


def _done() -> Response:
    return Response(status=HTTPStatus.NO_CONTENT)


class LikeView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    body_limit = 4 * 1024
    scope = Scope.LISTEN

    @extend_schema(
        summary="Like a song",
        description="It counts for all files of the recording, and ends a ban.",
        request=None,
        responses={204: None},
    )
    def put(self, request: Request, pk: int) -> Response:
        feedback.song_like(user=account(request), song_id=_song(pk).pk)
        return _done()

    @extend_schema(summary="Take your like of a song back", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        return _unmark(request, pk, FeedbackKind.LIKE)


class BanView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    body_limit = 4 * 1024
    scope = Scope.LISTEN

    @extend_schema(
        summary="Ban a song from your lists",
        description="It counts for all files of the recording, and ends a like.",
        request=None,
        responses={204: None},
    )
    def put(self, request: Request, pk: int) -> Response:
        feedback.song_ban(user=account(request), song_id=_song(pk).pk)
        return _done()

    @extend_schema(summary="End your ban of a song", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        return _unmark(request, pk, FeedbackKind.BAN)


class RatingView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    body_limit = 4 * 1024
    scope = Scope.LISTEN

    @extend_schema(summary="Give a song stars", request=RatingInput, responses={204: None})
    def put(self, request: Request, pk: int) -> Response:
        song = _song(pk)
        data = valid_data(RatingInput(data=request.data))
        feedback.song_rate(user=account(request), song_id=song.pk, **data)
        return _done()

    @extend_schema(summary="Take your stars of a song back", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        return _unmark(request, pk, FeedbackKind.RATING)


class MoodCorrectionView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    body_limit = 4 * 1024
    scope = Scope.LISTEN

    @extend_schema(
        summary="Say where a song belongs",
        description="For you alone. Give valence and arousal, or a mood.",
        request=MoodInput,
        responses={204: None},
    )
    def put(self, request: Request, pk: int) -> Response:
        song = _song(pk)
        data = valid_data(MoodInput(data=request.data))
        feedback.song_place(user=account(request), song_id=song.pk, **data)
        return _done()

    @extend_schema(summary="Take your place of a song back", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        return _unmark(request, pk, FeedbackKind.MOOD)


class SkipsView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    body_limit = 4 * 1024
    scope = Scope.LISTEN

    @extend_schema(
        summary="Note that you skipped a song",
        description="A second call for the same moment changes nothing.",
        request=SkipInput,
        responses={201: SkipOutput},
    )
    def post(self, request: Request, pk: int) -> Response:
        song = _song(pk)
        data = valid_data(SkipInput(data=request.data))
        skip = feedback.song_skip(user=account(request), song_id=song.pk, **data)
        return Response(SkipOutput(skip).data, status=HTTPStatus.CREATED)


class ArtistBanView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    body_limit = 4 * 1024
    scope = Scope.LISTEN

    @extend_schema(
        summary="Ban an artist from your lists",
        description="Songs that feature the artist are banned, too.",
        request=None,
        responses={204: None},
    )
    def put(self, request: Request, pk: int) -> Response:
        artist = get_object_or_404(Artist, pk=pk)
        feedback.artist_ban(user=account(request), artist=artist)
        return _done()

    @extend_schema(summary="End your ban of an artist", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        artist = get_object_or_404(Artist, pk=pk)
        feedback.artist_unban(user=account(request), artist=artist)
        return _done()


def _unmark(request: Request, pk: int, kind: FeedbackKind) -> Response:
    # Feedback on a song whose file is gone can be taken back, too.
    song = get_object_or_404(Song.objects.only("pk"), pk=pk)
    feedback.song_unmark(user=account(request), song_id=song.pk, kind=kind)
    return _done()


class FeedbackViewSet(StrictQuery, viewsets.GenericViewSet[SongFeedback]):
    permission_classes = [IsAuthenticated]
    scope = Scope.LISTEN
    queryset = SongFeedback.objects.none()
    serializer_class = FeedbackOutput
    query_inputs = {"list": KindInput, "destroy_all": KindInput}

    @extend_schema(
        summary="What you said of songs and artists",
        description="The newest first. Of skips, the last 1000.",
        parameters=[KindInput],
        responses=FeedbackOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        items = feedback.feedback_items(user=account(request), kind=self._kind(request))
        page = self.paginate_queryset(items)
        return self.get_paginated_response(FeedbackOutput(page, many=True).data)

    @extend_schema(
        summary="Forget what you said",
        operation_id="feedback_destroy_all",
        parameters=[KindInput],
        responses={204: None},
    )
    def destroy_all(self, request: Request) -> Response:
        feedback.feedback_reset(user=account(request), kind=self._kind(request))
        return _done()

    def _kind(self, request: Request) -> FeedbackKind | None:
        given = {k: v for k, v in request.query_params.items() if k not in OF_PAGES}
        kind = valid_data(KindInput(data=given)).get("kind")
        return FeedbackKind(kind) if kind else None


urlpatterns = [
    path("songs/<int:pk>/like/", LikeView.as_view(), name="song-like"),
    path("songs/<int:pk>/ban/", BanView.as_view(), name="song-ban"),
    path("songs/<int:pk>/rating/", RatingView.as_view(), name="song-rating"),
    path("songs/<int:pk>/mood/", MoodCorrectionView.as_view(), name="song-mood"),
    path("songs/<int:pk>/skips/", SkipsView.as_view(), name="song-skips"),
    path("artists/<int:pk>/ban/", ArtistBanView.as_view(), name="artist-ban"),
    path(
        "feedback/",
        FeedbackViewSet.as_view({"get": "list", "delete": "destroy_all"}),
        name="feedback",
    ),
]
