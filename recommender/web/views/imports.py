"""Listening history from files of other services."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from recommender import listening
from recommender.errors import FilePieceError, FileRefusedError
from recommender.throttles import throttled
from recommender.web.forms import UploadForm
from recommender.web.views.base import account, in_listener_zone, page_of

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

PIECE_BYTES = 1_000_000


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@in_listener_zone
def own_imports(request: HttpRequest) -> HttpResponse:
    """List the imports; take a small file from a browser without scripts."""
    error = ""
    if request.method == "POST":
        try:
            begun = _whole(request)
        except FileRefusedError as refused:
            error = str(refused)
        else:
            if begun is not None:
                return redirect("import", begun)
            error = gettext("Choose a file.")
    page = page_of(request, listening.imports_list(request.user))
    rows = [(one, listening.import_state(one)) for one in page]
    context = {
        "page_obj": page,
        "rows": rows,
        "error": error,
        "piece_bytes": PIECE_BYTES,
        "most_bytes": listening.MOST_BYTES,
    }
    return render(request, "imports.html", context)


own_imports.body_limit = 1024**2  # type: ignore[attr-defined]


def _whole(request: HttpRequest) -> UUID | None:
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return None
    data = file.read()
    begun = listening.import_piece(
        user=account(request),
        upload=uuid.uuid4(),
        name=file.name or "",
        size=len(data),
        offset=0,
        data=data,
    )
    return begun.pk if begun else None


@throttled("uploads")
@login_required
@require_http_methods(["POST", "DELETE"])
def piece(request: HttpRequest) -> HttpResponse:
    """Take a piece of a file, as the body; or delete what has come of it."""
    form = UploadForm(request.GET)
    if not form.is_valid():
        field = next(iter(form.errors))
        return _refused(f"{field}: {form.errors[field][0]}")
    data = form.cleaned_data
    if request.method == "DELETE":
        listening.import_abort(user=account(request), upload=data["upload"])
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    try:
        begun = listening.import_piece(user=account(request), **data, data=request.body)
    except FilePieceError as error:
        return _refused(str(error), offset=error.offset)
    except FileRefusedError as error:
        return _refused(str(error))
    if begun is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    url = reverse("import", args=[begun.pk])
    return JsonResponse({"url": url}, status=HTTPStatus.CREATED)


piece.body_limit = PIECE_BYTES  # type: ignore[attr-defined]


def _refused(message: str, *, offset: int | None = None) -> JsonResponse:
    details = {} if offset is None else {"offset": offset}
    status = HTTPStatus.BAD_REQUEST if offset is None else HTTPStatus.CONFLICT
    code = "FILE_INVALID" if offset is None else "CONFLICT"
    return JsonResponse({"code": code, "message": message, "details": details}, status=status)


@login_required
@never_cache
@require_safe
@in_listener_zone
def own_import(request: HttpRequest, pk: UUID) -> HttpResponse:
    one = get_object_or_404(listening.imports_list(request.user), pk=pk)
    context = {
        "one": one,
        "state": listening.import_state(one),
        "failure": listening.import_failure(one),
        "faults": listening.import_faults(one),
    }
    template = "_import_live.html" if "live" in request.GET else "import.html"
    return render(request, template, context)


@login_required
@require_POST
def undo(request: HttpRequest, pk: UUID) -> HttpResponse:
    one = get_object_or_404(listening.imports_list(request.user), pk=pk)
    count = listening.import_undo(listens=one)
    done = ngettext(
        "Taken back: %(count)s listen is deleted.",
        "Taken back: %(count)s listens are deleted.",
        count,
    )
    messages.success(request, done % {"count": count})
    return redirect("imports")
