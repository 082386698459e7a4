"""Requests in words, and how many of them are understood as was expected beforehand.

    python -m benchmarks.word_queries                  # prints the score and what is wrong
    python -m benchmarks.word_queries --file FILE      # other requests in the same form

`word_queries.tsv` has the requests. It was written before the code that reads them. A row is right
if everything in its third column holds:

    Q1, Q1/Q4     quadrant of the target         v+ v- a+ a-   side of an axis
    v~ a~         within .15 of the middle       v> v< a> a<   moved from the target before
    v= a=         moved by at most .05           !sadness      songs of this mood are excluded
    mood=joy      the mood is wanted             !mood         no mood is named
    genre=Rock    a filter; -genre=Rock: none of it; artist=, album=, years=, seconds=
    contrast=NAME by=words, by=sound            sound and words told apart
    ?drums        said not to be understood      ~happy        a misspelling of happy, and said
    network       the network reads words        none          nothing at all is understood
"""

from __future__ import annotations

import argparse
import csv
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from mer.affect import AffectPoint
from mer.pipeline import EmotionPipeline
from recommender.words import Vocabulary, is_telling, understand, with_phrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recommender.words import Filters, Understood

Place = tuple[float, float]

QUERIES = Path(__file__).with_name("word_queries.tsv")
VOCABULARY = Vocabulary(
    genres=(
        "Rock", "Jazz", "Pop", "Soul", "Ambient", "Techno", "Hip-Hop", "R&B", "Metal", "Electronic",
        "Classical", "Folk", "Blues", "House", "Country", "Reggae", "Punk", "Funk", "Disco",
    ),
    artists=(
        "Queen", "Björk", "Beyoncé", "The Beatles", "Daft Punk", "Radiohead", "AC/DC",
        "Nina Simone", "Sigur Rós", "Miles Davis", "Air", "Simon & Garfunkel", "Night",
    ),
    albums=("OK Computer", "Kind of Blue", "Abbey Road", "Homogenic"),
)  # fmt: skip
"""The catalogue that the requests are put to."""


_TOKEN = re.compile(r"\s(?=[?!~]|Q[1-4]|[va][-+~<>=]|-?\w+=|network|none)")
_NEAR = 0.15
_SAME = 0.05
_MIDDLE = (0.5, 0.5)


@dataclass(frozen=True)
class Query:
    """A request and what has to hold of its reading; `before` is the request before it."""

    kind: str
    text: str
    expected: str
    before: str


class Reading(NamedTuple):
    """What came out: the reading of the words, its target, and the target before."""

    found: Understood
    place: Place | None
    base: Place
    is_network: bool
    not_understood: tuple[str, ...]
    seconds: float


