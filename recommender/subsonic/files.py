"""Calls that hand out what a song is made of: its file, its cover, its lyrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

from catalog.errors import FileUnusableError, PathError, machine_errors_raise, store_errors_raise
from catalog.files.names import folded
from catalog.files.pictures import SIZES
from catalog.models import Song, SongCredit
from mer.lyrics import timed_lines
from recommender import selectors
from recommender.media.answers import (
    audio_response,
    cover_response,
    media_type,
    transcoded_response,
)
from recommender.media.transcoding import TARGETS, can_transcode
from recommender.models import PlaylistEntry, Scope
from recommender.selectors import playable
from recommender.subsonic.answers import Code, SubsonicError
from recommender.subsonic.calls import Ask, call
from recommender.subsonic.parameters import item_read, not_found, uuid_read

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

_RATES: Final = {"opus": 128, "mp3": 192}
"""Kilobits a second of the formats that songs are converted to."""
_UNKNOWN_LANGUAGE: Final = "und"


@call("stream", scope=Scope.LISTEN, throttle="stream")
def stream(ask: Ask) -> HttpResponseBase:
    """Answer with the song's file, or converted if the client wants another format or less."""
    song = _file(ask)
    target = _target(ask, song)
    try:
        if target:
            return transcoded_response(ask.request, song, target)
        return audio_response(ask.request, song)
    except (PathError, FileUnusableError, OSError) as error:
        raise _gone(error) from error


@call("download", scope=Scope.LISTEN, throttle="stream")
def download(ask: Ask) -> HttpResponseBase:
    """Answer with the song's file as it is."""
    try:
        return audio_response(ask.request, _file(ask))
    except (PathError, FileUnusableError, OSError) as error:
        raise _gone(error) from error


def _file(ask: Ask) -> Song:
    song = selectors.song_files().filter(pk=ask.parameters.song()).first()
    if song is None:
        raise not_found()
    return song


def _target(ask: Ask, song: Song) -> str:
    """Return the format to convert to; empty for the file itself, which most clients play."""
    wanted = ask.parameters.text("format", "").lower()
    most = ask.parameters.number("maxBitRate", 0)
    if wanted == "raw" or not can_transcode():
        return ""
    if wanted in TARGETS:
        return (
            "" if media_type(song).partition(";")[0] == _plain_type(wanted) and not most else wanted
        )
    if most and _bit_rate(song) > most:
        fitting = [name for name, rate in _RATES.items() if rate <= most]
        return max(fitting, key=_RATES.__getitem__, default="opus")
    return ""


def _plain_type(target: str) -> str:
    return TARGETS[target].media_type.partition(";")[0]


def _bit_rate(song: Song) -> float:
    seconds = Song.objects.filter(pk=song.pk).values_list("duration_seconds", flat=True).first()
    return song.file_size_bytes / 125 / seconds if seconds else math.inf


def _gone(error: Exception) -> SubsonicError:
    store_errors_raise(error)
    machine_errors_raise(error)
    return SubsonicError(Code.NOT_FOUND, gettext("The file of this song is not there."))


@call("getCoverArt", scope=Scope.LISTEN, throttle="covers")
def get_cover_art(ask: Ask) -> HttpResponseBase:
    """Answer with the picture of a song, or of the first song of an album, artist or list."""
    song_id = _cover_song(ask, ask.parameters.text("id"))
    song = selectors.song_files().filter(pk=song_id).first() if song_id else None
    if song is None:
        raise not_found()
    side = ask.parameters.number("size", SIZES["large"])
    size = "small" if 0 < side <= SIZES["small"] else "large"
    return cover_response(ask.request, song, size, is_painted=True)


def _cover_song(ask: Ask, text: str) -> int | None:
    if text.startswith("pl-"):
        entries = PlaylistEntry.objects.filter(
            playlist=uuid_read(text.removeprefix("pl-")),
            playlist__user=ask.user,
            **playable("song__"),
        )
        return entries.order_by("position").values_list("song", flat=True).first()
    item = item_read(text)
    if item.kind == "song":
        return item.pk
    if item.kind == "artist":
        credited = SongCredit.objects.filter(artist=item.pk, **playable("song__"))
        return credited.order_by("song").values_list("song", flat=True).first()
    songs = Song.objects.filter(album_entry=item.pk, **playable())
    return songs.order_by("pk").values_list("pk", flat=True).first()


@call("getLyricsBySongId")
def get_lyrics_by_song_id(ask: Ask) -> dict[str, Any]:
    """Return the lyrics of a song, with the time of each line where the file has it."""
    song = Song.objects.filter(pk=ask.parameters.song(), **playable()).first()
    if song is None:
        raise not_found()
    lines = timed_lines(song.lyrics) if song.lyrics else []
    if not lines:
        return {"lyricsList": {"structuredLyrics": []}}
    is_synced = any(start is not None for start, _ in lines)
    shown: list[dict[str, Any]] = [
        {"value": text, **({"start": round(1000 * start)} if start is not None else {})}
        for start, text in lines
        # Each line of timed lyrics has a time; the pauses between stanzas have none.
        if start is not None or not is_synced
    ]
    lyrics = {
        "displayArtist": song.artist,
        "displayTitle": song.shown_title,
        "lang": song.language or _UNKNOWN_LANGUAGE,
        "synced": is_synced,
        "offset": 0,
        "line": shown,
    }
    return {"lyricsList": {"structuredLyrics": [lyrics]}}


@call("getLyrics")
def get_lyrics(ask: Ask) -> dict[str, Any]:
    """Return the words of a song that is named by its artist and title."""
    artist, title = (ask.parameters.text(name, "") for name in ("artist", "title"))
    songs = Song.objects.filter(artist_key=folded(artist), **playable()).exclude(lyrics="")
    wanted = folded(title)
    for song in songs.only("title", "artist", "lyrics").order_by("pk")[:_MOST_COMPARED]:
        if folded(song.title) == wanted:
            text = "\n".join(line for _, line in timed_lines(song.lyrics))
            return {"lyrics": {"artist": song.artist, "title": song.title, "value": text}}
    return {"lyrics": {"artist": artist, "title": title, "value": ""}}


_MOST_COMPARED: Final = 1_000
"""Songs of an artist whose titles are compared with one."""
