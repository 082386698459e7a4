"""`manage.py models`: list, compare, switch, roll back and forget versions of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from catalog import analysis
from catalog.errors import VersionError
from catalog.versions import (
    version_delete,
    version_former,
    version_serving,
    version_states,
)
from mer.errors import CheckpointError
from recommender.errors import DiskShortError
from recommender.index.transition import model_switch
from recommender.playlists.comparison import LIST_SONGS, versions_compare

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from catalog.versions import VersionState


class Command(BaseCommand):
    help = "Versions of the model: which one serves, how they differ, and the way back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="every version, its songs and coverage")
        compare = actions.add_parser("compare", help="differences over the songs that both cover")
        compare.add_argument("first", help="name of a version")
        compare.add_argument("second", help="name of another version")
        switch = actions.add_parser("switch", help="build a version's index and let it serve")
        switch.add_argument("name", help="name of the version")
        actions.add_parser("rollback", help="let the version serve that served before")
        delete = actions.add_parser("delete", help="forget a version and all that it said")
        delete.add_argument("name", help="name of the version")

    def handle(self, *args: object, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(**options)
        except VersionError as error:
            raise CommandError(f"{error.code}: {error}") from error
        except (DiskShortError, OSError) as error:
            raise CommandError(
                f"{error}. The switch waits: a worker makes it when the index can be built"
            ) from error

    def _list(self, **_: object) -> None:
        states = version_states()
        if not states:
            self.stdout.write("No song has been analysed yet.")
        for state in states:
            self.stdout.write(
                f"{state.name}  {state.songs} songs, {state.coverage:.1%}, "
                f"since {state.created_at:%Y-%m-%d %H:%M}{_words(state)}"
            )

    def _compare(self, first: str, second: str, **_: object) -> None:
        known = {state.name for state in version_states()}
        for name in (first, second):
            if name not in known:
                raise VersionError("VERSION_UNKNOWN", f"no model version {name!r}")
        found = versions_compare(first, second)
        self.stdout.write(
            f"{found.songs} songs by both\n"
            f"valence {found.valence_shift:+.3f} (distance {found.valence_distance:.3f}), "
            f"arousal {found.arousal_shift:+.3f} (distance {found.arousal_distance:.3f})\n"
            f"quadrant changed for {found.quadrant_changed:.1%}\n"
            f"same songs in lists of {LIST_SONGS}: {found.mean_overlap:.1%} on average"
        )
        for mood, overlap in found.overlaps.items():
            self.stdout.write(f"  {mood}: {overlap:.0%}")

    def _switch(self, name: str, **_: object) -> None:
        model_switch(name)
        self._say_serving(name)

    def _rollback(self, **_: object) -> None:
        self._switch(version_former().name)

    def _delete(self, name: str, **_: object) -> None:
        self.stdout.write(
            f"{name} is forgotten, with the emotions of {version_delete(name)} songs."
        )

    def _say_serving(self, name: str) -> None:
        serving = version_serving()
        if serving is None or serving.name != name:
            raise CommandError(f"{name} does not serve: staff have wanted another version since")
        self.stdout.write(f"{name} serves now.")
        try:
            is_configured = analysis.model_version() == name
        except CheckpointError:
            is_configured = False
        if not is_configured:
            self.stdout.write(
                "Workers analyse songs with the configured model, and new ones also with this one "
                "if its files are here. Set AFFETTI_CHECKPOINT to it if you stay with it."
            )


def _words(state: VersionState) -> str:
    words = {"serves": state.is_serving, "serves soon": state.is_requested, "held": state.is_held}
    return "".join(f", {word}" for word, is_so in words.items() if is_so)
