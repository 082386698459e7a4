"""Gates and attention with exchanged or missing lyrics and with noisy or missing audio.

A gate that weights modalities by reliability should raise the weight of the audio if the lyrics are
another song's, and of the lyrics if the audio is noise. Each song is compared with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.statistics import (
    BASELINE,
    ROW_COLUMNS,
    Draws,
    figures,
    sampled,
    shown,
    songs_of,
    trained_rows,
)
from mer.research.harness.examples import CLEAN, Condition
from mer.research.plots import new_figure
from mer.research.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from mer.research.experiments.base import Setting
    from mer.research.experiments.statistics import Figures, Row, Songs
    from mer.research.harness.predictions import Predictions
    from mer.research.harness.run import Trained

    Floats = NDArray[np.float64]

DATASET: Final = "mirex"
TARGET: Final = "cluster"
UNMODIFIED: Final = "as it is"
TEXTS: Final = ("lyrics", "context")
_SMALLEST_CHANGE: Final = 1e-4
"""Smallest change of a song's gate or entropy that is counted."""


@dataclass(frozen=True, slots=True)
class Modification:
    """A modification of songs, with the expected change of gate and entropy.

    Parameters
    ----------
    name : str
    condition : Condition
    audio : int
        Sign of the expected change of the audio's weight.
    entropy : int
        Sign of the expected change of the attention's entropy; 0 if there is none.
    removed : tuple of str
        Modalities that are removed from all songs.
    """

    name: str
    condition: Condition
    audio: int
    entropy: int = 0
    removed: tuple[str, ...] = ()


def _without(name: str, *modalities: str, audio: int) -> Modification:
    shares = tuple((modality, 1.0) for modality in modalities)
    return Modification(name, Condition(drop_songs=shares), audio, removed=modalities)


MODIFICATIONS: Final = (
    Modification("another song's lyrics", Condition(shuffle=("lyrics",)), 1, 1),
    Modification("another song's texts", Condition(shuffle=TEXTS), 1, 1),
    _without("no lyrics", "lyrics", audio=1),
    _without("no text", *TEXTS, audio=1),
    Modification("noise at 20 dB", Condition(snr_db=20.0), -1, 1),
    Modification("noise at 0 dB", Condition(snr_db=0.0), -1, 1),
    Modification("noise alone (-60 dB)", Condition(snr_db=-60.0), -1, 1),
    _without("no audio", "audio", audio=-1),
)
"""Context is a text: architectures with one text input get title and artist in the lyrics."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions of all seeds for songs under one condition.

    Parameters
    ----------
    probabilities : (songs, seeds, classes) float64 ndarray
    gates : mapping of str to (songs, seeds) float64 ndarray
        Empty if the architecture has none.
    entropy : (songs, seeds) float64 ndarray or None
        Of the attention over the text, over its maximum; NaN with fewer than two tokens.
    """

    probabilities: Floats
    gates: Mapping[str, Floats]
    entropy: Floats | None

    @classmethod
    def by(cls, predictions: Sequence[Predictions]) -> Predicted:
        """Stack the predictions of all seeds."""
        entropies = [p.attention_entropy for p in predictions if p.attention_entropy is not None]
        return cls(
            np.stack([p.probabilities for p in predictions], axis=1),
            {
                name: np.stack([p.gates[name] for p in predictions], axis=1)
                for name in predictions[0].gates
            },
            np.stack(entropies, axis=1) if entropies else None,
        )


def predictions_by_condition(
    setting: Setting, trained: Mapping[Row, Sequence[Trained]], songs: Songs
) -> dict[Row, dict[str, Predicted]]:
    """Predict all conditions with every network, `UNMODIFIED` first.

    Conditions are the outer loop: noisy audio is slow to compute and shared by all networks.
    """
    predicted: dict[Row, dict[str, Predicted]] = {row: {} for row in trained}
    conditions = {UNMODIFIED: CLEAN} | {each.name: each.condition for each in MODIFICATIONS}
    for name, condition in conditions.items():
        for row, networks in trained.items():
            predicted[row][name] = Predicted.by(
                [each.predict(songs.examples, condition) for each in networks]
            )
    return predicted


