"""The report of ``python -m mer.research evaluate`` as Markdown."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_TITLES: Final = {
    "quadrant": "Quadrants of panda4q (chance .25)",
    "cluster": "MIREX clusters, songs with lyrics (chance .20)",
}
_PARTS: Final = {"test": "test split", "cross_validation": "out of fold"}
_SURE: Final = 0.05
_WATTS: Final = 15
"""Assumed of one core at work; nothing here measures energy."""

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


def write_page(path: Path, page: str) -> None:
    """Write and print `page`, with the notes of what stood at `path` before."""
    written = keep_notes(page, path.read_text() if path.is_file() else "")
    path.write_text(written)
    print(written)  # noqa: T201


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Write figures to `path`, whose folder is made; a number that is none becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(finite(value), indent=indent, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """Put None where a number is none, as JSON wants it."""
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(report: Mapping[str, Any], picture: str | None = None) -> str:
    """Tables of a report.

    Parameters
    ----------
    report : mapping
        As `mer.research.evaluation.evaluate.run` writes it to JSON.
    picture : str or None
        File beside the page that holds the reliability diagrams.

    Returns
    -------
    str
        Ends with a newline.
    """
    return "\n".join(_lines(report, picture)) + "\n"


def _lines(report: Mapping[str, Any], picture: str | None) -> Iterator[str]:
    seeds = ", ".join(str(seed) for seed in report["seeds"])
    yield "# The house model, measured"
    yield ""
    yield "Written by `python -m mer.research evaluate --data ../shared/data`; figures also in"
    yield "`house-model.json`. Brackets are 95% bootstrap intervals over songs (2,000 draws)."
    yield "Per-song predictions are kept under `var/`."
    yield ""
    yield f"## Test split (networks of seeds {seeds}, trained on train and validation)"
    for name, figures in report["test"].items():
        yield from _question(name, figures)
    yield "## Five-fold cross-validation over train and validation, artists apart"
    for name, figures in report["cross_validation"].items():
        yield from _question(name, figures)
    yield from _rivals(report["rivals"])
    for part, title in _PARTS.items():
        for name, figures in report["details"][part].items():
            yield from _breakdown(f"{_short(name)}, {title}", figures)
    yield from _calibration(report["details"], picture)
    yield from _place(report["details"])
    yield from _texts(report["text"])
    yield from _neighbours(report["neighbours"])
    yield ""
    yield from _cost(report["cost"])


def _short(name: str) -> str:
    return _TITLES[name].partition(" (")[0].partition(",")[0]


def _rivals(questions: Mapping[str, Any]) -> Iterator[str]:
    yield "## Beside every architecture and baseline, on the test split"
    yield ""
    if not questions:
        yield "No predictions of theirs were at hand (`python -m mer.research compare --split test`)."
        yield ""
        return
    yield "Everyone is given everything it can use. Differences are of the house network less the"
    yield "rival, paired by song (bootstrap, 2,000 draws), means over each one's networks; p is"
    yield "two-sided, and adjusted for all rivals of a set (Holm)."
    yield ""
    for name, rows in questions.items():
        yield f"### {_short(name)}"
        yield ""
        for title, some in (
            ("architectures of the five papers", [row for row in rows if row["paper"]]),
            ("baselines", [row for row in rows if not row["paper"]]),
        ):
            yield f"- Of {len(some)} {title} (front ends counted apart): {_standing(some)}."
        yield ""
        yield (
            "| rival | from | front end | networks | macro-F1 | house more: macro-F1 | p "
            "| adjusted | accuracy |"
        )
        yield "|---|---|---|---|---|---|---|---|---|"
        yield from (_rival(row) for row in rows)
        yield ""


def _standing(rows: Sequence[Mapping[str, Any]]) -> str:
    tests = [row["house_more"]["macro_f1"] for row in rows]
    higher = [test for test in tests if test["difference"]["estimate"] > 0]
    lower = [test for test in tests if test["difference"]["estimate"] < 0]
    sure, unsure = (sum(test["p_holm"] < _SURE for test in some) for some in (higher, lower))
    return (
        f"macro-F1 is higher than that of {len(higher)}, of {sure} surely (adjusted p < .05); "
        f"lower than that of {len(lower)}, of {unsure} surely"
    )


def _rival(row: Mapping[str, Any]) -> str:
    more = row["house_more"]
    cells = (
        row["title"],
        row["paper"] or "baseline",
        row["front_end"] or "-",
        str(row["networks"]),
        _interval(row["scores"]["macro_f1"]),
        _interval(more["macro_f1"]["difference"], sign=True),
        f"{more['macro_f1']['p_value']:.3f}",
        f"{more['macro_f1']['p_holm']:.3f}",
        _tested(more["accuracy"]),
    )
    return f"| {' | '.join(cells)} |"


def _breakdown(title: str, figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"## Given everything: {title}"
    yield ""
    names = list(figures["classes"])
    yield f"| class | songs | precision | recall | F1 | said: {' | '.join(names)} |"
    yield f"|---|---|---|---|---|{'---|' * len(names)}"
    for (name, row), counts in zip(figures["classes"].items(), figures["confusion"], strict=True):
        measures = " | ".join(_interval(row[key]) for key in ("precision", "recall", "f1"))
        said = " | ".join(f"{count:.1f}" for count in counts)
        yield f"| {name} | {row['songs']} | {measures} | {said} |"
    yield ""
    if genres := figures.get("genres"):
        yield "| genre (a song counts in each of its own) | songs | accuracy | commonest class |"
        yield "|---|---|---|---|"
        for name, row in genres.items():
            cells = f"{row['songs']} | {_interval(row['accuracy'])} | {_number(row['commonest'])}"
            yield f"| {name} | {cells} |"
        yield ""
    wrong = ", ".join(
        f"{row['song']} ({row['label']}, said {row['said']} {_number(row['confidence'])})"
        for row in figures["mistakes"]
    )
    yield f"Surest mistakes of the networks' mean: {wrong or 'none'}."
    yield ""


def _calibration(details: Mapping[str, Any], picture: str | None) -> Iterator[str]:
    yield "## How sure, and how right"
    yield ""
    yield "Out of fold, every network is calibrated on the other folds. Beside each calibration"
    yield "error (ten bins) stands the mean error of a network that is right exactly as often as it"
    yield "says, on as many songs. An answer that is less than .5 sure is *ambiguous*. Bins of the"
    yield "plot count the answers of all networks."
    yield ""
    if picture:
        yield f"![reliability diagrams]({picture})"
        yield ""
    yield "| given | calibration error | if perfect | ambiguous | their accuracy | of the sure |"
    yield "|---|---|---|---|---|---|"
    for where, given, figures in _everywhere(details):
        bins, sure = figures["reliability"][given], figures["ambiguous"][given]
        yield (
            f"| {where} | {_number(bins['ece'])} | {_number(bins['ece_if_perfect'])} "
            f"| {_interval(sure['share'])} | {_interval(sure['accuracy_ambiguous'])} "
            f"| {_interval(sure['accuracy_sure'])} |"
        )
    yield ""


def _place(details: Mapping[str, Any]) -> Iterator[str]:
    yield "## The place on the plane"
    yield ""
    yield "Against the place of the labels' words by norms, which no listener rated. The spread is"
    yield "the error to be expected; of normal errors .683 are within one spread, .954 within two."
    yield ""
    yield (
        "| given | axis | songs | place in the likeliest quadrant | Spearman | RMSE | mean spread "
        "| within 1 | within 2 | error with spread (Spearman) |"
    )
    yield f"|{'---|' * 10}"
    for where, given, figures in _everywhere(details):
        place = figures["place"][given]
        for axis in ("valence", "arousal"):
            row = place[axis]
            if row is None:
                continue
            keys = ("within_one_spread", "within_two_spreads", "spread_with_error")
            rest = " | ".join(_interval(row[key]) for key in keys)
            yield (
                f"| {where} | {axis} | {place['songs']} | {_interval(place['agreement'])} "
                f"| {_interval(row['spearman'])} | {_interval(row['rmse'])} "
                f"| {_number(row['spread'])} | {rest} |"
            )
    yield ""


def _everywhere(details: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Say where, given what, and the figures there."""
    for part, title in _PARTS.items():
        for name, figures in details[part].items():
            for given in figures["reliability"]:
                yield f"{_short(name)}, {title}: {given.replace('+', ' + ')}", given, figures