def queries(path: Path = QUERIES) -> list[Query]:
    """Return the requests of a file."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return [Query(*[*row, ""][:4]) for row in rows if row]


def reading_of(query: Query, pipeline: EmotionPipeline | None) -> Reading:
    """Return how a request is read, with the network for what no rule knows."""
    base = understand(query.before, VOCABULARY).place if query.before else None
    understand(query.text, VOCABULARY, last=base)  # the tables are loaded once in a process
    began = time.thread_time()
    found = understand(query.text, VOCABULARY, last=base)
    seconds = time.thread_time() - began
    place, is_network, left = found.place, False, found.not_understood
    if found.phrase and pipeline is not None:
        predicted = pipeline.predict_text(found.phrase)
        spoken = (predicted.valence, predicted.arousal)
        is_network = is_telling(found.phrase, *spoken)
        if is_network:
            place = with_phrase(found, spoken)
        else:
            left = (*left, found.phrase)
    return Reading(found, place, base or _MIDDLE, is_network, left, seconds)


def failures(query: Query, reading: Reading) -> list[str]:
    """Return the tokens of the expectation that do not hold."""
    return [token for token in _TOKEN.split(query.expected) if not _holds(token, reading)]


def _holds(token: str, reading: Reading) -> bool:
    found, name = reading.found, token[1:]
    match token[0]:
        case "?":
            return any(name.casefold() in text.casefold() for text in reading.not_understood)
        case "~":
            return name in found.corrections.values()
        case "!":
            named = any(sense.weight > 0 for sense in found.targets)
            return not named if name == "mood" else name in found.exclusions
    if token == "network":
        return reading.is_network
    if token == "none":
        return reading.place is None and not found.filters and not found.contrast
    if "=" in token and token[1] != "=":
        return _holds_filter(token, reading)
    return reading.place is not None and _holds_place(token, reading.place, reading.base)


def _holds_place(token: str, place: Place, base: Place) -> bool:
    if token.startswith("Q"):
        return str(AffectPoint(*place).quadrant) in token
    axis = "va".index(token[0])
    value, before = place[axis], base[axis]
    return {
        "+": value > _MIDDLE[axis],
        "-": value < _MIDDLE[axis],
        "~": abs(value - _MIDDLE[axis]) <= _NEAR,
        ">": value > before,
        "<": value < before,
        "=": abs(value - before) <= _SAME,
    }[token[1]]


def _holds_filter(token: str, reading: Reading) -> bool:
    name, _, value = token.partition("=")
    found = reading.found
    if name == "contrast":
        return found.contrast == value
    if name == "by":
        return found.words_weight == {"words": 1.0, "sound": 0.0}[value]
    if name == "mood":
        return any(sense.name == value and sense.weight > 0 for sense in found.targets)
    return value in _filters(found.filters)[name]


def _filters(filters: Filters) -> dict[str, list[str]]:
    years = f"{_shown(filters.year_from)}-{_shown(filters.year_to)}"
    seconds = f"{_shown(filters.seconds_from)}-{_shown(filters.seconds_to)}"
    return {
        "genre": list(filters.genres),
        "-genre": list(filters.genres_not),
        "artist": list(filters.artists),
        "album": list(filters.albums),
        "years": [years],
        "seconds": [seconds],
    }


def _shown(number: int | None) -> str:
    return "" if number is None else str(number)


def score(
    rows: Iterable[Query], pipeline: EmotionPipeline | None
) -> list[tuple[Query, list[str], Reading]]:
    """Return each request with what does not hold, and its reading."""
    read = [(query, reading_of(query, pipeline)) for query in rows]
    return [(query, failures(query, reading), reading) for query, reading in read]


def main() -> None:
    """Print the score of each kind of request, and every request that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--file", type=Path, default=QUERIES, help="requests (default: %(default)s)"
    )
    path = parser.parse_args().file
    torch.set_num_threads(1)
    results = score(queries(path), EmotionPipeline.from_pretrained())
    for query, wrong, reading in results:
        if wrong:
            print(f"{query.kind}: {query.text!r}: not {wrong}; {_told(reading)}")
    print()
    print("\n".join([*table(results), "", times(results)]))


def table(results: list[tuple[Query, list[str], Reading]]) -> list[str]:
    """Return the lines of the table of scores."""
    total = Counter(query.kind for query, _, _ in results)
    right = Counter(query.kind for query, wrong, _ in results if not wrong)
    rows = [
        f"| {kind} | {right[kind]} of {n} | {right[kind] / n:.0%} |" for kind, n in total.items()
    ]
    count, good = sum(total.values()), sum(right.values())
    return [
        "| requests | right | share |",
        "|---|--:|--:|",
        *rows,
        f"| **all** | {good} of {count} | {good / count:.0%} |",
    ]


def times(results: list[tuple[Query, list[str], Reading]]) -> str:
    """Return how long reading by rules took, as a sentence."""
    taken = [reading.seconds * 1000 for _, _, reading in results]
    typical, most = statistics.median(taken), statistics.quantiles(taken, n=100)[94]
    return (
        f"Reading by rules takes {typical:.2f} ms of processor time in the median, "
        f"{most:.2f} ms at the 95th percentile."
    )


def _told(reading: Reading) -> str:
    parts = [f"{part.text} as {part.meaning} ({part.weight:.1f})" for part in reading.found.parts]
    place = reading.place and f"{reading.place[0]:.2f}, {reading.place[1]:.2f}"
    return (
        f"place {place}; {'; '.join(parts)}; filters {reading.found.filters}; "
        f"phrase {reading.found.phrase!r}; not understood {reading.not_understood}"
    )


if __name__ == "__main__":
    main()
