"""`manage.py build_index`: build the vector index now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from recommender.errors import DiskShortError, IndexBusyError
from recommender.index import index_build

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = "Build the index of every analysed song and make it the active one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--full", action="store_true", help="Copy nothing from the former build"
        )

    def handle(self, *args: object, **options: Any) -> None:
        started = time.monotonic()
        try:
            build = index_build(is_full=options["full"])
        except IndexBusyError as error:
            raise CommandError(f"{error}; wait until it has finished.") from error
        except DiskShortError as error:
            raise CommandError(f"{error.code}: {error}.") from error
        self.stdout.write(
            f"Index of {build.row_count} songs built in {time.monotonic() - started:.1f} s: "
            f"{build.directory} (model {build.model_version})"
        )
