"""Playlists that are kept: save, show, change by hand, restore, share, rename, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from recommender import playlists, selectors
from recommender.access import may_listen
from recommender.errors import FileRefusedError
from recommender.exports import FORMATS
from recommender.terms import told
from recommender.web import plots, queries
from recommender.web.forms import (
    EditForm,
    PlaylistNameForm,
    PlaylistSortForm,
    SavePlaylistForm,
    VersionForm,
)
from recommender.web.presentation import list_entries
from recommender.web.views.base import account, page_of, tells_secrets
from recommender.web.views.listed import drawn, exports, playlist_file, playlist_page
from recommender.web.views.playlists import generate, generate_wanted
from recommender.web.views.plots import plot_file

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from recommender.models import Playlist

_NOT_BY_HAND = _("A station makes its lists by itself. Save a list of your own to change it.")


@login_required
@require_safe
def playlist_index(request: HttpRequest) -> HttpResponse:
    form = PlaylistSortForm(request.GET)
    order = form.cleaned_data["sort"] if form.is_valid() else ""
    page = page_of(request, selectors.playlists_saved(request.user, order=order))
    covers = selectors.playlist_covers([one.pk for one in page])
    for one in page:
        one.cover_ids = covers.get(one.pk, [])
    return render(request, "playlists.html", {"page_obj": page, "form": form})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def playlist_import(request: HttpRequest) -> HttpResponse:
    """Keep a playlist of a file, and say which of its songs are not here."""
    if request.method != "POST":
        return render(request, "playlist_import.html")
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return render(request, "playlist_import.html", {"error": gettext("Choose a file.")})
    name = (file.name or "").rpartition(".")[0]
    try:
        filed = playlists.playlist_import(user=account(request), data=file.read(), name=name)
    except FileRefusedError as error:
        return render(request, "playlist_import.html", {"error": str(error)})
    if not filed.missing:
        messages.success(request, gettext("Saved."))
        return redirect("saved-playlist", filed.playlist.pk)
    return render(request, "playlist_import.html", {"filed": filed})


playlist_import.body_limit = 1024**2  # type: ignore[attr-defined]


@login_required
@require_POST
def playlist_save(request: HttpRequest) -> HttpResponse:
    form = SavePlaylistForm(request.POST)
    if not form.is_valid():
        raise queries.form_error(form)
    query = QueryDict(form.cleaned_data["query"])
    kept = playlists.playlist_save(
        user=account(request),
        generated=generate(request, query),
        name=form.cleaned_data["name"],
        edits=queries.query_edits(query),
    )
    messages.success(request, gettext("Saved."))
    return redirect("saved-playlist", kept.pk)


@tells_secrets
@login_required
@require_safe
def saved_playlist(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = _own(request, pk)
    query = queries.kept_query(kept)
    versions = list(selectors.playlist_versions(kept))
    numbers = {version.number: version.parent for version in versions}
    context = {
        "name": kept.name,
        "sentence": queries.kept_sentence(kept),
        "playlist": kept,
        "notes": [*map(told, kept.notes), *playlists.gone_notes(kept)],
        "understood": [
            {**part, "as": queries.meaning(part["as"], of=part["text"])} for part in kept.understood
        ],
        "again_query": query.urlencode(),
        "edit_url": "" if kept.station_id else reverse("saved-playlist-edit", args=[kept.pk]),
        "versions": versions,
        "can_undo": numbers.get(kept.version) in numbers,
        "can_redo": kept.version in numbers.values(),
        "share_url": _share_url(request, kept),
        "exports": exports(kept),
    }
    return playlist_page(request, playlists.playlist_listed(kept), query, context)


@login_required
@require_safe
def saved_playlist_plot(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Answer with the way of a list over the map, as a drawing for paper."""
    kept = _own(request, pk)
    entries = list_entries(playlists.playlist_listed(kept), {})
    drawing = plots.list_plot(title=kept.name, places=[entry.place for entry in entries])
    return plot_file("playlist-mood", drawing)


