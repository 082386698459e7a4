"""What the sections of the GPU check share: how they write, time and make songs."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

SAMPLE_RATE: Final = 16_000
LYRIC: Final = "\n".join(
    f"{word} {rest}"
    for word in ("morning", "river", "window", "shadow", "summer", "thunder")
    for rest in (
        "comes to carry what we could not say",
        "will never tell me where you are tonight",
        "over the houses, and nobody is awake",
        "is all I wanted, all I ever had",
        "and I am running, running home again",
    )
)
CONTEXT: Final = "A song of four minutes by nobody at all"


@dataclass(frozen=True, slots=True)
class Section:
    """Where a section measures and writes.

    Parameters
    ----------
    device : torch.device
    out : Path
        Markdown, appended line by line.
    is_quick : bool
        Whether sizes are tiny, because only the program is rehearsed.
    """

    device: torch.device
    out: Path
    is_quick: bool

    @property
    def patience(self) -> float:
        """Factor of the time that a step may take; a rehearsal on a CPU is not hurried."""
        return 10.0 if self.device.type == "cpu" else 1.0

    def say(self, line: str = "") -> None:
        """Append a line to the report, at once."""
        with self.out.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]] = ()) -> None:
        """Append a table's head, and rows."""
        self.say("| " + " | ".join(header) + " |")
        self.say("|---|" + "--:|" * (len(header) - 1))
        for row in rows:
            self.row(*row)

    def row(self, *cells: object) -> None:
        """Append a row of a table."""
        self.say("| " + " | ".join(map(str, cells)) + " |")

    def wait(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object], *, least: float = 1.0, rounds: int = 5) -> float:
        """Median seconds of `work`, warmed up, repeated for at least `least` seconds."""
        work()
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        once = time.perf_counter() - start
        if self.is_quick or once >= least:
            return once
        times = []
        inner = max(1, round(least / rounds / max(once, 1e-6)))
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(inner):
                work()
            self.wait()
            times.append((time.perf_counter() - start) / inner)
        return statistics.median(times)


def started() -> Section:
    """Return the section that the command line asks for: DEVICE OUT quick|full."""
    device, out, size = sys.argv[1:4]
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no CUDA device here; give --device cpu to rehearse")
    return Section(torch.device(device), Path(out), size == "quick")


def song(seed: int, seconds: float, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """Chords, a beat and noise, (samples, 2): no two seeds sound the same."""
    rng = np.random.default_rng(seed)
    speed, loudness, noise = rng.uniform(0.5, 3), rng.uniform(0.02, 0.2), rng.uniform(0.01, 0.2)
    steps, ratio = rng.integers(0, 24, 32), rng.choice([1.189, 1.26])
    clock = np.arange(int(seconds * sample_rate)) / sample_rate
    root = 55 * 2 ** (steps[(clock * speed).astype(int) % 32] / 12)
    phase = 2 * np.pi * np.cumsum(root) / sample_rate
    chord = sum(np.sin(phase * part) for part in (1, ratio, 1.5, 4))
    beat = rng.standard_normal(len(clock)) * np.exp(-12 * (clock * speed % 1))
    stereo = [loudness * chord + noise * beat, loudness * chord - noise / 2 * beat]
    return np.stack(stereo, axis=1).astype(np.float32)


class Card:
    """Samples of the card's load and memory while the block runs, from NVML or not at all.

    `load` is the mean share of time in which a kernel ran, in percent; None without NVML.
    """

    def __init__(self) -> None:
        self._loads: list[int] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Card:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(2)

    @property
    def load(self) -> float | None:
        """Mean load in percent."""
        return statistics.mean(self._loads) if self._loads else None

    def _sample(self) -> None:
        try:
            import pynvml  # noqa: PLC0415  # where there is a card

            pynvml.nvmlInit()
            card = pynvml.nvmlDeviceGetHandleByIndex(0)
            while not self._is_over.wait(0.05):
                self._loads.append(pynvml.nvmlDeviceGetUtilizationRates(card).gpu)
        except Exception as error:  # the figure is left out
            print(f"no NVML: {error}", flush=True)
