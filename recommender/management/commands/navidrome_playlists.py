"""`manage.py navidrome_playlists`: a smart playlist of Navidrome for each mood."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from catalog.errors import PathError
from recommender.moods import MOODS, mood_find, said
from recommender.navidrome import MOST_SONGS, smart_playlist_write

if TYPE_CHECKING:
    from argparse import ArgumentParser


def _word(text: str) -> str:
    mood = mood_find(text)
    if mood is None:
        raise ArgumentTypeError(f"there is no mood {text}; there are {', '.join(MOODS)}")
    return said(mood)


def _range(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,3})-(\d{1,3})", text, re.ASCII)
    low, high = map(int, found.groups()) if found else (1, 0)
    if low > high:
        raise ArgumentTypeError(f"{text} is no range of beats a minute, such as 90-120")
    return low, high


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_SONGS:
        raise ArgumentTypeError(f"{text} is not a number from 1 to {MOST_SONGS}")
    return int(text)


class Command(BaseCommand):
    help = "Write smart playlists for Navidrome, which find songs by the moods in their tags."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="which Navidrome scans")
        parser.add_argument(
            "--mood", type=_word, action="append", help="only this mood; default: every mood"
        )
        parser.add_argument("--bpm", type=_range, metavar="LOW-HIGH", help="only this tempo")
        parser.add_argument("--count", type=_count, default=100, help="songs of each list")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        words = options["mood"] or [said(mood) for mood in MOODS.values()]
        for word in dict.fromkeys(words):
            try:
                path = smart_playlist_write(
                    options["folder"], word, bpm=options["bpm"], count=options["count"]
                )
            except (OSError, PathError) as error:
                raise CommandError(str(error)) from error
            self.stdout.write(str(path))
        self.stdout.write("manage.py write_tags writes the moods that these lists look for")
