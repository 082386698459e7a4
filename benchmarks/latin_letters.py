"""Writes the letter statistics that `mer.lyrics.latin` reads, from lists of frequent words.

    python -m benchmarks.latin_letters [LANGUAGE=WORDS.txt ...]

It needs the package ``wordfreq``, which the product does not. A language that ``wordfreq`` lacks is
given as a file of one word a line. The languages of the committed table that come from such files
are Estonian, Faroese and Scottish Gaelic, from the Hunspell dictionaries of those languages (the
Estonian one had ð and þ where š and ž belong).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, defaultdict
from pathlib import Path

PAGES = {
    page: languages.split()
    for page, languages in {
        "cp1252": "en fr de es pt it ca nl sv nb da is fi et fo gd",
        "cp1250": "pl cs sk hu sh sl ro",
        "cp1254": "tr",
        "cp1257": "lt lv",
    }.items()
}
WORDS = 30_000
LEAST_SHARES = {"cp1252": 3e-5}
LEAST_SHARE = 2e-4
"""Of all letters; a rarer one is no letter of the language. Western text may borrow more."""
MOST_BITS = 9
SAME = str.maketrans("șțȘȚ", "şţŞŢ")  # as the code page has them
TARGET = Path("mer/lyrics/latin_letters.json")


def lower(word: str) -> str:
    return word.replace("İ", "i").lower()


def words_of(language: str, files: dict[str, Path]) -> list[tuple[str, float]]:
    """Return words and their weights."""
    if language in files:
        text = files[language].read_text("utf-8", "replace")
        return [(lower(line.split("/")[0].strip()), 1.0) for line in text.splitlines()]
    from wordfreq import top_n_list, word_frequency  # noqa: PLC0415  # no dependency

    # The root weakens "és", "não" and the like, which say little about other words.
    return [
        (lower(word.translate(SAME)), word_frequency(word, language) ** 0.5)
        for word in top_n_list(language, WORDS)
    ]


def letters_of(language: str, files: dict[str, Path], page: str) -> dict[str, list[str]]:
    """Return, for each letter beyond ASCII, its neighbours before and after with their bits.

    For a plain letter, and for the space around a word, those after it alone.
    """
    before: dict[str, Counter[str]] = defaultdict(Counter)
    after: dict[str, Counter[str]] = defaultdict(Counter)
    plain: dict[str, Counter[str]] = defaultdict(Counter)
    total = 0.0
    for word, weight in words_of(language, files):
        total += weight * len(word)
        framed = f" {word} "
        for place, letter in enumerate(framed[:-1]):
            if letter.isascii() and framed[place + 1].isascii():
                plain[letter][framed[place + 1]] += weight
            elif not letter.isascii() and letter.isalpha():
                before[letter][framed[place - 1]] += weight
                after[letter][framed[place + 1]] += weight
    letters = {c: [_packed(plain[c])] for c in " abcdefghijklmnopqrstuvwxyz"}
    for letter in sorted(before):
        if before[letter].total() < LEAST_SHARES.get(page, LEAST_SHARE) * total:
            continue
        try:
            letter.encode(page)
        except UnicodeEncodeError:
            continue
        letters[letter] = [_packed(before[letter]), _packed(after[letter])]
    return letters


def _packed(counts: Counter[str]) -> str:
    total = counts.total()
    bits = {
        c: round(-math.log2(count / total))
        for c, count in sorted(counts.items())
        if c == " " or c.isalpha()
    }
    return "".join(f"{c}{b}" for c, b in bits.items() if b <= MOST_BITS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="latin_letters", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="LANGUAGE=WORDS.txt")
    files = dict(argument.split("=", 1) for argument in parser.parse_args().words)
    paths = {language: Path(path) for language, path in files.items()}
    table = {
        page: {language: letters_of(language, paths, page) for language in languages}
        for page, languages in PAGES.items()
    }
    text = json.dumps(table, ensure_ascii=False, indent=0, separators=(",", ":"))
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"{TARGET}: {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