def averaged(values: Floats, draws: Draws) -> Figures | None:
    """Mean over songs and seeds with its interval; NaN is ignored.

    Parameters
    ----------
    values : (songs, seeds) float64 ndarray
    draws : Draws

    Returns
    -------
    Figures or None
        None if no song has a value.
    """
    known = ~np.isnan(values)
    if not known.any(axis=0).all():
        return None

    def of_seed(column: Floats, has_value: NDArray[np.bool_]) -> Floats:
        filled = np.where(has_value, column, 0.0)
        # Draws in which no song has a value are left out of the interval.
        return draws.values(
            lambda counts: (
                counts @ filled / np.where(counts @ has_value > 0, counts @ has_value, np.nan)
            )
        )

    return figures(np.stack([of_seed(*pair) for pair in zip(values.T, known.T, strict=True)]))


def changed(before: Floats, after: Floats, sign: int, draws: Draws) -> dict[str, Figures | None]:
    """Give the level, its change, and the share of songs with the expected change.

    Parameters
    ----------
    before, after : (songs, seeds) float64 ndarray
        Of the same songs and networks.
    sign : int
        Of the expected change; 0 if there is none.
    draws : Draws

    Returns
    -------
    dict
        ``level``, ``change`` and ``expected``.
    """
    change = after - before
    share = np.where(np.isnan(change), np.nan, change * sign > _SMALLEST_CHANGE)
    return {
        "level": averaged(after, draws),
        "change": averaged(change, draws),
        "expected": averaged(share, draws) if sign else None,
    }


def exact_gates(predicted: Mapping[str, Predicted]) -> Iterator[tuple[str, str, float, Floats]]:
    """Gates that must be exactly 0 or 1 because a modality is missing.

    Yields
    ------
    condition, gate : str
    wanted : float
        Required value.
    values : (songs, seeds) float64 ndarray
        The gate.
    """
    for each in MODIFICATIONS:
        gates = predicted[each.name].gates
        if not gates:
            continue
        # Without a gate of its own, context is part of the text that the lyrics' gate weights.
        removed = set(each.removed)
        if "context" not in gates and removed & set(TEXTS) and not removed >= set(TEXTS):
            removed -= set(TEXTS)
        for name in gates:
            if name in removed:
                yield each.name, name, 0.0, gates[name]
            elif removed and removed >= set(gates) - {name}:
                yield each.name, name, 1.0, gates[name]


def run(setting: Setting) -> Report:
    """Train, modify songs, and measure gates, attention and accuracy."""
    songs = songs_of(setting, DATASET, TARGET, having=("lyrics",))
    trained = dict(trained_rows(setting, DATASET, TARGET))
    predicted = predictions_by_condition(setting, trained, songs)
    draws = Draws.of(len(songs.labels))
    found = {row: _measured(songs, by, draws) for row, by in predicted.items()}
    kept = {row.name: figures_of for row, figures_of in found.items()}
    guess = figures(sampled("accuracy", songs.labels, songs.baseline, draws))
    where = f"{DATASET}, {TARGET}, {setting.split}: {len(songs.labels)} songs with lyrics"
    return Report(
        tables=(
            _table(f"Weight of the audio; {where}", "gate", found),
            _exact_table(predicted),
            _table("Entropy of the attention over the text, over its maximum", "entropy", found),
            _accuracy_table(found, guess),
        ),
        printed=None,
        notes=NOTES,
        figures={"songs": len(songs.labels), "guess": {"accuracy": guess}, "models": kept},
        plot=_plot(found),
    )


Found = dict[str, dict[str, dict[str, "Figures | None"]]]


def _measured(songs: Songs, by: Mapping[str, Predicted], draws: Draws) -> Found:
    """Gate of the audio, entropy and accuracy by condition."""
    signs = {each.name: (each.audio, each.entropy) for each in MODIFICATIONS}
    clean = by[UNMODIFIED]
    right = sampled("accuracy", songs.labels, clean.probabilities, draws)
    found: Found = {}
    for name, predicted in by.items():
        audio, entropy = signs.get(name, (0, 0))
        row: dict[str, dict[str, Figures | None]] = {}
        if "audio" in predicted.gates:
            row["gate"] = changed(clean.gates["audio"], predicted.gates["audio"], audio, draws)
        if predicted.entropy is not None and clean.entropy is not None:
            row["entropy"] = changed(clean.entropy, predicted.entropy, entropy, draws)
        values = sampled("accuracy", songs.labels, predicted.probabilities, draws)
        row["accuracy"] = {"level": figures(values), "change": figures(values - right)}
        found[name] = row
    return found


def _label(name: str) -> str:
    return "unmodified" if name == UNMODIFIED else name


def _cell(found: Figures | None) -> str:
    return "-" if found is None else shown(found)


