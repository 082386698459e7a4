"""Ablation: every variant of an architecture against the full network, on the same songs.

Variants are trained like the full network, with the same seeds. Differences are paired: bootstrap
samples have the same songs for both, and equal seeds have the same order of training songs.
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
    figures,
    predict_probabilities,
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
"""Variant of `CONTEXT_ABLATED`: the full network, with titles alone as context."""
CONTEXT_ABLATED: Final = ("hcma",)
"""Architectures with the artist's name as an input, which a network may memorise."""
NAMES: Final = ("accuracy", "macro_f1")


@dataclass(frozen=True, slots=True)
class Ablated:
    """Figures of a variant in all draws.

    Parameters
    ----------
    row : Row
    variant : str
    parameters : int
        Number of trained parameters.
    values : mapping of statistic to (seeds, 1 + resamples) float64 ndarray
    """

    row: Row
    variant: str
    parameters: int
    values: Mapping[str, Floats]

    def less(self, whole: Ablated, name: str) -> Floats:
        """Figure of this variant less that of the full network, in all draws."""
        difference: Floats = self.values[name] - whole.values[name]
        return difference


def variants_of(setting: Setting, row: Row) -> dict[str, list[Run]]:
    """Give the runs of every variant and seed; the full network first."""
    whole = runs_of(setting, row, DATASET, TARGET)
    runs = {
        variant: [replace(run, variant=variant) for run in whole]
        for variant in whole[0].architecture.variants
    }
    if row.model in CONTEXT_ABLATED:
        runs[NO_ARTIST] = whole
    return runs


def without_artists(setting: Setting) -> Setting:
    """Remove the artist from every context; such networks are kept in a folder of their own."""
    songs = [each for each in setting.material.examples if each.track.dataset == DATASET]
    states = _encoded(context_text(each.track.title, None) for each in songs)
    without_artist = [
        Example.of(
            replace(
                each.features,
                track=replace(each.track, artist=None),
                context=states.get(context_text(each.track.title, None)),
            )
        )
        for each in songs
    ]
    material = replace(setting.material, examples=tuple(without_artist))
    return replace(setting, material=material, work=setting.work / "titles")


def _encoded(texts: Iterable[str]) -> dict[str, Tensor]:
    """Token states in float16 of every text that is not empty."""
    wanted = sorted(set(texts) - {""}, key=lambda text: (len(text), text))
    if not wanted:
        return {}
    encoded = encode_texts(TextEncoder.from_pretrained(TEXT_ENCODER), wanted)
    return {text: tokens.states.half() for text, tokens in zip(wanted, encoded, strict=True)}


def p_value(differences: Floats) -> float:
    """Two-sided p of no difference, as in `mer.metrics.paired_bootstrap`.

    Parameters
    ----------
    differences : (seeds, 1 + resamples) float64 ndarray
        The first column is the estimate.

    Returns
    -------
    float in (0, 1]
    """
    draws = differences.mean(axis=0)[1:]
    tail = min(int(np.sum(draws <= 0)), int(np.sum(draws >= 0)))
    return min(1.0, 2 * (tail + 1) / (len(draws) + 1))


def run(setting: Setting) -> Report:
    """Train every variant with the cheapest front end, and compare it with the full network."""
    available = [row.front_end for row in rows_of(setting)]
    cheapest: FrontEndKind = "musicnn" if "musicnn" in available else available[0]
    setting = replace(setting, front_ends=(cheapest,))
    songs = songs_of(setting, DATASET, TARGET, having=("lyrics",))
    draws = Draws.of(len(songs.labels))
    has_context_ablation = any(row.model in CONTEXT_ABLATED for row in rows_of(setting))
    without_artist = without_artists(setting) if has_context_ablation else setting
    ablated = [
        _variant(without_artist if variant == NO_ARTIST else setting, row, variant, runs, draws)
        for row in rows_of(setting)
        for variant, runs in variants_of(setting, row).items()
    ]
    full = {one.row: one for one in ablated if one.variant == "full"}
    partial = [one for one in ablated if one.variant != "full"]
    tested = [p_value(one.less(full[one.row], "macro_f1")) for one in partial]
    adjusted = dict(zip(map(id, partial), holm(tested), strict=True))
    guess = {name: figures(sampled(name, songs.labels, songs.baseline, draws)) for name in NAMES}
    rows: list[tuple[str | float, ...]] = [
        (*BASELINE, "-", *(shown(guess[name]) for name in NAMES), "-", "-", "-")
    ]
    found: dict[str, dict[str, object]] = {}
    for one in ablated:
        whole = full[one.row]
        cells, kept = _row(one, whole, adjusted.get(id(one)))
        rows.append(cells)
        found.setdefault(one.row.name, {})[one.variant] = kept
    title = f"{DATASET}, {TARGET}, {setting.split}: {len(songs.labels)} songs with lyrics"
    return Report(
        tables=(Table(title, COLUMNS, tuple(rows)),),
        printed=_printed(),
        notes=NOTES,
        figures={"songs": len(songs.labels), "guess": guess, "models": found},
        plot=_plot(partial, full),
    )


