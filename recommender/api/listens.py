"""What a listener has listened to."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Q
from django.urls import path
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Song
from recommender import history, selectors
from recommender.api.base import StrictQuery, StrictSerializer, account, valid_data
from recommender.listening import MOST_SUBMITTED, listens_delete, listens_record
from recommender.models import Listen, Scope
from recommender.paging import Keyset

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class ListenInput(StrictSerializer):
    song_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    listened_at = serializers.DateTimeField(required=False, help_text="Default: now.")
    seconds_played = serializers.FloatField(min_value=0, required=False, allow_null=True)


class ListensInput(StrictSerializer):
    listens = serializers.ListField(child=ListenInput(), min_length=1, max_length=MOST_SUBMITTED)


class RecordedOutput(serializers.Serializer[Any]):
    recorded = serializers.IntegerField(help_text="That were not there before.")
    known = serializers.IntegerField(help_text="That were there, for the same song and moment.")
    unknown_song_ids = serializers.ListField(
        child=serializers.IntegerField(), help_text="There are no such songs; the others are kept."
    )


class RangeInput(StrictSerializer):
    since = serializers.DateTimeField(required=False, help_text="From this moment on.")
    until = serializers.DateTimeField(required=False, help_text="Before this moment.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a range without a bound, which would be the whole history."""
        if not attrs:
            problem = gettext("Give since, until or both.")
            raise serializers.ValidationError({"since": [problem]})
        return attrs


class DeletedOutput(serializers.Serializer[Any]):
    deleted = serializers.IntegerField(help_text="How many listens are deleted.")


class ListenedSongOutput(serializers.Serializer[Song]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()


class ListenOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    song = ListenedSongOutput()
    listened_at = serializers.DateTimeField()
    seconds_played = serializers.FloatField(allow_null=True)


@extend_schema_view(list=extend_schema(summary="What you have listened to"))
class ListenViewSet(StrictQuery, mixins.ListModelMixin, viewsets.GenericViewSet[Listen]):
    permission_classes = [IsAuthenticated]
    body_limit = 4 * 1024
    scope = Scope.LISTEN
    queryset = Listen.objects.none()
    serializer_class = ListenOutput
    keysets: ClassVar = {"": Keyset(("listened_at", "pk"), is_descending=True)}
    query_inputs: ClassVar = {"destroy_range": RangeInput}

    def get_queryset(self) -> QuerySet[Listen]:
        return selectors.listen_list(self.request.user)

    @extend_schema(
        summary="Note that you heard a song",
        request=ListenInput,
        responses={201: ListenOutput, 404: OpenApiResponse(description="There is no such song.")},
    )
    def create(self, request: Request) -> Response:
        data = valid_data(ListenInput(data=request.data))
        listen = history.listen_record(user=account(request), **data)
        return Response(ListenOutput(listen).data, status=HTTPStatus.CREATED)

    @extend_schema(summary="Delete one of your listens", responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        listens_delete(user=account(request), which=Q(pk=self.get_object().pk))
        return Response(status=HTTPStatus.NO_CONTENT)

    @extend_schema(
        summary="Delete your listens of a time",
        description="One bound may be left out.",
        operation_id="listens_destroy_range",
        parameters=[RangeInput],
        responses={200: DeletedOutput},
    )
    def destroy_range(self, request: Request) -> Response:
        bounds = valid_data(RangeInput(data=request.query_params.dict()))
        which = Q()
        if "since" in bounds:
            which &= Q(listened_at__gte=bounds["since"])
        if "until" in bounds:
            which &= Q(listened_at__lt=bounds["until"])
        return Response({"deleted": listens_delete(user=account(request), which=which)})


class ListensView(StrictQuery, APIView):
    permission_classes = [IsAuthenticated]
    body_limit = 256 * 1024
    scope = Scope.LISTEN

    @extend_schema(
        summary="Note that you heard several songs",
        description="Sent again, the same listens are not counted twice.",
        request=ListensInput,
        responses={201: RecordedOutput},
    )
    def post(self, request: Request) -> Response:
        given = valid_data(ListensInput(data=request.data))["listens"]
        recorded = listens_record(user=account(request), listens=given)
        return Response(RecordedOutput(recorded).data, status=HTTPStatus.CREATED)


urlpatterns = [
    path("listens/bulk/", ListensView.as_view(), name="listen-bulk"),
    path(
        "listens/",
        ListenViewSet.as_view({"get": "list", "post": "create", "delete": "destroy_range"}),
        name="listen-list",
    ),
    path("listens/<int:pk>/", ListenViewSet.as_view({"delete": "destroy"}), name="listen-detail"),
]
