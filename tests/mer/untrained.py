"""A checkpoint with seeded, untrained weights, and tones to try it on."""

from __future__ import annotations

import dataclasses
import wave
from typing import TYPE_CHECKING

import numpy as np
import torch

from mer import checkpoint
from mer.batches import AffettiConfig
from mer.encoders.low_rank import bundled
from mer.network import AffettiNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


def save_untrained(
    folder: Path,
    config: AffettiConfig | None = None,
    adapter: Mapping[str, Tensor] | None = None,
) -> Path:
    """Checkpoint of the house network as it is before training."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        # With a share of felt valence, as the house model: it predicts felt emotions.
        network = AffettiNetwork(config or AffettiConfig(felt_blend=0.3))
    values = dataclasses.asdict(network.config)
    state = bundled(network.state_dict(), adapter or {})
    return checkpoint.save(state, values, {}, folder, "affetti")


def some_corrections(layer: int = 5) -> dict[str, Tensor]:
    """Corrections of one of MiniLM's layers, large enough to be noticed."""
    generator = torch.Generator().manual_seed(layer)
    name = f"encoder.layer.{layer}.output.dense"
    return {
        f"{name}.up": 0.05 * torch.randn(384, 2, generator=generator),
        f"{name}.down": 0.05 * torch.randn(2, 1536, generator=generator),
    }


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
