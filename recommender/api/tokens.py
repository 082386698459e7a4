"""Tokens of the API: list, make and revoke your own."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.urls import path
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from recommender import selectors
from recommender.accounts import token_create
from recommender.api.base import StrictQuery, StrictSerializer, account, valid_data
from recommender.models import Scope, Token
from recommender.paging import NEWEST

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class ScopesField(serializers.ListField):
    """Some of the scopes; a longer list is refused before its items are read."""

    child = serializers.ChoiceField(choices=Scope.choices)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and len(data) > len(Scope):
            raise serializers.ValidationError(
                gettext("There are only %(count)s scopes.") % {"count": len(Scope)}
            )
        return super().to_internal_value(data)


class TokenFields(StrictSerializer):
    name = serializers.CharField(
        max_length=Token._meta.get_field("name").max_length,
        required=False,
        help_text="To know it by in the list.",
    )
    scopes = ScopesField(
        required=False, allow_empty=False, help_text="What the token may do; default: `admin`."
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Default: never."
    )


class TokenInput(TokenFields):
    name = serializers.CharField(
        max_length=Token._meta.get_field("name").max_length, help_text="To know it by in the list."
    )
    scopes = ScopesField(allow_empty=False, help_text="What the token may do.")


class TokenOutput(serializers.Serializer[Token]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    prefix = serializers.CharField(help_text="The first characters of the token.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null: never.")
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="Within five minutes; null if it was never used."
    )


class NewTokenOutput(TokenOutput):
    token = serializers.CharField(
        help_text="Send it as: Authorization: Token <token>. It is not shown again."
    )


def new_token(token: Token, secret: str) -> dict[str, Any]:
    """Return what the one who made a token is told."""
    return {**TokenOutput(token).data, "token": secret}


@extend_schema_view(list=extend_schema(summary="Your tokens"))
class TokenViewSet(StrictQuery, mixins.ListModelMixin, viewsets.GenericViewSet[Token]):
    permission_classes = [IsAuthenticated]
    keeps_answers = False
    scope = Scope.ADMIN
    queryset = Token.objects.none()
    serializer_class = TokenOutput
    keysets = {"": NEWEST}

    def get_queryset(self) -> QuerySet[Token]:
        return selectors.token_list(self.request.user)

    @extend_schema(
        summary="Make a token",
        description="A token cannot make one that may do more or lasts longer than itself.",
        request=TokenInput,
        responses={201: NewTokenOutput},
    )
    def create(self, request: Request) -> Response:
        data = valid_data(TokenInput(data=request.data))
        by = request.auth if isinstance(request.auth, Token) else None
        token, secret = token_create(user=account(request), by=by, **data)
        return Response(new_token(token, secret), status=HTTPStatus.CREATED)

    @extend_schema(summary="Revoke one of your tokens", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        self.get_object().delete()
        return Response(status=HTTPStatus.NO_CONTENT)

    @extend_schema(
        summary="Revoke all your tokens", operation_id="tokens_destroy_all", responses={204: None}
    )
    def destroy_all(self, request: Request) -> Response:
        self.get_queryset().delete()
        return Response(status=HTTPStatus.NO_CONTENT)


urlpatterns = [
    path(
        "tokens/",
        TokenViewSet.as_view({"get": "list", "post": "create", "delete": "destroy_all"}),
        name="token-list",
    ),
    path("tokens/<uuid:pk>/", TokenViewSet.as_view({"delete": "destroy"}), name="token-detail"),
]
