"""`manage.py waveforms`: measure the waveforms that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from catalog.errors import PathError
from catalog.waveforms import WaveformUnsureError, songs_without_waveform, waveform_measure

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Measure the waveform of every song that has none, so that no page waits for it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--at-most", type=int, help="stop after this many songs")

    def handle(self, *args: Any, **options: Any) -> None:
        songs = songs_without_waveform()
        ids = list(songs.values_list("pk", flat=True)[: options["at_most"]])
        measured = 0
        for pk in tqdm(ids, desc="Measuring waveforms", unit="song", disable=None):
            song = songs.filter(pk=pk).first()
            if song is None:  # deleted, or measured by a page meanwhile
                continue
            try:
                failure = waveform_measure(song=song).failure
            except PathError as error:
                self.stderr.write(str(error))
                continue
            except WaveformUnsureError as error:
                self.stderr.write(f"{song.path}: {error}")
                continue
            measured += not failure
            if failure:
                self.stderr.write(f"{song.path}: {failure}")
        self.stdout.write(f"{measured} waveforms measured, {len(ids) - measured} songs have none")
