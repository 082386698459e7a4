"""Synthetic songs for the harness: short tones, random features, labels that can be learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soundfile
import torch

from mer.affect import QUADRANTS
from mer.research.datasets.base import AffectLabels, Track
from mer.research.harness.examples import Example, Material
from mer.research.inputs.features import TrackFeatures
from mer.research.inputs.sounds import Sounds

if TYPE_CHECKING:
    from pathlib import Path

SPLITS = ("train", "train", "train", "train", "val", "test")
POINTS = ((0.8, 0.8), (0.2, 0.8), (0.2, 0.2), (0.8, 0.2))


def write_tone(path: Path, hertz: float, seconds: float = 3.2) -> Path:
    """A tone with some noise, 16 kHz."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    generator = np.random.default_rng(round(hertz))
    wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.02 * generator.standard_normal(len(time))
    soundfile.write(path, wave.astype(np.float32), 16_000)
    return path


def material(folder: Path, songs: int = 24, dataset: str = "panda4q") -> Material:
    """Songs whose class can be predicted from every modality; a third have no lyrics."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    examples = []
    for number in range(songs):
        quadrant = number % 4
        valence, arousal = POINTS[quadrant]
        labels = AffectLabels(
            quadrant=QUADRANTS[quadrant] if dataset == "panda4q" else None,
            cluster=quadrant if dataset == "mirex" else None,
            valence=valence + 0.01 * (number % 3),
            arousal=arousal + 0.01 * (number % 5),
            emotions=tuple(1.0 if i == quadrant else 0.0 for i in range(8)),
        )
        track = Track(
            dataset=dataset,
            track_id=f"{dataset}-{number}",
            split=SPLITS[number // 4 % 6],
            labels=labels,
            audio_path=write_tone(folder / f"{dataset}-{number}.wav", 220.0 + 200 * quadrant),
            artist_group=f"artist {number}",
        )

        def states(steps: int, width: int, quadrant: int = quadrant) -> torch.Tensor:
            drawn = torch.randn(steps, width, generator=generator)
            drawn[:, 40 * quadrant : 40 * quadrant + 40] += 3
            return drawn.half()

        lyrics = states(3 + number % 4, 384) if number % 3 else None
        words = (f"word{quadrant}", "love", "night", "blue", "river") * 2
        features = TrackFeatures(track, states(2 + number % 2, 1756), lyrics, states(2, 384))
        examples.append(Example(features, words if lyrics is not None else (), ("song", "title")))
    return Material(tuple(examples), Sounds(folder / "sounds"))
