"""`manage.py tempo_and_key`: estimate tempo and key of songs that were analysed before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from catalog.errors import PathError
from catalog.estimates import estimate_measure, songs_without_estimate
from mer.errors import AudioError

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Estimate tempo and key of every analysed song that has no estimate yet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--at-most", type=int, help="stop after this many songs")

    def handle(self, *args: Any, **options: Any) -> None:
        songs = songs_without_estimate()
        ids = list(songs.values_list("pk", flat=True)[: options["at_most"]])
        failed = 0
        for pk in tqdm(ids, desc="Estimating tempo and key", unit="song", disable=None):
            song = songs.filter(pk=pk).first()
            if song is None:  # deleted, or analysed meanwhile
                continue
            try:
                estimate_measure(song=song)
            except (PathError, AudioError) as error:
                self.stderr.write(f"{song.path}: {getattr(error, 'reason', error)}")
                failed += 1
        self.stdout.write(f"{len(ids) - failed} songs estimated, {failed} could not be read")
