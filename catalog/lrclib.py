"""A client of LRCLIB, a public collection of lyrics; its answers are checked like any stranger's.

It asks ``GET /api/get`` for a song by names, album and length, and then ``GET /api/search``. Songs
are sent one after the other, not more than two requests a second. What the server says to wait is
waited, up to a limit.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
from rapidfuzz import fuzz

from catalog.errors import TransientError
from catalog.storable import storable_text
from catalog.texts import fold
from mer.lyrics import MAX_LYRICS_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

SAME_SECONDS: Final = 3.0
"""Lyrics of a recording that differs more in length are those of another one."""
_MOST_BYTES: Final = 2 * 1024**2
_TIMEOUT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 20.0
"""A server that sends byte by byte is left after this."""
_PAUSE_SECONDS: Final = 0.5
_TRIES: Final = 3
_MOST_WAIT_SECONDS: Final = 30.0
_MOST_FOUND: Final = 50
_ALIKE: Final = 85.0
_MOST_DEPTH: Final = 200
_OTHER_SIGNS: Final = bytes(sign for sign in range(256) if sign not in b"[]{}")
_WAITED_FOR: Final = frozenset({429, 502, 503, 504})
_NOTHING: Final = frozenset({400, 404, 413, 414, 422})
"""It has no such song, or does not take these names or this length."""
_LEAST_SECONDS: Final = 1
_MOST_SECONDS: Final = 3600
"""LRCLIB refuses other lengths."""


class LyricsServerError(TransientError):
    """The server does not answer, asks to wait for long, or answers with nonsense."""


class LyricsAnswerError(LyricsServerError):
    """The server answers this question with nonsense; it may answer another one well."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent of a song, and nothing else."""

    title: str
    artist: str
    album: str
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Lyrics, LRC if the server has them with times; else whether the song is instrumental."""

    text: str = ""
    is_instrumental: bool = False


class LyricsServer:
    """A connection to an LRCLIB server. Use it in a ``with`` statement.

    `sleep` and `clock` are those of `time`, but for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep, self._clock = sleep, clock
        self._next = clock()
        self._client = httpx.Client(
            base_url=url,
            timeout=timeout_seconds,
            headers={"User-Agent": user_agent(), "Accept": "application/json"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def find(self, question: Question) -> Answer | None:
        """Return what the server has of a song; None if it has nothing of it.

        Raises LyricsServerError if it cannot be asked now.
        """
        names = {"track_name": question.title, "artist_name": question.artist}
        album = {"album_name": question.album} if question.album else {}
        seconds = round(question.duration_seconds)
        if _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
            record = self._ask("/api/get", names | album | {"duration": str(seconds)})
            if isinstance(record, dict) and _is_same(record, question):
                return _answer(record)
        records = self._ask("/api/search", names)
        if not isinstance(records, list):
            return None
        same = [one for one in records[:_MOST_FOUND] if _is_same(one, question)]
        # Those with times first, then those of the nearest length.
        same.sort(key=lambda one: (not one.get("syncedLyrics"), _apart(one, question)))
        return next(filter(None, map(_answer, same)), None)

    def _ask(self, path: str, parameters: dict[str, str]) -> object:
        """Return the JSON of an answer; None if the server has none, or refuses the question."""
        wait = 1.0
        reason = ""
        for attempt in range(_TRIES):
            self._sleep(max(0.0, self._next - self._clock()))
            self._next = self._clock() + _PAUSE_SECONDS
            try:
                status, headers, body = self._get(path, parameters)
            except httpx.HTTPError as error:
                reason = f"it cannot be reached: {error or type(error).__name__}"
            else:
                if status in _NOTHING:
                    return None
                if status == 200:
                    return _json(body)
                reason = f"it answers {status}"
                if status not in _WAITED_FOR:
                    raise LyricsAnswerError(self._in_vain(reason))
                wait = max(wait, _seconds(headers.get("retry-after", "")))
            if wait > _MOST_WAIT_SECONDS:
                reason += f" and asks to wait for {wait:.0f} seconds"
                break
            if attempt < _TRIES - 1:
                self._sleep(wait)
                wait *= 2
        raise LyricsServerError(self._in_vain(reason))

    def _in_vain(self, reason: str) -> str:
        # The host alone: an address may hold a password.
        return (
            f"the lyrics server {self._client.base_url.host} was asked in vain: {reason}; it is "
            "asked again later, or set AFFETTI_LRCLIB_URL to another address or to nothing"
        )

    def _get(self, path: str, parameters: dict[str, str]) -> tuple[int, httpx.Headers, bytes]:
        until = self._clock() + _ANSWER_SECONDS
        with self._client.stream("GET", path, params=parameters) as response:
            body = bytearray()
            for part in _parts(response):
                body += part
                if len(body) > _MOST_BYTES:
                    reason = f"its answer has more than {_MOST_BYTES} bytes"
                    raise LyricsAnswerError(self._in_vain(reason))
                if self._clock() > until:
                    raise httpx.ReadTimeout(f"its answer takes over {_ANSWER_SECONDS:.0f} seconds")
            return response.status_code, response.headers, bytes(body)


def user_agent() -> str:
    """Return the name and version that requests carry, as LRCLIB asks for."""
    try:
        number = version("affetti")
    except PackageNotFoundError:
        number = "development"
    return f"Affetti/{number}"


def _parts(response: httpx.Response) -> Iterator[bytes]:
    # Small parts, so that a compressed answer cannot unfold to much more than the limit.
    return response.iter_bytes(64 * 1024)


def _json(body: bytes) -> object:
    try:
        if _depth(body) > _MOST_DEPTH:
            raise ValueError("its answer is nested too deeply")
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise LyricsAnswerError(
            "the lyrics server answers with something that is not JSON; check AFFETTI_LRCLIB_URL"
        ) from error


def _depth(body: bytes) -> int:
    """Return how deeply brackets are nested; those in texts count, too, and mostly end there."""
    deepest = depth = 0
    for sign in body.translate(None, delete=_OTHER_SIGNS):
        depth += 1 if sign in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _seconds(text: str) -> float:
    """Return the seconds of a Retry-After header, which may hold a date; 0 if it is nonsense."""
    try:
        return max(0.0, float(text)) if float(text) < 1e6 else 1e6
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _is_same(record: Any, question: Question) -> bool:
    """Whether a record is of the song: names alike, and about as long."""
    if not isinstance(record, dict) or not _apart(record, question) <= SAME_SECONDS:
        return False
    title, artist = record.get("trackName"), record.get("artistName")
    if not (isinstance(title, str) and isinstance(artist, str)):
        return False
    return (
        fuzz.ratio(fold(title[:500]), fold(question.title)) >= _ALIKE
        and fuzz.token_sort_ratio(fold(artist[:500]), fold(question.artist)) >= _ALIKE
    )


def _apart(record: dict[str, Any], question: Question) -> float:
    seconds = record.get("duration")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return float("inf")
    return abs(float(min(max(seconds, -1.0), 1e9)) - question.duration_seconds)


def _answer(record: dict[str, Any]) -> Answer | None:
    for name in ("syncedLyrics", "plainLyrics"):
        text = record.get(name)
        # Longer ones are no lyrics, and none is cut, which would lose the end.
        if not isinstance(text, str) or len(text) > MAX_LYRICS_BYTES:
            continue
        text = storable_text(text)
        if text.strip() and len(text.encode()) <= MAX_LYRICS_BYTES:
            return Answer(text)
    return Answer(is_instrumental=True) if record.get("instrumental") is True else None
