"""The page of the results of playlists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mer.research.tables import command_block, grid, interval, number, paragraph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Figures = Mapping[str, Any]

_TITLES: Final = {
    "song": "songs like a seed song",
    "mood": "named moods",
    "point": "points of the plane",
    "journey": "journeys",
}
_COLUMNS: Final = (
    ("nDCG@10", "ndcg10"),
    ("nDCG@20", "ndcg20"),
    ("P@10", "precision10"),
    ("P@20", "precision20"),
    ("distance", "distance"),
)
_LIST_COLUMNS: Final = (("artists", "artists"), ("genres", "genres"), ("coherence", "coherence"))
_JOURNEY_COLUMNS: Final = (
    ("journey error", "journey error"),
    ("distance to path", "off path"),
    ("steps forward", "forward"),
)
_INTRODUCTION: Final = """
The songs, queries and measures are those of the [playlist suite](../playlist-suite.md).
Labels alone decide what a song is worth; predictions only rank.

- *Out of fold*: each song is predicted by a network that was not trained on its artist.
  The songs of one fold are one catalogue.
- *Test split*: the songs are predicted by the packaged checkpoint, which was not trained on them.

A query with a seed song may not be answered with songs by its artist.
Brackets are 95% intervals of a bootstrap over groups of queries.
A group is the artist of a seed song, the mood, the point, or the journey.
*p* is two-sided, of a paired bootstrap over the same groups, after Holm over the rows of a table.

| measure | meaning |
|---|---|
| nDCG | graded gain by rank; 1 is the best possible list |
| P | share of songs of the right class, which is the quadrant or the cluster |
| distance | mean distance on the plane from the labels of 20 songs to the target |
| diversity | mean cosine distance of all pairs of 20 songs, in the vector space named |
| artists | share of different artists |
| genres | mean Jaccard distance of the genres of all pairs |
| coherence | how much less neighbours in playing order differ than all pairs; 0: random |
| coverage | share of the songs that are among the first ten of any list |
| hubness | skewness of the number of lists that a song is in |
| steps forward | share of steps that do not go back along the journey, by the songs' labels |
"""


def page(sections: Sequence[Figures], main: str, command: str) -> str:
    """Lines of the page, joined.

    Parameters
    ----------
    sections : sequence of mappings
        From `mer.research.playlists.figures.measure`.
    main : str
        The run that is compared.
    command : str
        The command line that wrote the page.
    """
    lines = ["# Playlists", "", *command_block(command)]
    lines += ["The command above writes this page and `playlists.json`."]
    lines += [*_INTRODUCTION.splitlines(), ""]
    for section in sections:
        lines += _section(section, main)
    return "\n".join(lines)


def _section(section: Figures, main: str) -> list[str]:
    part = section["part"] or "all songs"
    lines = [f"## {part}: {_TITLES[section['kind']]}", ""]
    lines += paragraph(
        f"{section['queries']} queries in {section['groups']} groups; {section['songs']} songs in "
        f"{section['catalogues']} catalogue(s)."
    )
    runs = _ordered(section, main)
    lines += ["", *_quality(section, runs, main), "", *_lists(section, runs), ""]
    if main in section["runs"] and section["runs"][main]["scores"]:
        lines += [*_scores(section["runs"][main]["scores"], main), ""]
    return lines


def _ordered(section: Figures, main: str) -> list[str]:
    """Put the main run first, then the others by the measure of the comparison, lowest first."""

    def place(name: str) -> tuple[bool, float]:
        figures = section["runs"][name]["figures"]
        return name != main, figures.get(section["measure"], {}).get("estimate", 0.0)

    return sorted(section["runs"], key=place)


def _quality(section: Figures, runs: Sequence[str], main: str) -> list[str]:
    columns = _present(section, (*_COLUMNS, *_JOURNEY_COLUMNS))
    rows = []
    for name in runs:
        figures = section["runs"][name]["figures"]
        row = [name, *(interval(figures.get(key)) for _, key in columns)]
        against = section["against"].get(name)
        if against and against["difference"]["estimate"] is not None:
            row += [interval(against["difference"], signed=True), _p_value(against["p_holm"])]
        else:
            row += ["", ""]
        rows.append(row)
    titles = [title for title, _ in columns]
    compared = {key: title for title, key in (*_COLUMNS, *_JOURNEY_COLUMNS)}[section["measure"]]
    return grid(["", *titles, f"{compared} of {main} less this", "p"], rows)


def _lists(section: Figures, runs: Sequence[str]) -> list[str]:
    spaces = sorted(
        {
            key
            for name in runs
            for key in section["runs"][name]["figures"]
            if key.startswith("diversity ")
        }
    )
    columns = [*((space, space) for space in spaces), *_present(section, _LIST_COLUMNS)]
    rows = [
        [
            name,
            *(interval(section["runs"][name]["figures"].get(key)) for _, key in columns),
            number(section["runs"][name]["coverage"]),
            number(section["runs"][name]["hubness"]),
        ]
        for name in runs
    ]
    return grid(["", *(title for title, _ in columns), "coverage", "hubness"], rows)


def _present(section: Figures, columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Columns of which some run has a figure."""
    return [
        (title, key)
        for title, key in columns
        if any(key in found["figures"] for found in section["runs"].values())
    ]


def _scores(bins: Sequence[Figures], main: str) -> list[str]:
    rows = [
        [
            f"{found['low']:.0%} to {found['high']:.0%}",
            str(found["songs"]),
            number(found["score"]),
            number(found["gain"]),
            number(found["right"]),
        ]
        for found in bins
    ]
    return grid([f"score of {main}", "songs", "mean score", "mean gain", "right class"], rows)


def _p_value(value: float) -> str:
    return "< .001" if value < 0.001 else number(value)
