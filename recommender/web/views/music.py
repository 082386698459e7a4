"""Finding music: the home page, the songs, one song and its audio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from catalog.corrections import corrections_of
from catalog.errors import PathError
from catalog.recordings import recording_files
from mer.lyrics import clean_lyrics
from recommender import selectors
from recommender.access import CORRECT_PERMISSION, is_staff_who_may
from recommender.auth import takes_token
from recommender.errors import PlaylistRequestError
from recommender.feedback import feedback_of, marks_of_songs
from recommender.filters import SongFilter
from recommender.models import Scope
from recommender.playlists import similar_listed, songs_similar
from recommender.playlists.contrasts import CONTRASTS
from recommender.playlists.journeys import SHAPES
from recommender.throttles import throttled
from recommender.web import charts, presentation
from recommender.web.media import audio_response
from recommender.web.views.base import page_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from catalog.models import Song
    from recommender.playlists import SimilarSong


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    context = {
        "moods": presentation.moods_by_quadrant(),
        "shapes": SHAPES.items(),
        "contrasts": [(name, words) for name, words in CONTRASTS.items() if name],
        "hour": timezone.localtime().hour,
        "song_count": selectors.analysed_song_count(),
        "has_history": selectors.listen_list(request.user).exists(),
    }
    return render(request, "home.html", context)


@require_safe
def songs(request: HttpRequest) -> HttpResponse:
    filters = SongFilter(request.GET, selectors.song_list())
    context = {
        "page_obj": page_of(request, filters.qs),
        "is_near": filters.is_near,
        "filters": filters.form.cleaned_data if filters.form.is_valid() else {},
        "quadrant_choices": presentation.QUADRANT_NAMES.items(),
    }
    return render(request, "songs.html", context)


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
    if song.lyrics:
        context["lyrics"] = clean_lyrics(song.lyrics)
    if emotion:
        context |= {
            "place": charts.plane_place(emotion),
            "quadrants": sorted(emotion.quadrants.items(), key=lambda item: -item[1])[:2],
            "line_moves": presentation.line_moves(emotion.lyric_lines),
            "moods": sorted(emotion.emotions.items(), key=lambda item: -item[1]),
            "felt": presentation.felt_in_words(emotion.felt),
            "kinds": presentation.kinds_told(emotion.kinds),
            "parts": presentation.parts(emotion.gates),
            "alone": presentation.alone_in_words(emotion.alone),
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
        return songs_similar(song_id=song_id, k=8, user=user)
    except PlaylistRequestError:
        return []  # not there, or not analysed


@throttled("stream")
@takes_token(Scope.LISTEN)
@require_safe
def song_audio(request: HttpRequest, pk: int) -> HttpResponseBase:
    song = get_object_or_404(selectors.song_files(), pk=pk)
    try:
        return audio_response(request, song)
    except (PathError, OSError) as error:
        raise Http404("The file of this song is not there.") from error
