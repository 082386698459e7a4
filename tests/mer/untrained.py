"""A checkpoint with seeded, untrained weights, and tones to try it on."""

from __future__ import annotations

import dataclasses
import wave
from typing import TYPE_CHECKING

import numpy as np
import torch

from mer import checkpoint
from mer.models.affetti import AffettiConfig, AffettiNetwork

if TYPE_CHECKING:
    from pathlib import Path


def save_untrained(folder: Path, config: AffettiConfig | None = None) -> Path:
    """Checkpoint of the house network as it is before training."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = AffettiNetwork(config or AffettiConfig())
    values = dataclasses.asdict(network.config)
    return checkpoint.save(network.state_dict(), values, {}, folder, "affetti")


def write_tone(path: Path, seconds: float, hertz: float, level: float = 0.3) -> Path:
    """A wavering tone as 16 kHz mono WAV."""
    rate = 16_000
    time = np.arange(int(seconds * rate)) / rate
    tone = level * np.sin(2 * np.pi * hertz * time * (1 + 0.1 * np.sin(time)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((tone * 32767).astype("<i2").tobytes())
    return path
