"""What a listener has listened to."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from catalog.models import Song
from recommender import history, selectors
from recommender.api.base import StrictQuery, StrictSerializer, account, valid_data
from recommender.models import Listen, Scope

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class ListenInput(StrictSerializer):
    song_id = serializers.IntegerField(min_value=1)
    listened_at = serializers.DateTimeField(required=False, help_text="Default: now.")
    seconds_played = serializers.FloatField(min_value=0, required=False, allow_null=True)


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

    def get_queryset(self) -> QuerySet[Listen]:
        return selectors.listen_list(self.request.user)

    @extend_schema(
        summary="Note that you heard a song",
        request=ListenInput,
        responses={201: ListenOutput},
    )
    def create(self, request: Request) -> Response:
        data = valid_data(ListenInput(data=request.data))
        listen = history.listen_record(user=account(request), **data)
        return Response(ListenOutput(listen).data, status=HTTPStatus.CREATED)


_router = SimpleRouter()
_router.register("listens", ListenViewSet, basename="listen")
urlpatterns = _router.urls
