"""`manage.py import_analysis`: take analyses of another machine for the songs that wait."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.bundles.run import bundle_import, bundle_open
from catalog.errors import BundleError
from mer.errors import MerError

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Take the analyses of a file of `export_analysis` for the songs that wait for one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--trust", action="store_true", help="accept a file signed by another key"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            bundle = bundle_open(options["file"], is_trusted=options["trust"])
            with tqdm(total=bundle.entries, desc="Importing", unit="song", disable=None) as bar:
                report = bundle_import(bundle=bundle, on_entries=bar.update)
        except (BundleError, MerError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        self.stdout.write(
            f"{report.same_audio} songs by the same audio, {report.same_sound} by the same sound; "
            f"of {bundle.entries} analyses {report.unmatched} are of no song that waits, "
            f"{report.damaged} are damaged"
        )
