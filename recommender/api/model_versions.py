"""Versions of the model and builds of the index: see, switch, roll back, build; for staff."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.urls import path
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.versions import version_former, version_states
from recommender import selectors
from recommender.access import MODELS_PERMISSION, SWITCH_PERMISSION, staff_who_may
from recommender.api.base import StrictQuery, StrictSerializer, valid_data
from recommender.index import index_build_request, index_status
from recommender.index.transition import model_request
from recommender.models import IndexBuild, Scope
from recommender.paging import NEWEST

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.permissions import BasePermission
    from rest_framework.request import Request

_MayLook: Final = staff_who_may(MODELS_PERMISSION)
_MaySwitch: Final = staff_who_may(SWITCH_PERMISSION)


class ModelVersionOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    songs = serializers.IntegerField(help_text="That it could recommend now.")
    coverage = serializers.FloatField(
        help_text="Its share of the songs that any version has analysed."
    )
    is_serving = serializers.BooleanField()
    is_held = serializers.BooleanField(
        help_text="Staff switched away from it: it serves again only if they say so."
    )
    is_requested = serializers.BooleanField(
        help_text="Staff want it to serve; it does when its index is built."
    )
    created_at = serializers.DateTimeField()
    served_at = serializers.DateTimeField(
        allow_null=True, help_text="When it last began to serve; null: never."
    )


class SwitchInput(StrictSerializer):
    name = serializers.CharField(max_length=100, help_text="Of the version that is to serve.")


class ModelsView(StrictQuery, APIView):
    permission_classes = [_MayLook]
    scope = Scope.INGEST

    @extend_schema(
        summary="Versions of the model",
        description="The one that serves first, then the newest.",
        responses=ModelVersionOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(ModelVersionOutput(version_states(), many=True).data)


class SwitchView(StrictQuery, APIView):
    permission_classes = [_MaySwitch]
    scope = Scope.INGEST
    body_limit = 4 * 1024

    @extend_schema(
        summary="Let a version of the model serve",
        description="A worker builds its index first; `is_requested` is true until it serves. "
        "409 if it has analysed none of the songs.",
        request=SwitchInput,
        responses={
            202: ModelVersionOutput(many=True),
            404: OpenApiResponse(description="It is unknown."),
        },
    )
    def post(self, request: Request) -> Response:
        model_request(valid_data(SwitchInput(data=request.data))["name"])
        return _accepted()


class RollBackView(StrictQuery, APIView):
    permission_classes = [_MaySwitch]
    scope = Scope.INGEST
    body_limit = 4 * 1024

    @extend_schema(
        summary="Let the version of the model serve that served before",
        description="As a switch. 409 with `VERSION_NO_FORMER` if no other one has served.",
        request=None,
        responses={202: ModelVersionOutput(many=True)},
    )
    def post(self, request: Request) -> Response:
        model_request(version_former().name)
        return _accepted()


def _accepted() -> Response:
    output = ModelVersionOutput(version_states(), many=True)
    return Response(output.data, status=HTTPStatus.ACCEPTED)


class IndexBuildOutput(serializers.Serializer[IndexBuild]):
    id = serializers.UUIDField()
    model_version = serializers.CharField()
    songs = serializers.IntegerField(source="row_count")
    is_active = serializers.BooleanField(help_text="Lists are made with it.")
    created_at = serializers.DateTimeField()


class IndexStatusOutput(serializers.Serializer[Any]):
    """How the index of the version that serves stands."""

    model_version = serializers.CharField()
    built_at = serializers.DateTimeField(
        allow_null=True, help_text="When the active build was made; null without one."
    )
    songs = serializers.IntegerField(help_text="That can be recommended now.")
    changed_songs = serializers.IntegerField(
        source="tail", help_text="That changed since the build; they are read from the database."
    )
    is_stale = serializers.BooleanField(help_text="A new build is due.")


@extend_schema_view(
    list=extend_schema(
        summary="Builds of the index, newest first", responses=IndexBuildOutput(many=True)
    )
)
class IndexBuildViewSet(StrictQuery, mixins.ListModelMixin, viewsets.GenericViewSet[IndexBuild]):
    permission_classes = [_MayLook]  # to build needs more: `get_permissions`
    scope = Scope.INGEST
    body_limit = 4 * 1024
    queryset = IndexBuild.objects.none()
    serializer_class = IndexBuildOutput
    keysets = {"": NEWEST}

    def get_permissions(self) -> list[BasePermission]:
        return [_MayLook() if self.request.method in SAFE_METHODS else _MaySwitch()]

    def get_queryset(self) -> QuerySet[IndexBuild]:
        return selectors.index_build_list()

    @extend_schema(
        summary="Build the index now",
        description="A worker does, whether or not a build is due. Lists go on meanwhile; the "
        "build is in the list as soon as it is whole.",
        request=None,
        responses={202: IndexStatusOutput},
    )
    def create(self, request: Request) -> Response:
        index_build_request()
        output = IndexStatusOutput(index_status())
        return Response(output.data, status=HTTPStatus.ACCEPTED)


urlpatterns = [
    path("models/", ModelsView.as_view(), name="model-list"),
    path("models/switch/", SwitchView.as_view(), name="model-switch"),
    path("models/rollback/", RollBackView.as_view(), name="model-rollback"),
    path(
        "index-builds/",
        IndexBuildViewSet.as_view({"get": "list", "post": "create"}),
        name="index-build-list",
    ),
]
