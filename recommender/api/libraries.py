"""Libraries: list, add, change, scan, remove; for staff."""

from __future__ import annotations

from dataclasses import asdict, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from catalog.ingest.catalogue import catalogue_take
from catalog.ingest.libraries import (
    MOST_HOURS,
    LibrarySettings,
    library_add,
    library_change,
    library_remove,
    library_rescan,
)
from catalog.ingest.tables import KINDS, MAX_SENT_BYTES
from catalog.ingest.tablesongs import table_library, table_take
from catalog.models import Library
from catalog.stores.addresses import path_named
from recommender import selectors
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, REMOVE_PERMISSION, staff_who_may
from recommender.api.base import StrictQuery, StrictSerializer, account, valid_data
from recommender.api.jobs import JobOutput, job_accepted
from recommender.models import Scope

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.permissions import BasePermission
    from rest_framework.request import Request

_MayLook = staff_who_may(JOBS_PERMISSION)
_MayChange = staff_who_may(INGEST_PERMISSION)
_MayRemove = staff_who_may(REMOVE_PERMISSION)
_HOURS: Final[dict[str, Any]] = {
    "min_value": 1,
    "max_value": MOST_HOURS,
    "allow_null": True,
    "help_text": "Hours between two scheduled scans; null for none.",
}
_WATCH_HELP: Final = (
    "`events` for disks of the server, `polling` for network mounts, where the system tells of no "
    "changes. Libraries in a store are not watched."
)


class LibraryChangeInput(StrictSerializer):
    name = serializers.CharField(max_length=200, required=False)
    watch = serializers.ChoiceField(
        choices=Library.Watch.choices, required=False, help_text=_WATCH_HELP
    )
    rescan_hours = serializers.IntegerField(required=False, **_HOURS)
    is_writable = serializers.BooleanField(
        required=False,
        help_text="Whether moods, tempo and key may be written into its files. 409 with "
        "`TAGS_NOT_WRITABLE` if its folder cannot be written, and for stores and tables.",
    )


class LibraryInput(LibraryChangeInput):
    path = serializers.CharField(
        max_length=1000,
        help_text="A folder inside one of the catalogue's roots, or an address inside one of the "
        "stores of the settings, such as `s3://bucket/folder`.",
    )


class CatalogueInput(StrictSerializer):
    kind = serializers.ChoiceField(choices=KINDS)
    text = serializers.CharField(
        trim_whitespace=False,
        help_text="The catalogue file, with paths below the folder of the library.",
    )


class TableInput(StrictSerializer):
    name = serializers.CharField(
        max_length=200, help_text="Of the library that the table is; it is made if there is none."
    )
    kind = serializers.ChoiceField(choices=KINDS)
    text = serializers.CharField(
        trim_whitespace=False, help_text="The table; each row is a song, with at least a `title`."
    )
    is_whole = serializers.BooleanField(
        default=True,
        help_text="Whether songs that have no row are gone. Send `false` with a part of a table.",
    )
    accept_empty = serializers.BooleanField(
        default=False, help_text="Mark them as gone even if they are more than half of the library."
    )


class CatalogueProblemOutput(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    field = serializers.CharField(help_text="Empty if it is about the row.")
    message = serializers.CharField()


class CatalogueOutput(serializers.Serializer[Any]):
    changed = serializers.IntegerField(help_text="Rows that changed a song.")
    unchanged = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="Rows that are not used.")
    problems = CatalogueProblemOutput(many=True, help_text="The first 1000 of them.")


class TableOutput(CatalogueOutput):
    library_id = serializers.IntegerField()
    added = serializers.IntegerField(help_text="Rows that became new songs.")
    restored = serializers.IntegerField(help_text="Rows of songs that were gone.")
    removed = serializers.IntegerField(help_text="Rows of songs that staff removed.")
    missing = serializers.IntegerField(help_text="Songs without a row, marked as gone now.")
    kept = serializers.IntegerField(help_text="Songs without a row that stay.")
    kept_reason = serializers.CharField(help_text="Why they stay; empty if none does.")


class LibraryOutput(serializers.Serializer[Library]):
    id = serializers.IntegerField()
    url = serializers.HyperlinkedIdentityField(view_name="api:library-detail")
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Library.Kind.choices)
    has_audio = serializers.BooleanField(help_text="False for a table of songs.")
    root = serializers.CharField(  # type: ignore[assignment]
        source="folder", help_text="The folder, or the address in a store; empty for a table."
    )
    songs = serializers.IntegerField(source="song_count", help_text="Whose files are there.")
    watch = serializers.ChoiceField(choices=Library.Watch.choices)
    watch_state = serializers.ChoiceField(
        choices=Library.WatchState.choices, help_text="How the watching stands; empty if off."
    )
    watch_note = serializers.CharField(help_text="Why it is not as it was asked for.")
    rescan_hours = serializers.IntegerField(allow_null=True)
    scanned_at = serializers.DateTimeField(
        allow_null=True, help_text="When the last scan of the whole library ended."
    )
    rescan_at = serializers.DateTimeField(
        allow_null=True, help_text="When the next scheduled scan begins."
    )
    is_writable = serializers.BooleanField(
        help_text="Whether moods, tempo and key may be written into its files, by `/tag-runs/`."
    )
    is_being_removed = serializers.BooleanField(source="is_going")
    created_at = serializers.DateTimeField()


