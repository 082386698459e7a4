"""The ensembles of the demo catalogue, as data.

A pattern is one bar of sixteenths: 12 in 3/4, 16 in 4/4. Lists of patterns are ordered from sparse
to dense, and the intended arousal selects one.

=======  =======  ====================================================================
pattern  sign     meaning
=======  =======  ====================================================================
part     `C`      the whole chord
part     a digit  one tone of the chord: 0 root, 1 third, 2 fifth, 3 octave, and so on
part     `.`      the former tone keeps sounding
drums    `x`      a stroke
drums    `o`      a soft stroke
=======  =======  ====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from catalog.demo import synth

if TYPE_CHECKING:
    from catalog.demo.synth import Voice

Drumming = dict[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """An accompanying instrument; `octave` is relative to the register of the piece."""

    voice: Voice
    patterns: tuple[str, ...]
    octave: int = 0
    gain: float = 0.5
    pan: float = 0.0
    is_bass: bool = False
    is_power: bool = False
    drive: float = 0.0
    length: float | None = None


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A lead voice, accompanying parts, drum patterns and a room."""

    lead: Voice | None
    parts: tuple[Part, ...]
    drums: tuple[Drumming, ...] = ({},)
    lead_gain: float = 0.6
    lead_octave: int = 0
    lead_drive: float = 0.0
    steps: int = 16
    swing: float = 0.0
    has_sevenths: bool = False
    room_seconds: float = 1.2
    room_wet: float = 0.25
    tempo_scale: float = 1.0
    pumping: float = 0.0
    drum_gain: float = 0.6
    looseness: float = 0.006


