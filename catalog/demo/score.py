"""From musical traits to notes; no sound here.

The harmony is a progression of the mode, one chord a bar. The melody repeats two motifs (A A B A).
On strong beats it plays tones of the chord, and its phrases end with a rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from catalog.demo.ensembles import Ensemble, Part

SCALES: Final = {
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
"""Semitones above the tonic of each mode, from the brightest mode to the darkest."""

PROGRESSIONS: Final = {
    "lydian": ((0, 1, 0, 4), (0, 1, 5, 4), (0, 4, 1, 0)),
    "major": ((0, 4, 5, 3), (0, 3, 0, 4), (0, 5, 3, 4), (0, 3, 1, 4)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3)),
    "dorian": ((0, 3, 0, 6), (0, 6, 3, 0)),
    "minor": ((0, 5, 2, 6), (0, 3, 5, 4), (0, 5, 3, 4), (0, 6, 5, 4)),
    "phrygian": ((0, 1, 0, 6), (0, 1, 2, 1), (0, 0, 1, 6)),
}
"""Chord roots of four bars, as degrees of the scale; 0 is the tonic."""

_BEAT_CELLS: Final = ((1.0,), (0.5, 0.5), (0.75, 0.25), (0.25, 0.25, 0.5), (0.25,) * 4)


@dataclass(frozen=True, slots=True)
class Traits:
    """The musical traits of one piece; see `catalog.demo.composer.traits`."""

    tempo_bpm: float
    mode: str
    centre_midi: float
    legato: float
    brightness: float
    loudness_db: float
    attack_scale: float
    density: float
    dissonance: float
    rise: float


class Note(NamedTuple):
    """One note: start and length in beats, pitch as a MIDI number, velocity from 0 to 1."""

    start_beats: float
    beats: float
    midi: float
    velocity: float


class Stroke(NamedTuple):
    """One stroke of one drum."""

    start_beats: float
    drum: str
    velocity: float


@dataclass(frozen=True, slots=True)
class Frame:
    """What all parts share: key, chords and bars."""

    traits: Traits
    tonic_midi: int
    roots: tuple[int, ...]
    is_tense: tuple[bool, ...]
    beats_per_bar: int
    swing: float
    intro_bars: int

    @property
    def bars(self) -> int:
        return len(self.roots)

    @property
    def bar_seconds(self) -> float:
        return self.beats_per_bar * 60.0 / self.traits.tempo_bpm

    def midi(self, degree: int) -> int:
        """Return the pitch of a degree of the scale, counted from the tonic."""
        octave, step = divmod(degree, 7)
        return self.tonic_midi + 12 * octave + SCALES[self.traits.mode][step]

    def beat(self, bar: int, step: int) -> float:
        """Return the beat of a sixteenth of a bar; swing delays the second half of each beat."""
        late = 0.5 * self.swing if step % 4 >= 2 else 0.0
        return bar * self.beats_per_bar + step / 4 + late


def frame_make(
    traits: Traits, ensemble: Ensemble, *, seconds: float, rng: np.random.Generator
) -> Frame:
    """Return the key and the chords of a piece that lasts about `seconds`."""
    beats_per_bar = ensemble.steps // 4
    bars = max(4, 2 * round(seconds * traits.tempo_bpm / 60.0 / beats_per_bar / 2))
    choices = PROGRESSIONS[traits.mode]
    first, second = (choices[int(rng.integers(len(choices)))] for _ in range(2))
    cycle = (*first, *first, *second, *first)
    roots = [cycle[bar % len(cycle)] for bar in range(bars)]
    roots[-1] = 0
    tense = rng.random(bars) < traits.dissonance
    tense[-1] = False
    return Frame(
        traits=traits,
        tonic_midi=round(traits.centre_midi) - 2 + int(rng.integers(-2, 3)),
        roots=tuple(roots),
        is_tense=tuple(bool(flag) for flag in tense),
        beats_per_bar=beats_per_bar,
        swing=ensemble.swing,
        intro_bars=2 if bars >= 10 else 1 if bars >= 6 else 0,
    )


def _chord(frame: Frame, bar: int, part: Part, *, has_sevenths: bool) -> list[int]:
    """Return the chord of a bar in close position, in the part's register."""
    base = frame.tonic_midi + 12 * part.octave
    root = frame.roots[bar]
    if part.is_power:
        low = _folded(frame.midi(root), base)
        return [low, low + (6 if frame.is_tense[bar] else 7), low + 12]
    degrees = [root, root + 2, root + 4, *([root + 6] if has_sevenths else [])]
    pitches = {_folded(frame.midi(degree), base) for degree in degrees}
    if frame.is_tense[bar]:
        pitches.add(_folded(frame.midi(root) + 1, base))
    return sorted(pitches)


