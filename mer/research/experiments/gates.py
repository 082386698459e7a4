"""What gates and attention do when lyrics are another song's, absent, or the sound is noise.

A gate that weighs modalities by reliability should turn to the sound when the lyrics lie, and to
the lyrics when the sound is noise. That is measured song by song: the same song, before and after.
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
AS_IS: Final = "as it is"
TEXTS: Final = ("lyrics", "context")
MOVED: Final = 1e-4
"""Least change of a song's gate or entropy that counts as one."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One way to disturb songs, and where a reliable network should turn.

    Parameters
    ----------
    name : str
    condition : Condition
    audio : int
        Sign of the expected change of the audio's weight.
    entropy : int
        Sign of the expected change of the attention's entropy; 0 where nothing is expected.
    removed : tuple of str
        Modalities that no song has left.
    """

    name: str
    condition: Condition
    audio: int
    entropy: int = 0
    removed: tuple[str, ...] = ()


def _without(name: str, *modalities: str, audio: int) -> Disturbance:
    shares = tuple((modality, 1.0) for modality in modalities)
    return Disturbance(name, Condition(drop_songs=shares), audio, removed=modalities)


DISTURBANCES: Final = (
    Disturbance("another song's lyrics", Condition(shuffle=("lyrics",)), 1, 1),
    Disturbance("another song's texts", Condition(shuffle=TEXTS), 1, 1),
    _without("no lyrics", "lyrics", audio=1),
    _without("no text", *TEXTS, audio=1),
    Disturbance("noise at 20 dB", Condition(snr_db=20.0), -1, 1),
    Disturbance("noise at 0 dB", Condition(snr_db=0.0), -1, 1),
    Disturbance("noise alone (-60 dB)", Condition(snr_db=-60.0), -1, 1),
    _without("no audio", "audio", audio=-1),
)
"""Context is a text: architectures that know one text read title and artist as they do lyrics."""


@dataclass(frozen=True, slots=True)
class Said:
    """What networks of all seeds say of songs under one condition.

    Parameters
    ----------
    probabilities : (songs, seeds, classes) float64 ndarray
    gates : mapping of str to (songs, seeds) float64 ndarray
        Empty where the architecture has none.
    entropy : (songs, seeds) float64 ndarray or None
        Of attention over the text, over its highest; NaN where there are no two tokens.
    """

    probabilities: Floats
    gates: Mapping[str, Floats]
    entropy: Floats | None

    @classmethod
    def by(cls, predictions: Sequence[Predictions]) -> Said:
        """Stack what networks of all seeds predict."""
        entropies = [p.attention_entropy for p in predictions if p.attention_entropy is not None]
        return cls(
            np.stack([p.probabilities for p in predictions], axis=1),
            {
                name: np.stack([p.gates[name] for p in predictions], axis=1)
                for name in predictions[0].gates
            },
            np.stack(entropies, axis=1) if entropies else None,
        )


def asked(
    setting: Setting, trained: Mapping[Row, Sequence[Trained]], songs: Songs
) -> dict[Row, dict[str, Said]]:
    """Ask every network under every condition, `AS_IS` first.

    Conditions are the outer loop: noise is slow to make, and all networks hear the same.
    """
    said: dict[Row, dict[str, Said]] = {row: {} for row in trained}
    conditions = {AS_IS: CLEAN} | {each.name: each.condition for each in DISTURBANCES}
    for name, condition in conditions.items():
        for row, networks in trained.items():
            said[row][name] = Said.by(
                [each.predict(songs.examples, condition) for each in networks]
            )
    return said


def averaged(values: Floats, draws: Draws) -> Figures | None:
    """Mean over songs and seeds with its interval; songs that are NaN count nothing.

    Parameters
    ----------
    values : (songs, seeds) float64 ndarray
    draws : Draws

    Returns
    -------
    Figures or None
        None where no song has a value.
    """
    known = ~np.isnan(values)
    if not known.any(axis=0).all():
        return None

    def of_seed(column: Floats, given: NDArray[np.bool_]) -> Floats:
        filled = np.where(given, column, 0.0)
        # A draw of songs that have no value at all is left out of the interval.
        return draws.values(
            lambda counts: counts @ filled / np.where(counts @ given > 0, counts @ given, np.nan)
        )

    return figures(np.stack([of_seed(*pair) for pair in zip(values.T, known.T, strict=True)]))


def moved(before: Floats, after: Floats, sign: int, draws: Draws) -> dict[str, Figures | None]:
    """Give the level after, its change, and the share of songs that changed the expected way.

    Parameters
    ----------
    before, after : (songs, seeds) float64 ndarray
        Of the same songs and networks.
    sign : int
        Of the expected change; 0 where nothing is expected.
    draws : Draws

    Returns
    -------
    dict
        ``level``, ``change`` and ``expected``.
    """
    change = after - before
    share = np.where(np.isnan(change), np.nan, change * sign > MOVED)
    return {
        "level": averaged(after, draws),
        "change": averaged(change, draws),
        "expected": averaged(share, draws) if sign else None,
    }


def promises(said: Mapping[str, Said]) -> Iterator[tuple[str, str, float, Floats]]:
    """Gates that must be exact, for a modality that is not there has no weight.

    Yields
    ------
    condition, gate : str
    wanted : float
        Exactly.
    values : (songs, seeds) float64 ndarray
        What the gate is.
    """
    for each in DISTURBANCES:
        gates = said[each.name].gates
        if not gates:
            continue
        # Without a gate of its own, context is weighed with the lyrics as one text.
        gone = set(each.removed)
        if "context" not in gates and gone & set(TEXTS) and not gone >= set(TEXTS):
            gone -= set(TEXTS)
        for name in gates:
            if name in gone:
                yield each.name, name, 0.0, gates[name]
            elif gone and gone >= set(gates) - {name}:
                yield each.name, name, 1.0, gates[name]


def run(setting: Setting) -> Report:
    """Train, disturb, and look at gates, attention and answers."""
    songs = songs_of(setting, DATASET, TARGET, having=("lyrics",))
    trained = dict(trained_rows(setting, DATASET, TARGET))
    said = asked(setting, trained, songs)
    draws = Draws.of(len(songs.labels))
    found = {row: _measured(songs, by, draws) for row, by in said.items()}
    kept = {row.name: figures_of for row, figures_of in found.items()}
    guess = figures(sampled("accuracy", songs.labels, songs.guess, draws))
    where = f"{DATASET}, {TARGET}, {setting.split}: {len(songs.labels)} songs with lyrics"
    return Report(
        tables=(
            _table(f"Weight of the audio; {where}", "gate", found),
            _promise_table(said),
            _table("Entropy of the attention over the text, over its highest", "entropy", found),
            _accuracy_table(found, guess),
        ),
        printed=None,
        notes=NOTES,
        figures={"songs": len(songs.labels), "guess": {"accuracy": guess}, "models": kept},
        plot=_plot(found),
    )


Found = dict[str, dict[str, dict[str, "Figures | None"]]]


def _measured(songs: Songs, by: Mapping[str, Said], draws: Draws) -> Found:
    """Figures by condition: of the audio's gate, of the entropy, of the accuracy."""
    signs = {each.name: (each.audio, each.entropy) for each in DISTURBANCES}
    clean = by[AS_IS]
    right = sampled("accuracy", songs.labels, clean.probabilities, draws)
    found: Found = {}
    for name, said in by.items():
        audio, entropy = signs.get(name, (0, 0))
        row: dict[str, dict[str, Figures | None]] = {}
        if "audio" in said.gates:
            row["gate"] = moved(clean.gates["audio"], said.gates["audio"], audio, draws)
        if said.entropy is not None and clean.entropy is not None:
            row["entropy"] = moved(clean.entropy, said.entropy, entropy, draws)
        values = sampled("accuracy", songs.labels, said.probabilities, draws)
        row["accuracy"] = {"level": figures(values), "change": figures(values - right)}
        found[name] = row
    return found


