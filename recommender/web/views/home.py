"""The home page: the map, the box for words, and what a listener may go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from recommender import history, search, selectors
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.feedback import marks_of_songs
from recommender.playlists import similar_listed, songs_similar
from recommender.playlists.contrasts import CONTRASTS
from recommender.playlists.journeys import SHAPES
from recommender.terms import told
from recommender.web import charts, presentation
from recommender.web.forms import NewStationForm
from recommender.web.presentation import Entry
from recommender.web.views.base import covers_set

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

    from catalog.models import Song
    from recommender.models import Playlist

_NEWEST: Final = 12
_STATIONS: Final = 6
_LISTS: Final = 3
MOST_CHOSEN: Final = 100
"""The most songs of the map that are listed at once."""
_ALIKE: Final = 19
"""Songs that follow a single chosen one."""
_MOST_QUERY: Final = 200


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    has_songs = selectors.songs_are_analysed()
    context: dict[str, Any] = {
        "has_songs": has_songs,
        "big_moods": presentation.big_moods(),
        "moods": presentation.moods_by_quadrant(),
        "mood_labels": presentation.mood_labels(),
        "shapes": [(name, told(words)) for name, words in SHAPES.items()],
        "contrasts": [(name, told(words)) for name, words in CONTRASTS.items() if name],
        "hour": timezone.localtime().hour,
        "newest": selectors.songs_newest(_NEWEST) if has_songs else [],
    }
    if request.user.is_authenticated:
        context |= {
            "last_lists": _last_lists(request.user),
            "stations": covers_set(selectors.station_list(request.user)[:_STATIONS]),
            "last_listen": selectors.listen_list(request.user).first(),
            "new_station": NewStationForm(),
            "lately": charts.days_chart(history.places_heard(user=request.user)),
        }
    return render(request, "home.html", context)


def _last_lists(user: User) -> list[Playlist]:
    """Return the lists that `user` saved last, each with the songs on its cover."""
    lists = list(selectors.playlists_saved(user)[:_LISTS])
    covers = selectors.playlist_covers([one.pk for one in lists])
    for one in lists:
        one.cover_ids = covers.get(one.pk, [])  # type: ignore[attr-defined]
    return lists


@require_safe
def suggestions(request: HttpRequest) -> HttpResponse:
    """Offer moods, songs and artists that a beginning of words may mean, as a part of a page."""
    text = request.GET.get("q", "")[:_MOST_QUERY].replace("\x00", "")
    found = search.suggest(text)
    context = {"moods": presentation.moods_beginning(text), "found": found}
    return render(request, "_suggestions.html", context)


@require_safe
def chosen(request: HttpRequest) -> HttpResponse:
    """List songs of the map by their ids, as a part of a page; a single one with songs like it."""
    ids = _ids(request.GET.get("ids", ""))
    by_id = selectors.songs_by_id(ids)
    songs = [by_id[pk] for pk in ids if pk in by_id]
    if len(songs) == 1 and selectors.current_emotion(songs[0]) is not None:
        similar = songs_similar(song_id=songs[0].pk, k=_ALIKE, user=request.user)
        songs += [song for _, song in similar_listed(similar)]
    marks = marks_of_songs(user=request.user, song_ids=[song.pk for song in songs])
    entries = [
        Entry(song, None, "", (), marks[song.pk])
        for song in songs
        if not marks[song.pk].is_banned or len(ids) == 1
    ]
    context = {
        "name": _chosen_name(songs, is_one=len(ids) == 1),
        "entries": entries,
        "total_seconds": sum(entry.song.duration_seconds or 0 for entry in entries),
        "page_query": f"like={songs[0].pk}" if len(ids) == 1 and songs else "",
    }
    return render(request, "_panel.html", context)


def _chosen_name(songs: list[Song], *, is_one: bool) -> str:
    if is_one and songs:
        return gettext("%(title)s and songs like it") % {"title": songs[0].shown_title}
    return gettext("Chosen on the map")


def _ids(text: str) -> list[int]:
    """Return the ids that a text names, each once; PlaylistRequestError if it is none."""
    words = text.split(",") if text else []
    is_valid = all(word.isascii() and word.isdecimal() and len(word) < 19 for word in words)
    ids = list(dict.fromkeys(map(int, words))) if is_valid else []
    if not 1 <= len(ids) <= MOST_CHOSEN:
        raise PlaylistRequestError(
            PlaylistErrorCode.REQUEST_INVALID,
            gettext("ids must be 1 to %(most)d numbers of songs with commas between them")
            % {"most": MOST_CHOSEN},
            {"field": "ids"},
        )
    return ids
