"""Log in and log out: a token for a name and a password."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.signals import user_logged_in
from django.urls import path
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.authentication import get_authorization_header
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.accounts import LOGIN_TOKEN_NAME, token_create
from recommender.api.base import StrictQuery, valid_data
from recommender.api.tokens import NewTokenOutput, TokenFields, new_token
from recommender.auth import TokenAuthentication
from recommender.models import Scope
from recommender.sign_in.door import has_second_factor
from recommender.throttles import LoginThrottle

if TYPE_CHECKING:
    from rest_framework.request import Request


class LoginInput(TokenFields):
    username = serializers.CharField(
        max_length=get_user_model()._meta.get_field("username").max_length
    )
    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class LoginView(StrictQuery, APIView):
    permission_classes = [AllowAny]
    keeps_answers = False
    is_door = True
    # Credentials come in the body; the class is here for its WWW-Authenticate header.
    authentication_classes = [TokenAuthentication]
    throttle_classes = [LoginThrottle]
    # The longest password, each character as an escape.
    body_limit = 32 * 1024

    @extend_schema(
        summary="Get a token",
        request=LoginInput,
        responses={201: NewTokenOutput},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        data = valid_data(LoginInput(data=request.data))
        user = authenticate(
            request._request, username=data.pop("username"), password=data.pop("password")
        )
        if user is None:
            raise exceptions.AuthenticationFailed(gettext("User name and password do not match."))
        if has_second_factor(user):
            raise exceptions.AuthenticationFailed(
                gettext(
                    "This account is protected by a second factor. Make a token on the account "
                    "page, and send it in place of a password."
                )
            )
        token, secret = token_create(
            user=user,
            name=data.get("name") or LOGIN_TOKEN_NAME,
            scopes=data.get("scopes") or [Scope.ADMIN],
            expires_at=data.get("expires_at"),
        )
        user_logged_in.send(sender=type(user), request=request._request, user=user)
        return Response(new_token(token, secret), status=HTTPStatus.CREATED)


class LogoutView(StrictQuery, APIView):
    permission_classes = [AllowAny]
    keeps_answers = False
    is_door = True
    authentication_classes = [TokenAuthentication]

    @extend_schema(
        summary="Revoke the token of this request",
        description="A token that is not valid any more is answered alike.",
        request=None,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        if request.auth:
            request.auth.delete()
        elif not get_authorization_header(request):
            raise exceptions.NotAuthenticated(gettext("Send the token to revoke."))
        return Response(status=HTTPStatus.NO_CONTENT)


urlpatterns = [
    path("auth/login/", LoginView.as_view(), name="login"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
]
