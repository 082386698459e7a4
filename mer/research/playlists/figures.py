"""Means of the measures of a run with intervals, and paired tests of one run against others.

The queries of one group (the seed songs of an artist, or the lists for a mood) are not independent.
The bootstrap therefore draws groups with replacement, with all their queries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mer.errors import ShapeError
from mer.metrics import Interval, PairedDifference, holm
from mer.research.playlists import measures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mer.research.playlists.suite import Query, Run, Suite

    Floats = NDArray[np.float64]

RESAMPLES: Final = 10_000
_RANKED: Final = f"ndcg{measures.SHORT}"
_JOURNEY: Final = "journey error"
_BATCH: Final = 500


def grouped_interval(
    values: Floats, groups: Sequence[str], *, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean over queries with a percentile interval of a bootstrap over groups of queries.

    Parameters
    ----------
    values : (queries,) float ndarray
        NaN where a query has no value; it is left out.
    groups : sequence of str
        Of each query.
    level : float in (0, 1)
    seed : int

    Returns
    -------
    Interval
        NaN if no query has a value. The bounds are NaN if one group has all values.

    Raises
    ------
    ShapeError
        If the numbers of queries differ.
    """
    sums, counts = _by_group(values, groups)
    if not counts.sum():
        return Interval(measures.NAN, measures.NAN, measures.NAN)
    estimate = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return Interval(estimate, measures.NAN, measures.NAN)
    low, high = np.quantile(_draws(sums, counts, seed), [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high))


def grouped_difference(
    first: Floats, second: Floats, groups: Sequence[str], *, seed: int = 0
) -> PairedDifference:
    """Mean of `first` less that of `second` over the same queries; arguments as above.

    Returns
    -------
    PairedDifference
        The two-sided p-value is at least 2 / (`RESAMPLES` + 1). It is 1 if fewer than two groups
        have both values.
    """
    differences = np.asarray(first) - np.asarray(second)
    interval = grouped_interval(differences, groups, seed=seed)
    if np.isnan(interval.low):
        return PairedDifference(interval, 1.0)
    draws = _draws(*_by_group(differences, groups), seed)
    tail = min(int(np.sum(draws <= 0)), int(np.sum(draws >= 0)))
    return PairedDifference(interval, min(1.0, 2 * (tail + 1) / (len(draws) + 1)))


def _by_group(values: Floats, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Sum of the known values and their number, of each group that has one."""
    if len(values) != len(groups):
        raise ShapeError(f"{len(values)} values have {len(groups)} groups; give one each")
    known = ~np.isnan(values)
    names, places = np.unique(np.asarray(groups, dtype=str)[known], return_inverse=True)
    sums = np.bincount(places, weights=values[known], minlength=len(names))
    return sums.astype(np.float64), np.bincount(places, minlength=len(names)).astype(np.float64)


def _draws(sums: Floats, counts: Floats, seed: int) -> Floats:
    generator = np.random.default_rng(seed)
    draws = []
    for start in range(0, RESAMPLES, _BATCH):
        size = min(_BATCH, RESAMPLES - start)
        chosen = generator.integers(0, len(sums), (size, len(sums)))
        draws.append(sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1))
    return np.concatenate(draws)


@dataclass(frozen=True, slots=True)
class Section:
    """Queries of one kind over the catalogues of one part, with all runs that answer them.

    Parameters
    ----------
    part, kind : str
    queries : mapping of str to Query
    runs : mapping of str to Run
    """

    part: str
    kind: str
    queries: Mapping[str, Query]
    runs: Mapping[str, Run]


def part_of(catalogue: str) -> str:
    """Part of a catalogue ``PART/NAME``: catalogues of one part share a table."""
    return catalogue.rpartition("/")[0] or catalogue


def sections(suite: Suite, runs: Mapping[str, Run]) -> list[Section]:
    """Divide the queries by part and kind; a run is in those of which it answers a query."""
    divided: dict[tuple[str, str], dict[str, Query]] = {}
    for name, query in suite.queries.items():
        divided.setdefault((part_of(query.catalogue), query.kind), {})[name] = query
    return [
        Section(
            part,
            kind,
            queries,
            {name: run for name, run in runs.items() if not run.keys().isdisjoint(queries)},
        )
        for (part, kind), queries in divided.items()
    ]


def measure(suite: Suite, section: Section, main: str) -> dict[str, Any]:
    """All figures of a section.

    Parameters
    ----------
    suite : Suite
    section : Section
    main : str
        The run that is compared with each other one.

    Returns
    -------
    dict
        ``runs`` by name: ``figures`` with intervals, ``coverage``, ``hubness``, ``scores``.
        ``against`` by name of the other run: difference, p-value, and p-value after Holm.
    """
    groups = [query.group for query in section.queries.values()]
    tables = {name: _table(suite, section, run) for name, run in section.runs.items()}
    figures = {
        name: {measure: grouped_interval(column, groups) for measure, column in table.items()}
        for name, table in tables.items()
    }
    return {
        "part": section.part,
        "kind": section.kind,
        "queries": len(section.queries),
        "groups": len(set(groups)),
        "catalogues": len({query.catalogue for query in section.queries.values()}),
        "songs": sum(len(songs) for songs in _catalogues(suite, section).values()),
        "runs": {
            name: {
                "answered": sum(query in run for query in section.queries),
                "figures": {
                    key: asdict(found)
                    for key, found in figures[name].items()
                    if not np.isnan(found.estimate)
                },
                **_of_all(suite, section, run),
                "scores": [
                    asdict(found) for found in measures.score_bins(suite, run, section.queries)
                ],
            }
            for name, run in section.runs.items()
        },
        "measure": measure_of(section.kind),
        "against": _compared(tables, main, groups, measure_of(section.kind)),
    }


def _table(suite: Suite, section: Section, run: Run) -> dict[str, Floats]:
    """Each measure of every query; a query that is not answered is an empty list."""
    rows = [
        measures.of_list(suite, query, run.get(name, ())) for name, query in section.queries.items()
    ]
    return {key: np.array([row[key] for row in rows]) for key in (rows[0] if rows else ())}


def _catalogues(suite: Suite, section: Section) -> dict[str, list[str]]:
    names = {query.catalogue for query in section.queries.values()}
    return {name: [song.name for song in suite.catalogues.get(name, [])] for name in names}


def _of_all(suite: Suite, section: Section, run: Run) -> dict[str, float]:
    """Coverage and hubness of the first ten songs of all lists, means over the catalogues."""
    covered, skewed = [], []
    for catalogue, songs in _catalogues(suite, section).items():
        lists = [
            [each.song for each in run.get(name, ())[: measures.SHORT]]
            for name, query in section.queries.items()
            if query.catalogue == catalogue
        ]
        covered.append(measures.coverage(lists, songs))
        skewed.append(measures.hubness(lists, songs))
    return {"coverage": float(np.mean(covered)), "hubness": float(np.mean(skewed))}


def measure_of(kind: str) -> str:
    """Measure by which the lists of a kind are compared."""
    return _JOURNEY if kind == "journey" else _RANKED


def _compared(
    tables: Mapping[str, Mapping[str, Floats]], main: str, groups: Sequence[str], measure: str
) -> dict[str, Any]:
    """Compare the main run with each other one; adjust their p-values together."""
    if main not in tables:
        return {}
    others = [name for name in tables if name != main]
    found = {
        name: grouped_difference(tables[main][measure], tables[name][measure], groups)
        for name in others
    }
    adjusted = holm([found[name].p_value for name in others])
    return {
        name: {**asdict(found[name]), "p_holm": p_value}
        for name, p_value in zip(others, adjusted, strict=True)
    }
