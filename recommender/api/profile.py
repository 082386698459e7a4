"""What your feedback changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.base import StrictQuery, account
from recommender.api.songs import SongOutput, song_context
from recommender.models import Scope
from recommender.playlists import profile_shown

if TYPE_CHECKING:
    from rest_framework.request import Request


class PlaneOutput(serializers.Serializer[Any]):
    """How your plane differs from everybody's."""

    valence_shift = serializers.FloatField(help_text="Of a song in the middle of the plane.")
    arousal_shift = serializers.FloatField()
    valence_scale = serializers.FloatField(help_text="1: songs are as far apart as for others.")
    arousal_scale = serializers.FloatField()
    before = serializers.FloatField(
        help_text="Mean distance from where you moved a song to where it was."
    )
    after = serializers.FloatField(
        help_text="The same to where your plane has it, computed without that song."
    )


class GenreTasteOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    taste = serializers.FloatField(help_text="By how much you like its songs more than others.")


class PreferredOutput(serializers.Serializer[Any]):
    taste = serializers.FloatField(help_text="How much you like it by your feedback, -1 to 1.")
    song = SongOutput()


class ProfileOutput(serializers.Serializer[Any]):
    corrections = serializers.IntegerField(help_text="Songs that you moved on the plane.")
    corrections_missing = serializers.IntegerField(help_text="How many more change your plane.")
    plane = PlaneOutput(allow_null=True)
    genres = GenreTasteOutput(many=True, help_text="At most five, the strongest taste first.")
    songs = PreferredOutput(
        many=True, help_text="Songs without your feedback that you should like most."
    )


class ProfileView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    scope = Scope.LISTEN

    @extend_schema(
        summary="What your feedback changed",
        description="Nobody else sees it, and it changes nobody else's lists.",
        responses=ProfileOutput,
    )
    def get(self, request: Request) -> Response:
        shown = profile_shown(user=account(request))
        answer = {
            "corrections": shown.corrections,
            "corrections_missing": shown.corrections_missing,
            "plane": shown.plane,
            "genres": [{"name": name, "taste": taste} for name, taste in shown.genres],
            "songs": [{"taste": one.taste, "song": song} for one, song in shown.songs],
        }
        context = song_context(request, [song for _, song in shown.songs])
        return Response(ProfileOutput(answer, context=context).data)


urlpatterns = [path("profile/", ProfileView.as_view(), name="profile")]
