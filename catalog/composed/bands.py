"""The instrumentations of composed pieces, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["lead", "harmony", "bass", "pad"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a band.

    One of `timbres` (of `catalog.composed.sound.TIMBRES`) is drawn for each piece; parts of a solo
    instrument share it. `octave` is relative to the register of the piece, `pace` scales its note
    density, `broken` is the chance of broken chords, `chance` that of the part. `amplifier` is the
    largest overdrive.
    """

    role: Role
    timbres: tuple[str, ...]
    octave: int = 0
    gain: float = 1.0
    pace: float = 1.0
    broken: float = 0.5
    length: float = 1.0
    chance: float = 1.0
    has_pedal: bool = False
    looseness: float = 0.008
    amplifier: float = 0.0


@dataclass(frozen=True, slots=True)
class Band:
    """The parts of an instrumentation and what it is recorded with."""

    parts: tuple[Part, ...]
    kits: tuple[str, ...] = ("",)
    drum_gain: float = 0.8
    kit_from: float = 0.0
    room_seconds: tuple[float, float] = (0.4, 1.8)
    wet: tuple[float, float] = (0.05, 0.35)
    drive: float = 0.0
    is_solo: bool = False


_PIANOS: Final = ("grand piano", "bright piano", "upright piano", "felt piano")
_SECTION: Final = ("strings", "tremolo strings")
_WINDS: Final = ("flute", "oboe", "clarinet")
_PULSES: Final = ("pulse 12", "pulse 25", "pulse 50")

BANDS: Final = {
    "piano": Band(
        (
            Part("lead", _PIANOS, 1, 1.0, has_pedal=True),
            Part("harmony", _PIANOS, -1, 0.7, broken=0.65, has_pedal=True),
            Part("bass", _PIANOS, -2, 0.8, chance=0.85, has_pedal=True),
        ),
        room_seconds=(0.3, 2.2),
        wet=(0.03, 0.4),
        is_solo=True,
    ),
    "strings": Band(
        (
            Part("lead", ("solo violin", "strings", "solo cello"), 0, 0.9),
            Part("harmony", ("strings", "spiccato", "pizzicato", "tremolo strings"), 0, 0.6),
            Part("pad", ("strings",), 0, 0.5, length=1.1, chance=0.6),
            Part("bass", ("solo cello", "strings", "pizzicato"), -2, 0.7),
        ),
        room_seconds=(0.8, 3.0),
        wet=(0.1, 0.5),
    ),
    "orchestra": Band(
        (
            Part("lead", (*_WINDS, "trumpets", "horns", "strings", "solo violin"), 0, 0.9),
            Part("lead", (*_WINDS, "glockenspiel", "strings"), 1, 0.4, chance=0.4),
            Part("harmony", ("spiccato", "harp", "strings", "pizzicato", "bassoon"), 0, 0.55),
            Part("pad", _SECTION, 0, 0.45, length=1.1, chance=0.85),
            Part("pad", ("horns", "trombones", "choir", "trumpets"), -1, 0.4, chance=0.6),
            Part("bass", ("strings", "bassoon", "trombones", "spiccato"), -2, 0.7),
        ),
        ("timpani", "timpani", "march", ""),
        drum_gain=0.6,
        kit_from=0.45,
        room_seconds=(1.0, 3.5),
        wet=(0.15, 0.5),
    ),
    "chiptune": Band(
        (
            Part("lead", _PULSES, 1, 0.7, looseness=0.0),
            Part("harmony", _PULSES, 0, 0.4, broken=0.9, looseness=0.0),
            Part("bass", ("triangle", "pulse 50"), -2, 1.0, looseness=0.0),
        ),
        ("rock", "dance", "", "soft"),
        drum_gain=0.4,
        kit_from=0.3,
        room_seconds=(0.1, 0.4),
        wet=(0.0, 0.06),
    ),
    "game": Band(
        (
            Part("lead", (*_WINDS, "marimba", "fm bell", "glockenspiel", "saw lead"), 1, 0.7,
                 looseness=0.003),
            Part("harmony", ("harp", "marimba", "electric piano", "pizzicato", "bright piano",
                             "pulse 25"), 0, 0.6, broken=0.75, looseness=0.003),
            Part("pad", ("strings", "choir", "pad", "horns"), 0, 0.35, length=1.1, chance=0.7),
            Part("bass", ("electric bass", "synth bass", "strings", "upright bass"), -2, 0.8),
        ),
        ("rock", "soft", "march", "timpani", ""),
        drum_gain=0.6,
        kit_from=0.35,
        wet=(0.05, 0.3),
    ),
    "electronic": Band(
        (
            Part("lead", ("saw lead", "pulse 25", "fm bell", "pluck"), 0, 0.6, looseness=0.0),
            Part("harmony", ("pluck", "saw stab", "electric piano", "fm bell"), 0, 0.5,
                 broken=0.6, looseness=0.0),
            Part("pad", ("pad", "saw lead", "choir"), 0, 0.35, length=1.1, chance=0.8),
            Part("bass", ("synth bass", "sub bass"), -2, 1.0, looseness=0.0),
        ),
        ("dance", "dance", "soft", "rock"),
        drum_gain=0.9,
        kit_from=0.25,
        room_seconds=(0.3, 3.0),
        drive=0.5,
    ),
    "band": Band(
        (
            Part("lead", ("driven guitar", "singer", "saw lead"), 0, 0.6, amplifier=4.0),
            Part("harmony", ("driven guitar", "acoustic guitar", "muted guitar"), -1, 0.7,
                 broken=0.25, amplifier=6.0),
            Part("harmony", ("organ", "bright piano", "acoustic guitar"), 0, 0.4, chance=0.6),
            Part("pad", ("driven guitar", "organ"), -1, 0.4, chance=0.5, amplifier=8.0),
            Part("bass", ("electric bass",), -2, 1.0),
        ),
        ("rock", "rock", "metal", "soft"),
        drum_gain=1.0,
        kit_from=0.15,
        room_seconds=(0.2, 1.0),
        wet=(0.03, 0.2),
        drive=0.7,
    ),
    "acoustic": Band(
        (
            Part("lead", ("acoustic guitar", "flute", "singer", "clarinet", "solo violin"), 0, 0.8),
            Part("harmony", ("acoustic guitar", "harp", "upright piano", "vibraphone"), 0, 0.7,
                 broken=0.6),
            Part("bass", ("upright bass", "acoustic guitar"), -2, 0.8, chance=0.8),
        ),
        ("", "soft", "brushes"),
        drum_gain=0.6,
        kit_from=0.3,
        room_seconds=(0.3, 1.4),
    ),
}  # fmt: skip
"""Every instrumentation that `manage.py compose_dataset` may be asked for."""
