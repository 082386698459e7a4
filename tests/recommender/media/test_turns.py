from __future__ import annotations

import threading
import time

import pytest

from recommender.errors import MediaBusyError
from recommender.media.turns import OneByOne, Pauses, Turns


def test_so_many_at_once_and_no_more() -> None:
    turns = Turns("Too many songs are being converted.", at_once=1, waiting=0)
    with turns.taken(wait_seconds=1):
        started = time.monotonic()
        with pytest.raises(MediaBusyError, match="Too many songs are being converted"):
            turns.taken(wait_seconds=5).__enter__()
        assert time.monotonic() - started < 1  # no place to wait
    with turns.taken(wait_seconds=0):
        pass


def test_who_waits_gets_the_next_turn_or_gives_up() -> None:
    turns = Turns("x", at_once=1, waiting=1)
    got = threading.Event()

    def wait() -> None:
        with turns.taken(wait_seconds=5):
            got.set()

    with turns.taken(wait_seconds=0):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got.wait(0.1)
    thread.join(5)
    assert got.is_set()
    with turns.taken(wait_seconds=0), pytest.raises(MediaBusyError):
        turns.taken(wait_seconds=0.05).__enter__()


def test_an_error_gives_the_turn_back() -> None:
    turns = Turns("x", at_once=1, waiting=0)
    for _ in range(3):
        with pytest.raises(KeyError), turns.taken(wait_seconds=0):
            raise KeyError("x")


def test_requests_for_one_name_come_one_after_the_other() -> None:
    songs = OneByOne()
    inside: list[str] = []
    most = 0

    def work(name: str) -> None:
        nonlocal most
        with songs.alone(name):
            inside.append(name)
            most = max(most, inside.count("a"))
            time.sleep(0.02)
            inside.remove(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "aaabb"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert most == 1
    assert not songs._works


def test_too_many_for_one_name_are_refused() -> None:
    songs = OneByOne()
    start = threading.Event()
    refused: list[str] = []

    def wait() -> None:
        try:
            with songs.alone("a"):
                start.wait(5)
        except MediaBusyError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=wait) for _ in range(7)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    with songs.alone("b") as work:
        assert not work.is_shared
    start.set()
    for thread in threads:
        thread.join(5)
    assert len(refused) == 3


def test_pauses_grow_and_end() -> None:
    now = [0.0]
    pauses = Pauses(lambda: now[0])
    assert not pauses.holds("a")
    lengths = []
    for _ in range(6):
        pauses.begin("a")
        began = now[0]
        while pauses.holds("a"):
            now[0] += 30
        lengths.append(now[0] - began)
    assert lengths == [60, 300, 1500, 3600, 3600, 3600]
    assert not pauses.holds("b")
    pauses.begin("a")
    pauses.end("a")
    assert not pauses.holds("a")


def test_old_pauses_are_forgotten() -> None:
    pauses = Pauses(lambda: 0.0)
    for number in range(1001):
        pauses.begin(str(number))
    assert not pauses.holds("0")
    assert pauses.holds("1000")
