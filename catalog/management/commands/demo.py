"""`manage.py demo`: compose the missing pieces of the demo catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand
from tqdm import tqdm

from catalog.demo import writer
from catalog.demo.pieces import PIECES

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Compose the demo catalogue into the first catalogue root, where it is absent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="compose every piece again")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.AFFETTI_CATALOG_ROOTS[0]
        folder.mkdir(parents=True, exist_ok=True)
        pieces = PIECES if options["force"] else writer.pieces_missing(folder)
        for piece in tqdm(pieces, desc="Composing the demo catalogue", unit="piece", disable=None):
            writer.piece_write(folder, piece)
        writer.manifest_write(folder)
        self.stdout.write(f"{len(pieces)} pieces composed, {len(PIECES)} in {folder}")
