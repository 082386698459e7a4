"""Tokens: log in and log out."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.signals import user_logged_in
from django.urls import path
from drf_spectacular.utils import extend_schema
from knox.models import get_token_model
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.access import LoginThrottle
from recommender.api.base import StrictSerializer, valid_data
from recommender.auth import TokenAuthentication

if TYPE_CHECKING:
    from rest_framework.request import Request


class LoginInput(StrictSerializer):
    username = serializers.CharField(
        max_length=get_user_model()._meta.get_field("username").max_length
    )
    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class TokenOutput(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Send it as: Authorization: Token <token>")
    expires_at = serializers.DateTimeField(allow_null=True)


class LoginView(APIView):
    permission_classes = [AllowAny]
    # Credentials come in the body; the class is here for its WWW-Authenticate header.
    authentication_classes = [TokenAuthentication]
    throttle_classes = [LoginThrottle]
    # The longest password, each character as an escape.
    body_limit = 32 * 1024

    @extend_schema(
        summary="Get a token",
        request=LoginInput,
        responses={201: TokenOutput},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        data = valid_data(LoginInput(data=request.data))
        user = authenticate(request._request, **data)
        if user is None:
            raise exceptions.AuthenticationFailed("User name and password do not match.")
        instance, token = get_token_model().objects.create(user=user)
        user_logged_in.send(sender=type(user), request=request._request, user=user)
        output = TokenOutput({"token": token, "expires_at": instance.expiry})
        return Response(output.data, status=HTTPStatus.CREATED)


class LogoutView(APIView):
    permission_classes = [IsAuthenticated]
    authentication_classes = [TokenAuthentication]

    @extend_schema(summary="Revoke the token of this request", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        request.auth.delete()
        return Response(status=HTTPStatus.NO_CONTENT)


urlpatterns = [
    path("auth/login/", LoginView.as_view(), name="login"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
]