def _folded(midi: int, base: int) -> int:
    """Move a pitch by octaves into the range from 5 semitones below `base` to 6 above."""
    return base - 5 + (midi - base + 5) % 12


def _tone(frame: Frame, bar: int, part: Part, number: int) -> int:
    """Return one tone of the broken chord, in the part's register."""
    base = frame.tonic_midi + 12 * part.octave
    root = frame.midi(frame.roots[bar])
    octave, third = divmod(number, 3)
    above = frame.midi(frame.roots[bar] + 2 * third) - root
    if part.is_power:
        above = (0, 7, 12)[third]
    return _folded(root, base) + above + 12 * octave


def accompaniment(
    frame: Frame, part: Part, *, has_sevenths: bool, rng: np.random.Generator
) -> list[Note]:
    """Return the notes of an accompanying part: its pattern on each chord, then a final chord."""
    chosen = min(int(frame.traits.density * len(part.patterns)), len(part.patterns) - 1)
    pattern = part.patterns[chosen]
    onsets = [step for step, sign in enumerate(pattern) if sign != "."]
    ends = [*onsets[1:], len(pattern)]
    length = part.length or frame.traits.legato
    notes = []
    for bar in range(frame.bars - 1):
        for onset, end in zip(onsets, ends, strict=True):
            start = frame.beat(bar, onset)
            beats = (end - onset) / 4 * length
            accent = 1.0 if onset % 8 == 0 else 0.85
            velocity = accent * float(rng.uniform(0.88, 1.0))
            sign = pattern[onset]
            pitches = (
                _chord(frame, bar, part, has_sevenths=has_sevenths)
                if sign == "C"
                else [_tone(frame, bar, part, int(sign))]
            )
            notes += [Note(start, beats, pitch, velocity) for pitch in pitches]
    last = frame.bars - 1
    closing = (
        [_tone(frame, last, part, 0)]
        if part.is_bass
        else _chord(frame, last, part, has_sevenths=False)
    )
    notes += [Note(frame.beat(last, 0), frame.beats_per_bar, pitch, 0.9) for pitch in closing]
    return notes


def _motif(frame: Frame, rng: np.random.Generator) -> list[tuple[float, float, int]]:
    """Return two bars of (start in beats, length in beats, steps up or down)."""
    density = frame.traits.density
    wanted = 0.7 + 2.2 * density
    weights = [2.718 ** -abs(len(cell) - wanted) for cell in _BEAT_CELLS]
    total = sum(weights)
    leaps = (-2, -1, -1, 1, 1, 2) if density < 0.5 else (-3, -2, -1, 1, 2, 3)
    notes: list[tuple[float, float, int]] = []
    beat = 0.0
    while beat < 2 * frame.beats_per_bar - 1:
        if rng.random() < 0.55 - 0.6 * density:
            cell: tuple[float, ...] = (2.0,)
        else:
            cell = _BEAT_CELLS[int(rng.choice(len(_BEAT_CELLS), p=[w / total for w in weights]))]
        for beats in cell:
            drift = int(rng.random() < abs(frame.traits.rise)) * (
                1 if frame.traits.rise > 0 else -1
            )
            notes.append((beat, beats, int(leaps[int(rng.integers(6))]) + drift))
            beat += beats
    return [note for note in notes if note[0] < 2 * frame.beats_per_bar - 0.5]


