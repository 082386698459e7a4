"""Tags of files: previewed, written and undone by workers; for staff."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from catalog.files.ours import OURS
from catalog.models import TagRun, TagWrite
from catalog.tagwriting.jobs import tag_run_cancel, tag_run_start, tag_run_undo
from catalog.tagwriting.plan import LEAST_DEFAULT, Choice
from recommender import selectors
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, staff_who_may
from recommender.api.base import (
    StrictQuery,
    StrictSerializer,
    account,
    unit_field,
    valid_data,
)
from recommender.api.jobs import FailureOutput, JobOutput
from recommender.models import Scope
from recommender.paging import Keyset

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.permissions import BasePermission
    from rest_framework.request import Request

_MayLook = staff_who_may(JOBS_PERMISSION)
_MayWrite = staff_who_may(INGEST_PERMISSION)
_MOST_IDS: Final = 500
_FIELDS_HELP: Final = "Only these fields."
_OVERWRITE_HELP: Final = "Whether values that a person set are written over, too."
_TOUCH_HELP: Final = "Whether written files get the time of now; else they keep theirs."


def _ids(**kwargs: Any) -> serializers.ListField:
    one = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    return serializers.ListField(child=one, max_length=_MOST_IDS, **kwargs)


class TagRunInput(StrictSerializer):
    is_preview = serializers.BooleanField(
        default=True, help_text="Whether files are only looked at. Send `false` to write them."
    )
    library_ids = _ids(
        default=list,
        help_text="Only files of these libraries. Empty: every library with `is_writable`.",
    )
    folder = serializers.CharField(
        max_length=2000,
        default="",
        allow_blank=True,
        help_text="Only files inside this folder, which is a path below that of the library.",
    )
    song_ids = _ids(default=list, help_text="Only files of these songs.")
    fields = serializers.ListField(  # type: ignore[assignment]  # the metaclass takes it out
        child=serializers.ChoiceField(choices=OURS),
        allow_empty=False,
        max_length=len(OURS),
        default=list(OURS),
        help_text=_FIELDS_HELP,
    )
    least = unit_field(
        default=LEAST_DEFAULT, help_text="Least probability of an emotion that becomes a mood."
    )
    may_overwrite = serializers.BooleanField(default=False, help_text=_OVERWRITE_HELP)
    is_touched = serializers.BooleanField(default=False, help_text=_TOUCH_HELP)


class TagChoiceOutput(serializers.Serializer[Any]):
    library_ids = serializers.ListField(
        child=serializers.IntegerField(),
        source="libraries",
        help_text="Empty: every library with `is_writable`.",
    )
    folder = serializers.CharField()
    song_ids = serializers.ListField(
        child=serializers.IntegerField(), source="songs", help_text="Empty: all."
    )
    fields = serializers.ListField(  # type: ignore[assignment]  # the metaclass takes it out
        child=serializers.ChoiceField(choices=OURS)
    )
    least = serializers.FloatField()
    may_overwrite = serializers.BooleanField()
    is_touched = serializers.BooleanField()


class TagRunOutput(serializers.Serializer[TagRun]):
    id = serializers.IntegerField()
    url = serializers.HyperlinkedIdentityField(view_name="api:tag-run-detail")
    state = serializers.ChoiceField(
        choices=TagRun.State.choices, help_text="Of a preview `planning`, then `planned`."
    )
    is_stopped = serializers.BooleanField(
        help_text="Whether its job failed or was cancelled before it was through."
    )
    choice = TagChoiceOutput(source="choice_made")
    planned = serializers.IntegerField(help_text="Files that would change; of a preview.")
    written = serializers.IntegerField(help_text="Files that are written.")
    undone = serializers.IntegerField(help_text="Files that were written and are restored.")
    unchanged = serializers.IntegerField(help_text="Files that were up to date.")
    refused = serializers.IntegerField(help_text="Files that are left alone.")
    job = JobOutput(allow_null=True, help_text="What went or goes on with it; null of commands.")
    created_by = serializers.CharField(
        source="created_by.username", default=None, allow_null=True, help_text="Null of commands."
    )
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class TagRunDetailOutput(TagRunOutput):
    problems = FailureOutput(many=True, help_text="Files that are left alone: the first 500.")


class TagFieldOutput(serializers.Serializer[Any]):
    field = serializers.ChoiceField(choices=OURS)
    before = serializers.ListField(child=serializers.CharField())
    after = serializers.ListField(child=serializers.CharField())


class TagFileOutput(serializers.Serializer[Any]):
    song_id = serializers.IntegerField(allow_null=True, help_text="Null: it was removed since.")
    library_id = serializers.IntegerField()
    path = serializers.CharField(source="relative_path", help_text="Below the library's root.")
    state = serializers.ChoiceField(choices=TagWrite.State.choices)
    changes = TagFieldOutput(many=True)


class TagRunFilter(django_filters.FilterSet):  # type: ignore[misc]
    state = django_filters.ChoiceFilter(choices=TagRun.State.choices)

    class Meta:
        model = TagRun
        fields: list[str] = []


@extend_schema_view(
    list=extend_schema(
        summary="Runs of tags, newest first",
        description="Also those of `manage.py write_tags`. A preview is kept for a day; the next "
        "run after that deletes it.",
        responses=TagRunOutput(many=True),
    ),
    retrieve=extend_schema(summary="A run of tags", responses=TagRunDetailOutput),
)
class TagRunViewSet(
    StrictQuery,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[TagRun],
):
    scope = Scope.INGEST
    body_limit = 64 * 1024
    queryset = TagRun.objects.none()
    permission_classes = [_MayLook]  # to write needs more: `get_permissions`
    paged_actions = ("files",)
    filterset_class = TagRunFilter

    @property
    def keysets(self) -> dict[str, Keyset]:
        """The newest run comes first, and of its files the first one that was looked at."""
        return {"": Keyset(("pk",), is_descending=self.action == "list")}

    def get_queryset(self) -> QuerySet[TagRun]:
        return selectors.tag_run_list()

    def get_permissions(self) -> list[BasePermission]:
        return [_MayLook() if self.request.method in SAFE_METHODS else _MayWrite()]

    def get_serializer_class(self) -> type[TagRunOutput]:
        return TagRunDetailOutput if self.action == "retrieve" else TagRunOutput

    @extend_schema(
        summary="Preview or write tags of files",
        description="A preview unless `is_preview` is false. Answers at once; follow the run at "
        "its `url`, also given as `Location`. 409 with `TAGS_NOT_WRITABLE` if no file may be "
        "written: staff must allow it for the library, its folder must be open to writing, and "
        "files in object stores are not written.",
        request=TagRunInput,
        responses={202: TagRunOutput},
    )
    def create(self, request: Request) -> Response:
        data = valid_data(TagRunInput(data=request.data))
        choice = Choice(
            libraries=tuple(dict.fromkeys(data["library_ids"])),
            songs=tuple(dict.fromkeys(data["song_ids"])),
            fields=tuple(name for name in OURS if name in data["fields"]),
            least=data["least"],
            may_overwrite=data["may_overwrite"],
            is_touched=data["is_touched"],
            folder=data["folder"],
        )
        run = tag_run_start(choice=choice, is_preview=data["is_preview"], user=account(request))
        return self._accepted(run)

    @extend_schema(
        summary="Undo a run of tags",
        description="Every file comes back byte for byte; one that was changed since is left alone "
        "and named. Undo later runs first. 409 with `TAGS_NOT_WRITABLE` for previews, and while "
        "a job goes on with the run.",
        request=None,
        responses={202: TagRunOutput},
    )
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        return self._accepted(tag_run_undo(run=self.get_object(), user=account(request)))

    @extend_schema(
        summary="Cancel the job of a run of tags",
        description="It ends after the file at hand. What was written stays, and can be undone.",
        request=None,
        responses=TagRunOutput,
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        run = self.get_object()
        tag_run_cancel(run=run)
        return Response(self._output(run))

    @extend_schema(
        summary="Files that a run of tags changes",
        description="Of a preview, the files that would change. The first one that was looked at "
        "comes first.",
        responses=TagFileOutput(many=True),
        filters=False,
    )
    @action(detail=True)
    def files(self, request: Request, pk: str) -> Response:
        found: QuerySet[Any] = selectors.tag_run_files(self.get_object())
        page: list[Any] = self.paginate_queryset(found) or []
        return self.get_paginated_response(TagFileOutput(page, many=True).data)

    def _accepted(self, run: TagRun) -> Response:
        output = self._output(run)
        headers = {"Location": str(output["url"])}
        return Response(output, status=HTTPStatus.ACCEPTED, headers=headers)

    def _output(self, run: TagRun) -> dict[str, Any]:
        shown = selectors.tag_run_list().get(pk=run.pk)
        return dict(TagRunOutput(shown, context={"request": self.request}).data)


_router = SimpleRouter()
_router.register("tag-runs", TagRunViewSet, basename="tag-run")
urlpatterns = _router.urls