WHOLE = ("C...............",)
BASS_SLOW = ("0...............", "0.......2.......", "0.....0.2.......")
BASS_ROCK = ("0.......0.......", "0...0...0...0...", "0.0.0.0.0.0.0.0.")
BASS_OCTAVES = ("0...3...0...3...", "0.3.0.3.0.3.0.3.")
FINGERS = ("0...2...3...2...", "0.2.3.2.4.2.3.2.", "0.2.3.4.5.4.3.2.")
STRUMS = ("C.......C.C.....", "C...C.C...C.C.C.")
EIGHTHS = ("C.C.C.C.C.C.C.C.",)
CRUNCH = ("C.......C.....C.", "C.C.CC.CC.C.C.CC")
BEAT_ROCK: tuple[Drumming, ...] = (
    {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "x...x...x...x..."},
    {"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "x.o.x.o.x.o.x.o."},
    {"kick": "x..x..x.x.x...x.", "snare": "....x.......x..o", "open": "x...x...x...x..."},
)
BEAT_DANCE: tuple[Drumming, ...] = (
    {"kick": "x...x...x...x...", "hat": "..x...x...x...x.", "clap": "............x..."},
    {
        "kick": "x...x...x...x...",
        "open": "..x...x...x...x.",
        "clap": "....x.......x...",
        "shaker": "oooooooooooooooo",
    },
)

ENSEMBLES: Final = {
    "piano": Ensemble(
        synth.PIANO,
        (
            Part(synth.PIANO, FINGERS, -1, 0.34, -0.1, length=2.0),
            Part(synth.PIANO, BASS_SLOW, -2, 0.4, -0.2, is_bass=True, length=1.2),
        ),
        room_seconds=1.8,
        room_wet=0.3,
        lead_gain=0.6,
    ),
    "ballad": Ensemble(
        synth.SINGER,
        (
            Part(synth.PIANO, FINGERS, -1, 0.4, -0.1, length=2.0),
            Part(synth.PIANO, BASS_SLOW, -2, 0.4, is_bass=True, length=1.2),
        ),
        lead_gain=0.6,
        lead_octave=-1,
        room_seconds=0.9,
        room_wet=0.15,
    ),
    "slowcore": Ensemble(
        synth.GUITAR,
        (
            Part(synth.GUITAR, FINGERS, -1, 0.6, -0.3, length=2.5),
            Part(synth.DRIVEN_GUITAR, WHOLE, -1, 0.12, 0.4, drive=0.8, length=1.0),
            Part(synth.BASS_GUITAR, BASS_SLOW, -2, 0.5, is_bass=True),
        ),
        ({"kick": "x.......x.......", "snare": "........o.......", "ride": "x...x...x...x..."},),
        lead_gain=0.4,
        room_seconds=2.0,
        room_wet=0.3,
    ),
    "folk": Ensemble(
        synth.SINGER,
        (
            Part(synth.GUITAR, FINGERS, -1, 0.6, 0.15, length=2.5),
            Part(synth.UPRIGHT_BASS, BASS_SLOW, -2, 0.5, is_bass=True),
        ),
        ({}, {}, {"shaker": "x.o.x.o.x.o.x.o.", "kick": "x.......x......."}),
        lead_gain=0.42,
        room_wet=0.2,
    ),
    "guitar": Ensemble(
        synth.GUITAR,
        (Part(synth.GUITAR, FINGERS, -1, 0.5, -0.2, length=2.5),),
        lead_gain=0.6,
        room_seconds=1.5,
        room_wet=0.3,
    ),
    "music box": Ensemble(
        synth.MUSIC_BOX,
        (
            Part(synth.MUSIC_BOX, ("0...2...2...", "0.2.1.2.3.2."), 0, 0.3, 0.2, length=2.0),
            Part(synth.PAD, ("C...........",), -1, 0.12),
        ),
        steps=12,
        lead_octave=1,
        room_seconds=2.4,
        room_wet=0.35,
    ),
    "ambient": Ensemble(
        synth.VIBRAPHONE,
        (
            Part(synth.PAD, WHOLE, 0, 0.4, length=1.2),
            Part(synth.CHOIR, WHOLE, 0, 0.14, length=1.1),
            Part(synth.SUB_BASS, ("0...............",), -2, 0.3, is_bass=True, length=1.1),
        ),
        lead_gain=0.3,
        has_sevenths=True,
        room_seconds=4.0,
        room_wet=0.5,
    ),
    "strings": Ensemble(
        synth.STRINGS,
        (
            Part(synth.STRINGS, (*WHOLE, "C.......C......."), -1, 0.36, -0.25, length=1.05),
            Part(synth.STRINGS, BASS_SLOW, -2, 0.45, 0.25, is_bass=True, length=1.05),
        ),
        lead_gain=0.5,
        room_seconds=2.6,
        room_wet=0.4,
    ),
    "choir": Ensemble(
        synth.CHOIR,
        (
            Part(synth.CHOIR, (*WHOLE, "C.......C......."), -1, 0.4, -0.2, length=1.05),
            Part(synth.ORGAN, ("0...............",), -2, 0.3, 0.1, is_bass=True, length=1.05),
        ),
        lead_gain=0.5,
        room_seconds=3.5,
        room_wet=0.5,
    ),
    "jazz": Ensemble(
        synth.VIBRAPHONE,
        (
            Part(
                synth.PIANO,
                ("C.....C.........", "C..C......C.....", "..C..C....C..C.."),
                -1,
                0.3,
                -0.3,
            ),
            Part(
                synth.UPRIGHT_BASS, ("0.......2.......", "0...1...2...1..."), -2, 0.7, is_bass=True
            ),
        ),
        (
            {"brush": "x...o...x...o..."},
            {"brush": "x...o.o.x...o.o.", "rim": "............o..."},
            {"ride": "x...x.o.x...x.o.", "kick": "o.......o.......", "hat": "....x.......x..."},
        ),
        swing=0.33,
        has_sevenths=True,
        lead_gain=0.5,
        room_wet=0.22,
    ),
    "bossa": Ensemble(
        synth.FLUTE,
        (
            Part(synth.GUITAR, ("C.....C...C.....", "C..C..C...C..C.."), -1, 0.5, 0.2, length=0.8),
            Part(synth.UPRIGHT_BASS, ("0.....2.2.....0.",), -2, 0.6, is_bass=True),
        ),
        ({"shaker": "x.o.x.o.x.o.x.o."}, {"shaker": "xoooxoooxoooxooo", "rim": "x..x..x...x..x.."}),
        has_sevenths=True,
        lead_gain=0.4,
        room_wet=0.22,
    ),
    "lounge": Ensemble(
        synth.ELECTRIC_PIANO,
        (
            Part(synth.PIANO, ("C.......C.......", "C.....C...C....."), -1, 0.3, -0.2),
            Part(synth.BASS_GUITAR, BASS_SLOW, -2, 0.6, is_bass=True),
        ),
        ({"brush": "....x.......x..."}, {"kick": "x.......x.......", "rim": "....x.......x..."}),
        has_sevenths=True,
        lead_gain=0.5,
        room_wet=0.25,
    ),
    "blues": Ensemble(
        synth.SINGER,
        (
            Part(synth.DRIVEN_GUITAR, ("0...2...3...2...",), -1, 0.4, -0.3, drive=1.0),
            Part(synth.BASS_GUITAR, BASS_SLOW, -2, 0.7, is_bass=True),
        ),
        (
            {"kick": "x.......x.......", "rim": "....x.......x...", "brush": "x...o...x...o..."},
            {"kick": "x.......x.....o.", "snare": "....x.......x...", "ride": "x...x.o.x...x.o."},
        ),
        swing=0.33,
        has_sevenths=True,
        lead_gain=0.5,
        lead_drive=0.5,
        lead_octave=-1,
        room_wet=0.25,
    ),
    "drone": Ensemble(
        None,
        (
            Part(synth.PAD, WHOLE, -1, 0.4, -0.2, drive=0.6, length=1.3),
            Part(synth.STRINGS, ("2...............",), 0, 0.12, 0.4, length=1.2),
            Part(synth.CHOIR, ("0...............",), -1, 0.2, 0.2, length=1.2),
            Part(synth.SUB_BASS, ("0...............",), -3, 0.5, is_bass=True, length=1.2),
        ),
        ({"timpani": "o..............."},),
        room_seconds=5.0,
        room_wet=0.55,
    ),
    "synth pop": Ensemble(
        synth.SYNTH_LEAD,
        (
            Part(synth.SYNTH_PLUCK, ("0.2.3.2.4.2.3.2.", "0123432101234321"), 0, 0.26, 0.3),
            Part(synth.PAD, WHOLE, 0, 0.16, length=1.0),
            Part(synth.SYNTH_BASS, BASS_ROCK, -2, 0.6, is_bass=True),
        ),
        BEAT_ROCK,
        lead_gain=0.32,
        pumping=0.3,
        looseness=0.0,
    ),
    "dance": Ensemble(
        synth.SYNTH_LEAD,
        (
            Part(synth.PIANO, ("C.....C.....C...", "C..C..C...C..C.."), 0, 0.4, -0.2),
            Part(synth.SYNTH_LEAD, WHOLE, 0, 0.1, 0.2, length=1.0),
            Part(synth.SYNTH_BASS, BASS_OCTAVES, -2, 0.6, is_bass=True),
        ),
        BEAT_DANCE,
        lead_gain=0.26,
        lead_octave=1,
        pumping=0.6,
        tempo_scale=0.9,
        looseness=0.0,
    ),
    "ska": Ensemble(
        synth.BRASS,
        (
            Part(synth.GUITAR, ("..C...C...C...C.",), 0, 0.7, 0.3, length=0.5),
            Part(synth.ORGAN, ("..C...C...C...C.",), 0, 0.16, -0.3, length=0.5),
            Part(
                synth.BASS_GUITAR, ("0...1...2...1...", "0.0.1.1.2.2.1.1."), -2, 0.6, is_bass=True
            ),
        ),
        (
            {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "..x...x...x...x."},
            {"kick": "x...x...x...x...", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
        ),
        lead_gain=0.36,
        room_wet=0.15,
    ),
    "rock": Ensemble(
        synth.SINGER,
        (
            Part(synth.DRIVEN_GUITAR, STRUMS, -1, 0.4, -0.6, drive=0.7, length=1.0),
            Part(synth.GUITAR, EIGHTHS, 0, 0.5, 0.6, length=1.0),
            Part(synth.ORGAN, WHOLE, 0, 0.12, 0.3, length=1.0),
            Part(synth.BASS_GUITAR, BASS_ROCK, -2, 0.5, is_bass=True, length=0.9),
        ),
        (
            *BEAT_ROCK[:2],
            {**BEAT_ROCK[2], "shaker": "x.x.x.x.x.x.x.x.", "clap": "....x.......x..."},
        ),
        lead_gain=0.4,
        room_wet=0.2,
        drum_gain=0.5,
    ),
    "punk": Ensemble(
        synth.SHOUTER,
        (
            Part(synth.DRIVEN_GUITAR, EIGHTHS, -1, 0.7, -0.8, is_power=True, drive=5, length=1.0),
            Part(synth.DRIVEN_GUITAR, EIGHTHS, -1, 0.7, 0.8, is_power=True, drive=5, length=1.0),
            Part(synth.BASS_GUITAR, BASS_ROCK[2:], -2, 0.5, is_bass=True, length=0.9),
        ),
        ({"kick": "x.....x.x.....x.", "snare": "..x...x...x...x.", "crash": "x...x...x...x..."},),
        lead_gain=0.6,
        lead_drive=2.0,
        room_wet=0.15,
        drum_gain=0.35,
    ),
    "metal": Ensemble(
        synth.SHOUTER,
        (
            Part(synth.DRIVEN_GUITAR, CRUNCH, -2, 0.8, -0.8, is_power=True, drive=8, length=1.0),
            Part(synth.DRIVEN_GUITAR, CRUNCH, -2, 0.8, 0.8, is_power=True, drive=8, length=1.0),
            Part(synth.BASS_GUITAR, BASS_ROCK[2:], -2, 0.4, is_bass=True, length=1.0),
        ),
        (
            {"kick": "x.x.x.x.x.x.x.x.", "snare": "....x.......x...", "crash": "x...x...x...x..."},
            {"kick": "xxxxxxxxxxxxxxxx", "snare": "....x.......x...", "crash": "x...x...x...x..."},
        ),
        lead_gain=0.6,
        lead_octave=-1,
        lead_drive=4.0,
        room_wet=0.15,
        room_seconds=0.8,
        tempo_scale=0.85,
        drum_gain=0.3,
    ),
    "industrial": Ensemble(
        synth.SYNTH_LEAD,
        (
            Part(synth.SYNTH_BASS, ("0.00.00.0.00.003",), -2, 0.7, is_bass=True, drive=5),
            Part(synth.TREMOLO_STRINGS, ("CCCCCCCCCCCCCCCC",), 0, 0.25, 0.4),
            Part(synth.DRIVEN_GUITAR, ("C.....C.........",), -2, 0.5, -0.4, is_power=True, drive=8),
        ),
        ({"kick": "x...x...x...x...", "metal": "....x.......x..x", "hat": "xxxxxxxxxxxxxxxx"},),
        lead_gain=0.2,
        lead_drive=2.0,
        room_wet=0.2,
        looseness=0.0,
    ),
    "thriller": Ensemble(
        synth.TREMOLO_STRINGS,
        (
            Part(synth.TREMOLO_STRINGS, ("CCCCCCCCCCCCCCCC",), -1, 0.4, -0.3),
            Part(synth.BRASS, ("C...............", "C.....C........."), -2, 0.4, 0.3, drive=3),
            Part(synth.STRINGS, ("0.0.0.0.0.0.0.0.",), -2, 0.4, is_bass=True, length=0.5),
        ),
        (
            {"timpani": "x.....x.x......."},
            {"timpani": "x..x..x.x..x..xx", "metal": "........x......."},
        ),
        lead_gain=0.4,
        lead_octave=-1,
        room_seconds=2.5,
        room_wet=0.35,
    ),
    "march": Ensemble(
        synth.BRASS,
        (
            Part(synth.BRASS, ("C...C...C...C...",), -1, 0.3, -0.3),
            Part(synth.BRASS, ("0.......2.......",), -2, 0.4, 0.2, is_bass=True),
        ),
        ({"kick": "x.......x.......", "snare": "x..oxooox..oxoxo", "crash": "x..............."},),
        lead_gain=0.4,
        room_seconds=1.8,
    ),
    "techno": Ensemble(
        None,
        (
            Part(synth.SYNTH_BASS, ("..00..00..00..03",), -2, 0.7, is_bass=True, drive=5),
            Part(synth.SYNTH_PLUCK, ("C..C..C...C..C..",), -1, 0.3, 0.3, drive=2),
            Part(synth.TREMOLO_STRINGS, ("..C...C...C...C.",), 1, 0.16, -0.4),
            Part(synth.PAD, WHOLE, -1, 0.2, length=1.0),
        ),
        ({"kick": "x...x...x...x...", "metal": "....o.......o..o", "hat": "xoxoxoxoxoxoxoxo"},),
        pumping=0.6,
        looseness=0.0,
        tempo_scale=0.9,
    ),
    "swing": Ensemble(
        synth.BRASS,
        (
            Part(synth.PIANO, ("C.....C...C.....", "..C..C....C..C.C"), 0, 0.4, -0.3),
            Part(synth.BRASS, ("..C.......C.....",), 0, 0.3, 0.4, length=0.6),
            Part(synth.UPRIGHT_BASS, ("0...1...2...1...",), -2, 0.7, is_bass=True, length=0.9),
        ),
        ({"ride": "x...x.o.x...x.o.", "kick": "x...o...x...o...", "snare": "....o.......o..."},),
        swing=0.33,
        lead_gain=0.4,
        room_wet=0.2,
        tempo_scale=1.4,
        drum_gain=0.9,
    ),
    "hymn": Ensemble(
        synth.SINGER,
        (
            Part(synth.PIANO, ("C.......C.......",), 0, 0.5, -0.2, length=1.6),
            Part(synth.PIANO, BASS_SLOW, -1, 0.4, -0.2, is_bass=True, length=1.4),
            Part(synth.CHOIR, WHOLE, 0, 0.12, 0.2, length=1.05),
        ),
        lead_gain=0.3,
        room_seconds=2.2,
        room_wet=0.3,
    ),
    "chiptune": Ensemble(
        synth.PULSE,
        (
            Part(synth.PULSE, ("0.2.3.2.0.2.3.2.", "0123012301230123"), 0, 0.2, -0.3),
            Part(synth.PULSE, BASS_ROCK, -2, 0.4, is_bass=True),
        ),
        ({"kick": "x.......x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},),
        lead_gain=0.3,
        drum_gain=0.35,
        looseness=0.0,
        lead_octave=1,
        room_wet=0.05,
    ),
}
"""Every ensemble that a piece may name."""
