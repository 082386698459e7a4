"""Timing of one untrained network: ``python -m mer.research.experiments.timing SPEC``.

It runs in a process of its own. Latency and throughput are two measurements: the first waits after
every batch, the second sends batches in a row and reads the clock at the end.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from mer.encoders.musicnn import AUDIO_EMBEDDING_DIM, PATCH_FRAMES, MusicnnEncoder
from mer.errors import InputError
from mer.research.architectures.base import BuildOptions, SongBatch, architecture
from mer.research.harness.examples import TEXT_DIM
from mer.research.inputs.front_ends import front_end as mel_front_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from mer.research.architectures.base import Architecture, FrontEndKind, Size

MEMORY_LIMIT_MB: Final = 4096.0
CLIP_SECONDS: Final = 30.0
"""Length of a song with frozen MusiCNN; with the own front end a song is one window."""
LYRICS_TOKENS: Final = 200
CONTEXT_TOKENS: Final = 12
WORDS: Final = 100
CLASSES: Final = 5
WAYS: Final = ("ready", "raw")


@dataclass(frozen=True, slots=True)
class Pace:
    """Repetitions of a batch.

    Parameters
    ----------
    warm_ups : int
        Not measured.
    latencies : int
        Smallest number of batches that are timed one by one.
    batches : int
        Smallest number of batches that are timed together.
    seconds : float
        Smallest duration of either.
    """

    warm_ups: int = 1
    latencies: int = 8
    batches: int = 4
    seconds: float = 0.2

    @property
    def steps(self) -> int:
        """Number of batches of the smallest measurement."""
        return self.warm_ups + self.latencies + self.batches


CPU: Final = Pace()
GPU: Final = Pace(warm_ups=20, latencies=100, batches=100)


@dataclass(frozen=True, slots=True)
class Spec:
    """Measurement of one process.

    Parameters
    ----------
    model : str
    front_end : {'own', 'musicnn'}
    size : {'paper', 'small'}
    batches : tuple of int
        Rising.
    budget_seconds : float
        For each way.
    threads : int
    """

    model: str
    front_end: FrontEndKind
    size: Size
    batches: tuple[int, ...]
    budget_seconds: float
    threads: int


def timed(step: Callable[[], object], songs: int, wait: Callable[[], None], least: Pace) -> Any:
    """Measure latency and throughput of a step.

    Parameters
    ----------
    step : callable
        Processes one batch; may return before the device is done.
    songs : int
    wait : callable
        Returns when the device is done.
    least : Pace

    Returns
    -------
    dict
        ``songs``; ``p50_ms`` and ``p95_ms`` over ``latencies`` batches; ``songs_per_second``, all
        songs over ``seconds``, the wall time of ``batches`` more.
    """
    latencies = _latencies(step, wait, least)
    p50, p95 = (1000 * np.quantile(latencies, (0.5, 0.95))).tolist()
    batches = max(least.batches, int(1000 * least.seconds / p50))
    began = time.perf_counter()
    for _ in range(batches):
        step()
    wait()
    seconds = time.perf_counter() - began
    return {
        "songs": songs,
        "p50_ms": p50,
        "p95_ms": p95,
        "latencies": len(latencies),
        "songs_per_second": batches * songs / seconds,
        "batches": batches,
        "seconds": seconds,
    }


def _latencies(step: Callable[[], object], wait: Callable[[], None], least: Pace) -> list[float]:
    for _ in range(least.warm_ups):
        step()
    wait()
    found: list[float] = []
    while len(found) < least.latencies or sum(found) < least.seconds:
        began = time.perf_counter()
        step()
        wait()
        found.append(time.perf_counter() - began)
    return found


class Inputs:
    """Synthetic songs of one architecture, as waveforms and as inputs of its network.

    Parameters
    ----------
    spec : Spec
    device : torch.device
    """

    def __init__(self, spec: Spec, device: torch.device) -> None:
        self.entry: Architecture = architecture(spec.model)
        self.needs = self.entry.inputs[spec.front_end]
        self.device = device
        self.is_frozen = spec.front_end == "musicnn"
        self.seconds = CLIP_SECONDS if self.is_frozen else self.entry.window_seconds[spec.size]
        preset = "musicnn" if self.is_frozen else self.entry.mel_preset
        if preset is None:
            raise InputError(f"{spec.model} has no audio input, so there is nothing to time")
        self.rows = mel_front_end(preset)
        self.encoder = MusicnnEncoder.from_pretrained().to(device) if self.is_frozen else None

    def waveforms(self, songs: int) -> Tensor:
        """Noise, (songs, samples)."""
        generator = torch.Generator().manual_seed(songs)
        samples = round(self.seconds * self.rows.sample_rate)
        return (0.1 * torch.randn(songs, samples, generator=generator)).to(self.device)

    def front_end(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Compute the audio inputs of the network."""
        songs = len(waveforms)
        mels = self.rows.log_mel(waveforms)
        blank = mels.new_zeros(songs, 1, 1)
        steps = torch.ones(songs, 1, dtype=torch.bool, device=self.device)
        if self.encoder is None:
            waves = waveforms if "waveform" in self.needs else blank[..., 0]
            return {"log_mel": mels, "waveform": waves, "patches": blank, "patches_mask": steps}
        count = mels.shape[2] // PATCH_FRAMES
        frames = mels.transpose(1, 2)[:, : count * PATCH_FRAMES]
        patches = self.encoder.embed(frames.reshape(songs * count, PATCH_FRAMES, -1).contiguous())
        return {
            "log_mel": blank,
            "waveform": blank[..., 0],
            "patches": patches.reshape(songs, count, AUDIO_EMBEDDING_DIM),
            "patches_mask": steps.expand(-1, count),
        }

    def ready(self, waveforms: Tensor) -> dict[str, Tensor]:
        """As `front_end`, before the clock starts; all clips share the frozen patches of one."""
        if not self.is_frozen:
            return self.front_end(waveforms)
        return {
            name: value.repeat_interleave(len(waveforms), dim=0)
            for name, value in self.front_end(waveforms[:1]).items()
        }

    def batch(self, audio: dict[str, Tensor], songs: int) -> SongBatch:
        """Batch of audio inputs and synthetic encoded texts."""
        generator = torch.Generator().manual_seed(1)
        texts: dict[str, Tensor] = {}
        for name, tokens in (("lyrics", LYRICS_TOKENS), ("context", CONTEXT_TOKENS)):
            states = torch.randn(1, tokens, TEXT_DIM, generator=generator)
            texts[name] = states.to(self.device).expand(songs, -1, -1)
            texts[f"{name}_mask"] = torch.ones(songs, tokens, dtype=torch.bool, device=self.device)
        has_audio = torch.ones(songs, dtype=torch.bool, device=self.device)
        words = tuple(_words(song) for song in range(songs)) if "words" in self.needs else ()
        return SongBatch(**audio, **texts, has_audio=has_audio, words=words)


