"""Markdown page of ``python -m mer.research evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mer.research.evaluation import by_domain
from mer.research.tables import command_block, grid, interval, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TITLES: Final = {
    "quadrant": "Quadrants of panda4q (chance .25)",
    "cluster": "MIREX clusters, songs with lyrics (chance .20)",
}
_PARTS: Final = {"cross_validation": "cross-validation", "test": "test split"}
_SIGNIFICANT: Final = 0.05
_WATTS: Final = 15
"""Assumed power of one busy core; energy is not measured."""


def markdown(report: Mapping[str, Any], picture: str | None = None) -> str:
    """Tables of a report.

    Parameters
    ----------
    report : mapping
        As `mer.research.evaluation.evaluate.run` writes it to JSON.
    picture : str or None
        File name of the reliability diagrams, in the page's folder.

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
    yield from command_block("python -m mer.research evaluate --data ../shared/data")
    yield "The command above writes this page, all numbers (`house-model.json`) and the per-song"
    yield "predictions (under `var/`)."
    yield "Brackets are 95% bootstrap intervals over songs (2,000 draws)."
    yield ""
    yield "The cross-validated figures come first."
    yield "They use about five times as many songs as the test split."
    yield "No network was trained on a song by an artist whose songs it predicts."
    yield ""
    yield "## Five-fold cross-validation on the training and validation splits, disjoint artists"
    yield ""
    for name, figures in report["cross_validation"].items():
        yield from _task(name, figures)
    if "domains" in report:
        yield from by_domain.markdown(report["domains"])
    yield f"## Test split: networks of seeds {seeds}, trained on training and validation splits"
    yield ""
    for name, figures in report["test"].items():
        yield from _task(name, figures)
    yield from _rivals(report["rivals"])
    for part, title in _PARTS.items():
        for name, figures in report["details"][part].items():
            yield from _breakdown(f"{_short(name)}, {title}", figures)
    yield from _calibration(report["details"], picture)
    yield from _affect(report["details"])
    yield from _texts(report["text"])
    yield from _neighbours(report["neighbours"])
    yield ""
    yield from _cost(report["cost"])


def _short(name: str) -> str:
    return _TITLES[name].partition(" (")[0].partition(",")[0]


def _inputs(key: str) -> str:
    return key.replace("+", " + ")


def _task(name: str, figures: Mapping[str, Any]) -> Iterator[str]:
    majority = figures["majority"]
    yield f"### {_TITLES[name]}, {majority['songs']} songs"
    yield ""
    columns = (
        "inputs", "network: accuracy", "network: macro-F1", "accuracy of each", "probe: accuracy",
        "probe: macro-F1",
    )  # fmt: skip
    rows = [
        (
            _inputs(inputs),
            interval(network["accuracy"]),
            interval(network["macro_f1"]),
            " ".join(number(figure) for figure in network["accuracy"]["each"]),
            interval(figures["probe"][inputs]["accuracy"]),
            interval(figures["probe"][inputs]["macro_f1"]),
        )
        for inputs, network in figures["network"].items()
    ]
    always = (interval(majority[measure]) for measure in ("accuracy", "macro_f1"))
    yield from grid(columns, [*rows, ("none: largest class", *always, "", "", "")])
    yield ""
    yield from grid(("difference", "inputs", "accuracy", "macro-F1"), _differences(figures))
    yield ""
    yield from _gates(figures["network"])
    yield ""


