"""The report of ``python -m mer evaluate`` as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TITLES: Final = {
    "quadrant": "Quadrants of panda4q (chance .25)",
    "cluster": "MIREX clusters, songs with lyrics (chance .20)",
}


NOTES: Final = "## What was tried, and what limits it"
"""Heading of the part that people write; it outlives the next evaluation."""


def keep_notes(page: str, previous: str) -> str:
    """Give `page` the notes that people wrote at the end of the `previous` one.

    Parameters
    ----------
    page, previous : str
        `previous` may be empty.

    Returns
    -------
    str
    """
    _, heading, notes = previous.partition(NOTES)
    return f"{page}\n{heading}{notes}" if heading else page


def markdown(report: Mapping[str, Any]) -> str:
    """Tables of a report.

    Parameters
    ----------
    report : mapping
        As `mer.evaluation.run` writes it to JSON.

    Returns
    -------
    str
        Ends with a newline.
    """
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    seeds = ", ".join(str(seed) for seed in report["seeds"])
    yield "# The house model, measured"
    yield ""
    yield "Written by `python -m mer evaluate --data ../shared/data`; figures also in"
    yield "`house-model.json`. Brackets are 95% bootstrap intervals over songs (2,000 draws)."
    yield ""
    yield f"## Test split (networks of seeds {seeds}, trained on train and validation)"
    for name, figures in report["test"].items():
        yield from _question(name, figures)
    yield "## Five-fold cross-validation over train and validation, artists apart"
    for name, figures in report["cross_validation"].items():
        yield from _question(name, figures)
    yield "## Text alone"
    yield ""
    yield "| correlation with ratings | texts | |"
    yield "|---|---|---|"
    for name, figure in report["text"].items():
        yield f"| {name.replace('_', ' ')} | {figure['texts']} | {_interval(figure)} |"
    yield ""
    yield from _neighbours(report["neighbours"])


def _neighbours(figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"## Nearest ten of {figures['songs']} test clips of panda4q: share of the same quadrant"
    yield ""
    rivals = list(figures["more_than"])
    yield f"| embedding | precision | {' | '.join(f'more than {rival}' for rival in rivals)} |"
    yield f"|---|---|{'---|' * len(rivals)}"
    for name, precision in figures["precision"].items():
        tests = [tested.get(name) for tested in figures["more_than"].values()]
        more = ["" if test is None else _tested(test) for test in tests]
        yield f"| {name} | {_interval(precision)} | {' | '.join(more)} |"


def _tested(figures: Mapping[str, Any]) -> str:
    return f"{_interval(figures['difference'], sign=True)} (p = {figures['p_value']:.3f})"


def _question(name: str, figures: Mapping[str, Any]) -> Iterator[str]:
    majority = figures["majority"]
    yield ""
    yield f"### {_TITLES[name]}, {majority['songs']} songs"
    yield ""
    yield "| given | network: accuracy | network: macro-F1 | each | probe: accuracy | macro-F1 |"
    yield "|---|---|---|---|---|---|"
    for given, network in figures["network"].items():
        probe = figures["probe"][given]
        each = " ".join(_number(figure) for figure in network["accuracy"]["each"])
        yield (
            f"| {given.replace('+', ' + ')} | {_interval(network['accuracy'])} "
            f"| {_interval(network['macro_f1'])} | {each} "
            f"| {_interval(probe['accuracy'])} | {_interval(probe['macro_f1'])} |"
        )
    always = f"{_interval(majority['accuracy'])} | {_interval(majority['macro_f1'])}"
    yield f"| (majority) | {always} | | | |"
    yield ""
    yield f"- All against audio alone: {_difference(figures['all_against_audio'])}."
    for given, difference in figures["network_against_probe"].items():
        yield f"- Network against probe, {given.replace('+', ' + ')}: {_difference(difference)}."
    for given, network in figures["network"].items():
        gates = " / ".join(_number(gate) for gate in network["gates"])
        sides = "".join(
            f"; {side.replace('_', ' ')} {_number(network[side])}"
            for side in ("valence_side", "arousal_side")
            if side in network
        )
        yield (
            f"- {given.replace('+', ' + ')}: calibration error {_number(network['ece'])}; "
            f"gates audio / lyrics / context {gates}{sides}."
        )
    yield ""


def _difference(figures: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', '-').replace('f1', 'F1')} {_tested(figure)}"
        for name, figure in figures.items()
    )


def _interval(figure: Mapping[str, float], *, sign: bool = False) -> str:
    estimate, low, high = (_number(figure[key], sign=sign) for key in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def _number(value: float, *, sign: bool = False) -> str:
    return f"{value:{'+' if sign else ''}.3f}".replace("0.", ".", 1)
