"""What your feedback changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from django.urls import path
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from mer.affect import Quadrant
from recommender.api.base import StrictQuery, account, unit_field, valid_data
from recommender.api.songs import SongOutput, song_context
from recommender.models import Scope
from recommender.mood_history import MOST_LISTENS, mood_history
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


class ZoneInput(serializers.Serializer[Any]):
    time_zone = serializers.CharField(
        max_length=64, default="UTC", help_text="Such as Europe/Rome: where days begin."
    )

    def validate_time_zone(self, name: str) -> str:
        """Refuse a zone that is not known."""
        if name not in available_timezones():
            raise serializers.ValidationError(
                gettext("There is no time zone %(name)s; give one such as Europe/Rome.")
                % {"name": name}
            )
        return name


class SpanOutput(serializers.Serializer[Any]):
    start = serializers.DateField()
    songs = serializers.IntegerField(source="count")
    valence = unit_field(help_text="The mean of its songs, by the share that was played.")
    arousal = unit_field()
    quadrant = serializers.ChoiceField(choices=[(q.value, q.value) for q in Quadrant])


class MoodShareOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    quadrant = serializers.ChoiceField(choices=[(q.value, q.value) for q in Quadrant])
    songs = serializers.IntegerField(source="count", help_text="Whose strongest emotion it is.")
    share = unit_field()


class MoodHistoryOutput(serializers.Serializer[Any]):
    """The moods of what you heard in the last 53 weeks; times without listening are absent."""

    first = serializers.DateField()
    last = serializers.DateField(source="today")
    songs = serializers.IntegerField(source="count")
    unplaced_songs = serializers.IntegerField(
        source="unplaced_count", help_text="Heard, but not analysed; they count nowhere else."
    )
    is_cut = serializers.BooleanField(
        help_text=f"There were more than {MOST_LISTENS} listens: the newest are counted."
    )
    days = SpanOutput(many=True)
    weeks = SpanOutput(many=True, help_text="They start on Mondays.")
    months = SpanOutput(many=True)
    moods = MoodShareOutput(many=True, help_text="The most heard first.")
    hours = serializers.ListField(
        child=serializers.DictField(child=serializers.IntegerField()),
        min_length=24,
        max_length=24,
        help_text="Songs of each quadrant, for each hour of the day.",
    )


class MoodHistoryView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    scope = Scope.LISTEN
    action = "read"
    query_inputs = {"read": ZoneInput}

    @extend_schema(
        summary="The moods of what you heard, over time",
        description="By days, weeks, months, moods and hours of the day.",
        parameters=[ZoneInput],
        responses=MoodHistoryOutput,
    )
    def get(self, request: Request) -> Response:
        zone = valid_data(ZoneInput(data=request.query_params.dict()))["time_zone"]
        history = mood_history(user=account(request), zone=ZoneInfo(zone))
        hours = [{str(q): of_hour.get(str(q), 0) for q in Quadrant} for of_hour in history.hours]
        return Response({**MoodHistoryOutput(history).data, "hours": hours})


urlpatterns = [
    path("profile/", ProfileView.as_view(), name="profile"),
    path("profile/moods/", MoodHistoryView.as_view(), name="profile-moods"),
]