def _cost(figures: Mapping[str, Any]) -> Iterator[str]:
    one, many = figures["one_at_a_time"], figures["in_batches"]
    joules = one * figures["threads"] * _WATTS
    yield "## Time and energy"
    yield ""
    yield (
        f"The network has {figures['parameters']:,} parameters. Features given, it takes "
        f"{1000 * one:.1f} ms a song, {1000 * many:.2f} ms in batches of 64, on "
        f"{figures['threads']} thread(s). At an assumed {_WATTS} W a thread that is "
        f"{joules:.2f} J a song: an estimate, nothing was measured. A whole analysis, of which "
        "this is a small part, is in [speed.md](speed.md)."
    )


def _texts(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "## Text alone"
    yield ""
    yield "| correlation with ratings | texts | |"
    yield "|---|---|---|"
    for name, figure in figures.items():
        yield f"| {name.replace('_', ' ')} | {figure['texts']} | {_interval(figure)} |"
    yield ""


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
        yield (f"- {given.replace('+', ' + ')}: gates audio / lyrics / context {gates}{sides}.")
    yield ""


def _difference(figures: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', '-').replace('f1', 'F1')} {_tested(figure)}"
        for name, figure in figures.items()
    )


def _interval(figure: Mapping[str, float] | None, *, sign: bool = False) -> str:
    if figure is None:
        return "-"
    estimate, low, high = (_number(figure[key], sign=sign) for key in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def _number(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:{'+' if sign else ''}.3f}".replace("0.", ".", 1)
