"""A list as a page and as a file, whether it is kept, shared, or made for the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from recommender.exports import FORMATS
from recommender.feedback import marks_of_songs
from recommender.web import charts, queries
from recommender.web.chips import chipped
from recommender.web.forms import PlaylistTuningForm
from recommender.web.presentation import list_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, QueryDict

    from recommender.models import Playlist
    from recommender.playlists import ListedEntry
    from recommender.web.presentation import Entry

_MOSAIC: int = 4


def playlist_page(
    request: HttpRequest, rows: Sequence[ListedEntry], query: QueryDict, context: dict[str, Any]
) -> HttpResponse:
    """Answer with the page of a list; `query` asks for other songs of its kind."""
    chips, entries = chipped(marked_entries(request, rows))
    context |= {
        **drawn(entries),
        "chips": chips,
        "path": charts.path_dots(entries),
        "kept_fields": queries.kept_fields(query),
        "tune_fields": list(PlaylistTuningForm(initial=query.dict())),
    }
    return render(request, "playlist.html", context)


def exports(kept: Playlist) -> list[tuple[str, str]]:
    """Return the name and the address of each file that a kept list can be."""
    return [
        (form.name, reverse("api:playlist-export", kwargs={"pk": kept.pk, "suffix": suffix}))
        for suffix, form in FORMATS.items()
    ]


def marked_entries(request: HttpRequest, rows: Sequence[ListedEntry]) -> list[Entry]:
    """Return the entries of a list with what the listener said of its songs."""
    marks = marks_of_songs(user=request.user, song_ids=[row.song.pk for row in rows])
    return list_entries(rows, marks)


def drawn(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return what a page draws of every list, for its template."""
    return {
        "entries": entries,
        "total_seconds": sum(entry.song.duration_seconds or 0 for entry in entries),
        "ribbon": charts.ribbon(entries),
        "wash": charts.wash(entries),
        "mosaic": [entry.song.pk for entry in entries[:_MOSAIC]],
    }


def playlist_file(
    request: HttpRequest,
    rows: Sequence[ListedEntry],
    suffix: str,
    *,
    name: str,
    notes: Sequence[str] = (),
) -> HttpResponse:
    """Answer with a list as a file of the format that has this suffix."""
    form = FORMATS[suffix]
    text = form.write(
        rows,
        location=lambda song: (
            request.build_absolute_uri(reverse("song-audio", args=[song.pk]))
            if song.has_audio
            else ""
        ),
        name=name,
        notes=notes,
    )
    return HttpResponse(
        text,
        content_type=f"{form.media_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="playlist.{suffix}"'},
    )
