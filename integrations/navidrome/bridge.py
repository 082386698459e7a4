"""A bridge from the AudioMuse-AI plugin of Navidrome to Affetti: it translates the ids of songs.

The plugin sends the ids of Navidrome and expects them in the answers, and Affetti has ids of its
own. The bridge reads the songs of both servers, matches them by the recording's MusicBrainz id,
else by artist, title and length, and passes calls on with the token that the plugin sends.
Names are in README.md of this folder. It needs httpx, which Affetti has installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import threading
import time
import unicodedata
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PAGE: Final = 500
_SECONDS: Final = 60.0
_SAME_LENGTH: Final = 5.0
"""Seconds by which the lengths of one recording may differ."""
_AGAIN_SECONDS: Final = 60.0
"""After an id that is not known the songs are read again, but not more often than this."""
_MOST_BODY: Final = 1024**2
_PATHS: Final = ("/api/", "/external/", "/chat/api/")
_SONG_NAMES: Final = ("item_id", "start_song_id", "end_song_id", "id")
_ARTIST_NAMES: Final = ("artist", "artist_id")


@dataclass(slots=True)
class Ids:
    """The songs and artists of both servers by the ids of each."""

    songs: dict[str, str] = field(default_factory=dict)
    """Ids of Affetti by those of Navidrome."""
    back: dict[str, str] = field(default_factory=dict)
    artist_names: dict[str, str] = field(default_factory=dict)
    """Names by the ids of Navidrome."""
    artists_back: dict[str, str] = field(default_factory=dict)
    """Ids of Navidrome by folded names."""
    unmatched: int = 0


def matched(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> Ids:
    """Return which song of Navidrome is which of Affetti; what is not sure is left out."""
    by_recording = {one["musicbrainz_recording_id"]: one for one in ours}
    by_name: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in ours:
        by_name.setdefault((_folded(one["artist"]), _folded(one["title"])), []).append(one)
    ids = Ids()
    for song in theirs:
        if artist := song.get("artistId"):
            ids.artist_names[artist] = song.get("artist", "")
            ids.artists_back.setdefault(_folded(song.get("artist", "")), artist)
        recording = song.get("musicBrainzId")
        named = by_name.get((_folded(song.get("artist", "")), _folded(song["title"])), [])
        found = (by_recording.get(recording) if recording else None) or _best(song, named)
        if found is None:
            ids.unmatched += 1
            continue
        ids.songs[song["id"]] = found["id"]
        ids.back.setdefault(found["id"], song["id"])
    return ids


def _best(song: Mapping[str, Any], named: list[dict[str, Any]]) -> dict[str, Any] | None:
    length = song.get("duration")
    fitting = [
        one
        for one in named
        if not length
        or one["duration_seconds"] is None
        or abs(length - one["duration_seconds"]) <= _SAME_LENGTH
    ]
    album = _folded(song.get("album", ""))
    same = (one for one in fitting if _folded(one["album"] or "") == album)
    return next(same, fitting[0] if len(fitting) == 1 else None)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text or "").casefold()
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


class Bridge:
    """The two servers, and the ids that are known of them."""

    def __init__(self, navidrome: str, user: str, password: str, affetti: str, token: str) -> None:
        self._navidrome, self._user, self._password = navidrome.rstrip("/"), user, password
        self._affetti, self._token = affetti.rstrip("/"), token
        self._client = httpx.Client(timeout=_SECONDS)
        self._lock = threading.Lock()
        self._read_at = -_AGAIN_SECONDS
        self.ids = Ids()

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def read(self) -> Ids:
        """Read the songs of both servers; httpx.HTTPError or ValueError if one does not answer."""
        self.ids = matched(list(self._theirs()), list(self._ours()))
        self._read_at = time.monotonic()
        return self.ids

    def read_again(self) -> None:
        """Read the songs again, unless they were read a moment ago or a server is away."""
        with self._lock:
            if time.monotonic() - self._read_at < _AGAIN_SECONDS:
                return
            self._read_at = time.monotonic()
            try:
                self.read()
            except (httpx.HTTPError, ValueError):
                return

    def _theirs(self) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            salt = secrets.token_hex(8)
            token = hashlib.md5(f"{self._password}{salt}".encode(), usedforsecurity=False)
            query: dict[str, str | int] = {
                "u": self._user,
                "t": token.hexdigest(),
                "s": salt,
                "v": "1.16.1",
                "c": "affetti",
                "f": "json",
                "query": "",
                "songCount": _PAGE,
                "songOffset": offset,
                "artistCount": 0,
                "albumCount": 0,
            }
            response = self._client.get(f"{self._navidrome}/rest/search3.view", params=query)
            answer = response.raise_for_status().json()["subsonic-response"]
            if answer["status"] != "ok":
                raise ValueError(answer["error"]["message"])
            songs = answer["searchResult3"].get("song", [])
            yield from songs
            if len(songs) < _PAGE:
                return
            offset += len(songs)

    def _ours(self) -> Iterator[dict[str, Any]]:
        page: int | None = 1
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        while page is not None:
            query: dict[str, str | int] = {
                "page": page,
                "limit": _PAGE,
                "include_embeddings": "false",
            }
            response = self._client.get(f"{self._affetti}/api/sync", params=query, headers=headers)
            answer = response.raise_for_status().json()
            yield from answer["tracks"]
            page = answer["next_page"]

    def passed(
        self, method: str, target: str, authorization: str, body: bytes
    ) -> tuple[int, bytes]:
        """Return the status and the body of a call, with ids of Navidrome on both sides."""
        parts = urlsplit(target)
        if not parts.path.startswith(_PATHS):
            return 404, b'{"error": "The bridge has no such address."}'
        query = self._translated(dict(parse_qsl(parts.query, keep_blank_values=True)))
        sent = self._body(body)
        headers = {"Authorization": authorization} if authorization else {}
        if sent is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._client.request(
                method,
                f"{self._affetti}{parts.path}?{urlencode(query)}",
                headers=headers,
                content=sent,
            )
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            return 503, json.dumps({"error": f"Affetti does not answer: {error}"}).encode()
        return response.status_code, json.dumps(self._told(answer)).encode()

    def _body(self, body: bytes) -> bytes | None:
        if not body.strip():
            return None
        try:
            data = json.loads(body)
        except ValueError:
            return body  # Affetti says what is wrong with it
        return json.dumps(self._asked(data)).encode()

    def _asked(self, data: Any) -> Any:
        """Return the object of a body with ids of Affetti."""
        if not isinstance(data, dict):
            return data
        told = self._translated(data)
        for name in ("track_ids", "add", "sub"):
            if isinstance(told.get(name), list):
                told[name] = [self._song(one) for one in told[name]]
        if isinstance(told.get("items"), list):
            told["items"] = [self._asked(one) for one in told["items"]]
        return told

    def _translated(self, values: Mapping[str, Any]) -> dict[str, Any]:
        told = {name: value for name, value in values.items() if name != "server"}
        for name in _SONG_NAMES:
            if isinstance(told.get(name), str) and values.get("type") != "artist":
                told[name] = self._song(told[name])
        names = self.ids.artist_names
        for name in (*_ARTIST_NAMES, *(("id",) if values.get("type") == "artist" else ())):
            if isinstance(told.get(name), str):
                told[name] = names.get(told[name], told[name])
        return told

    def _song(self, given: Any) -> Any:
        """Return the id of Affetti; an id that no song has stays one that no song has."""
        if not isinstance(given, str):
            return given
        if given not in self.ids.songs:
            self.read_again()
        return self.ids.songs.get(given, f"unknown {given}")

    def _told(self, answer: Any) -> Any:
        """Return an answer with ids of Navidrome, without the songs that Navidrome lacks."""
        if isinstance(answer, list):
            kept = (self._told(one) for one in answer if self._is_there(one))
            return list(kept)
        if not isinstance(answer, dict):
            return answer
        told = {name: self._told(value) for name, value in answer.items()}
        if "item_id" in told:
            told["item_id"] = self.ids.back[answer["item_id"]] if answer["item_id"] else None
        if "artist_id" in told:
            told["artist_id"] = self.ids.artists_back.get(_folded(str(told.get("artist"))))
        return told

    def _is_there(self, row: Any) -> bool:
        return not (isinstance(row, dict) and "item_id" in row) or row["item_id"] in self.ids.back


def server_of(bridge: Bridge, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that passes calls on."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _SECONDS

        def do_GET(self) -> None:
            self._pass(b"")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if not length.isdecimal() or int(length) > _MOST_BODY:
                self.close_connection = True
                self._answer(413, b'{"error": "The body is too large."}')
                return
            self._pass(self.rfile.read(int(length)))

        def _pass(self, body: bytes) -> None:
            authorization = self.headers.get("Authorization", "")
            self._answer(*bridge.passed(self.command, self.path, authorization, body))

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing: addresses say who listens to what."""

    return ThreadingHTTPServer((host, port), Handler)


def main() -> None:
    """Read the songs of both servers, and pass calls on until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Translate ids between Navidrome and Affetti.")
    parser.add_argument("--navidrome", required=True, help="address of Navidrome")
    parser.add_argument(
        "--user", required=True, help="of Navidrome; NAVIDROME_PASSWORD is its password"
    )
    parser.add_argument("--affetti", default="http://127.0.0.1:8000", help="address of Affetti")
    parser.add_argument("--host", default="127.0.0.1", help="where the bridge listens")
    parser.add_argument("--port", type=int, default=8001)
    chosen = parser.parse_args()
    password = os.environ.get("NAVIDROME_PASSWORD", "")
    token = os.environ.get("AFFETTI_TOKEN", "")
    bridge = Bridge(chosen.navidrome, chosen.user, password, chosen.affetti, token)
    try:
        ids = bridge.read()
    except (httpx.HTTPError, ValueError, KeyError) as error:
        parser.exit(1, f"The songs cannot be read: {error}\n")
    print(f"{len(ids.songs)} songs are known to both, {ids.unmatched} to Navidrome alone")  # noqa: T201
    with server_of(bridge, chosen.host, chosen.port) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
