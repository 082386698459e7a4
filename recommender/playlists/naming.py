"""Names and descriptions of lists, made of what they aim at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext, gettext_noop

from catalog.retold import kept
from mer.affect import AffectPoint
from recommender.moods import as_said, mood_nearest
from recommender.playlists.contrasts import CONTRASTS
from recommender.playlists.credited import song_titles
from recommender.terms import shown, told

if TYPE_CHECKING:
    from recommender.playlists.request import PlaylistRequest
    from recommender.playlists.target_kinds import Stop


_TITLE: Final = kept(gettext_noop("“%(title)s”"))
_NUMBER: Final = kept(gettext_noop("song %(number)s"))
_HERE: Final = kept(gettext_noop("where you are"))


def playlist_name(request: PlaylistRequest) -> str:
    """Return a name made of the targets of a request, the refused ones last."""
    signs = dict(request.weights)
    wanted: list[str] = []
    refused: list[str] = []

    def add(field: str, name: str, weight: float = 1.0) -> None:
        (wanted if weight * signs.get(field, 1.0) > 0 else refused).append(name)

    if request.journey:
        wanted.append(_journey_name(request.journey))
    for name, weight in request.moods:
        add("moods", shown(as_said(name)), weight)
    if request.point is not None:
        add("point", gettext("Near %(mood)s") % {"mood": shown(mood_nearest(request.point))})
    if request.box is not None:
        (low, high), (quiet, lively) = request.box.valence, request.box.arousal
        middle = AffectPoint((low + high) / 2, (quiet + lively) / 2)
        add("box", gettext("Around %(mood)s") % {"mood": shown(mood_nearest(middle))})
    if request.text:
        add("text", gettext("“%(words)s”") % {"words": " ".join(request.text.split())})
    titles = song_titles(song_id for song_id, _ in request.song_ids)
    for sign in (1, -1):
        seeds = [song_id for song_id, weight in request.song_ids if weight * sign > 0]
        if seeds:
            named = [titles.get(song_id) or _song_by_number(song_id) for song_id in seeds]
            add("song_ids", gettext("Like %(titles)s") % {"titles": ", ".join(named)}, sign)
    for field in ("artists", "albums"):
        for name, weight in request.value(field):
            add(field, name, weight)
    if request.contrast:
        add("contrast", told(CONTRASTS[request.contrast]))
    if request.history:
        add("history", gettext("From my listening"))
    name = " + ".join(part[:1].upper() + part[1:] for part in wanted)
    for part in refused:
        name = (gettext("%(name)s, not %(refused)s") if name else gettext("Not %(refused)s")) % {
            "name": name,
            "refused": part,
        }
    return name[:200]


def playlist_sentence(request: PlaylistRequest) -> str:
    """Return in one or two sentences what a list is, for people."""
    if request.journey:
        names = [stop_name(stop) for stop in request.journey]
        sentence = gettext("A path of songs from %(first)s to %(last)s") % {
            "first": names[0],
            "last": names[-1],
        }
    elif request.text:
        sentence = gettext("Songs that fit these words")
    elif request.song_ids or request.artists or request.albums:
        sentence = gettext("Songs that sound and feel alike")
    elif request.contrast:
        sentence = gettext("Songs whose sound says one thing and whose words say another")
    elif request.history:
        sentence = gettext("Songs near those that were heard lately")
    elif request.moods:
        moods = [shown(as_said(name)) for name, weight in request.moods if weight > 0]
        sentence = gettext("Songs that feel %(moods)s") % {"moods": _all_of(moods)}
    else:
        sentence = gettext("Songs from one part of the map")
    limits = constraints_in_words(request)
    if not limits:
        return f"{sentence}."
    told_limits = {"songs": sentence, "limits": ", ".join(limits)}
    return gettext("%(songs)s, %(limits)s.") % told_limits


def constraints_in_words(request: PlaylistRequest) -> list[str]:
    """Return the limits of a request that a listener set, each in a few words."""
    value = request.value
    found = []
    if value("genre"):
        found.append(gettext("only %(genre)s") % {"genre": value("genre")})
    if value("decade") is not None:
        found.append(gettext("from the %(decade)ss") % {"decade": value("decade")})
    first, last = value("year_from"), value("year_to")
    if first is not None and last is not None:
        found.append(gettext("from %(first)s to %(last)s") % {"first": first, "last": last})
    elif first is not None or last is not None:
        words = gettext("from %(first)s on") if last is None else gettext("until %(last)s")
        found.append(words % {"first": first, "last": last})
    if value("language"):
        found.append(gettext("in the language %(name)s") % {"name": value("language")})
    if value("not_explicit"):
        found.append(gettext("nothing explicit"))
    if value("never_heard"):
        found.append(gettext("nothing you have heard"))
    if value("liked_only"):
        found.append(gettext("only songs you like"))
    return found


def stop_name(stop: Stop) -> str:
    """Return the name of a stop of a journey, in the language of the reader."""
    name = stop_kept(stop)
    return shown(name) if stop.mood or stop.point is not None else told(name)


def stop_kept(stop: Stop) -> str:
    """Return the name of a stop of a journey as it is stored, in English."""
    if stop.mood:
        return as_said(stop.mood)
    if stop.point is not None:
        return mood_nearest(stop.point)
    if stop.song_id:
        return song_kept(stop.song_id)
    return _HERE


def song_kept(song_id: int) -> str:
    """Return the title of a song, or its number without one, as it is stored, in English."""
    title = song_titles([song_id]).get(song_id)
    return _TITLE % {"title": title[:150]} if title else _NUMBER % {"number": song_id}


def _song_by_number(song_id: int) -> str:
    return gettext("song %(number)s") % {"number": song_id}


def _all_of(names: list[str]) -> str:
    """Return "a", "a and b" or "a and b and c"."""
    first, *others = names or [""]
    for name in others:
        first = gettext("%(first)s and %(last)s") % {"first": first, "last": name}
    return first


def _journey_name(stops: tuple[Stop, ...]) -> str:
    first, *between, last = [stop_name(stop) for stop in stops]
    if not between:
        return gettext("From %(first)s to %(last)s") % {"first": first, "last": last}
    return gettext("From %(first)s to %(last)s by way of %(between)s") % {
        "first": first,
        "last": last,
        "between": ", ".join(between),
    }