@login_required
@require_POST
def saved_playlist_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change a list by hand, take the last change back, or make it again."""
    kept = _own(request, pk)
    form = EditForm(request.POST)
    if not form.is_valid():
        raise queries.form_error(form)
    edit = form.cleaned_data["edit"]
    if kept.station_id is not None:
        messages.error(request, _NOT_BY_HAND)
    elif edit in {"undo", "redo"}:
        step = playlists.playlist_undo if edit == "undo" else playlists.playlist_redo
        if not step(playlist=kept):
            nothing = (
                gettext("There is nothing to undo.")
                if edit == "undo"
                else gettext("There is nothing to redo.")
            )
            messages.error(request, nothing)
    elif edit == "again":
        generated = generate_wanted(request, playlists.request_again(kept))
        playlists.playlist_regenerate(playlist=kept, generated=generated)
    else:
        playlists.playlist_edit(playlist=kept, edits=playlists.edits_of_words([edit]))
    return redirect("saved-playlist", pk)


@login_required
@require_POST
def playlist_restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = _own(request, pk)
    form = VersionForm(request.POST)
    if not form.is_valid():
        raise queries.form_error(form)
    version = form.cleaned_data["version"]
    if not playlists.playlist_restore(playlist=kept, version=version):
        raise Http404(gettext("The playlist has no such version."))
    messages.success(
        request, gettext("Version %(number)d is the current one.") % {"number": version}
    )
    return redirect("saved-playlist", pk)


@login_required
@require_POST
def playlist_rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = _own(request, pk)
    form = PlaylistNameForm(request.POST, instance=kept)
    if form.is_valid():
        playlists.playlist_rename(playlist=kept, name=form.cleaned_data["name"])
        messages.success(request, gettext("Renamed."))
    else:
        messages.error(request, str(queries.form_error(form)))
    return redirect("saved-playlist", pk)


@login_required
@require_POST
def playlist_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = _own(request, pk)
    kept.delete()
    messages.success(request, gettext("%(name)s is deleted.") % {"name": kept.name})
    return redirect("playlists")


@login_required
@require_POST
def playlist_share(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = _own(request, pk)
    if request.POST.get("stop"):
        playlists.playlist_unshare(playlist=kept)
        messages.success(request, gettext("The link no longer works."))
    else:
        playlists.playlist_share(playlist=kept)
        messages.success(request, gettext("Anyone who has the link can see this list."))
    return redirect("saved-playlist", pk)


@login_not_required
@require_safe
def shared_playlist(request: HttpRequest, token: str) -> HttpResponse:
    """Show a list to whoever has its link: the names of its songs, and no word on its owner."""
    shared = get_object_or_404(selectors.playlist_shared(token))
    entries = list_entries(playlists.playlist_listed(shared), {})
    context = {
        **drawn(entries),
        "name": shared.name,
        "can_play": may_listen(request.user),
        "is_locked": not may_listen(request.user),
        "is_shared": True,
        "exports": [
            (form.name, reverse("shared-playlist-file", args=[token, suffix]))
            for suffix, form in FORMATS.items()
        ],
    }
    return _unlisted(render(request, "shared.html", context))


@login_not_required
@require_safe
def shared_playlist_file(request: HttpRequest, token: str, suffix: str) -> HttpResponse:
    shared = get_object_or_404(selectors.playlist_shared(token))
    if suffix not in FORMATS:
        raise Http404(gettext("There is no such format."))
    rows = playlists.playlist_listed(shared)
    return _unlisted(playlist_file(request, rows, suffix, name=shared.name))


def _unlisted(response: HttpResponse) -> HttpResponse:
    """Keep what has an address that is a secret out of caches and search engines."""
    add_never_cache_headers(response)
    response["X-Robots-Tag"] = "noindex"
    return response


def _own(request: HttpRequest, pk: UUID) -> Playlist:
    return get_object_or_404(selectors.playlist_list(request.user), pk=pk)


def _share_url(request: HttpRequest, kept: Playlist) -> str:
    if not kept.share_token:
        return ""
    return request.build_absolute_uri(reverse("shared-playlist", args=[kept.share_token]))
