"""The watcher follows the switches in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import OperationalError

from catalog.models import Library
from catalog.watching import run
from tests.factories import LibraryFactory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


class FakeWatch:
    """Stands in for the thread of a library."""

    def __init__(self, library: Library) -> None:
        self.library, self.mode = library, library.watch
        self.is_started = self.is_stopped = False

    def start(self) -> None:
        self.is_started = True

    def stop(self) -> None:
        self.is_stopped = True

    def is_alive(self) -> bool:
        return self.is_started and not self.is_stopped

    def join(self, _seconds: float) -> None: ...


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LibraryWatch", FakeWatch)


def test_libraries_that_are_added_switched_and_removed() -> None:
    watches: dict[int, FakeWatch] = {}
    library = LibraryFactory(watch="events")
    LibraryFactory(watch="off")
    run._sync(watches)
    (first,) = watches.values()
    assert first.is_alive()
    run._sync(watches)
    assert watches == {library.pk: first}, "unchanged ones go on"

    Library.objects.filter(pk=library.pk).update(watch="polling", watch_state="watching")
    run._sync(watches)
    assert first.is_stopped
    assert watches[library.pk].mode == "polling"
    library.refresh_from_db()
    assert library.watch_state == "", "the new watch says how it stands"

    watches[library.pk].stop()  # a thread that died
    run._sync(watches)
    assert watches[library.pk].is_alive()

    second = watches[library.pk]
    Library.objects.filter(pk=library.pk).update(watch="off")
    run._sync(watches)
    assert (watches, second.is_stopped) == ({}, True)


def test_one_that_is_being_removed_is_not_watched() -> None:
    watches: dict[int, FakeWatch] = {}
    LibraryFactory(watch="events", is_going=True)
    run._sync(watches)
    assert watches == {}


def test_it_survives_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    answers = iter([OperationalError("away"), None])

    def sync(_: object) -> None:
        if error := next(answers):
            raise error

    class Stopped:
        """Set after two rounds."""

        rounds = 0

        def is_set(self) -> bool:
            return self.rounds == 2

        def wait(self, _seconds: float) -> None:
            self.rounds += 1

    monkeypatch.setattr(run, "_sync", sync)
    monkeypatch.setattr(run.connections, "close_all", lambda: None)
    run.watch_run(Stopped())  # type: ignore[arg-type]
    assert next(answers, "none left") == "none left"
    assert (tmp_path / run.SIGN_NAME).exists()