def _differences(figures: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    *_, everything = figures["network"]
    comparisons = [("all inputs less audio alone", everything, figures["all_against_audio"])]
    comparisons += [
        ("network less probe", inputs, difference)
        for inputs, difference in figures["network_against_probe"].items()
    ]
    for title, inputs, difference in comparisons:
        tests = (_tested(difference[measure]) for measure in ("accuracy", "macro_f1"))
        yield (title, _inputs(inputs), *tests)


def _gates(networks: Mapping[str, Any]) -> Iterator[str]:
    sides = ("valence_side", "arousal_side")
    has_sides = any(side in network for network in networks.values() for side in sides)
    columns = ["inputs", "gate: audio", "gate: lyrics", "gate: context"]
    if has_sides:
        columns += ["correct valence side", "correct arousal side"]
    yield from grid(
        columns,
        [
            (
                _inputs(inputs),
                *network["gates"],
                *(network.get(side) for side in sides if has_sides),
            )
            for inputs, network in networks.items()
        ],
    )


def _rivals(tasks: Mapping[str, Any]) -> Iterator[str]:
    yield "## Comparison with every architecture and baseline, on the test split"
    yield ""
    if not tasks:
        yield "No predictions of other models were found."
        yield "`python -m mer.research compare --split test` writes them."
        yield ""
        return
    yield "Every model has all inputs that it can use, and front ends are counted separately."
    yield "A difference is the mean score of the house networks minus that of the other networks."
    yield "They are paired by song (bootstrap, 2,000 draws)."
    yield "p is two-sided. *Adjusted* is p corrected for all models of a task (Holm)."
    yield "*Significant* means adjusted p < .05."
    yield ""
    for name, rows in tasks.items():
        yield f"### {_short(name)}"
        yield ""
        yield from grid(
            ("compared with", "models", "house F1 higher", "significant", "lower", "significant"),
            [
                _standing("architectures of the five papers", [r for r in rows if r["paper"]]),
                _standing("baselines", [r for r in rows if not r["paper"]]),
            ],
        )
        yield ""
        yield from grid(
            (
                "model", "from", "front end", "networks", "macro-F1", "macro-F1: house less model",
                "p", "adjusted", "accuracy: house less model",
            ),
            [_rival(row) for row in rows],
        )  # fmt: skip
        yield ""


def _standing(title: str, rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    tests = [row["house_more"]["macro_f1"] for row in rows]
    cells = [title, str(len(rows))]
    for sign in (1, -1):
        some = [test for test in tests if sign * test["difference"]["estimate"] > 0]
        cells += [str(len(some)), str(sum(test["p_holm"] < _SIGNIFICANT for test in some))]
    return tuple(cells)


def _rival(row: Mapping[str, Any]) -> tuple[str, ...]:
    more = row["house_more"]
    return (
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


def _breakdown(title: str, figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"## All inputs: {title}"
    yield ""
    names = list(figures["classes"])
    predicted = (f"predicted {name}" for name in names)
    yield from grid(
        ("class", "songs", "precision", "recall", "F1", *predicted),
        [
            (
                name,
                str(row["songs"]),
                *(interval(row[key]) for key in ("precision", "recall", "f1")),
                *(f"{count:.1f}" for count in counts),
            )
            for (name, row), counts in zip(
                figures["classes"].items(), figures["confusion"], strict=True
            )
        ],
    )
    yield ""
    if genres := figures.get("genres"):
        yield from grid(
            ("genre (a song counts in each of its genres)", "songs", "accuracy", "largest class"),
            [
                (name, str(row["songs"]), interval(row["accuracy"]), row["commonest"])
                for name, row in genres.items()
            ],
        )
        yield ""
    yield "The most confident errors of the networks' mean prediction:"
    yield ""
    yield from grid(
        ("song", "label", "predicted", "probability"),
        [
            (row["song"], row["label"], row["said"], row["confidence"])
            for row in figures["mistakes"]
        ],
    )
    yield ""


def _calibration(details: Mapping[str, Any], picture: str | None) -> Iterator[str]:
    yield "## Calibration"
    yield ""
    yield "In cross-validation, each network is calibrated on the other folds."
    yield "Calibration error has ten bins."
    yield "*If perfect* is its mean for a perfectly calibrated network on as many songs."
    yield "A prediction is *ambiguous* if its probability is below .5."
    yield "Bins of the plot count the predictions of all networks."
    yield ""
    if picture:
        yield f"![reliability diagrams]({picture})"
        yield ""
    rows = []
    for where, inputs, figures in _everywhere(details):
        bins, shares = figures["reliability"][inputs], figures["ambiguous"][inputs]
        keys = ("share", "accuracy_ambiguous", "accuracy_sure")
        rows.append(
            (where, bins["ece"], bins["ece_if_perfect"], *(interval(shares[key]) for key in keys))
        )
    columns = (
        "inputs", "calibration error", "if perfect", "ambiguous", "accuracy, ambiguous",
        "accuracy, others",
    )  # fmt: skip
    yield from grid(columns, rows)
    yield ""


def _affect(details: Mapping[str, Any]) -> Iterator[str]:
    yield "## Valence and arousal"
    yield ""
    yield "The reference is computed from word norms of the labels' words; no listener rated it."
    yield "The spread is the expected error. Of normally distributed errors, .683 are within one"
    yield "spread and .954 within two."
    yield ""
    rows = []
    for where, inputs, figures in _everywhere(details):
        place = figures["place"][inputs]
        for axis in ("valence", "arousal"):
            row = place[axis]
            if row is None:
                continue
            keys = ("within_one_spread", "within_two_spreads", "spread_with_error")
            rows.append(
                (
                    where, axis, str(place["songs"]), interval(place["agreement"]),
                    interval(row["spearman"]), interval(row["rmse"]), row["spread"],
                    *(interval(row[key]) for key in keys),
                )
            )  # fmt: skip
    columns = (
        "inputs", "axis", "songs", "point in the most probable quadrant", "Spearman", "RMSE",
        "mean spread", "within 1", "within 2", "error with spread (Spearman)",
    )  # fmt: skip
    yield from grid(columns, rows)
    yield ""


def _everywhere(details: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield a title, the key of the inputs, and the figures of each task and part."""
    for part, title in _PARTS.items():
        for name, figures in details[part].items():
            for inputs in figures["reliability"]:
                yield f"{_short(name)}, {title}: {_inputs(inputs)}", inputs, figures


def _texts(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "## Text alone"
    yield ""
    yield from grid(
        ("correlation with ratings", "texts", "value"),
        [
            (name.replace("_", " "), str(figure["texts"]), interval(figure))
            for name, figure in figures.items()
        ],
    )
    yield ""


def _neighbours(figures: Mapping[str, Any]) -> Iterator[str]:
    songs = figures["songs"]
    yield f"## Ten nearest of {songs} test clips of panda4q: share with the same quadrant"
    yield ""
    rows = []
    for name, precision in figures["precision"].items():
        tests = [tested.get(name) for tested in figures["more_than"].values()]
        cells = ("" if test is None else _tested(test) for test in tests)
        rows.append((name, interval(precision), *cells))
    columns = ("embedding", "precision", *(f"less that of {name}" for name in figures["more_than"]))
    yield from grid(columns, rows)


def _cost(figures: Mapping[str, Any]) -> Iterator[str]:
    one, many = figures["one_at_a_time"], figures["in_batches"]
    joules = one * figures["threads"] * _WATTS
    yield "## Time and energy"
    yield ""
    yield "Encoder features are computed beforehand."
    yield "[speed.md](speed.md) has the time of a whole analysis, of which this is a small part."
    yield f"Energy is an estimate for an assumed {_WATTS} W per thread; it was not measured."
    yield ""
    yield from grid(
        ("quantity", "value"),
        [
            ("parameters", f"{figures['parameters']:,}"),
            ("threads", str(figures["threads"])),
            ("time per song, one at a time", f"{1000 * one:.1f} ms"),
            ("time per song, batches of 64", f"{1000 * many:.2f} ms"),
            ("energy per song, estimated", f"{joules:.2f} J"),
        ],
    )


def _tested(figures: Mapping[str, Any]) -> str:
    return f"{interval(figures['difference'], signed=True)} (p = {figures['p_value']:.3f})"
