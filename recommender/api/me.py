"""Who asks: the account, and the token that is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.access import (
    CORRECT_PERMISSION,
    INGEST_PERMISSION,
    JOBS_PERMISSION,
    MODELS_PERMISSION,
    REMOVE_PERMISSION,
    SWITCH_PERMISSION,
    is_staff_who_may,
)
from recommender.api.base import StrictQuery, account
from recommender.api.tokens import TokenOutput
from recommender.models import Role, Scope, Token
from recommender.people import role_of

if TYPE_CHECKING:
    from rest_framework.request import Request


class MayOutput(serializers.Serializer[Any]):
    """What the account may do beyond listening; the scopes of a token may allow less."""

    see_jobs = serializers.BooleanField()
    ingest = serializers.BooleanField(help_text="Also add, change and scan libraries.")
    remove = serializers.BooleanField(help_text="Libraries, with their songs.")
    see_models = serializers.BooleanField()
    switch_models = serializers.BooleanField(help_text="Also build the index.")
    correct = serializers.BooleanField(help_text="Say for everybody where a song belongs.")


class MeOutput(serializers.Serializer[Any]):
    username = serializers.CharField()
    email = serializers.CharField(help_text="Empty if none is known.")
    role = serializers.ChoiceField(choices=Role.choices)
    joined_at = serializers.DateTimeField()
    may = MayOutput()
    token = TokenOutput(allow_null=True, help_text="Null in a session.")


class MeView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    scope = Scope.READ

    @extend_schema(
        summary="Your account, what it may do, and the token that you use",
        responses=MeOutput,
    )
    def get(self, request: Request) -> Response:
        user = account(request)
        may = {
            "see_jobs": JOBS_PERMISSION,
            "ingest": INGEST_PERMISSION,
            "remove": REMOVE_PERMISSION,
            "see_models": MODELS_PERMISSION,
            "switch_models": SWITCH_PERMISSION,
            "correct": CORRECT_PERMISSION,
        }
        answer = {
            "username": user.get_username(),
            "email": user.email,
            "role": role_of(user),
            "joined_at": user.date_joined,
            "may": {name: is_staff_who_may(user, needed) for name, needed in may.items()},
            "token": request.auth if isinstance(request.auth, Token) else None,
        }
        return Response(MeOutput(answer).data)


urlpatterns = [path("me/", MeView.as_view(), name="me")]
