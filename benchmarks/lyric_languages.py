"""Which lyrics are withheld for their language: verses of the tests, and English lyrics.

    python -m benchmarks.lyric_languages [--data ../shared/data] [--lingua]

`--data` adds the lyrics of mirex and of GEMS, whole and cut to a few lines. `--lingua` identifies
the verses with the package ``lingua-language-detector``, too, which the product does not need.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mer.lyrics import language_code, lyric_lines, read_lyrics, readable_lyrics, text_language
from tests.mer.verses import ENGLISH, ROMANISED, VERSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SNIPPETS = (1, 2, 4, 8)
"""Lines of short lyrics."""


def memory_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def verses(identify: Callable[[str], str | None]) -> str:
    """Return the share of two stanzas, stanzas and lines whose language is found."""
    units = {
        "two stanzas": [(code, "\n".join(stanzas)) for code, stanzas in VERSES.items()],
        "stanzas": [(code, stanza) for code, stanzas in VERSES.items() for stanza in stanzas],
    }
    units["lines"] = [
        (code, line) for code, text in units["stanzas"] for line in text.split("\n")
    ]  # fmt: skip
    found = {name: sum(identify(text) == code for code, text in of) for name, of in units.items()}
    parts = [f"{count} of {len(units[name])} {name}" for name, count in found.items()]
    english = [kind for kind, stanzas in ENGLISH.items() if identify(stanzas[0]) != "en"]
    return f"{', '.join(parts)}; English that is not found: {', '.join(english) or 'none'}"


def lingua() -> Callable[[str], str | None]:
    from lingua import LanguageDetectorBuilder  # noqa: PLC0415  # no dependency

    detector = LanguageDetectorBuilder.from_all_languages().build()

    def identify(text: str) -> str | None:
        language = detector.detect_language_of(text)
        return language_code(language.iso_code_639_1.name) if language else None

    return identify


def report_verses(name: str, identify: Callable[[str], str | None]) -> None:
    before, start = memory_mib(), time.perf_counter()
    identify("a first text")
    seconds = time.perf_counter() - start
    result = verses(identify)
    print(f"{name}: {result}; loads in {seconds:.1f} s, {memory_mib() - before} MiB")


def english_lyrics(data: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((data / "mirex" / "lyrics").glob("*.txt")):
        yield f"mirex {path.stem}", read_lyrics(path)
    with (data / "gems_lyrics" / "OriginalAnnotations.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield f"{row['artist']}: {row['title']}", row["lyrics"]


def report_lyrics(data: Path) -> None:
    songs = {name: text for name, text in english_lyrics(data) if lyric_lines(text)}
    start = time.perf_counter()
    found = {name: readable_lyrics(text) for name, text in songs.items()}
    each = (time.perf_counter() - start) / len(songs)
    withheld = {name: lyrics for name, lyrics in found.items() if lyrics.are_withheld}
    whole = sum(not lyrics.places for lyrics in withheld.values())
    print(f"{len(songs)} lyrics, {each * 1000:.1f} ms each: {whole} are withheld, ", end="")
    print(f"lines of {len(withheld) - whole}")
    for name, lyrics in withheld.items():
        lines = lyric_lines(songs[name])
        gone = [line for place, line in enumerate(lines) if place not in lyrics.places]
        print(f"  {name} ({lyrics.language}): {len(gone)} of {len(lines)} lines, as {gone[0]!r}")
    for count in SNIPPETS:
        parts = list(
            itertools.chain.from_iterable(snippets(text, count) for text in songs.values())
        )
        bad = sum(not readable_lyrics(part).places for part in parts)
        print(f"{count} lines alone: {bad / len(parts):.1%} of {len(parts)} are withheld")


def snippets(text: str, count: int) -> list[str]:
    """Return up to three parts of `count` lines each."""
    lines = lyric_lines(text)
    starts = range(0, min(24, len(lines)), 8)
    return ["\n".join(lines[start : start + count]) for start in starts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--lingua", action="store_true")
    options = parser.parse_args()
    report_verses("mer.lyrics (py3langid)", text_language)
    if options.lingua:
        report_verses("lingua, all languages", lingua())
    kept = [code for code, stanzas in ROMANISED.items() if readable_lyrics(stanzas[0]).places]
    print(f"{len(ROMANISED)} verses in Latin letters: {len(kept)} are not withheld")
    if options.data:
        report_lyrics(options.data)


if __name__ == "__main__":
    main()
