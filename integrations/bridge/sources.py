"""The songs of media servers, page by page, as each of them tells them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

PAGE: Final = 500
_TICKS: Final = 10_000_000
"""Of Jellyfin, in a second."""


@dataclass(frozen=True, slots=True)
class Song:
    """A song of a media server, by the ids of that server."""

    id: str
    title: str
    artist: str
    artist_id: str = ""
    album: str = ""
    seconds: float | None = None
    recording: str = ""
    """The MusicBrainz id of the recording; empty if it is not known."""


def _pages(
    rows_from: Callable[[int], list[dict[str, Any]]], song_of: Callable[[dict[str, Any]], Song]
) -> Iterator[Song]:
    """Yield the songs of all pages: to an empty one, or one of songs that were there already.

    Some servers send less than they are asked for, and some the same page again and again.
    """
    known: set[str] = set()
    start = 0
    while rows := rows_from(start):
        fresh = [song for song in map(song_of, rows) if song.id and song.id not in known]
        if not fresh:
            return
        known.update(song.id for song in fresh)
        yield from fresh
        start += len(rows)


class Source(Protocol):
    """A media server. Raises httpx.HTTPError or ValueError if it does not answer."""

    def songs(self, client: httpx.Client) -> Iterator[Song]:
        """Yield every song."""
        ...


@dataclass(frozen=True, slots=True)
class Subsonic:
    """Navidrome, Ampache and others that speak Subsonic: an empty search is everything."""

    address: str
    user: str
    secret: str

    def songs(self, client: httpx.Client) -> Iterator[Song]:
        """Yield every song."""

        def rows_from(start: int) -> list[dict[str, Any]]:
            query = {**self._keys(), "query": "", "songCount": PAGE, "songOffset": start}
            response = client.get(
                f"{self.address}/rest/search3.view",
                params={**query, "artistCount": 0, "albumCount": 0},
            )
            answer = response.raise_for_status().json()["subsonic-response"]
            if answer["status"] != "ok":
                raise ValueError(answer["error"]["message"])
            rows: list[dict[str, Any]] = answer["searchResult3"].get("song", [])
            return rows

        return _pages(rows_from, _of_subsonic)

    def _keys(self) -> dict[str, str | int]:
        salt = secrets.token_hex(8)
        token = hashlib.md5(f"{self.secret}{salt}".encode(), usedforsecurity=False).hexdigest()
        return {"u": self.user, "t": token, "s": salt, "v": "1.16.1", "c": "affetti", "f": "json"}


def _of_subsonic(row: dict[str, Any]) -> Song:
    return Song(
        id=str(row.get("id", "")),
        title=row.get("title") or "",
        artist=row.get("artist") or "",
        artist_id=str(row.get("artistId", "")),
        album=row.get("album") or "",
        seconds=row.get("duration"),
        recording=row.get("musicBrainzId") or "",
    )


@dataclass(frozen=True, slots=True)
class Jellyfin:
    """Jellyfin; the secret is a key of its API."""

    address: str
    user: str
    secret: str

    def songs(self, client: httpx.Client) -> Iterator[Song]:
        """Yield every song."""
        headers = {"Authorization": f'MediaBrowser Token="{self.secret}"'}

        def rows_from(start: int) -> list[dict[str, Any]]:
            query: dict[str, str | int] = {
                "IncludeItemTypes": "Audio",
                "Recursive": "true",
                "Fields": "ProviderIds",
                "SortBy": "DateCreated,SortName",
                "StartIndex": start,
                "Limit": PAGE,
            }
            response = client.get(f"{self.address}/Items", params=query, headers=headers)
            rows: list[dict[str, Any]] = response.raise_for_status().json()["Items"]
            return rows

        return _pages(rows_from, _of_jellyfin)


def _of_jellyfin(row: dict[str, Any]) -> Song:
    artist: dict[str, str] = next(iter(row.get("ArtistItems") or []), {})
    ticks = row.get("RunTimeTicks")
    return Song(
        id=row.get("Id", "").replace("-", ""),
        title=row.get("Name") or "",
        artist=artist.get("Name", ""),
        artist_id=artist.get("Id", "").replace("-", ""),
        album=row.get("Album") or "",
        seconds=ticks / _TICKS if ticks else None,
        recording=(row.get("ProviderIds") or {}).get("MusicBrainzRecording", ""),
    )


@dataclass(frozen=True, slots=True)
class Lyrion:
    """Lyrion Music Server; user and secret are needed only if it is protected."""

    address: str
    user: str
    secret: str

    def songs(self, client: httpx.Client) -> Iterator[Song]:
        """Yield every song."""
        # Without a password the server ignores the header.
        login = (self.user, self.secret)

        def rows_from(start: int) -> list[dict[str, Any]]:
            words = ["titles", start, PAGE, "tags:alds"]
            sent = {"id": 1, "method": "slim.request", "params": ["", words]}
            response = client.post(f"{self.address}/jsonrpc.js", json=sent, auth=login)
            answer = response.raise_for_status().json()
            rows: list[dict[str, Any]] = answer["result"].get("titles_loop", [])
            return rows

        return _pages(rows_from, _of_lyrion)


def _of_lyrion(row: dict[str, Any]) -> Song:
    seconds = row.get("duration")
    return Song(
        id=str(row.get("id", "")),
        title=row.get("title") or "",
        artist=row.get("artist") or "",
        artist_id=str(row.get("artist_id", "")),
        album=row.get("album") or "",
        seconds=float(seconds) if seconds else None,
    )


SOURCES: Final[dict[str, Callable[[str, str, str], Source]]] = {
    "subsonic": Subsonic,
    "jellyfin": Jellyfin,
    "lyrion": Lyrion,
}
