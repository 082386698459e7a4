"""App passwords, for players that know Subsonic servers: list, make and revoke your own."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from recommender import selectors
from recommender.accounts import app_password_create
from recommender.api.base import StrictQuery, StrictSerializer, account, valid_data
from recommender.models import AppPassword, Scope
from recommender.paging import NEWEST

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class AppPasswordInput(StrictSerializer):
    name = serializers.CharField(
        max_length=AppPassword._meta.get_field("name").max_length,
        help_text="The player that it is for.",
    )


class AppPasswordOutput(serializers.Serializer[AppPassword]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="Within five minutes; null if it was never used."
    )


class NewAppPasswordOutput(AppPasswordOutput):
    password = serializers.CharField(help_text="For the player alone. It is not shown again.")


@extend_schema_view(list=extend_schema(summary="Your app passwords"))
class AppPasswordViewSet(StrictQuery, mixins.ListModelMixin, viewsets.GenericViewSet[AppPassword]):
    permission_classes = [IsAuthenticated]
    keeps_answers = False
    scope = Scope.ADMIN
    queryset = AppPassword.objects.none()
    serializer_class = AppPasswordOutput
    keysets = {"": NEWEST}

    def get_queryset(self) -> QuerySet[AppPassword]:
        return selectors.app_password_list(self.request.user)

    @extend_schema(
        summary="Make an app password",
        description="A player sends it to the addresses below `/rest/`, with your user name.",
        request=AppPasswordInput,
        responses={201: NewAppPasswordOutput},
    )
    def create(self, request: Request) -> Response:
        data = valid_data(AppPasswordInput(data=request.data))
        made, secret = app_password_create(user=account(request), name=data["name"])
        shown = {**AppPasswordOutput(made).data, "password": secret}
        return Response(shown, status=HTTPStatus.CREATED)

    @extend_schema(summary="Revoke one of your app passwords", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        self.get_object().delete()
        return Response(status=HTTPStatus.NO_CONTENT)


urlpatterns = [
    path(
        "app-passwords/",
        AppPasswordViewSet.as_view({"get": "list", "post": "create"}),
        name="app-password-list",
    ),
    path(
        "app-passwords/<uuid:pk>/",
        AppPasswordViewSet.as_view({"delete": "destroy"}),
        name="app-password-detail",
    ),
]
