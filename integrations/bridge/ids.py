"""Which song of a media server is which of Affetti."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from integrations.bridge.sources import Song

_SAME_LENGTH: Final = 5.0
"""Seconds by which the lengths of one recording may differ."""


@dataclass(slots=True)
class Ids:
    """The songs and artists of both servers by the ids of each."""

    songs: dict[str, str] = field(default_factory=dict)
    """Ids of Affetti by those of the media server."""
    back: dict[str, str] = field(default_factory=dict)
    artist_names: dict[str, str] = field(default_factory=dict)
    """Names by the ids of the media server."""
    artists_back: dict[str, str] = field(default_factory=dict)
    """Ids of the media server by folded names."""
    unmatched: int = 0


def matched(theirs: Iterable[Song], ours: Iterable[dict[str, Any]]) -> Ids:
    """Return the songs that are known to both; what is not sure is left out."""
    by_recording: dict[str, dict[str, Any]] = {}
    by_name: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in ours:
        by_recording[one["musicbrainz_recording_id"]] = one
        by_name.setdefault((folded(one["artist"]), folded(one["title"])), []).append(one)
    ids = Ids()
    for song in theirs:
        if song.artist_id:
            ids.artist_names[song.artist_id] = song.artist
            ids.artists_back.setdefault(folded(song.artist), song.artist_id)
        found = by_recording.get(song.recording) if song.recording else None
        found = found or _best(song, by_name.get((folded(song.artist), folded(song.title)), []))
        if found is None:
            ids.unmatched += 1
            continue
        ids.songs[song.id] = found["id"]
        ids.back.setdefault(found["id"], song.id)
    return ids


def _best(song: Song, named: list[dict[str, Any]]) -> dict[str, Any] | None:
    fitting = [one for one in named if _is_as_long(song.seconds, one["duration_seconds"])]
    same = (one for one in fitting if folded(one["album"]) == folded(song.album))
    return next(same, fitting[0] if len(fitting) == 1 else None)


def _is_as_long(one: float | None, other: float | None) -> bool:
    return not one or not other or abs(one - other) <= _SAME_LENGTH


def folded(text: str | None) -> str:
    """Return a text without case, accents and doubled spaces."""
    plain = unicodedata.normalize("NFKD", text or "").casefold()
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())
