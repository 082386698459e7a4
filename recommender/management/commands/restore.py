"""`manage.py restore`: put a backup in the place of the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from recommender.backup import restore_read
from recommender.errors import BackupError
from recommender.settings import env

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from recommender.backup import Manifest


class Command(BaseCommand):
    help = "Put a backup in the place of the database. Stop all other processes first."
    # The database may be absent or of another release.
    requires_system_checks: list[str] = []  # as Django declares it

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a file that `manage.py backup` has written")
        parser.add_argument(
            "--replace", action="store_true", help="lose what the database here holds"
        )

    def handle(self, *args: object, **options: Any) -> None:
        try:
            manifest = restore_read(options["file"], is_replacing=options["replace"])
        except BackupError as error:
            raise CommandError(f"{error.code}: {error}") from error
        self.stdout.write(
            f"Restored {manifest.counts['catalog.Song']} songs and "
            f"{manifest.counts['auth.User']} accounts of {manifest.created_at}. Everybody has to "
            "log in again. The scheduler builds the index; restart all processes."
        )
        for line in _differences(manifest):
            self.stdout.write(line)


def _differences(manifest: Manifest) -> list[str]:
    """Return the settings of the backup that are not set so here."""
    lines = [
        f"  {name}={value}"
        for name, value in manifest.settings.items()
        if env.ENVIRON.get(name) != value
    ]
    return ["Set differently where the backup was made:", *lines] if lines else []
