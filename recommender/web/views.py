"""The pages."""

from __future__ import annotations

import functools
import math
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import (
    login_not_required,
    login_required,
    user_passes_test,
)
from django.contrib.auth.forms import UserCreationForm
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.template import loader
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.errors import PathError
from catalog.ingest.run import ingest_start
from catalog.models import BackgroundJob, Song
from catalog.paths import song_path
from mer.lyrics import clean_lyrics
from recommender import selectors
from recommender.access import LoginThrottle
from recommender.api.errors import RETRY_AFTER_SECONDS, error_response, playlist_error_status
from recommender.errors import PlaylistRequestError
from recommender.exports.m3u8 import playlist_m3u8
from recommender.filters import SongFilter
from recommender.playlists import generate as playlists
from recommender.playlists.request import MAX_SEED, PlaylistRequest
from recommender.web import charts as presentation
from recommender.web.forms import IngestForm, PlaylistNameForm, PlaylistQueryForm, SavePlaylistForm
from recommender.web.media import audio_response

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

_PAGE_SIZE = 50


def _owner(request: HttpRequest) -> User:
    """Return who is logged in, on pages for which somebody must be."""
    return cast("User", request.user)


def _page(request: HttpRequest, rows: QuerySet[Model]) -> Any:
    return Paginator(rows, _PAGE_SIZE).get_page(request.GET.get("page"))


# --- Finding music -----------------------------------------------------------------------------


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    context = {
        "moods": presentation.moods_by_quadrant(),
        "song_count": selectors.analysed_song_count(),
        "has_history": selectors.listen_list(request.user).exists(),
    }
    return render(request, "home.html", context)


@require_safe
def songs(request: HttpRequest) -> HttpResponse:
    filters = SongFilter(request.GET, selectors.song_list())
    context = {
        "page_obj": _page(request, filters.qs),
        "filters": filters.form.cleaned_data if filters.form.is_valid() else {},
        "quadrant_choices": presentation.QUADRANT_NAMES.items(),
    }
    return render(request, "songs.html", context)


@require_safe
def song(request: HttpRequest, pk: int) -> HttpResponse:
    song = get_object_or_404(selectors.song_list(), pk=pk)
    emotion = selectors.current_emotion(song)
    context: dict[str, Any] = {"song": song, "emotion": emotion}
    if song.lyrics:
        context["lyrics"] = clean_lyrics(song.lyrics)
    if emotion:
        context |= {
            "place": presentation.plane_place(emotion),
            "quadrants": sorted(emotion.quadrants.items(), key=lambda item: -item[1])[:2],
            "line_moves": presentation.line_moves(emotion.lyric_lines),
            "moods": sorted(emotion.emotions.items(), key=lambda item: -item[1]),
            "gates": emotion.gates.items(),
            "timeline": presentation.timeline_chart(emotion.timeline, song.duration_seconds),
            "similar": _similar(song),
        }
    return render(request, "song.html", context)


def _similar(song: Song) -> list[Song]:
    try:
        found = playlists.songs_similar(song_id=song.pk, k=8)
    except PlaylistRequestError:
        return []  # analysed or deleted this very moment
    by_id = selectors.songs_by_id(match.song_id for match in found)
    return [by_id[match.song_id] for match in found if match.song_id in by_id]


@require_safe
def song_audio(request: HttpRequest, pk: int) -> HttpResponseBase:
    song = get_object_or_404(Song.objects.select_related("library"), pk=pk, is_available=True)
    try:
        path = song_path(song)
        status = path.stat()
        is_as_catalogued = (status.st_size, status.st_mtime_ns) == (
            song.file_size_bytes,
            song.file_mtime_ns,
        )
        tag = song.content_sha256 if is_as_catalogued else f"{status.st_size}-{status.st_mtime_ns}"
        return audio_response(request, path, etag=f'"{tag}"')
    except (PathError, OSError) as error:
        raise Http404("The file of this song is not there.") from error


# --- Playlists ---------------------------------------------------------------------------------


def _generate(request: HttpRequest, query: QueryDict) -> playlists.GeneratedPlaylist:
    """Return the list that a query of /playlist asks for; PlaylistRequestError if it cannot be."""
    form = PlaylistQueryForm(query)
    if not form.is_valid():
        raise presentation.form_error(form)
    return playlists.playlist_generate(
        request=PlaylistRequest.from_json(form.request_json(query)),
        user=request.user,
    )