def _table(title: str, what: str, found: Mapping[Row, Found]) -> Table:
    rows = [
        (
            *row.cells,
            _label(name),
            _cell(measured[what]["level"]),
            "-" if name == UNMODIFIED else _cell(measured[what]["change"]),
            _cell(measured[what]["expected"]),
        )
        for row, by in found.items()
        for name, measured in by.items()
        if what in measured
    ]
    columns = (*ROW_COLUMNS, "Songs", "Mean", "Change", "Share of songs with the expected change")
    return Table(title, columns, tuple(rows))


def _accuracy_table(found: Mapping[Row, Found], guess: Figures) -> Table:
    rows = [(*BASELINE, _label(UNMODIFIED), shown(guess), "-")]
    for row, by in found.items():
        for name, measured in by.items():
            level, change = (_cell(measured["accuracy"][key]) for key in ("level", "change"))
            rows.append((*row.cells, _label(name), level, "-" if name == UNMODIFIED else change))
    columns = (*ROW_COLUMNS, "Songs", "Accuracy", "Change")
    return Table("Accuracy", columns, tuple(rows))


def _exact_table(predicted: Mapping[Row, Mapping[str, Predicted]]) -> Table:
    rows = [
        (
            *row.cells,
            condition,
            name,
            f"{wanted:.0f}",
            f"{values.min()} to {values.max()}",
            "yes" if bool((values == wanted).all()) else "NO",
        )
        for row, by in predicted.items()
        for condition, name, wanted, values in exact_gates(by)
    ]
    columns = (*ROW_COLUMNS, "Songs", "Gate", "Required", "Measured", "Equal")
    return Table("Gates that must be exact", columns, tuple(rows))


def _plot(found: Mapping[Row, Found]) -> Figure:
    figure = new_figure(12, 4.6)
    names = [UNMODIFIED, *(each.name for each in MODIFICATIONS)]
    for place, (what, title) in enumerate(
        (("gate", "weight of the audio"), ("entropy", "entropy of the attention over the text"))
    ):
        axis = figure.add_subplot(1, 2, place + 1)
        for index, (row, by) in enumerate(found.items()):
            points = [by[name].get(what, {}).get("level") for name in names]
            known = [(x, point) for x, point in enumerate(points) if point is not None]
            if not known:
                continue
            middle = np.array([point["estimate"] for _, point in known])
            ends = np.array([(point["low"], point["high"]) for _, point in known])
            axis.errorbar(
                [x + 0.07 * (index - len(found) / 2) for x, _ in known],
                middle,
                np.abs(ends.T - middle),
                fmt=".",
                color=f"C{index % 10}",
                label=f"{row.model}, {row.front_end}",
            )
        axis.set_xticks(
            range(len(names)), map(_label, names), rotation=30, ha="right", fontsize="small"
        )
        axis.set_title(title)
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize="x-small")
    return figure


NOTES: Final = (
    (
        "Expected: the weight of the audio rises if texts are another song's or missing, and "
        "falls if the audio is noise or missing. Attention becomes more even if queries and "
        "keys are of different songs. A song counts as changed from a change of 0.0001."
    ),
    (
        "By chance, half of the songs change either way. A share near .5 with another song's "
        "lyrics means that the gate does not respond to them."
    ),
    (
        "Brackets are 95% bootstrap intervals over songs, means over seeds. Changes are those "
        "of the same song and network. The networks were trained on unmodified songs with a "
        "modality dropout of 0.2: training covers missing modalities, and no wrong ones."
    ),
    (
        "Weight of the audio: the mean gate g of LGFN-style, and Gujar's alpha of the audio; "
        "the rest is the weight of the text. Li, Wang and HCMA have no gate. Their attention "
        "sums to 1 over the tokens, so its entropy measures how selective it is, and not the "
        "weight of the text."
    ),
    (
        "Without lyrics, title and artist remain, which Li, Wang, Gujar and LGFN-style read "
        "as part of the same text: their gates must be exact only without both. HCMA's "
        "attention is over the lyrics alone; without them it has no entropy."
    ),
    (
        "Noise at -60 dB is a thousand times as loud as the song, scaled to full range: "
        "nothing of the song remains."
    ),
    (
        "[LGFN] claims a gate that follows reliability and shows plots of it, but only its "
        "abstract is public. [Li] claims dynamic attention without measuring it. There is no "
        "printed figure to compare with."
    ),
)


EXPERIMENT: Final = Experiment(
    name="gates",
    title="Gates and attention",
    question="Do they lower the weight of another song's lyrics, and of noise?",
    source="[LGFN], abstract; [Gujar], attention fusion; [Li], dynamic attention",
    run=run,
)
