"""Versions of the model and the index: see, compare, switch, build; for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from catalog.errors import VersionError
from catalog.versions import version_former, version_serving, version_states
from recommender.access import MODELS_PERMISSION, SWITCH_PERMISSION
from recommender.index import index_build_request, index_status
from recommender.index.transition import model_request
from recommender.models import IndexBuild
from recommender.playlists.comparison import LIST_SONGS, versions_compare
from recommender.web.views.base import staff_who_may

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from catalog.versions import VersionState
    from recommender.playlists.comparison import VersionComparison

MOST_BUILDS: Final = 10
COMPARED_SONGS: Final = 50_000
"""The most songs of a version that are compared within a request."""


@staff_who_may(MODELS_PERMISSION)
@require_safe
def model_versions(request: HttpRequest) -> HttpResponse:
    states = version_states()
    context = {
        "versions": states,
        "is_rollback_possible": any(s.served_at and not s.is_serving for s in states),
        "is_switching": any(state.is_requested for state in states),
        "may_change": request.user.has_perm(SWITCH_PERMISSION),
        "compared_songs": COMPARED_SONGS,
        "list_songs": LIST_SONGS,
        "index": index_status(),
        "builds": IndexBuild.objects.order_by("-created_at")[:MOST_BUILDS],
        **_comparison(request.GET.get("compare", ""), states),
    }
    return render(request, "manage/models.html", context)


@staff_who_may(SWITCH_PERMISSION)
@require_POST
def model_version_switch(request: HttpRequest) -> HttpResponse:
    try:
        name = request.POST.get("name", "") or version_former().name
        model_request(name)
    except VersionError as error:
        messages.error(request, f"{error.code}: {error}")
    else:
        serving = version_serving()
        messages.success(
            request,
            (
                gettext("%(name)s goes on serving.")
                if serving is not None and serving.name == name
                else gettext("%(name)s serves as soon as a worker has built its index.")
            )
            % {"name": name},
        )
    return redirect("models")


@staff_who_may(SWITCH_PERMISSION)
@require_POST
def index_build_now(request: HttpRequest) -> HttpResponse:
    index_build_request()
    done = gettext("A worker builds the index now. Lists go on meanwhile.")
    messages.success(request, done)
    return redirect("models")


def _comparison(
    name: str, states: list[VersionState]
) -> dict[str, VersionComparison | bool | None]:
    pair = [s for s in states if s.is_serving] + [
        s for s in states if s.name == name and not s.is_serving
    ]
    if len(pair) < 2:
        return {"comparison": None}
    if max(state.songs for state in pair) > COMPARED_SONGS:
        return {"comparison": None, "is_too_large": True}
    return {"comparison": versions_compare(pair[0].name, pair[1].name)}
