"""`manage.py prepare`: all steps between installation and serving. It can be repeated."""

from __future__ import annotations

import contextlib
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from catalog.management.commands.ingest import BAD_PATH
from catalog.models import Song
from catalog.selectors import library_find
from catalog.stores.addresses import path_named
from recommender.backup import leftovers_delete
from recommender.first_run import setup_code, setup_is_open
from recommender.tasks import build_index_if_stale

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Migrate, ingest and analyse music, build the index, and say where the first admin is made."""

    help = (
        "Make Affetti ready to serve: database, static files, music, index, address of the setup."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--music", metavar="PATH", help="Folder to ingest (default: the demo catalogue)"
        )
        parser.add_argument(
            "--at-most",
            type=float,
            default=600.0,
            metavar="SECONDS",
            help="Analyse for this long before serving; the worker goes on (default: 600)",
        )
        parser.add_argument(
            "--port", type=int, default=8000, help="Port to be served (default: 8000)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _port_check(options["port"])
        call_command("migrate", verbosity=0)
        leftovers_delete(settings.VAR_DIR)
        _close_to_others(_own_files())
        call_command("collectstatic", interactive=False, verbosity=0)
        if options["music"]:
            self._ingest(options["music"], options["at_most"])
        elif not Song.objects.exists():
            call_command("demo")
            root = str(settings.AFFETTI_CATALOG_ROOTS[0])
            self._ingest(root, options["at_most"])
        build_index_if_stale()
        self.stdout.write(
            f"\nAffetti plays at http://127.0.0.1:{options['port']}   (Ctrl-C stops it)\n"
        )
        self._setup_say(options["port"])

    def _ingest(self, folder: str, at_most: float) -> None:
        """Ingest; a failed job is said and passed over, only an unknown bad path is raised."""
        try:
            call_command("ingest", folder, wait=True, at_most=at_most)
        except CommandError as error:
            is_known = library_find(path_named(folder).resolve()) is not None
            if error.returncode == BAD_PATH and not is_known:
                raise
            self.stderr.write(f"The ingest of {folder} failed; serving what is there. {error}")

    def _setup_say(self, port: int) -> None:
        """Print where the first admin is made, while there is none."""
        if not setup_is_open():
            return
        self.stdout.write(
            self.style.SUCCESS(
                "\nNobody manages this installation yet. Open this address to make the first "
                f"account and choose your music:\n  http://127.0.0.1:{port}/setup?code={setup_code()}"
                "\nThe code at its end is secret, and works until there is an admin."
            )
        )


def _own_files() -> Iterator[Path]:
    """Yield VAR_DIR with all below it, and the SQLite database where it lies."""
    yield settings.VAR_DIR
    yield from settings.VAR_DIR.rglob("*")
    if settings.IS_SQLITE:
        name = settings.DATABASES["default"]["NAME"]
        yield from (Path(f"{name}{suffix}") for suffix in ("", "-wal", "-shm"))


def _close_to_others(paths: Iterable[Path]) -> None:
    """Take the rights of group and others away; former versions left them. No link is followed."""
    for path in paths:
        # Other processes delete files meanwhile, and some files may be another account's.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            mode = path.lstat().st_mode
            if (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and mode & 0o077:
                path.chmod(stat.S_IMODE(mode) & 0o700)


def _port_check(port: int) -> None:
    """Raise CommandError at once if the port is taken, before any work is done."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}); is Affetti running already? "
                f"Name another: make run PORT={port + 1}"
            ) from error
