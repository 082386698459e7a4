"""Orders of the whole catalogue are read seldom, and by one thread at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from django.utils import timezone

from catalog.models import Song
from recommender.subsonic import shelves

if TYPE_CHECKING:
    import pytest

    from tests.recommender.subsonic.conftest import Player


def change(song: Song) -> None:
    Song.objects.filter(pk=song.pk).update(is_available=False, updated_at=timezone.now())


def test_changes_do_not_read_a_fresh_order_again(
    collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = (
        shelves.songs_in_order,
        shelves.albums_in_order,
        lambda: shelves.albums_in_order("year"),
        shelves.artists_in_order,
        lambda: shelves.genre_in_order("rock"),
    )
    before = [order() for order in orders]
    for song in collection[:3]:  # the first album of the first artist
        change(song)
    assert all(order() is held for order, held in zip(orders, before, strict=True))
    monkeypatch.setattr(shelves, "FRESH_SECONDS", 0.0)
    after = [order() for order in orders]
    assert [len(held) for held in before] == [24, 8, 8, 4, 12]
    assert [len(held) for held in after] == [21, 7, 7, 4, 9]
    assert [order() for order in orders] == after


def test_the_mark_of_the_artists_is_not_newer_than_their_order(
    player: Player, collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = player.ok("getIndexes")["indexes"]["lastModified"]
    for song in collection[:6]:
        change(song)
    assert "index" not in player.ok("getIndexes", ifModifiedSince=last)["indexes"]
    monkeypatch.setattr(shelves, "FRESH_SECONDS", 0.0)
    assert len(player.ok("getIndexes", ifModifiedSince=last)["indexes"]["index"]) == 3


def test_threads_that_need_an_order_read_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "mark", lambda: None)
    reads: list[str] = []

    def read() -> list[int]:
        reads.append("")
        time.sleep(0.1)
        return [1]

    def ask() -> None:
        shelves._held("songs", read)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1


def test_made_up_genres_drive_out_no_order(
    collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "_MOST_GENRES", 1)
    songs, rock = shelves.songs_in_order(), shelves.genre_in_order("rock")
    for number in range(5):
        assert shelves.genre_in_order(f"made up {number}") == []
    assert shelves.genre_in_order("rock") is rock
    shelves.genre_in_order("jazz")
    assert shelves.genre_in_order("rock") is not rock
    assert shelves.songs_in_order() is songs
