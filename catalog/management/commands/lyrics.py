"""`manage.py lyrics`: ask the lyrics server for songs without lyrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.lrclib import LyricsServer, LyricsServerError
from catalog.online_lyrics import lyrics_ask, songs_to_ask

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Ask the lyrics server of AFFETTI_LRCLIB_URL for songs without lyrics."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=1000, help="songs at most")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.AFFETTI_LRCLIB_URL:
            raise CommandError("AFFETTI_LRCLIB_URL is not set; set it, such as https://lrclib.net")
        songs = list(songs_to_ask()[: max(0, options["limit"])])
        with (
            LyricsServer(settings.AFFETTI_LRCLIB_URL) as server,
            tqdm(total=len(songs), desc="Asking for lyrics", unit="song", disable=None) as bar,
        ):
            try:
                report = lyrics_ask(songs=songs, server=server, told=bar.update)
            except LyricsServerError as error:
                raise CommandError(f"{error}; {bar.n} songs were asked for") from error
        self.stdout.write(
            f"{report.found} songs got lyrics, {report.instrumental} are instrumental, "
            f"{report.refused} were refused, {report.absent} are not there"
        )
