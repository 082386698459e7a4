"""Corrections of a song's emotion for everybody, by staff."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.shortcuts import get_object_or_404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.corrections import (
    corrections_lock,
    corrections_of,
    emotion_correct,
    emotion_correction_undo,
)
from catalog.models import EmotionCorrection, Song
from recommender.access import CORRECT_PERMISSION, staff_who_may
from recommender.api.base import StrictQuery, account, valid_data
from recommender.api.feedback import MoodInput
from recommender.models import Scope

if TYPE_CHECKING:
    from rest_framework.request import Request


class CorrectionInput(MoodInput):
    note = serializers.CharField(
        max_length=EmotionCorrection._meta.get_field("note").max_length,
        required=False,
        allow_blank=True,
        help_text="Why, for other staff.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the place and the note."""
        note = attrs.pop("note", "")
        return {**super().validate(attrs), "note": note}


class CorrectionOutput(serializers.Serializer[Any]):
    valence = serializers.FloatField()
    arousal = serializers.FloatField()
    said_valence = serializers.FloatField(
        allow_null=True, help_text="In force before; null if the song was not analysed."
    )
    said_arousal = serializers.FloatField(allow_null=True)
    said_version = serializers.CharField()
    note = serializers.CharField()
    corrected_by = serializers.CharField(source="corrected_by_name")
    corrected_at = serializers.DateTimeField()
    ended_by = serializers.CharField(source="ended_by_name")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null while it holds.")


class CorrectionView(StrictQuery, APIView):
    permission_classes = [staff_who_may(CORRECT_PERMISSION)]
    body_limit = 8 * 1024
    scope = Scope.ADMIN

    def tag_lock(self) -> None:
        corrections_lock(_song(self.kwargs["pk"]).pk)

    @extend_schema(
        summary="Corrections of a song by staff, the newest first",
        responses=CorrectionOutput(many=True),
    )
    def get(self, request: Request, pk: int) -> Response:
        found = corrections_of(_song(pk).pk)
        return Response(CorrectionOutput(found, many=True).data)

    @extend_schema(
        summary="Correct a song's emotion for everybody",
        description="It holds for every model version, until it is deleted.",
        request=CorrectionInput,
        responses={204: None},
    )
    def put(self, request: Request, pk: int) -> Response:
        song = _song(pk)
        data = valid_data(CorrectionInput(data=request.data))
        emotion_correct(song_id=song.pk, by=account(request), **data)
        return Response(status=HTTPStatus.NO_CONTENT)

    @extend_schema(
        summary="Undo the correction of a song",
        description="What the models predicted holds again. The record stays.",
        responses={204: None},
    )
    def delete(self, request: Request, pk: int) -> Response:
        emotion_correction_undo(song_id=_song(pk).pk, by=account(request))
        return Response(status=HTTPStatus.NO_CONTENT)


def _song(pk: int) -> Song:
    return get_object_or_404(Song.objects.only("pk"), pk=pk)


urlpatterns = [
    path("songs/<int:pk>/correction/", CorrectionView.as_view(), name="song-correction"),
]
