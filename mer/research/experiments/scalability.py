"""How fast each architecture answers, and whether the paper's rates can have been measured."""

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
"""For each way (ready or raw) of one network; with frozen MusiCNN, whatever the size."""


def measure_apart(spec: Spec) -> dict[str, Any]:
    """`measure` in a process of its own, whose memory and caches nobody else has used.

    Raises
    ------
    InputError
        If that process fails; one that is killed, as for memory, is a result.
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
    """List what is measured: both sizes with the own front end, frozen MusiCNN at the small one."""
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
    """Time every network in a process of its own; nothing is trained."""
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
        "Where measuring stopped", ("Model", "Front end", "Size", "Way", "Why"), tuple(rows)
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
            f"{least.warm_ups} warm-up(s); latency over {least.latencies} batches or more, each "
            f"waited for; songs/s over {least.batches} more at least, one sent after the other, "
            f"from their total wall time; either for {least.seconds} s at least. On one CPU the "
            "two agree by nature, but for what varies; the column beside says how far."
        ),
        *NOTES,
    )


NOTES: Final = (
    (
        "Networks are untrained and songs are noise: weights do not change how long a "
        "multiplication takes. No split, seed or label is used."
    ),
    (
        "A song is one window with the own front end, as in the paper, whose songs are one mel of "
        "fixed size; a whole clip at test takes as many windows as the architecture averages (li "
        "8, wang and lgfn 5, gujar 4, hcma 1). With frozen MusiCNN a song is a clip of 30 s, ten "
        "patches."
    ),
    (
        "Ready: what the network reads is in memory, log-mel or frozen patches; only the forward "
        "pass is timed. Raw: from a decoded waveform at the front end's rate, through the front "
        "end, and with frozen MusiCNN through its network. Decoding a file and encoding its words "
        "come on top of both: 200 tokens of lyrics and 12 of context are encoded already. Gujar's "
        "TF-IDF and word look-up are part of its network, with a vocabulary of 500 words."
    ),
    (
        "Peak memory: the most that the process has been resident, inputs included, over what it "
        "was before the first batch (VmHWM), or torch's max_memory_allocated on a GPU; "
        "weights not counted. Each network has a fresh process."
    ),
    (
        "A batch is not tried when, by the one before it, its least number of repetitions would "
        "overrun the time left to that network and way, or its memory would pass 4,096 MB; the "
        "second table says which."
    ),
    (
        "[Gujar] prints 20.8, 222.2, 542.4, 1190.7 and 1322 songs a second. They are batch / "
        "latency to the last digit printed (512 / 0.387 s = 1322.997, its decimals cut), so they "
        "were computed and not measured; they leave no room for anything between batches. '1,190 "
        "songs a second at enterprise scale' is the row of batch 256: 1.19 thousand mels already "
        "in memory, not songs from files."
    ),
)


EXPERIMENT: Final = Experiment(
    name="scalability",
    title="How fast networks answer",
    question="How many songs a second does each take, how long does one wait, and what memory?",
    source="[Gujar], scalability table",
    run=run,
)
