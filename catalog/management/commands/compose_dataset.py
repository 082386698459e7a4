"""`manage.py compose_dataset`: write pieces with composed valence and arousal as a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from catalog.composed.bands import BANDS
from catalog.composed.writer import dataset_write, plans

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Compose labelled pieces (16 kHz mono FLAC) and their table, songs.csv."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")
        parser.add_argument("--pieces", type=int, default=600, help="how many (default: 600)")
        parser.add_argument(
            "--seconds",
            type=float,
            nargs=2,
            default=(35.0, 40.0),
            metavar=("LEAST", "MOST"),
            help="length of a piece, drawn from this range (default: 35 40)",
        )
        parser.add_argument("--seed", type=int, default=1, help="another one, other pieces")
        parser.add_argument("--processes", type=int, default=2, help="at once (default: 2)")
        parser.add_argument(
            "--instrumentation",
            nargs="+",
            choices=sorted(BANDS),
            default=sorted(BANDS),
            metavar="NAME",
            help=f"some of {', '.join(sorted(BANDS))} (default: all)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder, (least, most) = options["out"], options["seconds"]
        if folder.exists() and any(folder.iterdir()):
            raise CommandError(f"{folder} is not empty; name a new folder")
        if options["pieces"] < 1 or options["processes"] < 1 or options["seed"] < 0:
            raise CommandError("--pieces and --processes must be at least 1, --seed at least 0")
        if not 5.0 <= least <= most <= 600.0:
            raise CommandError("--seconds must be two numbers from 5 to 600, the smaller first")
        wanted = plans(
            options["pieces"], options["instrumentation"], seconds=(least, most),
            seed=options["seed"],
        )  # fmt: skip
        written = dataset_write(folder, wanted, processes=options["processes"])
        for _ in tqdm(written, desc="Composing", total=len(wanted), unit="piece", disable=None):
            pass
        self.stdout.write(f"{len(wanted)} pieces and songs.csv in {folder}")
