"""Calls that note what a listener does: stars, ratings, what is played, and the queue."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Album, Artist, Song
from recommender.feedback import (
    FeedbackKind,
    feedback_of,
    song_like,
    song_rate,
    song_skip,
    song_unmark,
)
from recommender.history import is_play, listen_record
from recommender.listening.heard import EARLIEST
from recommender.models import PlayerState, Scope, Star
from recommender.selectors import playable
from recommender.subsonic.answers import Code, SubsonicError, moment_text
from recommender.subsonic.calls import Ask, call
from recommender.subsonic.parameters import MOST_ROWS, Item, item_read, not_found
from recommender.subsonic.shapes import (
    albums_as_folders,
    albums_shown,
    artists_as_folders,
    artists_shown,
    songs_by_id,
    songs_shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_MOST_QUEUED: Final = 5_000
_PLAYING: Final = ("starting", "playing", "paused")
_NOW: Final = timedelta(minutes=30)
"""What a player told longer ago is not what plays now."""


@call("star", scope=Scope.LISTEN)
def star(ask: Ask) -> dict[str, Any]:
    for item in _starred_items(ask):
        if item.kind == "song":
            song_like(user=ask.user, song_id=item.pk)
        elif item.kind == "album":
            Star.objects.get_or_create(user=ask.user, album_id=item.pk)
        else:
            Star.objects.get_or_create(user=ask.user, artist_id=item.pk)
    return {}


@call("unstar", scope=Scope.LISTEN)
def unstar(ask: Ask) -> dict[str, Any]:
    for item in _starred_items(ask):
        if item.kind == "song":
            song_unmark(user=ask.user, song_id=item.pk, kind=FeedbackKind.LIKE)
        else:
            Star.objects.filter(user=ask.user, **{item.kind: item.pk}).delete()
    return {}


def _starred_items(ask: Ask) -> list[Item]:
    """Return what is to be starred, all of it or none: each must be there."""
    texts = [text for name in ("id", "albumId", "artistId") for text in ask.parameters.texts(name)]
    if not texts:
        raise SubsonicError(Code.PARAMETER_MISSING, gettext("Send id, albumId or artistId."))
    if len(texts) > MOST_ROWS:
        raise SubsonicError(
            Code.GENERIC, gettext("Send at most %(most)s ids at once.") % {"most": MOST_ROWS}
        )
    items = [item_read(text) for text in dict.fromkeys(texts)]
    for kind, model in (("song", Song), ("album", Album), ("artist", Artist)):
        wanted = {item.pk for item in items if item.kind == kind}
        if wanted and model.objects.filter(pk__in=wanted).count() != len(wanted):
            raise not_found()
    return items


@call("setRating", scope=Scope.LISTEN)
def set_rating(ask: Ask) -> dict[str, Any]:
    """Give a song one to five stars; 0 takes them back. Albums and artists have none here."""
    item, stars = ask.parameters.item(), ask.parameters.number("rating")
    if item.kind != "song":
        raise SubsonicError(Code.GENERIC, gettext("Only songs can be rated."))
    if stars:
        song_rate(user=ask.user, song_id=item.pk, stars=stars)
    else:
        song_unmark(user=ask.user, song_id=item.pk, kind=FeedbackKind.RATING)
    return {}


@call("getStarred")
def get_starred(ask: Ask) -> dict[str, Any]:
    artists, albums, songs = _starred(ask)
    return {
        "starred": {
            "artist": artists_as_folders(artists),
            "album": albums_as_folders(albums),
            "song": songs,
        }
    }


@call("getStarred2")
def get_starred2(ask: Ask) -> dict[str, Any]:
    artists, albums, songs = _starred(ask)
    return {"starred2": {"artist": artists, "album": albums, "song": songs}}


def _starred(ask: Ask) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the newest marks of each kind, `MOST_ROWS` at most."""
    stars = Star.objects.filter(user=ask.user).order_by("-starred_at", "-pk")
    artists, albums = (
        list(stars.exclude(**{kind: None}).values_list(kind, flat=True)[:MOST_ROWS])
        for kind in ("artist", "album")
    )
    likes = [like.song_id for like in reversed(feedback_of(ask.user).likes)][:MOST_ROWS]
    return (
        artists_shown(artists, ask.user),
        albums_shown(albums, ask.user),
        songs_shown(likes, ask.user),
    )


@call("scrobble", scope=Scope.LISTEN)
def scrobble(ask: Ask) -> dict[str, Any]:
    """Note songs as heard, or the first one as what plays now."""
    songs = ask.parameters.songs("id")
    if not songs:
        raise SubsonicError(Code.PARAMETER_MISSING, gettext("The parameter id is missing."))
    if len(songs) > MOST_ROWS:
        raise SubsonicError(
            Code.GENERIC, gettext("Send at most %(most)s ids at once.") % {"most": MOST_ROWS}
        )
    if not ask.parameters.flag("submission", default=True):
        _state_keep(ask, songs[0], "playing", 0)
        return {}
    moments = [_began(ask, text) for text in ask.parameters.texts("time")]
    if Song.objects.filter(pk__in=songs).count() != len(set(songs)):
        raise not_found()
    with transaction.atomic():  # all of them or none
        for song, moment in itertools.zip_longest(songs, moments[: len(songs)]):
            listen_record(user=ask.user, song_id=song, listened_at=moment)
    return {}


