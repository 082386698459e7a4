"""What each part of an architecture is worth: every variant against the whole, on the same songs.

Variants are trained as the whole is, with the same seeds. Differences are paired: the same songs
are drawn for both, and seed by seed the same training songs come in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.encoders.text import TEXT_ENCODER, TextEncoder
from mer.encoding import encode_texts
from mer.lyrics import context_text
from mer.metrics import holm
from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.statistics import (
    BASELINE,
    Draws,
    chances,
    figures,
    rows_of,
    runs_of,
    sampled,
    shown,
    songs_of,
)
from mer.research.harness.examples import Example
from mer.research.plots import new_figure
from mer.research.tables import Table, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import Tensor

    from mer.research.architectures.base import FrontEndKind
    from mer.research.experiments.base import Setting
    from mer.research.experiments.statistics import Figures, Row
    from mer.research.harness.run import Run

    Floats = NDArray[np.float64]

DATASET: Final = "mirex"
TARGET: Final = "cluster"
NO_ARTIST: Final = "no artist"
"""Of `CONTEXT_ABLATED`: the whole architecture, given titles alone for context."""
CONTEXT_ABLATED: Final = ("hcma",)
"""Whose paper takes the artist's name as an input, which may be learned by heart."""
NAMES: Final = ("accuracy", "macro_f1")


@dataclass(frozen=True, slots=True)
class Ablated:
    """A variant's answers in all draws.

    Parameters
    ----------
    row : Row
    variant : str
    parameters : int
        Trained numbers.
    values : mapping of statistic to (seeds, 1 + resamples) float64 ndarray
    """

    row: Row
    variant: str
    parameters: int
    values: Mapping[str, Floats]

    def less(self, whole: Ablated, name: str) -> Floats:
        """Figure of this variant less that of the whole, draw by draw."""
        difference: Floats = self.values[name] - whole.values[name]
        return difference


def variants_of(setting: Setting, row: Row) -> dict[str, list[Run]]:
    """Give the runs of every variant, all seeds; the whole first."""
    whole = runs_of(setting, row, DATASET, TARGET)
    runs = {
        variant: [replace(run, variant=variant) for run in whole]
        for variant in whole[0].architecture.variants
    }
    if row.model in CONTEXT_ABLATED:
        runs[NO_ARTIST] = whole
    return runs


def without_artists(setting: Setting) -> Setting:
    """Take the artist out of every context; networks that learn so lie in a folder of their own."""
    songs = [each for each in setting.material.examples if each.track.dataset == DATASET]
    states = _encoded(context_text(each.track.title, None) for each in songs)
    untold = [
        Example.of(
            replace(
                each.features,
                track=replace(each.track, artist=None),
                context=states.get(context_text(each.track.title, None)),
            )
        )
        for each in songs
    ]
    material = replace(setting.material, examples=tuple(untold))
    return replace(setting, material=material, work=setting.work / "titles")


def _encoded(texts: Iterable[str]) -> dict[str, Tensor]:
    """Token states in float16 of every text that is not empty."""
    wanted = sorted(set(texts) - {""}, key=lambda text: (len(text), text))
    if not wanted:
        return {}
    encoded = encode_texts(TextEncoder.from_pretrained(TEXT_ENCODER), wanted)
    return {text: tokens.states.half() for text, tokens in zip(wanted, encoded, strict=True)}


def p_value(differences: Floats) -> float:
    """Two-sided p of no difference, as `mer.metrics.paired_bootstrap` has it.

    Parameters
    ----------
    differences : (seeds, 1 + resamples) float64 ndarray
        The estimate first.

    Returns
    -------
    float in (0, 1]
    """
    draws = differences.mean(axis=0)[1:]
    tail = min(int(np.sum(draws <= 0)), int(np.sum(draws >= 0)))
    return min(1.0, 2 * (tail + 1) / (len(draws) + 1))


def run(setting: Setting) -> Report:
    """Train every variant on one front end, the cheapest at hand, and compare it to the whole."""
    at_hand = [row.front_end for row in rows_of(setting)]
    cheapest: FrontEndKind = "musicnn" if "musicnn" in at_hand else at_hand[0]
    setting = replace(setting, front_ends=(cheapest,))
    songs = songs_of(setting, DATASET, TARGET, having=("lyrics",))
    draws = Draws.of(len(songs.labels))
    is_untold = any(row.model in CONTEXT_ABLATED for row in rows_of(setting))
    untold = without_artists(setting) if is_untold else setting
    asked = [
        _ask(untold if variant == NO_ARTIST else setting, row, variant, runs, draws)
        for row in rows_of(setting)
        for variant, runs in variants_of(setting, row).items()
    ]
    wholes = {one.row: one for one in asked if one.variant == "full"}
    partial = [one for one in asked if one.variant != "full"]
    tested = [p_value(one.less(wholes[one.row], "macro_f1")) for one in partial]
    adjusted = dict(zip(map(id, partial), holm(tested), strict=True))
    guess = {name: figures(sampled(name, songs.labels, songs.guess, draws)) for name in NAMES}
    rows: list[tuple[str | float, ...]] = [
        (*BASELINE, "-", *(shown(guess[name]) for name in NAMES), "-", "-", "-")
    ]
    found: dict[str, dict[str, object]] = {}
    for one in asked:
        whole = wholes[one.row]
        cells, kept = _row(one, whole, adjusted.get(id(one)))
        rows.append(cells)
        found.setdefault(one.row.name, {})[one.variant] = kept
    title = f"{DATASET}, {TARGET}, {setting.split}: {len(songs.labels)} songs with lyrics"
    return Report(
        tables=(Table(title, COLUMNS, tuple(rows)),),
        printed=_printed(),
        notes=NOTES,
        figures={"songs": len(songs.labels), "guess": guess, "models": found},
        plot=_plot(partial, wholes),
    )


