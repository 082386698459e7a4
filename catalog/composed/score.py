"""From cues to notes in time; no sound here.

A piece is a random form of sections (such as A A B A). Every section has its own chords, figures
and motifs, which are repeated with changes. Tempo breathes, phrases swell, and a section may be in
another key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from catalog.demo.score import PROGRESSIONS, SCALES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalog.composed.bands import Part
    from catalog.composed.cues import Cues

_FORMS: Final = ("AABA", "ABAB", "AAAB", "ABAC", "ABCA", "AABB", "ABBA")
_SHIFTS: Final = (0, 0, 0, 0, 5, -5, 7, 2, 3, -3)
_FIGURES: Final = {
    "up": (0, 1, 2, 3, 4, 5),
    "wave": (0, 1, 2, 3, 2, 1),
    "alberti": (0, 2, 1, 2),
    "wide": (0, 2, 4, 2),
    "fall": (4, 3, 2, 1),
}


class Note(NamedTuple):
    """One note; the velocity is from 0 to 1."""

    start_seconds: float
    seconds: float
    midi: float
    velocity: float


class Stroke(NamedTuple):
    """One stroke of one drum of `catalog.demo.synth.DRUMS`."""

    start_seconds: float
    drum: str
    velocity: float


class Bar(NamedTuple):
    """One bar: its section, its chord in semitones above the tonic, and its dynamic level."""

    section: str
    tonic: int
    root: int
    chord: tuple[int, ...]
    level: float


@dataclass(frozen=True, slots=True)
class Frame:
    """What all parts of a piece share."""

    cues: Cues
    steps: int
    bars: tuple[Bar, ...]
    grid: NDArray[np.float64]
    """Seconds at every sixteenth, one more than there are."""

    @property
    def seconds(self) -> float:
        return float(self.grid[-1])

    def at(self, bar: int, step: float) -> float:
        """Return the time of a step of a bar, in seconds."""
        place = min(bar * self.steps + step, len(self.grid) - 1.0)
        return float(np.interp(place, np.arange(len(self.grid)), self.grid))


def frame_make(cues: Cues, *, seconds: float, rng: np.random.Generator) -> Frame:
    """Return form, chords and tempo of a piece of about `seconds`."""
    steps = (16, 16, 16, 12)[int(rng.integers(4))]
    count = max(4, round(seconds * cues.tempo_bpm / 60.0 / (steps / 4)))
    length = 4 if count < 24 or rng.random() < 0.5 else 8
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    tonic = round(cues.register) + int(rng.integers(-3, 4))
    sections = {
        letter: _section(cues, length, tonic + (0 if letter == "A" else _shift(rng)), letter, rng)
        for letter in sorted(set(form))
    }
    bars: list[Bar] = []
    while len(bars) < count:
        letter = form[len(bars) // length % len(form)]
        loud = rng.uniform(0.8, 1.0)
        arc = np.sin(np.linspace(0.3, np.pi - 0.3, length))
        bars += [
            bar._replace(level=float(loud * (0.82 + 0.18 * swell)))
            for bar, swell in zip(sections[letter], arc, strict=True)
        ]
    bars = bars[:count]
    home = SCALES[cues.mode]
    bars[-1] = Bar(bars[-1].section, tonic, 0, (0, home[2], home[4]), 0.85)
    return Frame(cues, steps, tuple(bars), _grid(cues, steps * count, rng))


def _shift(rng: np.random.Generator) -> int:
    return int(rng.choice(_SHIFTS))


def _section(
    cues: Cues, length: int, tonic: int, letter: str, rng: np.random.Generator
) -> list[Bar]:
    """Return the bars of a section, one chord each."""
    choices = PROGRESSIONS[cues.mode]
    roots: list[int] = []
    while len(roots) < length:
        if rng.random() < 0.6:
            roots += choices[int(rng.integers(len(choices)))]
        else:
            roots += _walk(rng)
    return [Bar(letter, tonic, root, _chord(cues, root, rng), 1.0) for root in roots[:length]]


def _walk(rng: np.random.Generator) -> list[int]:
    """Return four chord roots; fourths up and thirds down are the most frequent steps."""
    roots = [int(rng.choice((0, 0, 3, 5)))]
    while len(roots) < 4:
        root = (roots[-1] + int(rng.choice((3, 3, 5, 1, 4, 6)))) % 7
        roots.append(0 if root == 6 else root)
    return roots


def _chord(cues: Cues, root: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Return a chord: a triad, with a seventh or ninth for colour, or altered for tension."""
    degrees = [root, root + 2, root + 4]
    if rng.random() < cues.colour:
        degrees.append(root + int(rng.choice((6, 6, 8))))
    tones = [_pitch(cues.mode, degree) for degree in degrees]
    if rng.random() < cues.tension:
        kind = int(rng.integers(4))
        if kind == 0:
            tones.append(tones[0] + 1)  # a minor second
        elif kind == 1:
            tones[1:3] = [tones[0] + 3, tones[0] + 6]  # diminished
        elif kind == 2:
            tones.append(tones[0] + 6)  # a tritone
        else:
            tones[2] = tones[0] + 8  # augmented
            tones[1] = tones[0] + 4
    return tuple(tones)


