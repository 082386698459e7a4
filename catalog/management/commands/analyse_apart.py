"""``manage.py analyse_apart SONG WORKER``: a worker runs it for a song that may end its process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from catalog.analysis import held_songs_analyse
from catalog.models import Song

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Analyse one song that a worker holds, in a process of its own; workers run it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("song", type=int, help="Number of the song.")
        parser.add_argument("worker", help="Name of the worker that holds it.")

    def handle(self, *_: Any, **options: Any) -> None:
        held = Song.objects.filter(pk=options["song"], leased_by=options["worker"])
        held_songs_analyse(songs=list(held.select_related("library")), worker=options["worker"])
