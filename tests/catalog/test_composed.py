"""Composed pieces: the cues follow the intended point, and the data set is whole and the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.composed import score, sound
from catalog.composed.bands import BANDS
from catalog.composed.composer import compose
from catalog.composed.cues import Cues, cues_of
from catalog.composed.writer import plans
from catalog.demo.score import SCALES
from catalog.demo.synth import DRUMS
from mer.affect import AffectPoint, Quadrant
from mer.research.datasets import composed

UNIT = st.floats(0.0, 1.0)
SEEDS = st.integers(0, 2**32 - 1)
PIANO = BANDS["piano"].parts[1]


def cues_at(valence: float, arousal: float, seed: int = 0) -> Cues:
    return cues_of(AffectPoint(valence, arousal), np.random.default_rng(seed))


def mean_cues(valence: float, arousal: float) -> dict[str, float]:
    drawn = [cues_at(valence, arousal, seed) for seed in range(40)]
    names = ("tempo_bpm", "brightness", "velocity", "loudness_db", "length", "register", "tension")
    return {name: float(np.mean([getattr(cues, name) for cues in drawn])) for name in names}


def notes_of(cues: Cues, seed: int) -> list[score.Note]:
    rng = np.random.default_rng(seed)
    frame = score.frame_make(cues, seconds=20.0, rng=rng)
    return [
        *score.melody(frame, BANDS["piano"].parts[0], rng),
        *score.accompaniment(frame, PIANO, rng),
    ]


# --- the cues -----------------------------------------------------------------------------------


def test_cues_move_with_arousal_and_valence_on_average():
    calm, lively = mean_cues(0.5, 0.2), mean_cues(0.5, 0.8)
    assert lively["tempo_bpm"] > calm["tempo_bpm"] + 40
    assert lively["loudness_db"] > calm["loudness_db"] + 5
    assert lively["brightness"] > calm["brightness"] + 0.25
    assert lively["velocity"] > calm["velocity"] + 0.3
    assert lively["length"] < calm["length"] - 0.25
    dark, light = mean_cues(0.2, 0.5), mean_cues(0.8, 0.5)
    assert light["register"] > dark["register"] + 5
    assert dark["tension"] > 0.3
    assert light["tension"] == 0


@pytest.mark.parametrize(("valence", "share"), [(0.1, 0.0), (0.5, 0.5), (0.9, 1.0)])
def test_mode_follows_valence(valence, share):
    bright = {"lydian", "major", "mixolydian"}
    modes = [cues_at(valence, 0.5, seed).mode for seed in range(200)]
    assert np.mean([mode in bright for mode in modes]) == pytest.approx(share, abs=0.15)


def test_no_single_cue_tells_the_point():
    tempos = {
        arousal: [cues_at(0.5, arousal, seed).tempo_bpm for seed in range(60)]
        for arousal in (0.4, 0.6)
    }
    assert max(tempos[0.4]) > np.median(tempos[0.6])


@given(valence=UNIT, arousal=UNIT, seed=SEEDS)
def test_cues_are_in_their_ranges(valence, arousal, seed):
    cues = cues_at(valence, arousal, seed)
    assert 40 <= cues.tempo_bpm <= 220
    assert 0.3 < cues.onsets_per_beat < 5
    assert cues.mode in SCALES
    for name in ("length", "brightness", "velocity", "tension", "colour", "rubato", "attack"):
        assert 0 <= getattr(cues, name) <= 1.1, name


# --- the score ----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(valence=UNIT, arousal=UNIT, seed=SEEDS)
def test_notes_are_playable(valence, arousal, seed):
    notes = notes_of(cues_at(valence, arousal, seed), seed)
    assert notes
    for note in notes:
        assert 0 <= note.start_seconds < 40
        assert note.seconds >= 0.05
        assert 24 <= note.midi <= 103
        assert 0 < note.velocity <= 1


@settings(max_examples=40, deadline=None)
@given(valence=UNIT, arousal=UNIT, seed=SEEDS)
def test_music_without_tension_keeps_to_the_scales_of_its_sections(valence, arousal, seed):
    cues = replace(cues_at(valence, arousal, seed), tension=0.0)
    frame = score.frame_make(cues, seconds=20.0, rng=np.random.default_rng(seed))
    scale = {step % 12 for step in SCALES[cues.mode]}
    assert all({tone % 12 for tone in bar.chord} <= scale for bar in frame.bars)
    assert frame.bars[-1].root == 0, "the last chord is the tonic"


def test_more_notes_a_second_with_arousal():
    def rate(arousal: float) -> float:
        return float(np.mean([len(notes_of(cues_at(0.5, arousal, s), s)) for s in range(10)]))

    assert rate(0.9) > 1.5 * rate(0.5) > 1.5 * rate(0.1)


def test_bands_name_instruments_and_drums_that_exist():
    for band in BANDS.values():
        assert {name for part in band.parts for name in part.timbres} <= set(sound.TIMBRES)
        assert set(band.kits) <= {"", *score.KITS}
    used = {name for band in BANDS.values() for part in band.parts for name in part.timbres}
    assert used | {"timpani"} == set(sound.TIMBRES), "instruments that no band plays"
    assert {name for kit in score.KITS.values() for name, _ in kit} <= set(DRUMS)


# --- the sound ----------------------------------------------------------------------------------


def test_a_tone_is_the_sum_of_its_partials():
    hertz, amplitudes, decays = (
        np.array([220.0, 441.3, 3300.0]), np.array([0.5, 0.2, 0.1]), np.array([1.0, 3.0, 0.0]),
    )  # fmt: skip
    made = sound.partials_sum(hertz, amplitudes, decays, 5000, np.random.default_rng(4))
    phases = 2 * np.pi * np.random.default_rng(4).random(3)
    time = np.arange(5000)[:, None] / sound.SAMPLE_RATE
    waves = np.exp(-decays * time) * np.sin(2 * np.pi * hertz * time + phases)
    np.testing.assert_allclose(made, waves @ amplitudes, atol=1e-4)


@pytest.mark.parametrize("timbre", ["grand piano", "organ", "pulse 25", "flute"])
def test_an_instrument_plays_the_pitch(timbre):
    player = sound.Player(sound.TIMBRES[timbre], 0.3, np.random.default_rng(1))
    tone = player.play([score.Note(0.1, 1.0, 69, 0.5)], sound.SAMPLE_RATE)
    power = np.abs(np.fft.rfft(tone)) ** 2
    near = power[420:461].sum() + sum(power[n * 440 - 15 : n * 440 + 16].sum() for n in range(2, 9))
    assert near > 0.9 * power.sum()


@pytest.mark.parametrize("instrumentation", sorted(BANDS))
def test_pieces_are_finite_unclipped_and_louder_when_aroused(instrumentation):
    levels = []
    for arousal in (0.05, 0.95):
        piece = compose(
            AffectPoint(0.8, arousal), instrumentation=instrumentation, seconds=9.0, seed=5
        )
        assert piece.dtype == np.float32
        assert 8.0 <= len(piece) / sound.SAMPLE_RATE <= 16.0
        assert np.all(np.isfinite(piece))
        assert np.max(np.abs(piece)) < 0.96
        levels.append(10 * np.log10(np.mean(piece**2)))
    assert 4.0 < levels[1] - levels[0] < 16.0
    assert levels[0] > -42


def test_same_arguments_give_the_same_samples_and_another_seed_others():
    first, again, other = (
        compose(AffectPoint(0.7, 0.6), instrumentation="piano", seconds=6.0, seed=seed)
        for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


# --- the data set -------------------------------------------------------------------------------


def test_plans_are_balanced_and_follow_from_the_seed():
    made = plans(8 * 4 * 7, sorted(BANDS), seconds=(35.0, 40.0), seed=3)
    pairs = Counter((plan.instrumentation, plan.intended.quadrant) for plan in made)
    assert set(pairs.values()) == {7}
    assert len(pairs) == 32
    assert Counter(plan.split for plan in made) == {"train": 160, "val": 32, "test": 32}
    assert len({plan.name for plan in made}) == len({plan.seed for plan in made}) == len(made)
    assert all(35 <= plan.seconds <= 40 for plan in made)
    assert made == plans(8 * 4 * 7, sorted(BANDS), seconds=(35.0, 40.0), seed=3)
    assert made[:5] == plans(5, sorted(BANDS), seconds=(35.0, 40.0), seed=3)
    assert {plan.seed for plan in made}.isdisjoint(
        plan.seed for plan in plans(224, sorted(BANDS), seconds=(35.0, 40.0), seed=4)
    )


@pytest.mark.slow
def test_command_writes_a_set_that_the_loader_reads(tmp_path):
    options = {"pieces": 5, "seconds": [5.0, 6.0], "seed": 7, "instrumentation": ["piano"]}
    call_command("compose_dataset", out=tmp_path / "composed", processes=2, **options)
    tracks = composed.load(tmp_path)
    assert [track.labels.quadrant for track in tracks] == [*Quadrant, Quadrant.Q1]
    assert set(composed.instrumentations(tmp_path).values()) == {"piano"}
    for track in tracks:
        info = soundfile.info(track.audio_path)
        assert (info.samplerate, info.channels, info.format) == (16_000, 1, "FLAC")
    call_command("compose_dataset", out=tmp_path / "again", processes=1, **options)
    for path in sorted((tmp_path / "composed").rglob("*.*")):
        again = tmp_path / "again" / path.relative_to(tmp_path / "composed")
        assert path.read_bytes() == again.read_bytes(), path.name
    with pytest.raises(CommandError, match="is not empty; name a new folder"):
        call_command("compose_dataset", out=tmp_path / "again")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pieces": 0}, "--pieces and --processes must be at least 1"),
        ({"seed": -1}, "--seed at least 0"),
        ({"seconds": [40.0, 30.0]}, "the smaller first"),
        ({"seconds": [1.0, 30.0]}, "from 5 to 600"),
    ],
)
def test_command_refuses_what_it_cannot_do(tmp_path, options, message):
    with pytest.raises(CommandError, match=message):
        call_command("compose_dataset", out=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()
