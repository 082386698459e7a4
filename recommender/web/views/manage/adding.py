"""Add music: choose a folder of this machine, or upload files; for staff."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from catalog.errors import PathError, StoreAwayError, UploadError
from catalog.folders import folder_roots, folder_view
from catalog.ingest.libraries import folder_add
from catalog.ingest.uploads import upload_abort, upload_piece
from catalog.models import Library
from catalog.paths import from_stored, to_stored
from catalog.selectors import library_find
from catalog.stores.addresses import path_named
from mer.audio.patches import SUPPORTED_SUFFIXES
from recommender.access import INGEST_PERMISSION, JOBS_PERMISSION, is_staff_who_may
from recommender.throttles import throttled
from recommender.web.forms import UploadForm
from recommender.web.staff_forms import AddMusicForm
from recommender.web.views.base import account, staff_who_may

if TYPE_CHECKING:
    from django.http import HttpRequest

    from catalog.models import BackgroundJob

PIECE_BYTES: Final = 1_000_000
"""Of an upload; the server takes no larger body than DATA_UPLOAD_MAX_MEMORY_SIZE."""
MOST_UPLOADS: Final = 1000
"""Files that a browser sends at once."""


@staff_who_may(JOBS_PERMISSION)
@require_http_methods(["GET", "HEAD", "POST"])
def add_music(request: HttpRequest) -> HttpResponse:
    may_add = is_staff_who_may(request.user, INGEST_PERMISSION)
    if request.method == "POST" and not may_add:
        raise PermissionDenied
    form = AddMusicForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            job = _added(request, data)
        except (PathError, StoreAwayError) as error:
            form.add_error("path", str(error))
        else:
            query = "?welcome" if "welcome" in request.GET else ""
            response = redirect("job", job.pk)
            response["Location"] += query
            return response
    context = {
        "form": form,
        "folder_form": AddMusicForm(auto_id="folder_%s"),
        "may_add": may_add,
        "is_welcome": "welcome" in request.GET,
        "upload_folder": to_stored(settings.AFFETTI_UPLOAD_DIR),
        "upload_bytes": settings.AFFETTI_UPLOAD_MAX_BYTES,
        "upload_suffixes": ",".join(sorted(SUPPORTED_SUFFIXES)),
        "most_uploads": MOST_UPLOADS,
        "piece_bytes": PIECE_BYTES,
        **_browsed(request.GET.get("folder", "")),
    }
    return render(request, "manage/add.html", context)


def _added(request: HttpRequest, data: dict[str, Any]) -> BackgroundJob:
    path = from_stored(data["folder"]) if data["folder"] else path_named(data["path"])
    job, known = folder_add(
        path=path,
        watch=data["watch"],
        rescan_hours=data["rescan_hours"],
        user=account(request),
        accept_empty=data["accept_empty"],
    )
    if known and (data["watch"] != Library.Watch.OFF or data["rescan_hours"]):
        stays = gettext(
            "It is in the library %(name)s, which is watched and scanned as before. Change that "
            "under Libraries."
        )
        messages.info(request, stays % {"name": known.name})
    return job


def _browsed(stored: str) -> dict[str, Any]:
    """Return the folder that is looked into, or the ones to begin with."""
    roots = folder_roots()
    if not stored and len(roots) != 1:
        return {"roots": roots, "added": _roots_among([one.path for one in roots])}
    try:
        view = folder_view(stored or roots[0].path)
        library = library_find(from_stored(view.folder.path))
    except (PathError, StoreAwayError) as error:
        return {"roots": roots, "browse_error": str(error)}
    paths = [one.path for one in view.folders]
    added = paths if library else _roots_among(paths)
    return {"roots": roots, "view": view, "library": library, "added": added}


def _roots_among(paths: list[str]) -> list[str]:
    """Return those of the paths that are libraries."""
    return list(Library.objects.filter(root__in=paths).values_list("root", flat=True))


@throttled("uploads")
@staff_who_may(INGEST_PERMISSION)
@require_http_methods(["POST", "DELETE"])
def upload(request: HttpRequest) -> HttpResponse:
    """Take a piece of a file, as the body; or delete what has come of it."""
    form = UploadForm(request.GET)
    if not form.is_valid():
        field = next(iter(form.errors))
        return _refused("REQUEST_INVALID", f"{field}: {form.errors[field][0]}")
    data = form.cleaned_data
    if request.method == "DELETE":
        upload_abort(upload=data["upload"])
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    try:
        path = upload_piece(**data, data=request.body)
    except UploadError as error:
        return _refused(error.code, str(error), offset=error.offset)
    if path is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return JsonResponse({"name": path.name}, status=HTTPStatus.CREATED)


upload.body_limit = PIECE_BYTES  # type: ignore[attr-defined]


def _refused(code: str, message: str, *, offset: int | None = None) -> JsonResponse:
    details = {} if offset is None else {"offset": offset}
    status = HTTPStatus.BAD_REQUEST if offset is None else HTTPStatus.CONFLICT
    return JsonResponse({"code": code, "message": message, "details": details}, status=status)
