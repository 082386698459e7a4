"""Latency, throughput and memory of each architecture, and the printed rates."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import torch

from mer.errors import InputError
from mer.research.experiments.base import Experiment, Report
from mer.research.experiments.statistics import rows_of
from mer.research.experiments.timing import WAYS, Spec, pace
from mer.research.plots import new_figure
from mer.research.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from mer.research.architectures.base import Size
    from mer.research.experiments.base import Setting

BATCHES: Final = (1, 4, 16, 64, 256, 512)
SIZES: Final[tuple[Size, ...]] = ("small", "paper")
BUDGET_SECONDS: Final = {"small": 8.0, "paper": 6.0, "musicnn": 4.0}
"""Seconds for each way (ready or raw) of one network, by size; own entry for MusiCNN."""


def measure_apart(spec: Spec) -> dict[str, Any]:
    """Call `measure` in a process of its own, with unused memory and caches.

    Raises
    ------
    InputError
        If that process fails; if it is killed, for example by lack of memory, that is a result.
    """
    command = [sys.executable, "-m", "mer.research.experiments.timing", json.dumps(asdict(spec))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode < 0:
        reason = f"the process was killed (signal {-done.returncode}), as when memory runs out"
        return {"rows": {}, "stopped": dict.fromkeys(WAYS, reason)}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"timing {spec.model} ({spec.size}) failed: {last}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def specs(setting: Setting) -> list[Spec]:
    """List the measurements: both sizes with the own front end, and small with frozen MusiCNN."""
    threads = torch.get_num_threads()
    return [
        Spec(
            row.model,
            row.front_end,
            size,
            BATCHES,
            BUDGET_SECONDS["musicnn" if row.front_end == "musicnn" else size],
            threads,
        )
        for row in rows_of(setting)
        for size in (SIZES if row.front_end == "own" else SIZES[:1])
    ]


def run(setting: Setting) -> Report:
    """Time every network, untrained, in a process of its own."""
    measured = [(spec, measure_apart(spec)) for spec in specs(setting)]
    devices = sorted({found["device"] for _, found in measured if "device" in found})
    kept = [{"spec": asdict(spec), **found} for spec, found in measured]
    return Report(
        tables=(_table(measured, ", ".join(devices)), _stopped_table(measured)),
        printed=_printed(),
        notes=_notes(),
        figures={"device": devices, "platform": platform.platform(), "measured": kept},
        plot=_plot(measured),
    )


def _table(measured: Sequence[tuple[Spec, dict[str, Any]]], devices: str) -> Table:
    rows = [
        (
            spec.model,
            spec.front_end,
            spec.size,
            f"{found['seconds_of_a_song']:.1f} s",
            songs,
            *_cells(row.get("ready")),
            *_cells(row.get("raw")),
            f"{row['peak_mb']:.0f}",
        )
        for spec, found in measured
        for songs, row in found["rows"].items()
    ]
    columns = (
        "Model", "Front end", "Size", "A song", "Batch",
        "Ready: p50, ms", "p95, ms", "songs/s", "songs/s over batch/p50",
        "Raw: p50, ms", "p95, ms", "songs/s", "songs/s over batch/p50", "Peak memory, MB",
    )  # fmt: skip
    return Table(f"Measured on {devices or 'nothing'}", columns, tuple(rows))


def _cells(way: dict[str, Any] | None) -> tuple[str, str, str, str]:
    if way is None:
        return ("-",) * 4
    naive = way["songs"] / (way["p50_ms"] / 1000)
    return (
        f"{way['p50_ms']:.1f}",
        f"{way['p95_ms']:.1f}",
        f"{way['songs_per_second']:.1f}",
        f"{way['songs_per_second'] / naive:.3f}",
    )


def _stopped_table(measured: Sequence[tuple[Spec, dict[str, Any]]]) -> Table:
    rows = [
        (spec.model, spec.front_end, spec.size, way, reason)
        for spec, found in measured
        for way, reason in found["stopped"].items()
    ]
    return Table(
        "Batches that were not measured",
        ("Model", "Front end", "Size", "Way", "Reason"),
        tuple(rows),
    )


PRINTED: Final = (
    (1, 48.0, 20.8, 1.2),
    (16, 72.0, 222.2, 2.1),
    (64, 118.0, 542.4, 4.8),
    (256, 215.0, 1190.7, 9.3),
    (512, 387.0, 1322.0, 14.6),
)
"""Batch, latency in ms, songs a second and GB of [Gujar, scalability table]."""


def _printed() -> Table:
    rows = tuple(
        (str(batch), f"{ms:.0f}", f"{rate:g}", f"{batch / (ms / 1000):.3f}", f"{memory}")
        for batch, ms, rate, memory in PRINTED
    )
    columns = ("Batch", "Latency, ms", "Songs/s", "batch / latency, computed here", "GB")
    return Table("As printed [Gujar]: every rate is batch over latency", columns, rows)


def _plot(measured: Sequence[tuple[Spec, dict[str, Any]]]) -> Figure:
    figure = new_figure(11, 4.6)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    models = list(dict.fromkeys(spec.model for spec, _ in measured))
    styles = {("own", "small"): "o-", ("own", "paper"): "s--", ("musicnn", "small"): "^:"}
    for axis, way in zip(axes, WAYS, strict=True):
        for spec, found in measured:
            rows = [row[way] for row in found["rows"].values() if way in row]
            axis.loglog(
                [row["songs"] for row in rows],
                [row["songs_per_second"] for row in rows],
                styles[spec.front_end, spec.size],
                color=f"C{models.index(spec.model) % 10}",
                label=f"{spec.model}, {spec.front_end}, {spec.size}",
            )
        axis.set(title=f"{way} input", xlabel="batch", ylabel="songs a second")
        axis.grid(alpha=0.3, which="both")
    axes[0].legend(fontsize="x-small")
    return figure


def _notes() -> tuple[str, ...]:
    least = pace()
    return (
        (
            f"{least.warm_ups} warm-up(s). Latency: at least {least.latencies} batches, each "
            f"waited for. Songs/s: at least {least.batches} further batches in a row, from their "
            f"total wall time. Both take at least {least.seconds} s. On one CPU both agree up to "
            "random variation; the column after songs/s has their ratio."
        ),
        *NOTES,
    )


NOTES: Final = (
    (
        "Networks are untrained and songs are noise, because the weights do not change the "
        "time. No split, seed or label is used."
    ),
    (
        "A song is one window with the own front end, as in the paper, whose songs are one "
        "mel of fixed size. A whole clip takes several windows at test (li 8, wang and lgfn "
        "5, gujar 4, hcma 1). With frozen MusiCNN a song is a clip of 30 s, ten patches."
    ),
    (
        "Ready: the inputs of the network are in memory (log-mel or frozen patches), and only "
        "the forward pass is timed. Raw: from a decoded waveform at the front end's rate, "
        "through the front end, and with frozen MusiCNN through its network. Decoding of "
        "files and encoding of texts are not included: 200 tokens of lyrics and 12 of context "
        "are encoded beforehand. Gujar's TF-IDF and word look-up are part of its network, "
        "with a vocabulary of 500 words."
    ),
    (
        "Peak memory: the largest resident size of the process, inputs included, less its "
        "size before the first batch (VmHWM), or torch's max_memory_allocated on a GPU. "
        "Weights are not counted. Each network has a new process."
    ),
    (
        "A batch is left out if, by the batch before it, its smallest number of repetitions "
        "would exceed the time left for the network and way, or its memory would exceed 4,096 "
        "MB. The second table has the reasons."
    ),
    (
        "[Gujar] prints 20.8, 222.2, 542.4, 1190.7 and 1322 songs per second. They equal "
        "batch / latency to the last printed digit (512 / 0.387 s = 1322.997, its decimals "
        "cut). They were therefore computed and not measured, and leave no time between "
        "batches. '1,190 songs a second at enterprise scale' is the row of batch 256: 1.19 "
        "thousand mels in memory, not songs from files."
    ),
)


EXPERIMENT: Final = Experiment(
    name="scalability",
    title="Latency, throughput and memory",
    question="How many songs per second, what latency, and how much memory?",
    source="[Gujar], scalability table",
    run=run,
)