def _words(song: int) -> tuple[str, ...]:
    drawn = np.random.default_rng(song).integers(0, 500, WORDS)
    return tuple(f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in drawn)


def measure(spec: Spec) -> dict[str, Any]:
    """Time one untrained network on batches of increasing size, up to the limits.

    Parameters
    ----------
    spec : Spec

    Returns
    -------
    dict
        ``rows``: by batch, `timed` of each way and ``peak_mb`` above the idle process; ``stopped``:
        by way, why larger batches were left out.
    """
    torch.set_num_threads(spec.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    inputs = Inputs(spec, device)
    network = inputs.entry.build(_options(spec)).eval().to(device)
    rows, stopped = _rising(spec, network, inputs)
    return {
        "parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else _cpu(spec.threads),
        "seconds_of_a_song": inputs.seconds,
        "windows_of_a_clip": 1 if inputs.is_frozen else inputs.entry.test_windows,
        "rows": {str(songs): row for songs, row in rows.items() if len(row) > 1},
        "stopped": stopped,
    }


def _rising(
    spec: Spec, network: torch.nn.Module, inputs: Inputs
) -> tuple[dict[int, dict[str, Any]], dict[str, str]]:
    """Measure batches of increasing size; return rows by batch and reasons by way."""
    idle = _peak_mb(inputs.device)
    rows: dict[int, dict[str, Any]] = {}
    spent = dict.fromkeys(WAYS, 0.0)
    stopped: dict[str, str] = {}
    before: dict[str, Any] | None = None
    for songs in spec.batches:
        row = rows.setdefault(songs, {})
        for way in WAYS:
            if way not in stopped and (reason := _too_much(spec, songs, way, before, spent[way])):
                stopped[way] = reason
            if way in stopped:
                continue
            row[way], seconds = _timed(network, inputs, songs, way)
            spent[way] += seconds
        row["peak_mb"] = _peak_mb(inputs.device) - idle
        before = row
    return rows, stopped


def _timed(
    network: torch.nn.Module, inputs: Inputs, songs: int, way: str
) -> tuple[dict[str, Any], float]:
    """Measure one way; return its figures and the duration in seconds."""
    waveforms = inputs.waveforms(songs)
    is_gpu = inputs.device.type == "cuda"
    with torch.no_grad():
        ready = inputs.batch(inputs.ready(waveforms), songs) if way == "ready" else None

        def step() -> object:
            if ready is not None:
                return network(ready)
            return network(inputs.batch(inputs.front_end(waveforms), songs))

        began = time.perf_counter()
        found = timed(step, songs, torch.cuda.synchronize if is_gpu else _no_wait, pace())
        return found, time.perf_counter() - began


def _no_wait() -> None:
    """Do nothing: a CPU is done when the call returns."""


def pace() -> Pace:
    """Give the repetitions for the device."""
    return GPU if torch.cuda.is_available() else CPU


def _too_much(
    spec: Spec, songs: int, way: str, before: dict[str, Any] | None, spent: float
) -> str | None:
    """Reason to leave a batch out, estimated from the batch before it; None to measure it."""
    if before is None:
        return None
    smaller = before[way]["songs"]
    seconds = before[way]["p50_ms"] / 1000 * songs / smaller
    left = max(0.0, spec.budget_seconds - spent)
    if seconds * pace().steps > left:
        return (
            f"{songs} songs would take about {seconds:.2f} s a batch, {pace().steps} batches and "
            f"more than the {left:.1f} s left of {spec.budget_seconds:.0f}"
        )
    needed = before["peak_mb"] * songs / smaller
    if needed > MEMORY_LIMIT_MB:
        return f"{songs} songs would need about {needed:.0f} MB, over {MEMORY_LIMIT_MB:.0f}"
    return None


def _peak_mb(device: torch.device) -> float:
    """Peak memory in MB: of the device, or resident memory of this process."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated() / 2**20)
    status = Path("/proc/self/status")
    if status.is_file():
        # ru_maxrss includes the peak of the parent process on Linux.
        lines = status.read_text().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / (2**20 if sys.platform == "darwin" else 2**10))


def _cpu(threads: int) -> str:
    return f"{platform.machine()} CPU, {threads} thread{'s' if threads > 1 else ''}"


def _options(spec: Spec) -> BuildOptions:
    return BuildOptions(
        classes=CLASSES,
        size=spec.size,
        front_end=spec.front_end,
        text_dim=TEXT_DIM,
        documents=tuple(_words(song) for song in range(60)),
        patch_mean=torch.zeros(AUDIO_EMBEDDING_DIM),
        patch_std=torch.ones(AUDIO_EMBEDDING_DIM),
    )


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    sys.stdout.write(
        json.dumps(measure(Spec(**wanted | {"batches": tuple(wanted["batches"])}))) + "\n"
    )
