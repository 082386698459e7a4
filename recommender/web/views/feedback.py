"""What the listener says of songs and artists, and what staff correct for everybody.

Each form is a POST. A script that sends one as `X-Requested-With: fetch` gets 204; a browser is led
back to the page that it was on.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from catalog.corrections import emotion_correct, emotion_correction_undo
from catalog.models import Artist, Song
from recommender import feedback
from recommender.access import CORRECT_PERMISSION
from recommender.feedback import FeedbackKind
from recommender.playlists import profile_shown
from recommender.web.forms import CorrectionForm, FeedbackKindForm, PlaceForm, RatingForm
from recommender.web.presentation import song_entries
from recommender.web.queries import form_error
from recommender.web.views.base import account, in_listener_zone, page_of, staff_who_may

if TYPE_CHECKING:
    from django.forms import Form
    from django.http import HttpRequest

    from recommender.feedback import FeedbackItem


@login_required
@require_POST
def song_like(request: HttpRequest, pk: int) -> HttpResponse:
    if _is_undone(request):
        return _unmarked(request, pk, FeedbackKind.LIKE)
    feedback.song_like(user=account(request), song_id=_song(pk).pk)
    return _back(request)


@login_required
@require_POST
def song_ban(request: HttpRequest, pk: int) -> HttpResponse:
    if _is_undone(request):
        return _unmarked(request, pk, FeedbackKind.BAN)
    feedback.song_ban(user=account(request), song_id=_song(pk).pk)
    return _back(request)


@login_required
@require_POST
def song_rate(request: HttpRequest, pk: int) -> HttpResponse:
    if _is_undone(request):
        return _unmarked(request, pk, FeedbackKind.RATING)
    song = _song(pk)
    form = _valid(RatingForm(request.POST))
    feedback.song_rate(user=account(request), song_id=song.pk, stars=form.cleaned_data["stars"])
    return _back(request)


@login_required
@require_POST
def song_place(request: HttpRequest, pk: int) -> HttpResponse:
    if _is_undone(request):
        return _unmarked(request, pk, FeedbackKind.MOOD)
    song = _song(pk)
    form = _valid(PlaceForm(request.POST))
    feedback.song_place(user=account(request), song_id=song.pk, **form.cleaned_data)
    messages.success(request, gettext("Noted, for you alone."))
    return _back(request)


@login_required
@require_POST
def artist_ban(request: HttpRequest, pk: int) -> HttpResponse:
    artist = get_object_or_404(Artist, pk=pk)
    if _is_undone(request):
        feedback.artist_unban(user=account(request), artist=artist)
    else:
        feedback.artist_ban(user=account(request), artist=artist)
    return _back(request)


@login_required
@never_cache
@require_safe
@in_listener_zone
def own_feedback(request: HttpRequest) -> HttpResponse:
    form = FeedbackKindForm(request.GET)
    items = feedback.feedback_items(user=account(request))
    by_kind = {one: items.of_kind(one) for one in FeedbackKind}
    kind = form.cleaned_data["kind"] if form.is_valid() else ""
    if "kind" not in request.GET and by_kind[FeedbackKind.LIKE]:
        kind = FeedbackKind.LIKE.value
    page = page_of(request, by_kind[FeedbackKind(kind)] if kind else items)
    rows = _rows(list(page), request)
    learned = profile_shown(user=account(request)) if items else None
    genres = learned.genres if learned else ()
    context = {
        "page_obj": page,
        "rows": rows,
        "plays": _plays(kind, rows),
        "kind": kind,
        "kinds": [(one.value, words, len(by_kind[one])) for one, words in _KIND_WORDS.items()],
        "count": len(items),
        "learned": learned,
        "more_genres": [name for name, taste in genres if taste > 0],
        "less_genres": [name for name, taste in genres if taste <= 0],
    }
    return render(request, "feedback.html", context)


def _rows(items: list[FeedbackItem], request: HttpRequest) -> list[dict[str, Any]]:
    """Return what was said, each with the row of its song; an artist has none."""
    said = [item.song for item in items if item.song]
    keys = [f"said-{number}" for number in range(len(said))]
    entries = iter(song_entries(said, request.user, keys))
    return [{"item": item, "entry": next(entries) if item.song else None} for item in items]


def _plays(kind: str, rows: list[dict[str, Any]]) -> str:
    """Return what the page offers to play: "all" that it shows, the "liked" of it, or nothing."""
    entries = [row["entry"] for row in rows if row["entry"] and row["entry"].is_playable]
    if kind in {FeedbackKind.RATING, FeedbackKind.MOOD}:
        return "all" if any(not entry.marks.is_banned for entry in entries) else ""
    is_of_likes = kind in {"", FeedbackKind.LIKE}
    return "liked" if is_of_likes and any(entry.marks.is_liked for entry in entries) else ""


_KIND_WORDS = {
    FeedbackKind.LIKE: _("Liked"),
    FeedbackKind.BAN: _("Banned songs"),
    FeedbackKind.ARTIST_BAN: _("Banned artists"),
    FeedbackKind.RATING: _("Rated"),
    FeedbackKind.MOOD: _("Moods corrected"),
    FeedbackKind.SKIP: _("Skipped"),
}


@login_required
@require_POST
def feedback_reset(request: HttpRequest) -> HttpResponse:
    form = _valid(FeedbackKindForm(request.POST))
    kind = form.cleaned_data["kind"]
    feedback.feedback_reset(user=account(request), kind=FeedbackKind(kind) if kind else None)
    messages.success(request, gettext("Forgotten."))
    return redirect("own-feedback")


@staff_who_may(CORRECT_PERMISSION)
@require_POST
def song_correct(request: HttpRequest, pk: int) -> HttpResponse:
    song = get_object_or_404(Song.objects.only("pk"), pk=pk)
    if _is_undone(request):
        emotion_correction_undo(song_id=song.pk, by=account(request))
        messages.success(request, gettext("Undone: what the model predicted holds again."))
    else:
        form = _valid(CorrectionForm(request.POST))
        emotion_correct(song_id=song.pk, by=account(request), **form.cleaned_data)
        messages.success(request, gettext("Corrected for everybody."))
    return redirect("song", song.pk)


def _song(pk: int) -> Song:
    return get_object_or_404(Song.objects.filter(is_available=True).only("pk"), pk=pk)


def _is_undone(request: HttpRequest) -> bool:
    return bool(request.POST.get("undo"))


def _valid(form: Form) -> Form:
    if not form.is_valid():
        raise form_error(form)
    return form


def _unmarked(request: HttpRequest, pk: int, kind: FeedbackKind) -> HttpResponse:
    # Feedback on a song whose file is gone can be taken back, too.
    song = get_object_or_404(Song.objects.only("pk"), pk=pk)
    feedback.song_unmark(user=account(request), song_id=song.pk, kind=kind)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """Answer a script with 204; lead a browser back to a page of ours."""
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    to = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        to, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(to if is_ours else reverse("own-feedback"))
