"""Passes calls of a plugin on to Affetti, with the ids of the plugin's media server on both sides.

Plugins for AudioMuse-AI send the ids of their media server and expect them in the answers, and
Affetti has ids of its own. The bridge reads the songs of both, matches them by the recording's
MusicBrainz id, else by artist, title and length, and passes calls on with the plugin's token.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import httpx

from integrations.bridge.ids import Ids, folded, matched
from integrations.bridge.sources import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from integrations.bridge.sources import Source

_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 60.0
"""After an id that is not known the songs are read again, but not more often than this."""
_MOST_BODY: Final = 1024**2
_PATHS: Final = ("/api/", "/external/", "/chat/api/")
_UNTRANSLATED: Final = "/api/sync"
"""Its rows are whole songs by ids of Affetti, which no plugin could use."""
_SONG_NAMES: Final = ("item_id", "start_song_id", "end_song_id", "id")
_ARTIST_NAMES: Final = ("artist", "artist_id")


class Bridge:
    """The two servers, and the ids that are known of them."""

    def __init__(self, source: Source, affetti: str, token: str) -> None:
        self._source = source
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
        try:
            self.ids = matched(self._source.songs(self._client), list(self._ours()))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("An answer is not one of such a server.") from error
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

    def _ours(self) -> Iterator[dict[str, Any]]:
        page: int | None = 1
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        while page is not None:
            query: dict[str, str | int] = {
                "page": page,
                "limit": PAGE,
                "include_embeddings": "false",
            }
            response = self._client.get(f"{self._affetti}/api/sync", params=query, headers=headers)
            answer = response.raise_for_status().json()
            yield from answer["tracks"]
            page = answer["next_page"]

    def passed(
        self, method: str, target: str, authorization: str, body: bytes
    ) -> tuple[int, bytes]:
        """Return the status and the body of a call, with ids of the media server on both sides."""
        parts = urlsplit(target)
        if not _is_passed(parts.path):
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
            if isinstance(told.get(name), str) and values.get("type", "song") == "song":
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
        """Return an answer with ids of the media server, without the songs that it lacks."""
        if isinstance(answer, list):
            kept = (self._told(one) for one in answer if self._is_there(one))
            return list(kept)
        if not isinstance(answer, dict):
            return answer
        told = {name: self._told(value) for name, value in answer.items()}
        if "item_id" in told:
            told["item_id"] = self.ids.back.get(answer["item_id"])
        if "artist_id" in told:
            told["artist_id"] = self.ids.artists_back.get(folded(str(told.get("artist"))))
        return told

    def _is_there(self, row: Any) -> bool:
        return not (isinstance(row, dict) and "item_id" in row) or row["item_id"] in self.ids.back


def _is_passed(path: str) -> bool:
    """Whether calls of an address are passed on, as Affetti will read it."""
    plain = unquote(path)
    is_straight = not {".", ".."} & set(plain.split("/"))
    return is_straight and plain.startswith(_PATHS) and plain.rstrip("/") != _UNTRANSLATED


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
            try:
                status, told = bridge.passed(self.command, self.path, authorization, body)
            except (AttributeError, KeyError, TypeError):
                status, told = 502, b'{"error": "The answer of Affetti cannot be read."}'
            self._answer(status, told)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing: addresses say who listens to what."""

    return ThreadingHTTPServer((host, port), Handler)