COLUMNS: Final = (
    "Model", "Front end", "Variant", "Accuracy", "Macro-F1", "Macro-F1 less the whole's",
    "p, adjusted", "Trained",
)  # fmt: skip


def _ask(setting: Setting, row: Row, variant: str, runs: Sequence[Run], draws: Draws) -> Ablated:
    songs = songs_of(setting, DATASET, TARGET, having=("lyrics",))
    trained = [setting.train(run) for run in runs]
    said = chances(trained, songs)
    values = {name: sampled(name, songs.labels, said, draws) for name in NAMES}
    return Ablated(row, variant, trained[0].parameters, values)


def _row(
    one: Ablated, whole: Ablated, adjusted: float | None
) -> tuple[tuple[str | float, ...], dict[str, object]]:
    measured: dict[str, Figures] = {name: figures(one.values[name]) for name in NAMES}
    less = {name: figures(one.less(whole, name)) for name in NAMES}
    kept: dict[str, object] = {**measured, "parameters": one.parameters}
    if one is not whole:
        kept |= {"less_whole": less, "p": p_value(one.less(whole, "macro_f1"))}
        kept |= {"p_adjusted": adjusted}
    cells = (
        *one.row.cells,
        one.variant,
        *(shown(measured[name]) for name in NAMES),
        "-" if adjusted is None else shown(less["macro_f1"]),
        "-" if adjusted is None else number(adjusted),
        f"{one.parameters / 1e6:.2f} M",
    )
    return cells, kept


def _printed() -> Table:
    rows = (
        ("Wang, Emotify", "full", "74.25", "74.58"),
        ("Wang, Emotify", "no-cross-attention", "71.23", "71.54"),
        ("Wang, Emotify", "no-self-attention", "72.65", "72.69"),
        ("Wang, Emotify", "no-transformer", "72.89", "72.34"),
        ("Wang, MUSIC", "full", "74.69", "75.68"),
        ("Wang, MUSIC", "no-cross-attention", "68.23", "68.21"),
        ("Wang, MUSIC", "no-self-attention", "72.64", "72.56"),
        ("Wang, MUSIC", "no-transformer", "71.52", "71.45"),
        ("HCMA, MoodyLyrics", "full", "-", "96.14"),
        ("HCMA, MoodyLyrics", "non-hierarchical", "-", "95.62"),
        ("HCMA, MoodyLyrics", "concat", "-", "93.87"),
        ("HCMA, MoodyLyrics", "bi-modal", "-", "95.28"),
        ("Gujar, DEAM", "full", "84.6", "84.0"),
        ("Gujar, DEAM", "late-fusion", "79.1", "78.7"),
        ("Gujar, DEAM", "text-only", "77.5", "77.0"),
        ("Gujar, DEAM", "audio-only", "72.4", "71.9"),
    )
    columns = ("Paper, data", "Variant", "Accuracy, %", "F1, %")
    return Table("As printed: other songs, other labels, no intervals", columns, rows)


NOTES: Final = (
    (
        "Brackets: 95% bootstrap intervals over songs, means over seeds; differences are paired. "
        "p is two-sided on macro-F1 and adjusted for all tests of this table (Holm)."
    ),
    (
        "One front end, the cheapest at hand: what differs is not the ear but what is done with "
        "what it hears."
    ),
    (
        "The printed ablations come without intervals. HCMA's test is 400 songs: 96.14 less 95.62 "
        "is two of them. The variants of Li and LGFN-style are ours: for the first no ablation is "
        "printed, of the second no figure is known."
    ),
    (
        "'no artist' trains and asks HCMA with titles alone for context: the paper's network reads "
        "the artist's name, and its songs were split at random, so it may know artists by heart; "
        "ours never share an artist between splits. 'bi-modal' has neither title nor artist."
    ),
    (
        "LGFN-style's 'no-waveform' with frozen MusiCNN is the whole network, for there is no "
        "waveform to leave out: its difference is 0 and shows that a run repeats itself."
    ),
    (
        "Wang prints two values for the same whole network on Emotify, F1 72.36 in the table of "
        "modalities and 74.58 in that of the ablation; here stands the latter."
    ),
    (
        "The labels are mood clusters of MIREX: the sets of the papers have no lyrics (Emotify, "
        "DEAM), are not identified (Wang's MUSIC), or take their labels from the lyrics "
        "(MoodyLyrics)."
    ),
)


def _plot(partial: Sequence[Ablated], wholes: Mapping[Row, Ablated]) -> Figure:
    figure = new_figure(7.5, 1.2 + 0.27 * len(partial))
    axis = figure.subplots()
    models = list(wholes)
    for place, one in enumerate(partial):
        less = figures(one.less(wholes[one.row], "macro_f1"))
        color = f"C{models.index(one.row)}"
        axis.plot((less["low"], less["high"]), (place, place), color=color)
        axis.plot(less["each"], [place] * len(less["each"]), "|", color=color, alpha=0.5)
        axis.plot(less["estimate"], place, "o", color=color)
    axis.axvline(0, color="grey", linewidth=0.8)
    axis.set_yticks(range(len(partial)), [f"{one.row.model}: {one.variant}" for one in partial])
    axis.invert_yaxis()
    axis.set_xlabel("macro-F1 less that of the whole (dot, 95% interval; ticks: seeds)")
    axis.grid(axis="x", alpha=0.3)
    return figure


EXPERIMENT: Final = Experiment(
    name="ablation",
    title="What each part is worth",
    question="Does an architecture get worse when a part of it is taken out?",
    source="[Wang] and [HCMA], their ablation tables; [Gujar], its single-modality rows",
    run=run,
)
