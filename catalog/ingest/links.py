"""Links to folders outside a library: each such folder is ingested as a library of its own.

A song's file must lie in its library (`catalog.paths.open_inside`), so a link is never entered.
The folder that it leads to gets a job. Every folder gets one job at most for one ingest that
somebody asked for, so links that lead to each other end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from catalog.errors import PathError
from catalog.ingest.upsert import library_ensure
from catalog.models import BackgroundJob, Library
from catalog.paths import ingest_root_check, to_stored
from catalog.selectors import roots_allowed
from catalog.work.jobs import job_create

if TYPE_CHECKING:
    from catalog.files.scan import Found


def link_refusal(job: BackgroundJob, library: Library, found: Found) -> str:
    """Return why the folder behind a link must not be ingested; empty if it may be."""
    target = (library.path / found.relative).resolve()
    is_anywhere_allowed = job.arguments.get("is_anywhere_allowed", False)
    roots = [target] if is_anywhere_allowed else roots_allowed()
    try:
        ingest_root_check(target, roots)
    except PathError as error:
        return f"is a link to a folder that is not followed: {error}"
    below = (one.path for one in Library.objects.all() if one.path.is_relative_to(target))
    inner = next((path for path in below if path != target), None)
    if inner is not None:
        return f"is a link to {target}, which holds the library {inner}; ingest it by its name"
    return ""


def linked_job(job: BackgroundJob, library: Library, found: Found) -> BackgroundJob:
    """Return the job of the folder behind a link that is not refused; create it if it has none."""
    target = (library.path / found.relative).resolve()
    asked_as = job.arguments.get("asked_as", str(job.pk))
    since = BackgroundJob.objects.filter(pk=asked_as).values_list("created_at", flat=True).first()
    arguments = {
        "path": to_stored(target),
        "accept_empty": False,
        "is_anywhere_allowed": job.arguments.get("is_anywhere_allowed", False),
        "asked_as": asked_as,
    }
    with transaction.atomic():
        library_ensure(folder=target)
        known = BackgroundJob.objects.filter(
            kind=BackgroundJob.Kind.INGEST,
            arguments__path=arguments["path"],
            created_at__gte=since or job.created_at,
        )
        return known.first() or job_create(
            kind=BackgroundJob.Kind.INGEST,
            arguments=arguments,
            user=job.created_by,
            priority=job.priority,
        )