def _cell(found: Figures | None) -> str:
    return "-" if found is None else shown(found)


def _table(title: str, what: str, found: Mapping[Row, Found]) -> Table:
    rows = [
        (
            *row.cells,
            name,
            _cell(measured[what]["level"]),
            "-" if name == AS_IS else _cell(measured[what]["change"]),
            _cell(measured[what]["expected"]),
        )
        for row, by in found.items()
        for name, measured in by.items()
        if what in measured
    ]
    columns = (*ROW_COLUMNS, "Songs", "Mean", "Change", "Share of songs that move as expected")
    return Table(title, columns, tuple(rows))


def _accuracy_table(found: Mapping[Row, Found], guess: Figures) -> Table:
    rows = [(*BASELINE, AS_IS, shown(guess), "-")]
    for row, by in found.items():
        for name, measured in by.items():
            level, change = (_cell(measured["accuracy"][key]) for key in ("level", "change"))
            rows.append((*row.cells, name, level, "-" if name == AS_IS else change))
    columns = (*ROW_COLUMNS, "Songs", "Accuracy", "Change")
    return Table("Accuracy", columns, tuple(rows))


def _promise_table(said: Mapping[Row, Mapping[str, Said]]) -> Table:
    rows = [
        (
            *row.cells,
            condition,
            name,
            f"{wanted:.0f}",
            f"{values.min()} to {values.max()}",
            "yes" if bool((values == wanted).all()) else "NO",
        )
        for row, by in said.items()
        for condition, name, wanted, values in promises(by)
    ]
    columns = (*ROW_COLUMNS, "Songs", "Gate", "Must be exactly", "Is", "Holds")
    return Table("Gates that must be exact", columns, tuple(rows))


