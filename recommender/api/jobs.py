"""Background jobs: list, progress, and starting an ingest."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django_filters
from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from catalog.ingest.run import ingest_start
from catalog.models import BackgroundJob
from recommender import selectors
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, staff_who_may
from recommender.api.base import StrictQuery, StrictSerializer, account, valid_data
from recommender.models import Scope

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


_MayLook = staff_who_may(JOBS_PERMISSION)
_MayStart = staff_who_may(INGEST_PERMISSION)


class IngestInput(StrictSerializer):
    path = serializers.CharField(
        max_length=1000, help_text="A folder or file inside one of the catalogue's roots."
    )
    accept_empty = serializers.BooleanField(
        default=False,
        help_text="Mark songs as gone even if more than half, or all, of the files are gone. "
        "Without it such an ingest ends with `FILES_VANISHED`, because a disk may be missing.",
    )


class JobFilter(django_filters.FilterSet):  # type: ignore[misc]
    kind = django_filters.ChoiceFilter(choices=BackgroundJob.Kind.choices)
    status = django_filters.ChoiceFilter(choices=BackgroundJob.Status.choices)

    class Meta:
        model = BackgroundJob
        fields: list[str] = []


class ProgressOutput(serializers.Serializer[BackgroundJob]):
    done = serializers.IntegerField(source="progress_done")
    total = serializers.IntegerField(source="progress_total")


class JobOutput(serializers.Serializer[BackgroundJob]):
    id = serializers.UUIDField()
    url = serializers.HyperlinkedIdentityField(view_name="api:job-detail")
    kind = serializers.ChoiceField(choices=BackgroundJob.Kind.choices)
    status = serializers.ChoiceField(choices=BackgroundJob.Status.choices)
    arguments = serializers.DictField()
    progress = ProgressOutput(source="*")
    result = serializers.DictField()
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(
        allow_null=True, help_text="Null while the job goes on."
    )


class FailureOutput(serializers.Serializer[Any]):
    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class DetailedProgressOutput(serializers.Serializer[Any]):
    phase = serializers.CharField()
    done = serializers.IntegerField(help_text="Files that need no more work, failed ones too.")
    total = serializers.IntegerField()
    failed = serializers.IntegerField()
    songs_per_minute = serializers.FloatField()
    eta_seconds = serializers.FloatField(allow_null=True, help_text="Null while unknown.")


class JobDetailOutput(serializers.Serializer[Any]):
    job = JobOutput()
    progress = DetailedProgressOutput(allow_null=True, help_text="Of an ingest.")
    failures = FailureOutput(
        many=True, help_text="Files that could not be used, and why: the first 200 by path."
    )
    failure_count = serializers.IntegerField(help_text="Of all of them.")
    unread_count = serializers.IntegerField(help_text="Audio files of formats that are not read.")
    unread_suffixes = serializers.DictField(
        child=serializers.IntegerField(), help_text="Their number by suffix."
    )
    unread_files = serializers.ListField(
        child=serializers.CharField(), help_text="The first 100 of them, below the library's root."
    )
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="What else the scan met: the first 100 notes."
    )


@extend_schema_view(list=extend_schema(summary="Background jobs", responses=JobOutput(many=True)))
class JobViewSet(StrictQuery, mixins.ListModelMixin, viewsets.GenericViewSet[BackgroundJob]):
    permission_classes = [_MayLook]
    scope = Scope.INGEST
    queryset = BackgroundJob.objects.none()
    serializer_class = JobOutput
    filterset_class = JobFilter

    def get_queryset(self) -> QuerySet[BackgroundJob]:
        return selectors.job_list()

    @extend_schema(summary="A background job, its progress and failures", responses=JobDetailOutput)
    def retrieve(self, request: Request, pk: str) -> Response:
        answer = selectors.job_detail(self.get_object())
        return Response(JobDetailOutput(answer, context={"request": request}).data)


class IngestJobView(StrictQuery, APIView):
    permission_classes = [_MayStart]
    scope = Scope.INGEST
    body_limit = 16 * 1024

    @extend_schema(
        summary="Ingest a folder or file",
        description="Answers at once; follow the job at its `url`, also given as `Location`.",
        request=IngestInput,
        responses={202: JobOutput},
    )
    def post(self, request: Request) -> Response:
        data = valid_data(IngestInput(data=request.data))
        job = ingest_start(
            path=Path(data["path"]), user=account(request), accept_empty=data["accept_empty"]
        )
        output = JobOutput(job, context={"request": request}).data
        return Response(output, status=HTTPStatus.ACCEPTED, headers={"Location": output["url"]})


_router = SimpleRouter()
_router.register("jobs", JobViewSet, basename="job")
urlpatterns = [
    *_router.urls,
    path("ingest-jobs/", IngestJobView.as_view(), name="ingest-job-list"),
]
