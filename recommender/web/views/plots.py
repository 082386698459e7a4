"""Drawings for paper that visitors download: the map, a song."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from recommender import selectors
from recommender.song_map import map_drawing
from recommender.web import charts, plots

if TYPE_CHECKING:
    from django.http import HttpRequest


@require_safe
def map_plot(request: HttpRequest) -> HttpResponse:
    return plot_file("map", map_drawing(get_language() or "", plots.map_plot))


@require_safe
def song_plot(request: HttpRequest, pk: int) -> HttpResponse:
    song = get_object_or_404(selectors.song_details(model_version=None), pk=pk)
    emotion = selectors.current_emotion(song)
    if emotion is None:
        raise Http404("The song is not analysed yet.")
    drawing = plots.song_plot(
        title=song.shown_title,
        artist=song.artist,
        emotion=emotion,
        place=charts.plane_place(emotion),
    )
    return plot_file(f"song-{song.pk}-mood", drawing)


def plot_file(name: str, drawing: str) -> HttpResponse:
    """Answer with a drawing as a file to save."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.svg"',
        "Cache-Control": "private, no-cache",
    }
    return HttpResponse(drawing, content_type="image/svg+xml", headers=headers)
