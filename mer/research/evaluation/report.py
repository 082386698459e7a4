"""The report of ``python -m mer.research evaluate`` as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mer.research.tables import interval, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TITLES: Final = {
    "quadrant": "Quadrants of panda4q (chance .25)",
    "cluster": "MIREX clusters, songs with lyrics (chance .20)",
}
_PARTS: Final = {"test": "test split", "cross_validation": "out of fold"}
_SURE: Final = 0.05
_WATTS: Final = 15
"""Assumed of one core at work; nothing here measures energy."""


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
        interval(row["scores"]["macro_f1"]),
        interval(more["macro_f1"]["difference"], signed=True),
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
        measures = " | ".join(interval(row[key]) for key in ("precision", "recall", "f1"))
        said = " | ".join(f"{count:.1f}" for count in counts)
        yield f"| {name} | {row['songs']} | {measures} | {said} |"
    yield ""
    if genres := figures.get("genres"):
        yield "| genre (a song counts in each of its own) | songs | accuracy | commonest class |"
        yield "|---|---|---|---|"
        for name, row in genres.items():
            cells = f"{row['songs']} | {interval(row['accuracy'])} | {number(row['commonest'])}"
            yield f"| {name} | {cells} |"
        yield ""
    wrong = ", ".join(
        f"{row['song']} ({row['label']}, said {row['said']} {number(row['confidence'])})"
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
            f"| {where} | {number(bins['ece'])} | {number(bins['ece_if_perfect'])} "
            f"| {interval(sure['share'])} | {interval(sure['accuracy_ambiguous'])} "
            f"| {interval(sure['accuracy_sure'])} |"
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
            rest = " | ".join(interval(row[key]) for key in keys)
            yield (
                f"| {where} | {axis} | {place['songs']} | {interval(place['agreement'])} "
                f"| {interval(row['spearman'])} | {interval(row['rmse'])} "
                f"| {number(row['spread'])} | {rest} |"
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
        yield f"| {name.replace('_', ' ')} | {figure['texts']} | {interval(figure)} |"
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
        yield f"| {name} | {interval(precision)} | {' | '.join(more)} |"


def _tested(figures: Mapping[str, Any]) -> str:
    return f"{interval(figures['difference'], signed=True)} (p = {figures['p_value']:.3f})"


def _question(name: str, figures: Mapping[str, Any]) -> Iterator[str]:
    majority = figures["majority"]
    yield ""
    yield f"### {_TITLES[name]}, {majority['songs']} songs"
    yield ""
    yield "| given | network: accuracy | network: macro-F1 | each | probe: accuracy | macro-F1 |"
    yield "|---|---|---|---|---|---|"
    for given, network in figures["network"].items():
        probe = figures["probe"][given]
        each = " ".join(number(figure) for figure in network["accuracy"]["each"])
        yield (
            f"| {given.replace('+', ' + ')} | {interval(network['accuracy'])} "
            f"| {interval(network['macro_f1'])} | {each} "
            f"| {interval(probe['accuracy'])} | {interval(probe['macro_f1'])} |"
        )
    always = f"{interval(majority['accuracy'])} | {interval(majority['macro_f1'])}"
    yield f"| (majority) | {always} | | | |"
    yield ""
    yield f"- All against audio alone: {_difference(figures['all_against_audio'])}."
    for given, difference in figures["network_against_probe"].items():
        yield f"- Network against probe, {given.replace('+', ' + ')}: {_difference(difference)}."
    for given, network in figures["network"].items():
        gates = " / ".join(number(gate) for gate in network["gates"])
        sides = "".join(
            f"; {side.replace('_', ' ')} {number(network[side])}"
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
