"""Whatever a player sends, no call fails the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recommender import throttles
from recommender.subsonic.calls import CALLS

if TYPE_CHECKING:
    from catalog.models import Song
    from tests.recommender.subsonic.conftest import Player

NAMES = (
    *("id", "albumId", "artistId", "songId", "playlistId", "songIdToAdd", "songIndexToRemove"),
    *("mediaId", "mediaType", "positionMs", "state", "startSongId", "endSongId", "current"),
    *("count", "size", "offset", "songCount", "songOffset", "albumOffset", "artistOffset"),
    *("fromYear", "toYear", "rating", "time", "submission", "maxBitRate", "position", "type"),
    *("query", "genre", "artist", "title", "name", "public", "ifModifiedSince", "username"),
)
VALUES = {
    "huge": "9" * 40,
    "the largest": str(2**63 - 1),
    "one more": str(2**63),
    "negative": "-1",
    "not finite": "nan",
    "infinite": "1e999",
    "empty": "",
    "a NUL": "\0",
    "long": "x" * 600,
    "a lone surrogate": "\udcff",
    "quotes": "' OR 1=1 --",
    "digits of another script": "٣",
    "a wildcard": "%",
}


@pytest.mark.parametrize("case", VALUES)
def test_hostile_values(
    player: Player, collection: list[Song], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttles, "limit", lambda *_: None)
    value = VALUES[case].encode("utf-8", "surrogateescape")
    every: dict[str, Any] = dict.fromkeys(NAMES, value)
    for name in CALLS:
        check(player, name, {**every, "type": "newest"})
        check(player, name, {**every, "id": str(collection[0].pk), "mediaType": "song"})


def test_nothing_at_all(player: Player, collection: list[Song]) -> None:
    for name in CALLS:
        check(player, name, {})


def test_everything_twice(player: Player, collection: list[Song]) -> None:
    twice = {name: ["1", "2"] for name in NAMES}
    for name in CALLS:
        check(player, name, twice)


def check(player: Player, name: str, sent: dict[str, Any]) -> None:
    response = player.client.get(f"/rest/{name}", {**sent, **player.keys(), "f": "json"})
    if response.streaming:
        b"".join(response.streaming_content)
    assert response.status_code in (200, 304), (name, sent, response.content[:500])
    # Bytes that are not in a list would be sent as a number each.
    form = {key: [value] if isinstance(value, bytes) else value for key, value in sent.items()}
    posted = player.client.post(f"/rest/{name}", {**form, **player.keys(), "f": "xml"})
    assert posted.status_code == 200, (name, "by a form of several parts")
