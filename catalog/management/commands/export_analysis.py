"""`manage.py export_analysis`: the analyses of songs as a signed file, for another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog import analysis
from catalog.bundles.run import bundle_export, emotions_exported
from mer.errors import MerError

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Write the analyses of all songs to a signed file, for `import_analysis` elsewhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="such as songs.affetti.gz")
        parser.add_argument(
            "--fingerprints",
            action="store_true",
            help="make the fingerprints that are missing, by which other copies are found",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            total = emotions_exported(analysis.model_version()).count()
            with tqdm(total=total, desc="Exporting", unit="song", disable=None) as bar:
                count = bundle_export(
                    path=options["file"],
                    with_fingerprints=options["fingerprints"],
                    on_entry=bar.update,
                )
        except (OSError, MerError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        size = options["file"].stat().st_size
        self.stdout.write(f"{count} analyses written to {options['file']} ({size} bytes)")