COLUMNS: Final = (
    "Model", "Front end", "Variant", "Accuracy", "Macro-F1", "Macro-F1 less full network",
    "p, adjusted", "Trained parameters",
)  # fmt: skip


def _variant(
    setting: Setting, row: Row, variant: str, runs: Sequence[Run], draws: Draws
) -> Ablated:
    songs = songs_of(setting, DATASET, TARGET, having=("lyrics",))
    trained = [setting.train(run) for run in runs]
    predicted = predict_probabilities(trained, songs)
    values = {name: sampled(name, songs.labels, predicted, draws) for name in NAMES}
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
        "Brackets are 95% bootstrap intervals over songs, means over seeds. Differences are "
        "paired. p is two-sided, for macro-F1, and adjusted for all tests of this table "
        "(Holm)."
    ),
    (
        "All variants have the cheapest available front end, because the ablated parts "
        "process its output."
    ),
    (
        "The printed ablations have no intervals. The test set of HCMA has 400 songs: 96.14 "
        "less 95.62 is two of them. The variants of Li and LGFN-style are ours: Li prints no "
        "ablation, and of LGFN no figure is public."
    ),
    (
        "'no artist' trains and evaluates HCMA with titles alone as context. The paper's "
        "network has the artist's name as an input, and its songs were split at random, so "
        "that it may memorise artists. Here no artist is in two splits. 'bi-modal' has "
        "neither title nor artist."
    ),
    (
        "LGFN-style's 'no-waveform' with frozen MusiCNN equals the full network, which has no "
        "waveform there. Its difference is 0 and shows that runs are reproducible."
    ),
    (
        "Wang prints two values for the full network on Emotify: F1 72.36 in the table of "
        "modalities and 74.58 in that of the ablation. This page has the latter."
    ),
    (
        "The labels are mood clusters of MIREX. The data sets of the papers have no lyrics "
        "(Emotify, DEAM), are not identified (Wang's MUSIC), or derive their labels from the "
        "lyrics (MoodyLyrics)."
    ),
)


def _plot(partial: Sequence[Ablated], full: Mapping[Row, Ablated]) -> Figure:
    figure = new_figure(7.5, 1.2 + 0.27 * len(partial))
    axis = figure.subplots()
    models = list(full)
    for place, one in enumerate(partial):
        less = figures(one.less(full[one.row], "macro_f1"))
        color = f"C{models.index(one.row)}"
        axis.plot((less["low"], less["high"]), (place, place), color=color)
        axis.plot(less["each"], [place] * len(less["each"]), "|", color=color, alpha=0.5)
        axis.plot(less["estimate"], place, "o", color=color)
    axis.axvline(0, color="grey", linewidth=0.8)
    axis.set_yticks(range(len(partial)), [f"{one.row.model}: {one.variant}" for one in partial])
    axis.invert_yaxis()
    axis.set_xlabel("macro-F1 less that of the full network (dot, 95% interval; ticks: seeds)")
    axis.grid(axis="x", alpha=0.3)
    return figure


EXPERIMENT: Final = Experiment(
    name="ablation",
    title="Ablation",
    question="How much does the score of an architecture fall if a part is removed?",
    source="[Wang] and [HCMA], their ablation tables; [Gujar], its single-modality rows",
    run=run,
)