def _plot(found: Mapping[Row, Found]) -> Figure:
    figure = new_figure(12, 4.6)
    names = [AS_IS, *(each.name for each in DISTURBANCES)]
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
        axis.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize="small")
        axis.set_title(title)
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize="x-small")
    return figure


NOTES: Final = (
    (
        "Expected is that the audio weighs more when texts are another song's or absent, and less "
        "when it is noise or absent; and that attention is spread more evenly when what asks and "
        "what is asked do not belong together. A song counts as moved from a change of 0.0001 on."
    ),
    (
        "Half of the songs move either way by chance: where another song's lyrics give a share "
        "near .5, the gate does not notice them."
    ),
    (
        "Brackets: 95% bootstrap intervals over songs, means over seeds; changes are of the same "
        "song and network. Networks were trained with undisturbed songs of which each modality "
        "was withheld with chance 0.2: they know what is missing, not what lies."
    ),
    (
        "Weight of the audio: LGFN-style's mean gate g, Gujar's alpha of the audio; what is left "
        "is the text's. Li, Wang and HCMA have no gate. Their attention sums to 1 over the tokens "
        "whatever these say, so its entropy tells how selective it is, and never how much the "
        "text counts."
    ),
    (
        "Lyrics alone removed leave title and artist, which Li, Wang, Gujar and LGFN-style read "
        "as the same text: only without both must their gates be exact. HCMA's attention is of "
        "lyrics alone; without them there is nothing to attend to and no entropy."
    ),
    (
        "Noise at -60 dB is a thousand times as loud as the song, scaled to full range: no song "
        "is left."
    ),
    (
        "[LGFN] claims a gate that follows reliability and shows pictures of it, of which only "
        "the abstract is public; [Li] claims dynamic attention without measuring it. There is no "
        "printed figure to put beside ours."
    ),
)


EXPERIMENT: Final = Experiment(
    name="gates",
    title="What gates and attention do",
    question="Do they turn away from lyrics that lie, and from a sound that is noise?",
    source="[LGFN], abstract; [Gujar], attention fusion; [Li], dynamic attention",
    run=run,
)
