"""The emotion of a song in three parts: what is predicted, through time, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.urls import path
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from mer.affect import AffectPoint
from recommender import selectors
from recommender.api.base import LISTENERS, PlainOutput, StrictQuery
from recommender.api.songs import (
    AloneOutput,
    EmotionOutput,
    LyricLineOutput,
    ModalityGates,
    MoodSectionOutput,
)
from recommender.models import Scope
from recommender.playlists.targets import song_unusable_error

if TYPE_CHECKING:
    from rest_framework.request import Request

    from catalog.models import SongEmotion


class SongEmotionOutput(EmotionOutput):
    """The emotion without its timeline and its explanation, which have addresses of their own."""

    gates = None  # type: ignore[assignment]  # as the framework leaves a field out
    alone = None
    timeline = None  # type: ignore[assignment]
    lyric_lines = None  # type: ignore[assignment]


class TimelineOutput(serializers.Serializer[Any]):
    model_version = serializers.CharField()
    duration_seconds = serializers.FloatField(allow_null=True)
    sections = MoodSectionOutput(many=True, help_text="The mood from each start to the next.")


class ExplanationOutput(PlainOutput):
    model_version = serializers.CharField()
    gates = ModalityGates(help_text="Weight of each part of the song; they sum to 1.")
    alone = AloneOutput(
        help_text="Where the song would be by each part alone; what it lacks is absent."
    )
    lyric_lines = LyricLineOutput(
        many=True, help_text="The lines that changed the prediction most, the strongest first."
    )
    lyrics_withheld = serializers.BooleanField(
        source="are_lyrics_withheld",
        help_text="Whether lines were left out because of their language.",
    )
    withheld_note = serializers.CharField(help_text="Which lyrics were left out, and why.")
    unfamiliar = serializers.BooleanField(
        source="is_unfamiliar", help_text="Whether the place is a guess."
    )


_NOT_ANALYSED: Final = OpenApiResponse(description="`SONG_NOT_ANALYSED` until it is analysed.")


def _emotion(pk: int, *without: str) -> SongEmotion:
    """Return the emotion of a song; 404 without the song, 409 before it is analysed."""
    emotion = selectors.song_emotion(pk, without=without) if pk < 2**63 else None
    if emotion is None:
        raise song_unusable_error([pk])
    return emotion


class EmotionView(StrictQuery, APIView):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ

    @extend_schema(
        summary="The emotion of a song",
        responses={200: SongEmotionOutput, 409: _NOT_ANALYSED},
    )
    def get(self, request: Request, pk: int) -> Response:
        emotion = _emotion(pk, "timeline", "lyric_lines", "alone")
        return Response(SongEmotionOutput(emotion).data)


class TimelineView(StrictQuery, APIView):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ

    @extend_schema(
        summary="The mood of a song through time",
        responses={200: TimelineOutput, 409: _NOT_ANALYSED},
    )
    def get(self, request: Request, pk: int) -> Response:
        found = selectors.song_moods(pk) if pk < 2**63 else None
        if found is None:
            raise song_unusable_error([pk])
        version, duration, points = found
        sections = [
            {**point, "quadrant": AffectPoint(point["valence"], point["arousal"]).quadrant}
            for point in points
        ]
        answer = {"model_version": version, "duration_seconds": duration, "sections": sections}
        return Response(TimelineOutput(answer).data)


class ExplanationView(StrictQuery, APIView):
    permission_classes = LISTENERS
    is_public = True
    scope = Scope.READ

    @extend_schema(
        summary="Why a song has its emotion",
        responses={200: ExplanationOutput, 409: _NOT_ANALYSED},
    )
    def get(self, request: Request, pk: int) -> Response:
        emotion = _emotion(pk, "timeline", "emotions", "quadrants", "felt", "kinds")
        return Response(ExplanationOutput(emotion).data)


urlpatterns = [
    path("songs/<int:pk>/emotion/", EmotionView.as_view(), name="song-emotion"),
    path("songs/<int:pk>/timeline/", TimelineView.as_view(), name="song-timeline"),
    path("songs/<int:pk>/explanation/", ExplanationView.as_view(), name="song-explanation"),
]
