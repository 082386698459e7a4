"""When changes come to rest, and what is ingested then."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.watching.settling import (
    GATHER_SECONDS,
    HOLD_SECONDS,
    Gathering,
    Settling,
    merged,
    outermost,
)


class Disk:
    """Stamps by path, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stamps: dict[Path, object] = {}
        self.looks = 0

    def clock(self) -> float:
        return self.now

    def look(self, path: Path, _before: object) -> object:
        self.looks += 1
        return self.stamps.get(path)

    def settling(self, seconds: float = 5.0) -> Settling:
        return Settling(self.look, seconds=seconds, clock=self.clock)


A, B = Path("a.mp3"), Path("b.mp3")


def test_a_path_settles_when_two_looks_apart_see_the_same() -> None:
    disk = Disk()
    settling = disk.settling()
    disk.stamps[A] = (1, 1)
    settling.touch(A)
    disk.now = 4.9
    assert settling.settled() == []
    disk.stamps[A] = (2, 2)
    disk.now = 5.0
    assert settling.settled() == []  # it grew
    disk.now = 9.9
    assert settling.settled() == []  # the second look at this size comes later
    disk.now = 10.0
    assert settling.settled() == [A]
    assert not settling.pending


def test_the_size_alone_or_the_time_alone_tell_of_a_change() -> None:
    disk = Disk()
    settling = disk.settling()
    disk.stamps |= {A: (1, 1), B: (1, 1)}
    settling.touch(A)
    settling.touch(B)
    disk.stamps |= {A: (2, 1), B: (1, 2)}
    disk.now = 5.0
    assert settling.settled() == []


def test_a_file_that_is_written_for_hours_is_never_taken_and_rarely_looked_at() -> None:
    disk = Disk()
    settling = disk.settling()
    settling.touch(A)
    for second in range(3600):
        disk.now = float(second)
        disk.stamps[A] = (second, second)
        settling.touch(A)  # an event each second
        assert settling.settled() == []
    assert disk.looks < 3600 / 5 + 2
    disk.now += 10
    settling.settled()
    disk.now += 5
    assert settling.settled() == [A]


def test_a_path_that_is_gone_settles_too() -> None:
    disk = Disk()
    settling = disk.settling()
    settling.touch(A)
    disk.now = 5
    assert settling.settled() == [A]


class TestGathering:
    def test_a_scope_waits_until_nothing_is_pending_in_it(self) -> None:
        disk = Disk()
        gathering = Gathering(clock=disk.clock)
        gathering.add(Path("x"))
        assert gathering.due([]) == []
        disk.now = GATHER_SECONDS
        assert gathering.due([Path("x/y/late.mp3")]) == []
        assert gathering.due([Path("other/late.mp3")]) == [Path("x")]

    def test_but_not_for_ever(self) -> None:
        disk = Disk()
        gathering = Gathering(clock=disk.clock)
        for second in range(int(HOLD_SECONDS)):
            disk.now = float(second)
            gathering.add(Path("x"))
            assert gathering.due([Path("x/late.mp3")]) == []
        disk.now = HOLD_SECONDS
        assert gathering.due([Path("x/late.mp3")]) == [Path("x")]

    def test_what_is_inside_is_done_with_it(self) -> None:
        disk = Disk()
        gathering = Gathering(clock=disk.clock)
        for name in ("x", "x/y", "z"):
            gathering.add(Path(name))
        gathering.done(Path("x"))
        disk.now = GATHER_SECONDS
        assert gathering.due([]) == [Path("z")]


NAMES = st.lists(st.sampled_from("abc"), max_size=4).map(lambda parts: Path(*parts))


@given(st.lists(NAMES, min_size=1, max_size=40), st.integers(1, 8))
def test_merged_scopes_are_few_hold_everything_and_nothing_twice(
    paths: list[Path], most: int
) -> None:
    scopes = merged(paths, most=most)
    assert 1 <= len(scopes) <= most
    for path in paths:
        assert sum(path.is_relative_to(scope) for scope in scopes) == 1
    if len(outermost(paths)) <= most:
        assert set(scopes) <= set(paths)


def test_a_storm_in_many_folders_becomes_few_scopes() -> None:
    storm = [Path(f"artist {n % 100}/album {n}") for n in range(1000)]
    assert merged(storm, most=8) == [Path()]
    assert merged([Path("in") / path for path in storm], most=8) == [Path("in")]


@pytest.mark.parametrize("most", [0, 1])
def test_a_single_scope_is_always_allowed(most: int) -> None:
    assert merged([Path("a/b"), Path("a/c")], most=most) == [Path("a")]
