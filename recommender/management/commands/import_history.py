"""`manage.py import_history`: listening history of other services, from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, no_translations

from recommender.errors import FileRefusedError
from recommender.listening import import_faults, import_read
from recommender.models import ListenImport

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Import the listening history of a user from a file or zip archive of ListenBrainz, "
        "Last.fm or Spotify. The same file twice adds nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--user", required=True, metavar="USERNAME", help="whose history it is")

    @no_translations
    def handle(self, *args: object, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']}; see manage.py createsuperuser")
        path: Path = options["file"]
        listens = ListenImport.objects.create(user=user, file_name=path.name[:200])
        try:
            result = import_read(listens=listens, path=path)
        except (OSError, FileRefusedError) as error:
            listens.delete()
            raise CommandError(str(error)) from error
        self._show(result)
        listens.result = result
        for fault in import_faults(listens)[:_SHOWN]:
            self.stdout.write(f"  left out: {fault}")

    def _show(self, result: dict[str, Any]) -> None:
        self.stdout.write(
            f"{result['read']} listens read: {result['added']} added, {result['known']} known "
            f"before, {result['skipped']} played too shortly, {result['unmatched']} of "
            f"{result['unmatched_songs']} songs that are not here, {result['left_out']} left out"
        )
        for song in result["most_unmatched"][:_SHOWN]:
            self.stdout.write(f"  {song['count']:6}  {song['artist']} - {song['title']}")