@extend_schema_view(
    list=extend_schema(summary="Libraries", responses=LibraryOutput(many=True)),
    retrieve=extend_schema(summary="A library", responses=LibraryOutput),
)
class LibraryViewSet(
    StrictQuery,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Library],
):
    scope = Scope.INGEST
    body_limit = MAX_SENT_BYTES
    queryset = Library.objects.none()
    serializer_class = LibraryOutput
    permission_classes = [_MayLook]  # to change needs more: `get_permissions`

    def get_queryset(self) -> QuerySet[Library]:
        return selectors.library_list()

    def get_permissions(self) -> list[BasePermission]:
        if self.request.method in SAFE_METHODS:
            return [_MayLook()]
        return [_MayRemove() if self.request.method == "DELETE" else _MayChange()]

    @extend_schema(
        summary="Add a library",
        description="Its first scan begins in the background. Libraries inside become part of it.",
        request=LibraryInput,
        responses={201: LibraryOutput},
    )
    def create(self, request: Request) -> Response:
        data = valid_data(LibraryInput(data=request.data))
        chosen = LibrarySettings(
            data.get("name", ""),
            data.get("watch", Library.Watch.OFF),
            data.get("rescan_hours"),
            data.get("is_writable", False),
        )
        library = library_add(path=path_named(data["path"]), chosen=chosen, user=account(request))
        output = self._output(library)
        headers = {"Location": str(output["url"])}
        return Response(output, status=HTTPStatus.CREATED, headers=headers)

    @extend_schema(
        summary="Rename a library, or switch its watching, schedule or writing of tags",
        request=LibraryChangeInput,
        responses=LibraryOutput,
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        data = valid_data(LibraryChangeInput(data=request.data))
        library = self._staying()
        library_change(library=library, chosen=replace(LibrarySettings.of(library), **data))
        return Response(self._output(library))

    @extend_schema(
        summary="Remove a library",
        description="Its songs go in the background, with their places in saved lists, likes and "
        "plays. Files stay as they are.",
        request=None,
        responses={202: LibraryOutput},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        library = self.get_object()
        library_remove(library=library)
        return Response(self._output(library), status=HTTPStatus.ACCEPTED)

    @extend_schema(
        summary="Scan a library",
        description="Answers at once; follow the job at its `url`, also given as `Location`.",
        request=None,
        responses={202: JobOutput},
    )
    @action(detail=True, methods=["post"])
    def rescan(self, request: Request, pk: str) -> Response:
        job = library_rescan(library=self.get_object(), user=account(request))
        return job_accepted(job, request)

    @extend_schema(
        summary="Correct and complete songs of a library from a catalogue file",
        description="Each row names an audio file of the library, which it must hold already. A "
        "row that cannot be used is named with its line and field, and stops no other. Send a "
        "larger file in parts, each with the first line, or use `manage.py ingest --catalogue`.",
        request=CatalogueInput,
        responses=CatalogueOutput,
    )
    @action(detail=True, methods=["post"])
    def catalogue(self, request: Request, pk: str) -> Response:
        data = valid_data(CatalogueInput(data=request.data))
        report = catalogue_take(library=self._staying(), **data)
        return Response(CatalogueOutput(report).data)

    @extend_schema(
        summary="Make or update a library of songs without audio from a table",
        description="Each row is a song. It is analysed by its lyrics, title and artist. A row has "
        "a key: its `id`, else its MusicBrainz id, else its ISRC, else artist, title and album. "
        "The same table again changes nothing. Send a larger table in parts, each with the first "
        "line and `is_whole` false, or use `manage.py ingest TABLE`.",
        request=TableInput,
        responses=TableOutput,
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def table(self, request: Request) -> Response:
        data = valid_data(TableInput(data=request.data))
        library = table_library(name=data.pop("name"))
        report = table_take(library=library, **data)
        report_and_id = {"library_id": library.pk, **asdict(report)}
        return Response(TableOutput(report_and_id).data)

    def _staying(self) -> Library:
        library: Library = self.get_object()
        if library.is_going:
            raise serializers.ValidationError(gettext("The library is being removed."))
        return library

    def _output(self, library: Library) -> dict[str, Any]:
        shown = selectors.library_list().get(pk=library.pk)
        return dict(LibraryOutput(shown, context={"request": self.request}).data)


_router = SimpleRouter()
_router.register("libraries", LibraryViewSet, basename="library")
urlpatterns = _router.urls
