"""Finding music: the songs, one song."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from catalog.corrections import corrections_of
from catalog.models import Album, Artist
from catalog.recordings import recording_files
from recommender import selectors
from recommender.access import CORRECT_PERMISSION, is_staff_who_may
from recommender.errors import PlaylistRequestError
from recommender.feedback import feedback_of, marks_of_songs
from recommender.filters import SongFilter
from recommender.library import SongSort, songs_page
from recommender.playlists import similar_listed, songs_similar
from recommender.web import charts, presentation, songwords
from recommender.web.lyrics import shown_lines

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.http import HttpRequest, HttpResponse

    from catalog.models import Song
    from recommender.playlists import SimilarSong


_NEIGHBOURS: Final = 6
_PAGE_SONGS: Final = 50


@require_safe
def songs(request: HttpRequest) -> HttpResponse:
    """Show the songs, sorted; `rows` asks for those after a place alone, to be put below others."""
    query = request.GET.copy()
    asked_mood = query.pop("quadrant", [""])[-1]
    quadrant = asked_mood if asked_mood in presentation.QUADRANT_NAMES else ""
    filters = SongFilter(query, selectors.song_list(quadrant=quadrant))
    sort = SongSort.of(request.GET.get("sort", ""))
    found, is_near = filters.qs, filters.is_near
    page = songs_page(found, sort, after=request.GET.get("after", ""), size=_PAGE_SONGS)
    shown = selectors.songs_by_id(page.keys)
    context: dict[str, Any] = {
        "entries": presentation.listed_entries(
            [shown[key] for key in page.keys if key in shown], request.user
        ),
        "after": page.after,
    }
    if "rows" in request.GET:
        return render(request, "_song_rows.html", context)
    asked = filters.form.cleaned_data if filters.form.is_valid() else {}
    asked["quadrant"] = quadrant
    context |= {
        "count": found.count(),
        "is_near": is_near,
        "filters": asked,
        "kept": [(name, asked[name]) for name in _KEPT if asked.get(name)],
        "narrowed": _narrowed(asked),
        "sort": sort.word,
        "sorts": {name: _sort_link(name, sort) for name in _SORTS},
        "sort_choices": _SORTS.items(),
        "is_later": bool(request.GET.get("after")),
        "quadrant_choices": [
            (name, presentation.quadrant_name(name)) for name in presentation.QUADRANT_NAMES
        ],
    }
    return render(request, "songs.html", context)


_KEPT: Final = ("quadrant", "artist", "artist_id", "album_id", "genre")
"""What a search keeps of the address."""
_SORTS: Final = {
    "artist": _("Artist"),
    "title": _("Title"),
    "album": _("Album"),
    "length": _("Length"),
    "added": _("Newest first"),
}


def _sort_link(name: str, now: SongSort) -> dict[str, Any]:
    """Return what the head of a column shows, and the order to which it leads."""
    is_on = name == now.name
    return {
        "label": _SORTS[name],
        "is_on": is_on,
        "is_descending": is_on and now.is_descending,
        "word": replace(now, is_reversed=not now.is_reversed).word if is_on else name,
    }


def _narrowed(asked: dict[str, Any]) -> str:
    """Return the artist or album whose songs are shown; empty if the list is of all."""
    if artist_id := asked.get("artist_id"):
        return str(Artist.objects.filter(pk=artist_id).values_list("name", flat=True).first() or "")
    if album_id := asked.get("album_id"):
        title = Album.objects.filter(pk=album_id).values_list("title", flat=True).first()
        return str(title or "")
    return str(asked.get("artist") or asked.get("genre") or "")


@require_safe
def song(request: HttpRequest, pk: int) -> HttpResponse:
    similar = _similar(pk, request.user)
    # The page shows one version, though another one may begin to serve meanwhile.
    version = similar[0].model_version if similar else None
    song = get_object_or_404(selectors.song_details(model_version=version), pk=pk)
    emotion = selectors.current_emotion(song)
    context: dict[str, Any] = {
        "song": song,
        "emotion": emotion,
        "files": recording_files(song),
        **_said(request, song),
    }
    moves = presentation.line_moves(emotion.lyric_lines) if emotion else []
    if song.lyrics:
        context["lines"] = shown_lines(song.lyrics, moves)
    if emotion:
        context |= {
            "certainty": songwords.certainty(emotion),
            "weakness": songwords.weakness(emotion),
            "emotions_sentence": songwords.emotions_in_words(emotion.emotions),
            "felt_sentence": songwords.felt_sentence(emotion.felt),
            "spoke": songwords.spoke_in_words(emotion.gates),
            "is_doubtful": songwords.is_doubtful(emotion),
            "sections": songwords.sections(emotion.timeline, song.duration_seconds),
            "place": charts.plane_place(emotion),
            "quadrants": sorted(emotion.quadrants.items(), key=lambda item: -item[1]),
            "line_moves": moves,
            "strongest": presentation.strongest_emotions(emotion.emotions),
            "moods": presentation.emotions_shown(emotion.emotions),
            "felt": presentation.felt_in_words(emotion.felt),
            "kinds": presentation.kinds_told(emotion.kinds),
            "parts": presentation.parts(emotion.gates),
            "alone": presentation.alone_in_words(emotion.alone, str(emotion.quadrant)),
            "timeline": charts.timeline_chart(emotion.timeline, song.duration_seconds),
            "similar": [song for _, song in similar_listed(similar)],
        }
    return render(request, "song.html", context)


def _said(request: HttpRequest, song: Song) -> dict[str, Any]:
    """Return what the listener said of a song, and what staff who may do so corrected."""
    feedback = feedback_of(request.user)
    context: dict[str, Any] = {
        "marks": marks_of_songs(user=request.user, song_ids=[song.pk])[song.pk],
        "banned_artists": feedback.banned_artists,
        "place_moods": presentation.emotion_quadrants(),
        "stars": range(1, 6),
    }
    if is_staff_who_may(request.user, CORRECT_PERMISSION):
        context |= {"may_correct": True, "corrections": corrections_of(song.pk)}
    return context


def _similar(song_id: int, user: User | AnonymousUser) -> list[SimilarSong]:
    try:
        return songs_similar(song_id=song_id, k=_NEIGHBOURS, user=user)
    except PlaylistRequestError:
        return []  # not there, or not analysed