@require_safe
def playlist(request: HttpRequest) -> HttpResponse:
    """Show the list that the query asks for; the address carries the seed, so it can be shared."""
    if not request.GET.get("seed"):
        query = QueryDict(mutable=True)
        for name, values in request.GET.lists():
            query.setlist(name, [value for value in values if value])
        query["seed"] = str(secrets.randbelow(MAX_SEED))
        return HttpResponseRedirect(f"{reverse('playlist')}?{query.urlencode()}")
    try:
        generated = _generate(request, request.GET)
    except PlaylistRequestError as error:
        return _playlist_error(request, error)
    again = request.GET.copy()
    del again["seed"]
    by_id = selectors.songs_by_id(entry.song_id for entry in generated.entries)
    entries = [
        presentation.Entry(by_id[entry.song_id], entry.score, entry.reason["sentence"])
        for entry in generated.entries
        if entry.song_id in by_id
    ]
    context = {
        "name": playlists.playlist_name(generated.request),
        "notes": generated.notes,
        "query": request.GET.urlencode(),
        "again_query": again.urlencode(),
        "export_url": f"{reverse('playlist-m3u8')}?{request.GET.urlencode()}",
    }
    return _render_playlist(request, entries, request.GET, context)


@login_required
@require_safe
def saved_playlist(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(selectors.playlist_list(request.user), pk=pk)
    rows = list(playlists.playlist_entries(playlist=kept))
    by_id = selectors.songs_by_id(row.song_id for row in rows)
    entries = [
        presentation.Entry(by_id[row.song_id], row.score, row.reason["sentence"])
        for row in rows
        if row.song_id in by_id
    ]
    query = presentation.request_query(PlaylistRequest.from_json(kept.request))
    context = {
        "name": kept.name,
        "playlist": kept,
        "notes": kept.notes,
        "again_query": query.urlencode(),
        "export_url": reverse("api:playlist-export", args=[kept.pk]),
    }
    return _render_playlist(request, entries, query, context)


def _render_playlist(
    request: HttpRequest,
    entries: list[presentation.Entry],
    query: QueryDict,
    context: dict[str, Any],
) -> HttpResponse:
    tuning = PlaylistQueryForm(initial=query.dict())
    context |= {
        "entries": entries,
        "total_seconds": sum(entry.song.duration_seconds or 0 for entry in entries),
        "path": presentation.path_dots(entries),
        "kept_fields": presentation.kept_fields(query),
        "tune_fields": [tuning[name] for name in PlaylistQueryForm.TUNING],
    }
    return render(request, "playlist.html", context)


def _playlist_error(request: HttpRequest, error: PlaylistRequestError) -> HttpResponse:
    return _error_page(request, playlist_error_status(error), "No playlist this time", str(error))


@require_safe
def playlist_download(request: HttpRequest) -> HttpResponse:
    """Answer with the list of /playlist under the same query, as an M3U8 file."""
    try:
        generated = _generate(request, request.GET)
    except PlaylistRequestError as error:
        return _playlist_error(request, error)
    by_id = selectors.songs_by_id(entry.song_id for entry in generated.entries)
    text = playlist_m3u8(
        songs=[by_id[entry.song_id] for entry in generated.entries if entry.song_id in by_id],
        location=lambda song: request.build_absolute_uri(reverse("song-audio", args=[song.pk])),
        name=playlists.playlist_name(generated.request),
    )
    headers = {"Content-Disposition": 'attachment; filename="playlist.m3u8"'}
    return HttpResponse(text, content_type="audio/x-mpegurl; charset=utf-8", headers=headers)


@login_required
@require_safe
def playlist_index(request: HttpRequest) -> HttpResponse:
    page = _page(request, selectors.playlist_list(request.user))
    return render(request, "playlists.html", {"page_obj": page})


@login_required
@require_POST
def playlist_save(request: HttpRequest) -> HttpResponse:
    form = SavePlaylistForm(request.POST)
    if not form.is_valid():
        return _playlist_error(request, presentation.form_error(form))
    try:
        generated = _generate(request, QueryDict(form.cleaned_data["query"]))
        kept = playlists.playlist_save(
            user=_owner(request), generated=generated, name=form.cleaned_data["name"]
        )
    except PlaylistRequestError as error:
        return _playlist_error(request, error)
    messages.success(request, "Saved.")
    return redirect("saved-playlist", kept.pk)


@login_required
@require_POST
def playlist_rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(selectors.playlist_list(request.user), pk=pk)
    form = PlaylistNameForm(request.POST, instance=kept)
    if form.is_valid():
        form.save()
        messages.success(request, "Renamed.")
    else:
        messages.error(request, str(presentation.form_error(form)))
    return redirect("saved-playlist", kept.pk)


@login_required
@require_POST
def playlist_delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    kept = get_object_or_404(selectors.playlist_list(request.user), pk=pk)
    kept.delete()
    messages.success(request, f"{kept.name} is deleted.")
    return redirect("playlists")


# --- Accounts and listening --------------------------------------------------------------------


@login_required
@require_safe
def listening(request: HttpRequest) -> HttpResponse:
    page = _page(request, selectors.listen_list(request.user))
    return render(request, "history.html", {"page_obj": page})


def login_throttled(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Let one address send a form with a password only so often."""

    @functools.wraps(view)
    def throttled(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        throttle = LoginThrottle()
        if request.method == "POST" and not throttle.allow_request(request, view):  # type: ignore[arg-type]
            response = _error(request, HTTPStatus.TOO_MANY_REQUESTS)
            response["Retry-After"] = str(math.ceil(throttle.wait() or 0))
            return response
        return view(request, *args, **kwargs)

    return throttled


@login_not_required
@login_throttled
@require_http_methods(["GET", "HEAD", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    if not settings.AFFETTI_SIGNUP:
        raise Http404("Accounts are made by the admin.")
    form: UserCreationForm[User] = UserCreationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.save())
        return redirect("home")
    return render(request, "registration/signup.html", {"form": form})


# --- Ingest ------------------------------------------------------------------------------------


def _is_staff(user: User | AnonymousUser) -> bool:
    if user.is_authenticated and not user.is_staff:
        raise PermissionDenied  # to log in once more would not help
    return user.is_staff


_staff_only = user_passes_test(_is_staff)


@_staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def ingest(request: HttpRequest) -> HttpResponse:
    form = IngestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            job = ingest_start(path=Path(form.cleaned_data["path"]), user=_owner(request))
        except PathError as error:
            form.add_error("path", str(error))
        else:
            return redirect("ingest-job", job.pk)
    context = {
        "form": form,
        "roots": settings.AFFETTI_CATALOG_ROOTS,
        "jobs": selectors.job_list().filter(kind=BackgroundJob.Kind.INGEST)[:20],
    }
    return render(request, "ingest.html", context)


@_staff_only
@require_safe
def ingest_job(request: HttpRequest, pk: UUID) -> HttpResponse:
    job = get_object_or_404(selectors.job_list(), pk=pk, kind=BackgroundJob.Kind.INGEST)
    detail = selectors.job_detail(job)
    return render(request, "job.html", {"job": job, "detail": detail})


# --- Errors ------------------------------------------------------------------------------------

_ERRORS = {
    HTTPStatus.BAD_REQUEST: ("Bad request", "The server could not make sense of this request."),
    HTTPStatus.FORBIDDEN: ("Not for you", "You may not see or do this."),
    HTTPStatus.NOT_FOUND: ("Not found", "There is nothing at this address."),
    HTTPStatus.TOO_MANY_REQUESTS: (
        "Too many attempts",
        "Too many names and passwords were tried from here; wait a minute.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "Not just now",
        "What this page needs cannot be used now; the server's log says why. Try again later.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("Something broke", "The server failed; its log says why."),
}


def _error_page(
    request: HttpRequest, status: HTTPStatus, heading: str, message: str
) -> HttpResponse:
    context = {"status": status.value, "heading": heading, "message": message}
    # A server error is told without the request: the session or the database may have failed.
    known = None if status == HTTPStatus.INTERNAL_SERVER_ERROR else request
    return HttpResponse(loader.render_to_string("error.html", context, known), status=status)


def _error(request: HttpRequest, status: HTTPStatus) -> HttpResponse:
    heading, message = _ERRORS[status]
    if request.path.startswith("/api/"):
        return error_response(status, message)
    return _error_page(request, status, heading, message)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, HTTPStatus.BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, HTTPStatus.FORBIDDEN)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, HTTPStatus.NOT_FOUND)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Answer a page that needs what is away (`recommender.middleware.UnavailableMiddleware`)."""
    response = _error(request, HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR)