def _nearest_chord_degree(degree: int, root: int) -> int:
    """Return the degree of the triad on `root` that is nearest to `degree`."""
    return min(
        (
            candidate
            for candidate in range(degree - 2, degree + 3)
            if (candidate - root) % 7 in (0, 2, 4)
        ),
        key=lambda candidate: abs(candidate - degree),
    )


def melody(frame: Frame, *, octave: int, rng: np.random.Generator) -> list[Note]:
    """Return the melody: motifs A A B A over the chords, ending on the tonic."""
    motifs = {name: _motif(frame, rng) for name in "AB"}
    start_degree = 2 if frame.traits.rise > 0 else 6
    notes = []
    last = frame.bars - 1
    for phrase, first_bar in enumerate(range(frame.intro_bars, last, 2)):
        degree = start_degree + (2 if "AABA"[phrase % 4] == "B" else 0)
        motif = motifs["AABA"[phrase % 4]]
        for index, (beat, beats, step) in enumerate(motif):
            bar = first_bar + int(beat // frame.beats_per_bar)
            if bar >= last:
                break
            # At the limits of the range, the step changes direction.
            degree += step if -3 <= degree + step <= 10 else -step
            is_closing = index == len(motif) - 1
            if beat % 2 == 0 or is_closing:
                degree = _nearest_chord_degree(degree, frame.roots[bar])
            late = 0.5 * frame.swing if beat % 1 >= 0.5 else 0.0
            velocity = (0.95 if beat % 2 == 0 else 0.8) * float(rng.uniform(0.9, 1.0))
            held = 1.0 if is_closing else beats * min(frame.traits.legato, 1.0)
            start = first_bar * frame.beats_per_bar + beat + late
            notes.append(Note(start, held, frame.midi(degree) + 12 * octave, velocity))
    home = 7 if notes and notes[-1].midi > frame.midi(4) + 12 * octave else 0
    notes.append(
        Note(frame.beat(last, 0), frame.beats_per_bar, frame.midi(home) + 12 * octave, 0.9)
    )
    return notes


def drumming(frame: Frame, ensemble: Ensemble, *, rng: np.random.Generator) -> list[Stroke]:
    """Return the drum strokes; dense patterns get a fill in every fourth bar."""
    chosen = min(int(frame.traits.density * len(ensemble.drums)), len(ensemble.drums) - 1)
    patterns = ensemble.drums[chosen]
    is_lively = frame.traits.density > 0.6 and "snare" in patterns
    first_bar = 0 if frame.traits.density > 0.5 else frame.intro_bars
    strokes = []
    for bar in range(first_bar, frame.bars - 1):
        has_fill = is_lively and bar % 4 == 3
        for name, pattern in patterns.items():
            for step, sign in enumerate(pattern):
                if sign == "." or (has_fill and step >= 12 and name != "kick"):
                    continue
                velocity = (1.0 if sign == "x" else 0.45) * float(rng.uniform(0.85, 1.0))
                strokes.append(Stroke(frame.beat(bar, step), name, velocity))
        if has_fill:
            fill = ("snare", "snare", "tom", "tom")
            strokes += [
                Stroke(frame.beat(bar, 12 + step), name, 0.7 + 0.1 * step)
                for step, name in enumerate(fill)
            ]
            strokes.append(Stroke(frame.beat(bar + 1, 0), "crash", 0.7))
    if patterns and frame.traits.density > 0.5:
        strokes += [Stroke(frame.beat(frame.bars - 1, 0), name, 0.9) for name in ("kick", "crash")]
    return strokes
