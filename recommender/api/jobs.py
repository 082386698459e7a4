"""Background jobs: list, progress, and what staff do with an ingest."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import django_filters
from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from catalog.ingest.control import (
    failures_retry,
    ingest_cancel,
    ingest_pause,
    ingest_prioritise,
    ingest_resume,
)
from catalog.ingest.run import ingest_start
from catalog.models import BackgroundJob, StageTiming
from catalog.selectors import STAGES, job_failures
from catalog.stores.addresses import path_named
from recommender import selectors
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, staff_who_may
from recommender.api.base import StrictQuery, StrictSerializer, ToldField, account, valid_data
from recommender.api.pagination import Sorted
from recommender.models import Scope
from recommender.paging import NEWEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from rest_framework.request import Request


_MayLook = staff_who_may(JOBS_PERMISSION)
_MayStart = staff_who_may(INGEST_PERMISSION)


class IngestInput(StrictSerializer):
    path = serializers.CharField(
        max_length=1000,
        help_text="A folder or file inside one of the catalogue's roots, or the address of one "
        "inside a store of the settings, such as `s3://bucket/folder`.",
    )
    accept_empty = serializers.BooleanField(
        default=False,
        help_text="Mark songs as gone even if more than half, or all, of the files are gone. "
        "Without it such an ingest ends with `FILES_VANISHED`, because a disk may be missing.",
    )
    priority = serializers.ChoiceField(
        choices=BackgroundJob.Priority.choices,
        default=BackgroundJob.Priority.NORMAL,
        help_text="Of its songs in the queue for analysis.",
    )


class PriorityInput(StrictSerializer):
    priority = serializers.ChoiceField(
        choices=BackgroundJob.Priority.choices,
        help_text="`next` comes before `high`. New songs come before songs that a new model "
        "version analyses again.",
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
    priority = serializers.ChoiceField(choices=BackgroundJob.Priority.choices)
    arguments = serializers.DictField()
    progress = ProgressOutput(source="*")
    result = serializers.DictField()
    error_code = serializers.CharField()
    error_message = ToldField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(
        allow_null=True, help_text="Null while the job goes on."
    )


class FailureOutput(serializers.Serializer[Any]):
    path = serializers.CharField()
    code = serializers.CharField()
    message = ToldField()


class DetailedProgressOutput(serializers.Serializer[Any]):
    phase = serializers.CharField()
    done = serializers.IntegerField(help_text="Files that need no more work, failed ones too.")
    total = serializers.IntegerField()
    failed = serializers.IntegerField(
        help_text="Files that did not become songs, and songs whose analysis failed."
    )
    songs_per_minute = serializers.FloatField()
    eta_seconds = serializers.FloatField(
        allow_null=True, help_text="Null while no song was analysed in the last `rate_seconds`."
    )
    rate_songs = serializers.IntegerField(
        help_text="Songs analysed in the last `rate_seconds`; the speed and the time follow."
    )
    rate_seconds = serializers.FloatField(help_text="0 after the job has ended.")
    stage = serializers.ChoiceField(choices=STAGES, help_text="The stage that the job has reached.")


class StageOutput(serializers.Serializer[StageTiming]):
    stage = serializers.ChoiceField(choices=StageTiming.Stage.choices)
    items = serializers.IntegerField(help_text="Files in `read` and `write`, else songs.")
    seconds = serializers.FloatField(help_text="Of the clock, of all workers together.")
    items_per_second = serializers.FloatField(help_text="The mean speed of one worker.")


class JobDetailOutput(serializers.Serializer[Any]):
    job = JobOutput()
    progress = DetailedProgressOutput(allow_null=True, help_text="Of an ingest.")
    stages = StageOutput(
        many=True,
        help_text="How long the stages of the work take, by all jobs of this installation so far; "
        "those that have not begun are left out.",
    )
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
        child=ToldField(), help_text="What else the scan met: the first 100 notes."
    )


class RetryInput(StrictSerializer):
    path = serializers.CharField(
        max_length=2000,
        default="",
        allow_blank=True,
        help_text="Of one failure of the job; without it all are tried again.",
    )


@extend_schema_view(list=extend_schema(summary="Background jobs", responses=JobOutput(many=True)))
class JobViewSet(StrictQuery, mixins.ListModelMixin, viewsets.GenericViewSet[BackgroundJob]):
    permission_classes = [_MayLook]
    scope = Scope.INGEST
    queryset = BackgroundJob.objects.none()
    serializer_class = JobOutput
    keysets = {"": NEWEST}
    paged_actions = ("failures",)
    filterset_class = JobFilter

    def get_queryset(self) -> QuerySet[BackgroundJob]:
        jobs = selectors.job_list()
        # Only ingests are paused, cancelled and tried again.
        is_act = self.request.method == "POST"
        return jobs.filter(kind=BackgroundJob.Kind.INGEST) if is_act else jobs

    @extend_schema(summary="A background job, its progress and failures", responses=JobDetailOutput)
    def retrieve(self, request: Request, pk: str) -> Response:
        answer = selectors.job_detail(self.get_object())
        return Response(JobDetailOutput(answer, context={"request": request}).data)

    @extend_schema(
        summary="Files that a job could not use, and why",
        description="All of them, by path; the job itself shows the first 200.",
        responses=FailureOutput(many=True),
        filters=False,
    )
    @action(detail=True)
    def failures(self, request: Request, pk: str) -> Response:
        found = Sorted(job_failures(job=self.get_object()), ("path", "code"))
        page = self.paginate_queryset(found)  # type: ignore[arg-type]
        return self.get_paginated_response(FailureOutput(page, many=True).data)

    @extend_schema(
        summary="Pause an ingest",
        description="Songs that a worker has begun are analysed to their end.",
        request=None,
        responses=JobOutput,
    )
    @action(detail=True, methods=["post"], permission_classes=[_MayStart])
    def pause(self, request: Request, pk: str) -> Response:
        return self._done(ingest_pause)

    @extend_schema(summary="Let a paused ingest go on", request=None, responses=JobOutput)
    @action(detail=True, methods=["post"], permission_classes=[_MayStart])
    def resume(self, request: Request, pk: str) -> Response:
        return self._done(ingest_resume)

    @extend_schema(
        summary="Move the songs of an ingest in the queue",
        description="Songs that a worker has begun are not interrupted.",
        request=PriorityInput,
        responses=JobOutput,
    )
    @action(detail=True, methods=["post"], permission_classes=[_MayStart])
    def priority(self, request: Request, pk: str) -> Response:
        data = valid_data(PriorityInput(data=request.data))
        return self._done(partial(ingest_prioritise, priority=data["priority"]))

    @extend_schema(
        summary="Cancel an ingest",
        description="Songs that it found stay in the library, with the failure `CANCELLED` until "
        "they are tried again.",
        request=None,
        responses=JobOutput,
    )
    @action(detail=True, methods=["post"], permission_classes=[_MayStart])
    def cancel(self, request: Request, pk: str) -> Response:
        return self._done(ingest_cancel)

    @extend_schema(
        summary="Try the failures of an ingest again",
        description="Answers with a new job; follow it at its `url`, also given as `Location`.",
        request=RetryInput,
        responses={202: JobOutput},
    )
    @action(detail=True, methods=["post"], permission_classes=[_MayStart])
    def retry(self, request: Request, pk: str) -> Response:
        data = valid_data(RetryInput(data=request.data))
        job = failures_retry(job=self.get_object(), path=data["path"], user=account(request))
        return job_accepted(job, request)

    def _done(self, service: Callable[..., object]) -> Response:
        job = self.get_object()
        service(job=job)
        job.refresh_from_db()
        return Response(JobOutput(job, context={"request": self.request}).data)


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
            path=path_named(data["path"]),
            user=account(request),
            accept_empty=data["accept_empty"],
            priority=data["priority"],
        )
        return job_accepted(job, request)


def job_accepted(job: BackgroundJob, request: Request) -> Response:
    """Answer 202 with a job that goes on in the background."""
    output = JobOutput(job, context={"request": request}).data
    return Response(output, status=HTTPStatus.ACCEPTED, headers={"Location": str(output["url"])})


_router = SimpleRouter()
_router.register("jobs", JobViewSet, basename="job")
urlpatterns = [
    *_router.urls,
    path("ingest-jobs/", IngestJobView.as_view(), name="ingest-job-list"),
]