def _began(ask: Ask, text: str) -> datetime | None:
    """Return when a song began; None, which is now, for the 0 of players that do not know it."""
    moment = ask.parameters.moment(text, "time")
    if not moment.timestamp():
        return None
    if moment < EARLIEST:
        raise SubsonicError(
            Code.GENERIC,
            gettext("The parameter time must be milliseconds since 1970, from %(day)s on.")
            % {"day": EARLIEST.date().isoformat()},
        )
    return moment


@call("reportPlayback", scope=Scope.LISTEN)
def report_playback(ask: Ask) -> dict[str, Any]:
    """Keep what a player does; a song that it stops counts as heard or as skipped."""
    song, state = ask.parameters.song("mediaId"), ask.parameters.text("state")
    position = ask.parameters.number("positionMs", most=10**12)
    if ask.parameters.text("mediaType") != "song" or state not in (*_PLAYING, "stopped"):
        raise SubsonicError(
            Code.GENERIC,
            gettext("mediaType must be song, and state starting, playing, paused or stopped."),
        )
    _state_keep(ask, song, "" if state == "stopped" else state, position)
    if state == "stopped" and not ask.parameters.flag("ignoreScrobble", default=False):
        _stopped(ask, song, position / 1000)
    return {}


def _stopped(ask: Ask, song_id: int, seconds: float) -> None:
    length = Song.objects.filter(pk=song_id).values_list("duration_seconds", flat=True).first()
    began = timezone.now() - timedelta(seconds=seconds)
    if is_play(seconds, length):
        listen_record(user=ask.user, song_id=song_id, listened_at=began, seconds_played=seconds)
    elif seconds or length:  # of a song of unknown length that never began, nothing is known
        song_skip(user=ask.user, song_id=song_id, seconds_played=seconds)


def _state_keep(ask: Ask, song_id: int, state: str, position: int) -> None:
    if not Song.objects.filter(pk=song_id, **playable()).exists():
        raise not_found()
    told = {
        "song_id": song_id,
        "state": "playing" if state == "starting" else state,
        "position_ms": position,
        "told_at": timezone.now(),
        "player": _player(ask),
    }
    PlayerState.objects.update_or_create(user=ask.user, defaults=told)


def _player(ask: Ask) -> str:
    return ask.parameters.text("c", "")[:100]


@call("getNowPlaying")
def get_now_playing(ask: Ask) -> dict[str, Any]:
    """Return what the listener's own player plays; what others hear is theirs."""
    state = PlayerState.objects.filter(user=ask.user).exclude(state="").first()
    if state is None or not state.told_at or timezone.now() - state.told_at > _NOW:
        return {"nowPlaying": {"entry": []}}
    minutes = int((timezone.now() - state.told_at).total_seconds() // 60)
    entries = [
        {
            **song,
            "username": ask.user.username,
            "minutesAgo": minutes,
            "playerId": 0,
            "playerName": state.player,
            "state": state.state,
            "positionMs": state.position_ms,
        }
        for song in songs_shown([state.song_id] if state.song_id else [], ask.user)
    ]
    return {"nowPlaying": {"entry": entries}}


@call("savePlayQueue", scope=Scope.LISTEN)
def save_play_queue(ask: Ask) -> dict[str, Any]:
    songs = ask.parameters.songs("id")
    if len(songs) > _MOST_QUEUED:
        raise SubsonicError(
            Code.GENERIC, gettext("A queue has at most %(most)s songs.") % {"most": _MOST_QUEUED}
        )
    current = ask.parameters.song("current") if songs else None
    if songs and current not in songs:
        raise SubsonicError(Code.GENERIC, gettext("current must be one of the queue."))
    kept = {
        "queue": songs,
        "queue_current": current,
        "queue_position_ms": ask.parameters.number("position", 0, most=10**12),
        "queue_at": timezone.now(),
        "queue_player": _player(ask),
    }
    PlayerState.objects.update_or_create(user=ask.user, defaults=kept)
    return {}


@call("getPlayQueue")
def get_play_queue(ask: Ask) -> dict[str, Any]:
    state = PlayerState.objects.filter(user=ask.user).exclude(queue_at=None).first()
    if state is None or not state.queue:
        return {}
    entries = list(_queued(state, ask))
    is_there = any(one["id"] == str(state.queue_current) for one in entries)
    return {
        "playQueue": {
            **({"current": str(state.queue_current)} if is_there else {}),
            "position": state.queue_position_ms,
            "username": ask.user.username,
            "changed": moment_text(state.queue_at),
            "changedBy": state.queue_player,
            "entry": entries,
        }
    }


def _queued(state: PlayerState, ask: Ask) -> Iterator[dict[str, Any]]:
    """Yield the songs of a queue, which may be long, some hundreds at a time."""
    for start in range(0, len(state.queue), MOST_ROWS):
        part = state.queue[start : start + MOST_ROWS]
        found = songs_by_id(part, ask.user)
        yield from (found[pk] for pk in part if pk in found)
