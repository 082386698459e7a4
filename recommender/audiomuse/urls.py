"""The addresses of the calls: a class of view for each, with its calls by method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.urls import path

from recommender.audiomuse import about, alike, artists, made, syncing, tasks, tracks
from recommender.audiomuse.calls import CALLS
from recommender.audiomuse.view import AudioMuseView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.urls import URLPattern

    from recommender.audiomuse.calls import Call

_MODULES: Final = (about, tracks, alike, made, artists, syncing, tasks)
"""They register their calls when they are imported."""


def _pattern(route: str, calls: Mapping[str, Call]) -> URLPattern:
    methods = [*calls, *(["head"] if "get" in calls else [])]
    view = AudioMuseView.as_view(calls=calls, http_method_names=methods)
    return path(route, view, name=f"audiomuse-{route.partition('<')[0].strip('/')}")


urlpatterns = [_pattern(route, calls) for route, calls in CALLS.items()]
