"""Stations: requests whose lists are made again in place."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import exceptions, mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from recommender import selectors, stations
from recommender.api.base import StrictQuery, StrictSerializer, ToldField, account, valid_data
from recommender.models import Playlist, Scope, Station
from recommender.paging import NEWEST
from recommender.playlists import PlaylistRequest
from recommender.throttles import words_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from rest_framework.request import Request


class StationChange(StrictSerializer):
    name = serializers.CharField(max_length=200)
    schedule = serializers.ChoiceField(
        choices=Station.Schedule.choices, help_text="`by_hand`: made by `refresh/` alone."
    )
    hour = serializers.IntegerField(min_value=0, max_value=23, help_text="In `time_zone`.")
    weekday = serializers.IntegerField(
        min_value=0, max_value=6, help_text="Of a weekly station; 0 is Monday."
    )
    time_zone = serializers.CharField(max_length=64, help_text="Such as Europe/Rome.")
    fresh_versions = serializers.IntegerField(
        min_value=0,
        max_value=stations.KEPT_VERSIONS,
        help_text="Songs of so many last versions are left out.",
    )


class StationInput(StationChange):
    request = serializers.DictField(help_text="As for a playlist; a seed in it does not count.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Let all but the name and the request have the defaults of the model."""
        fields = super().get_fields()
        for name, field in fields.items():
            field.required = name in {"name", "request"}
        return fields


class StationOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    request = serializers.DictField()
    schedule = serializers.CharField()
    hour = serializers.IntegerField()
    weekday = serializers.IntegerField()
    time_zone = serializers.CharField()
    fresh_versions = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True, help_text="Null if it is made by hand.")
    notes = serializers.ListField(
        child=ToldField(), help_text="Why the last try made no new version."
    )
    version = serializers.SerializerMethodField(help_text="The current one; null before any.")
    playlist_id = serializers.SerializerMethodField(help_text="The list of the current version.")
    created_at = serializers.DateTimeField()

    def get_version(self, station: Station) -> int | None:
        """Return the number of the current version."""
        playlist = stations.current_version(station)
        return playlist.station_version if playlist else None

    def get_playlist_id(self, station: Station) -> str | None:
        """Return the id of the current version."""
        playlist = stations.current_version(station)
        return str(playlist.pk) if playlist else None


class VersionOutput(serializers.Serializer[Any]):
    version = serializers.IntegerField(source="station_version")
    playlist_id = serializers.UUIDField(source="pk")
    created_at = serializers.DateTimeField()
    entry_count = serializers.IntegerField(help_text="Songs whose files are there.")


class RestoreInput(StrictSerializer):
    version = serializers.IntegerField(min_value=1)


@extend_schema_view(
    list=extend_schema(summary="Your stations"),
    retrieve=extend_schema(summary="One of your stations"),
    destroy=extend_schema(summary="Delete one of your stations with its versions"),
)
class StationViewSet(
    StrictQuery,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[Station],
):
    permission_classes = [IsAuthenticated]
    body_limit = 256 * 1024
    scope = Scope.PLAYLISTS
    queryset = Station.objects.none()
    serializer_class = StationOutput
    keysets = {"": NEWEST}
    long_actions = ("refresh",)

    def get_queryset(self) -> QuerySet[Station]:
        return selectors.station_list(self.request.user)

    @extend_schema(
        summary="Make a station",
        description="It has no version yet: ask for one with `refresh/`, or wait for its time.",
        request=StationInput,
        responses={201: StationOutput},
    )
    def create(self, request: Request) -> Response:
        data = valid_data(StationInput(data=request.data))
        wanted = PlaylistRequest.from_json(data.pop("request"))
        made = _checked(
            lambda: stations.station_create(user=account(request), request=wanted, **data)
        )
        return Response(StationOutput(made).data, status=HTTPStatus.CREATED)

    @extend_schema(
        summary="Rename one of your stations or change its schedule",
        request=StationChange(partial=True),
        responses=StationOutput,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        station = self.get_object()
        data = valid_data(StationChange(data=request.data, partial=True))
        _checked(lambda: stations.station_change(station=station, fields=data))
        return Response(StationOutput(station).data)

    @extend_schema(
        summary="Make a new version of one of your stations",
        description="If no song fits, the former version stays, and `notes` say so.",
        request=None,
        responses=StationOutput,
    )
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, pk: str) -> Response:
        station = self.get_object()
        if stations.needs_network(station):
            words_limit(request)
        stations.station_refresh(station=station)
        return Response(StationOutput(station).data)

    @extend_schema(
        summary="Versions of one of your stations, newest first",
        responses=VersionOutput(many=True),
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def versions(self, request: Request, pk: str) -> Response:
        return Response(VersionOutput(_versions(self.get_object()), many=True).data)

    @extend_schema(
        summary="Let a former version of one of your stations be the current one",
        request=RestoreInput,
        responses=StationOutput,
    )
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        station = self.get_object()
        data = valid_data(RestoreInput(data=request.data))
        if not stations.station_restore(station=station, version=data["version"]):
            raise exceptions.NotFound(gettext("The station has no such version."))
        return Response(StationOutput(station).data)


def _versions(station: Station) -> QuerySet[Playlist]:
    return selectors.station_versions(station)


def _checked(change: Callable[[], Station]) -> Station:
    try:
        return change()
    except ValueError as error:
        raise serializers.ValidationError(str(error)) from error


_router = SimpleRouter()
_router.register("stations", StationViewSet, basename="station")
urlpatterns = _router.urls
