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
        offset = 0
        while True:
            salt = secrets.token_hex(8)
            token = hashlib.md5(f"{self.secret}{salt}".encode(), usedforsecurity=False)
            keys = {"u": self.user, "t": token.hexdigest(), "s": salt, "v": "1.16.1"}
            query: dict[str, str | int] = {
                **keys,
                "c": "affetti",
                "f": "json",
                "query": "",
                "songCount": PAGE,
                "songOffset": offset,
                "artistCount": 0,
                "albumCount": 0,
            }
            response = client.get(f"{self.address}/rest/search3.view", params=query)
            answer = response.raise_for_status().json()["subsonic-response"]
            if answer["status"] != "ok":
                raise ValueError(answer["error"]["message"])
            rows = answer["searchResult3"].get("song", [])
            yield from map(_of_subsonic, rows)
            if len(rows) < PAGE:
                return
            offset += len(rows)


def _of_subsonic(row: dict[str, Any]) -> Song:
    return Song(
        id=str(row["id"]),
        title=row["title"],
        artist=row.get("artist", ""),
        artist_id=str(row.get("artistId", "")),
        album=row.get("album", ""),
        seconds=row.get("duration"),
        recording=row.get("musicBrainzId", ""),
    )


@dataclass(frozen=True, slots=True)
class Jellyfin:
    """Jellyfin; the secret is a key of its API."""

    address: str
    user: str
    secret: str

    def songs(self, client: httpx.Client) -> Iterator[Song]:
        """Yield every song."""
        start = 0
        headers = {"Authorization": f'MediaBrowser Token="{self.secret}"'}
        while True:
            query: dict[str, str | int] = {
                "IncludeItemTypes": "Audio",
                "Recursive": "true",
                "Fields": "ProviderIds",
                "SortBy": "DateCreated,SortName",
                "StartIndex": start,
                "Limit": PAGE,
            }
            response = client.get(f"{self.address}/Items", params=query, headers=headers)
            rows = response.raise_for_status().json()["Items"]
            yield from map(_of_jellyfin, rows)
            if len(rows) < PAGE:
                return
            start += len(rows)


def _of_jellyfin(row: dict[str, Any]) -> Song:
    artist: dict[str, str] = next(iter(row.get("ArtistItems") or []), {})
    ticks = row.get("RunTimeTicks")
    return Song(
        id=row["Id"].replace("-", ""),
        title=row.get("Name", ""),
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
        start = 0
        # Without a password the server ignores the header.
        login = (self.user, self.secret)
        while True:
            words = ["titles", start, PAGE, "tags:alds"]
            sent = {"id": 1, "method": "slim.request", "params": ["", words]}
            response = client.post(f"{self.address}/jsonrpc.js", json=sent, auth=login)
            rows = response.raise_for_status().json()["result"].get("titles_loop", [])
            yield from map(_of_lyrion, rows)
            if len(rows) < PAGE:
                return
            start += len(rows)


def _of_lyrion(row: dict[str, Any]) -> Song:
    seconds = row.get("duration")
    return Song(
        id=str(row["id"]),
        title=row.get("title", ""),
        artist=row.get("artist", ""),
        artist_id=str(row.get("artist_id", "")),
        album=row.get("album", ""),
        seconds=float(seconds) if seconds else None,
    )


SOURCES: Final[dict[str, Callable[[str, str, str], Source]]] = {
    "subsonic": Subsonic,
    "jellyfin": Jellyfin,
    "lyrion": Lyrion,
}
