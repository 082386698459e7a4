"""Your account: password, export, deletion."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.accounts import account_delete, account_export, deletion_confirm, password_check
from recommender.api.base import StrictQuery, StrictSerializer, account, valid_data
from recommender.models import Scope
from recommender.throttles import LoginThrottle

if TYPE_CHECKING:
    from rest_framework.request import Request


def _password(**kwargs: Any) -> serializers.CharField:
    return serializers.CharField(max_length=4096, trim_whitespace=False, **kwargs)


class PasswordInput(StrictSerializer):
    old_password = _password()
    new_password = _password()


class DeletionInput(StrictSerializer):
    password = _password(help_text="Yours, to confirm; without one, your user name.")


class PasswordView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    keeps_answers = False
    scope = Scope.ADMIN
    throttle_classes = [LoginThrottle]

    @extend_schema(
        summary="Change your password",
        description="It ends all your tokens and your other sessions. "
        "An account without a password gets its first one on the account page alone.",
        request=PasswordInput,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        data = valid_data(PasswordInput(data=request.data))
        user = account(request)
        password_check(user=user, password=data["old_password"], field="old_password")
        try:
            validate_password(data["new_password"], user)
        except ValidationError as error:
            raise serializers.ValidationError({"new_password": error.messages}) from error
        user.set_password(data["new_password"])
        user.save(update_fields=["password"])
        if request.auth is None:
            update_session_auth_hash(request._request, user)
        return Response(status=HTTPStatus.NO_CONTENT)


class ExportView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    keeps_answers = False
    scope = Scope.ADMIN

    @extend_schema(
        summary="Everything stored about you",
        description="Profile, playlists, listening history, and tokens without their secrets.",
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        headers = {"Content-Disposition": 'attachment; filename="affetti-account.json"'}
        return Response(account_export(user=account(request)), headers=headers)


class DeletionView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    keeps_answers = False
    scope = Scope.ADMIN
    throttle_classes = [LoginThrottle]

    @extend_schema(
        summary="Delete your account",
        description="Playlists, listening history and tokens go with it.",
        request=DeletionInput,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        data = valid_data(DeletionInput(data=request.data))
        user = account(request)
        deletion_confirm(user=user, password=data["password"])
        account_delete(user=user)
        if request.auth is None:
            logout(request._request)
        return Response(status=HTTPStatus.NO_CONTENT)


urlpatterns = [
    path("account/password/", PasswordView.as_view(), name="account-password"),
    path("account/export/", ExportView.as_view(), name="account-export"),
    path("account/delete/", DeletionView.as_view(), name="account-delete"),
]