def _pitch(mode: str, degree: int) -> int:
    octave, step = divmod(degree, 7)
    return 12 * octave + SCALES[mode][step]


def _grid(cues: Cues, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the time of every sixteenth: the tempo breathes and slows down at the end."""
    step = 60.0 / cues.tempo_bpm / 4
    knots = rng.standard_normal(count // 8 + 2)
    breath = np.interp(np.arange(count) / 8, np.arange(len(knots)), knots)
    slower = 1.0 + cues.rubato * breath
    tail = min(16, count)
    slower[-tail:] *= np.linspace(1.0, 1.0 + 3.0 * cues.rubato, tail)
    return np.concatenate([[0.0], np.cumsum(step * np.clip(slower, 0.7, 1.6))])


def _onsets(frame: Frame, onsets_per_beat: float, rng: np.random.Generator) -> list[int]:
    """Return the steps of a one-bar rhythm: strong steps first, others by syncopation."""
    wanted = int(np.clip(round(onsets_per_beat * frame.steps / 4), 1, frame.steps))
    strength = np.zeros(frame.steps)
    for period, weight in ((frame.steps, 1.0), (8, 0.5), (4, 0.8), (2, 0.6)):
        strength[::period] += weight
    strength += frame.cues.syncopation * rng.standard_normal(frame.steps)
    strength[0] = 9.0
    return sorted(int(step) for step in np.argsort(-strength)[:wanted])


def _folded(midi: float, base: float) -> float:
    """Move a pitch by octaves into the octave around `base`."""
    return base - 5 + (midi - base + 5) % 12


def accompaniment(frame: Frame, part: Part, rng: np.random.Generator) -> list[Note]:
    """Return the notes of chords, broken chords or a bass line."""
    notes: list[Note] = []
    figures = {bar.section: _figure(frame, part, rng) for bar in frame.bars}
    for number, bar in enumerate(frame.bars):
        onsets, order = figures[bar.section]
        base = frame.cues.register + 12 * part.octave
        is_last = number == len(frame.bars) - 1
        steps = [0] if is_last else onsets
        low = sorted(_folded(bar.tonic + tone, base) for tone in bar.chord)
        root = _folded(bar.tonic + bar.chord[0], base)
        for index, (start, end) in enumerate(zip(steps, [*steps[1:], frame.steps], strict=True)):
            if part.role == "bass":
                fifth = root + (bar.chord[2] - bar.chord[0])
                pitches = [root if is_last else (root, root, fifth, root + 12)[order[index % 4]]]
            elif order and not is_last:
                octave, place = divmod(order[index % len(order)], len(low))
                pitches = [low[place] + 12 * octave]
            else:
                pitches = low
            notes += _struck(frame, part, (number, start, end), pitches, rng)
    return notes


def _figure(
    frame: Frame, part: Part, rng: np.random.Generator
) -> tuple[list[int], tuple[int, ...]]:
    """Return a rhythm and the order of chord tones; no order stands for whole chords."""
    rate = frame.cues.onsets_per_beat * part.pace * 2.0 ** rng.uniform(-0.4, 0.4)
    if part.role == "bass":
        order = tuple(int(place) for place in rng.choice(4, 4, p=(0.55, 0.2, 0.15, 0.1)))
        return _onsets(frame, 0.5 * rate, rng), (0, *order[1:])
    if part.role == "pad":
        return _onsets(frame, min(rate, 0.3), rng), ()
    if rng.random() < part.broken:
        figure = _FIGURES[str(rng.choice(list(_FIGURES)))]
        return _onsets(frame, 1.15 * rate, rng), figure
    return _onsets(frame, 0.6 * rate, rng), ()


def _struck(
    frame: Frame,
    part: Part,
    place: tuple[int, float, float],
    pitches: list[float],
    rng: np.random.Generator,
    *,
    weight: float = 1.0,
) -> list[Note]:
    """Return the notes of one stroke, held by articulation or pedal."""
    bar, start, end = place
    begin, until = frame.at(bar, start), frame.at(bar, end)
    held = frame.cues.length * part.length
    seconds = max(0.05, (until - begin) * min(held, 1.15))
    if part.has_pedal and frame.cues.length > 0.72:
        seconds = max(seconds, frame.at(bar + 1, 0) - begin)
    accent = 1.0 if start % 4 == 0 else 0.9
    loud = frame.cues.velocity * frame.bars[bar].level * accent * weight
    late = part.looseness * abs(float(rng.standard_normal()))
    return [
        Note(
            begin + late + 0.004 * index * part.looseness / 0.008,
            seconds,
            pitch,
            float(np.clip(loud * rng.uniform(0.92, 1.05), 0.08, 1.0)),
        )
        for index, pitch in enumerate(pitches)
        if 24 <= pitch <= 103
    ]


def melody(frame: Frame, part: Part, rng: np.random.Generator) -> list[Note]:
    """Return a melody of two-bar motifs, which return with changes and end on chord tones."""
    motifs: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
    doubled = _doubling(frame, rng)
    notes: list[Note] = []
    degree = int(rng.integers(0, 7))
    entry = int(rng.choice((0, 0, 2, 4))) if len(frame.bars) >= 12 else 0
    for number in range(entry, len(frame.bars) - 1):
        bar = frame.bars[number]
        half = number % 2
        key = (bar.section, int(rng.random() < 0.25) * 2 + half)
        if key not in motifs:
            motifs[key] = _motif(frame, part, rng, has_rest=half == 1)
        if half == 0:
            degree = int(np.clip(degree, 0, 7))
        for start, end, step in motifs[key]:
            degree += step if -3 <= degree + step <= 11 else -step
            pitch = _melodic(frame, bar, degree, part, is_strong=start % 8 == 0)
            pitches = [pitch] if doubled is None else [pitch, pitch + doubled]
            notes += _struck(frame, part, (number, start, end), pitches, rng, weight=1.08)
    last = len(frame.bars) - 1
    end_pitch = _melodic(frame, frame.bars[last], 7 if degree > 4 else 0, part, is_strong=True)
    return notes + _struck(frame, part, (last, 0, frame.steps), [end_pitch], rng)


def _doubling(frame: Frame, rng: np.random.Generator) -> int | None:
    """Return the interval of a second voice: an octave in lively music, mostly none."""
    if rng.random() < 0.15 + 0.4 * (frame.cues.attack - 0.4):
        return int(rng.choice((12, -12)))
    return None


def _motif(
    frame: Frame, part: Part, rng: np.random.Generator, *, has_rest: bool
) -> list[tuple[int, int, int]]:
    """Return one bar of (first step, end, degrees up or down)."""
    rate = frame.cues.onsets_per_beat * part.pace * rng.uniform(0.45, 0.9)
    onsets = _onsets(frame, rate, rng)
    if has_rest and len(onsets) > 2:
        onsets = [step for step in onsets if step < frame.steps - 4]
    ends = [*onsets[1:], frame.steps]
    drift = frame.cues.rise
    steps = rng.choice((-3, -2, -1, 0, 1, 2, 3), len(onsets), p=_STEP_SHARES)
    steps = steps + (rng.random(len(onsets)) < abs(drift)) * int(np.sign(drift))
    return [(start, end, int(step)) for start, end, step in zip(onsets, ends, steps, strict=True)]


_STEP_SHARES: Final = (0.06, 0.12, 0.26, 0.12, 0.26, 0.12, 0.06)


def _melodic(frame: Frame, bar: Bar, degree: int, part: Part, *, is_strong: bool) -> float:
    """Return the pitch of a degree; strong steps take the nearest tone of the chord."""
    pitch = _pitch(frame.cues.mode, degree)
    if is_strong:
        tones = [tone % 12 + 12 * octave for tone in bar.chord for octave in (-1, 0, 1, 2)]
        pitch = min(tones, key=lambda tone: abs(tone - pitch))
    return bar.tonic + pitch + 12 * part.octave


def drumming(frame: Frame, kit: str, rng: np.random.Generator) -> list[Stroke]:
    """Return the strokes of a drum kit of `KITS`: rhythms by arousal, a fill before a section."""
    if not kit:
        return []
    cues = frame.cues
    drums = KITS[kit]
    density = cues.onsets_per_beat
    rhythms = {
        section: {
            name: _onsets(frame, density * share, rng)
            for name, share in drums
            if density * share > 0.2
        }
        for section in sorted({bar.section for bar in frame.bars})
    }
    strokes: list[Stroke] = []
    for number, bar in enumerate(frame.bars[:-1]):
        for name, onsets in rhythms[bar.section].items():
            # The second drum of a kit answers the first: on the off beats.
            shift = 4 if name == drums[1][0] and frame.steps == 16 else 0
            for step in onsets:
                loud = cues.velocity * bar.level * (1.0 if step % 4 == 0 else 0.7)
                when = frame.at(number, (step + shift) % frame.steps)
                strokes.append(Stroke(when, name, float(loud * rng.uniform(0.85, 1.0))))
    return strokes


KITS: Final = {
    "rock": (("kick", 0.35), ("snare", 0.25), ("hat", 0.9), ("crash", 0.09)),
    "soft": (("kick", 0.25), ("rim", 0.25), ("shaker", 0.9)),
    "dance": (("kick", 0.5), ("clap", 0.25), ("open", 0.4), ("hat", 1.0)),
    "brushes": (("brush", 0.8), ("rim", 0.2), ("ride", 0.5)),
    "metal": (("kick", 0.9), ("snare", 0.25), ("crash", 0.3)),
    "timpani": (("timpani", 0.3), ("crash", 0.07)),
    "march": (("kick", 0.3), ("snare", 0.9), ("crash", 0.08)),
}
"""Drums of every kit, with their share of the strokes; names of `catalog.demo.synth.DRUMS`."""
