"""Listening history from files of other services."""

from __future__ import annotations

import uuid
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from recommender import listening
from recommender.api.base import (
    BytesParser,
    StrictQuery,
    StrictSerializer,
    account,
    valid_data,
)
from recommender.models import ListenImport, Scope
from recommender.paging import NEWEST

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

STATES = ("waiting", "reading", "done", "failed")


class PieceInput(StrictSerializer):
    name = serializers.CharField(
        max_length=500, default="history", help_text="Of the file, for messages."
    )
    upload = serializers.UUIDField(
        required=False,
        help_text="An id of your choice for a file that comes in pieces; it becomes the import's.",
    )
    size = serializers.IntegerField(
        min_value=1, max_value=2**62, required=False, help_text="Bytes of the whole file."
    )
    offset = serializers.IntegerField(
        min_value=0, max_value=2**62, default=0, help_text="Where in the file the piece begins."
    )

    def to_internal_value(self, data: Any) -> Any:
        """Take the numbers of an address, which are texts there."""
        plain = {
            name: int(value) if name in {"size", "offset"} and _is_number(value) else value
            for name, value in data.items()
        }
        return super().to_internal_value(plain)


class UnmatchedOutput(serializers.Serializer[Any]):
    artist = serializers.CharField()
    title = serializers.CharField()
    count = serializers.IntegerField()


class ImportOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    file_name = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES, source="*")
    read = serializers.IntegerField(help_text="Listens of the file.")
    added = serializers.IntegerField(help_text="To your history.")
    known = serializers.IntegerField(help_text="Were in your history before.")
    skipped = serializers.IntegerField(
        help_text="Played for less than half a minute, and less than half of the song."
    )
    unmatched = serializers.IntegerField(help_text="Listens of songs that are not here.")
    unmatched_songs = serializers.IntegerField(help_text="How many songs those are.")
    left_out = serializers.IntegerField(help_text="Listens without a name or a time, or the like.")
    error = serializers.CharField(help_text="Why the file was refused; empty if it was not.")
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: ListenImport) -> dict[str, Any]:
        """Return the counts, which are 0 until the file is read."""
        counts = {name: instance.result.get(name, 0) for name in _COUNTS}
        if not instance.is_done and instance.job:
            counts["read"] = instance.job.progress_done
        return {
            "id": str(instance.pk),
            "file_name": instance.file_name,
            "state": listening.import_state(instance),
            **counts,
            "error": listening.import_failure(instance),
            "created_at": serializers.DateTimeField().to_representation(instance.created_at),
        }


_COUNTS = ("read", "added", "known", "skipped", "unmatched", "unmatched_songs", "left_out")


class ImportDetailOutput(ImportOutput):
    most_unmatched = UnmatchedOutput(
        many=True, help_text="Songs that are not here, the most played first; at most 500."
    )
    faults = serializers.ListField(
        child=serializers.CharField(),
        help_text="Listens that were left out, by file and line; at most 500.",
    )

    def to_representation(self, instance: ListenImport) -> dict[str, Any]:
        """Add what was not found."""
        return {
            **super().to_representation(instance),
            "most_unmatched": instance.result.get("most_unmatched", []),
            "faults": listening.import_faults(instance),
        }


@extend_schema_view(
    list=extend_schema(summary="Your imports of listening history"),
    retrieve=extend_schema(
        summary="One of your imports, with the songs that were not found",
        responses=ImportDetailOutput,
    ),
)
class ImportViewSet(
    StrictQuery,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[ListenImport],
):
    permission_classes = [IsAuthenticated]
    parser_classes = [BytesParser]
    body_limit = 1024**2
    scope = Scope.LISTEN
    queryset = ListenImport.objects.none()
    serializer_class = ImportOutput
    keysets = {"": NEWEST}
    query_inputs: ClassVar = {"create": PieceInput}

    def get_queryset(self) -> QuerySet[ListenImport]:
        return listening.imports_list(self.request.user)

    def get_serializer_class(self) -> type[serializers.Serializer[Any]]:
        """Return the output of the action: a list has no unmatched songs."""
        return ImportDetailOutput if self.action == "retrieve" else ImportOutput

    @extend_schema(
        summary="Import listening history",
        description="The body is a file of ListenBrainz, Last.fm or Spotify, or a zip of such: "
        "see the docs. A body has at most 1 MB: send a larger file in pieces, each with the same "
        "`upload` and `size`, in the order of their `offset`. A piece that is not the last is "
        "answered by 204, the last one by 202; then ask for the import until its state is `done` "
        "or `failed`.",
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=[PieceInput],
        responses={202: ImportOutput, 204: OpenApiResponse(description="Send the next piece.")},
    )
    def create(self, request: Request) -> Response:
        piece = valid_data(PieceInput(data=request.query_params.dict()))
        data: bytes = request.data if isinstance(request.data, bytes) else b""
        piece.setdefault("size", len(data))
        piece.setdefault("upload", uuid.uuid4())
        begun = listening.import_piece(user=account(request), data=data, **piece)
        if begun is None:
            return Response(status=HTTPStatus.NO_CONTENT)
        return Response(ImportOutput(begun).data, status=HTTPStatus.ACCEPTED)

    @extend_schema(
        summary="Take back one of your imports",
        description="Deletes the listens that it added, and the import. With the id of an upload "
        "that has not ended, deletes its pieces.",
        responses={204: None},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete an import, or the pieces of one that has not begun."""
        with suppress(ValueError):
            if listening.import_abort(user=account(request), upload=uuid.UUID(pk)):
                return Response(status=HTTPStatus.NO_CONTENT)
        listening.import_undo(listens=self.get_object())
        return Response(status=HTTPStatus.NO_CONTENT)


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20


_router = SimpleRouter()
_router.register("imports", ImportViewSet, basename="import")
urlpatterns = _router.urls
