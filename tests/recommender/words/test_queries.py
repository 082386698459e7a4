"""The requests of benchmarks/word_queries*.tsv, as far as they need no network."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from benchmarks.word_queries import QUERIES, failures, queries, reading_of

if TYPE_CHECKING:
    from pathlib import Path

SHARES = {"negation": 0.95}
"""At least so many of a kind are right; of the others, nine in ten."""


@pytest.mark.parametrize(
    "path", sorted(QUERIES.parent.glob("word_queries*.tsv")), ids=lambda path: path.stem
)
def test_what_was_expected_beforehand_is_understood(path: Path) -> None:
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    wrong = []
    for query in queries(path):
        needs_network = "network" in query.expected or query.kind == "situation"
        if needs_network:
            continue
        missed = failures(query, reading_of(query, None))
        total[query.kind] += 1
        right[query.kind] += not missed
        wrong += [(query.text, missed)] if missed else []

    assert len(total) == (8 if path == QUERIES else 7)
    for kind, count in total.items():
        assert right[kind] >= SHARES.get(kind, 0.9) * count, (kind, wrong)
