"""`manage.py backup`: write the database and the settings that matter to one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from recommender.backup import backup_write
from recommender.backup.run import SECRETS
from recommender.errors import BackupError

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Write a consistent copy of the database, without music, to a file of your own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file to make; it must not exist")
        parser.add_argument(
            "--portable", action="store_true", help="every row as JSON, for either database"
        )
        parser.add_argument(
            "--with-setting",
            action="append",
            default=[],
            choices=SECRETS,
            help="keep this setting, too, although it may hold a password",
        )

    def handle(self, *args: object, **options: Any) -> None:
        path: Path = options["file"]
        try:
            manifest = backup_write(
                path, is_portable=options["portable"], with_settings=options["with_setting"]
            )
        except BackupError as error:
            raise CommandError(f"{error.code}: {error}") from error
        self.stdout.write(
            f"{path}: {path.stat().st_size} bytes, form {manifest.form}, "
            f"{manifest.counts['catalog.Song']} songs, {manifest.counts['auth.User']} accounts. "
            "Music and the secret key are not in it."
        )
