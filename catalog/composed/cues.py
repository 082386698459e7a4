"""From intended valence and arousal to musical cues.

The directions and their sources are those of `catalog.demo.composer`: tempo, density, loudness,
brightness, sharp attacks and short notes rise with arousal; mode, consonance, register and rising
contours with valence. Here each cue follows its own noisy copy of the intended point, as in music,
where no single cue decides. So a network that learns one cue is often wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from mer.affect import AffectPoint

_BRIGHT_MODES: Final = ("lydian", "major", "mixolydian")
_DARK_MODES: Final = ("dorian", "minor", "phrygian")
_SPREAD: Final = 0.07


@dataclass(frozen=True, slots=True)
class Cues:
    """The musical cues of one piece; those without a unit are from 0 to 1.

    `onsets_per_beat` is that of the fastest part, `length` the share of its time that a note
    sounds, `register` a MIDI pitch, `tension` the share of dissonant bars.
    """

    tempo_bpm: float
    onsets_per_beat: float
    mode: str
    register: float
    length: float
    brightness: float
    velocity: float
    loudness_db: float
    tension: float
    colour: float
    syncopation: float
    rise: float
    rubato: float
    attack: float


def cues_of(intended: AffectPoint, rng: np.random.Generator) -> Cues:
    """Return cues for the intended point; the same state of `rng` gives the same cues."""

    def valence() -> float:
        return float(np.clip(intended.valence + _SPREAD * rng.standard_normal(), 0.0, 1.0))

    def arousal() -> float:
        return float(np.clip(intended.arousal + _SPREAD * rng.standard_normal(), 0.0, 1.0))

    # Slow music with many notes a beat and fast music with few are equally lively.
    trade = 2.0 ** rng.uniform(-0.35, 0.35)
    return Cues(
        tempo_bpm=(56.0 + 92.0 * arousal() + 10.0 * valence()) * trade,
        onsets_per_beat=2.0 ** (-0.7 + 2.5 * arousal()) / trade,
        mode=_mode(valence(), arousal(), rng),
        register=60.0 + 11.0 * (valence() - 0.5) + 4.0 * (arousal() - 0.5) + rng.uniform(-3, 3),
        length=1.08 - 0.55 * arousal() - 0.2 * max(0.0, valence() - 0.4) * arousal(),
        brightness=0.14 + 0.56 * arousal() + 0.14 * valence(),
        velocity=0.24 + 0.6 * arousal(),
        loudness_db=rng.uniform(-32.0, -18.0) + 11.0 * (arousal() - 0.5),
        tension=max(0.0, 0.9 - 1.6 * valence()) * (0.3 + 0.7 * arousal()),
        colour=float(rng.random()) * (1.0 - 0.5 * arousal()) * (0.4 + 0.6 * valence()),
        syncopation=float(rng.random()) * (0.3 + 0.5 * arousal()),
        rise=1.2 * (valence() - 0.5),
        rubato=0.09 * float(rng.random()) * (1.0 - arousal()),
        attack=arousal(),
    )


def _mode(valence: float, arousal: float, rng: np.random.Generator) -> str:
    """Draw a mode: bright above a valence of about .5, and brighter or darker further out."""
    is_bright = rng.random() < 1.0 / (1.0 + np.exp(-(valence - 0.5) / 0.035))
    modes = _BRIGHT_MODES if is_bright else _DARK_MODES
    out = abs(valence - 0.5)
    weights = [
        0.15 + 0.5 * out * (1.0 - arousal) if is_bright else 0.3 - 0.5 * out,
        1.0,
        0.35 - 0.5 * out if is_bright else 0.1 + 1.2 * out * arousal,
    ]
    shares = np.maximum(weights, 0.02)
    return modes[int(rng.choice(3, p=shares / shares.sum()))]
