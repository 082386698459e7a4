"""The demo catalogue: the composer does what it means to, and the files are whole."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.demo import score, writer
from catalog.demo.composer import compose, traits
from catalog.demo.ensembles import ENSEMBLES
from catalog.demo.pieces import PIECES
from catalog.demo.synth import DRUMS, SAMPLE_RATE
from catalog.demo.words import LYRICS
from catalog.files.tags import read_tags
from mer.affect import AffectPoint, Quadrant

ONE_OF_EACH = {piece.ensemble: piece for piece in PIECES}
UNIT = st.floats(0.0, 1.0)


def spectral_centroid_hz(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    return float(np.sum(power * hertz) / np.sum(power))


def level_db(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound**2)))


def notes_per_second(frame: score.Frame, ensemble: str, seed: int) -> float:
    rng = np.random.default_rng(seed)
    onsets = {note.start_beats for note in score.melody(frame, octave=0, rng=rng)}
    for part in ENSEMBLES[ensemble].parts:
        notes = score.accompaniment(frame, part, has_sevenths=False, rng=rng)
        onsets |= {note.start_beats for note in notes}
    return len(onsets) / (frame.bars * frame.bar_seconds)


def frame_at(valence: float, arousal: float, ensemble: str = "piano", seed: int = 1) -> score.Frame:
    return score.frame_make(
        traits(AffectPoint(valence, arousal)),
        ENSEMBLES[ensemble],
        seconds=22.0,
        rng=np.random.default_rng(seed),
    )


# --- the list of pieces -------------------------------------------------------------------------


def test_catalogue_is_large_and_covers_the_plane():
    assert len(PIECES) >= 40
    quadrants = Counter(piece.intended.quadrant for piece in PIECES)
    assert min(quadrants[quadrant] for quadrant in Quadrant) >= 10
    points = np.array([(p.intended.valence, p.intended.arousal) for p in PIECES])
    assert np.all(points.min(axis=0) <= 0.12)
    assert np.all(points.max(axis=0) >= 0.92)
    assert abs(np.corrcoef(points.T)[0, 1]) < 0.15, "valence and arousal are varied independently"


def test_titles_artists_and_words():
    assert len({piece.title for piece in PIECES}) == len(PIECES)
    assert len({piece.artist for piece in PIECES}) >= 12
    with_words = [piece for piece in PIECES if piece.lyrics]
    assert 2 * len(with_words) >= len(PIECES)
    assert {piece.title for piece in with_words} == set(LYRICS), "lyrics that no piece sings"
    assert all(8 <= len(words.splitlines()) <= 16 for words in LYRICS.values())
    assert {piece.lyrics_form for piece in with_words} == {"tag", "lrc", "txt"}


def test_every_ensemble_is_heard_and_well_formed():
    assert {piece.ensemble for piece in PIECES} == set(ENSEMBLES)
    for name, ensemble in ENSEMBLES.items():
        patterns = [pattern for part in ensemble.parts for pattern in part.patterns]
        patterns += [pattern for drums in ensemble.drums for pattern in drums.values()]
        assert {len(pattern) for pattern in patterns} == {ensemble.steps}, name
        assert {drum for drums in ensemble.drums for drum in drums} <= set(DRUMS), name


# --- the sound ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ensemble", sorted(ENSEMBLES))
def test_sound_is_finite_unclipped_and_of_the_right_length(ensemble):
    piece = ONE_OF_EACH[ensemble]
    sound = compose(piece.intended, ensemble=ensemble, seed=piece.seed)
    assert sound.dtype == np.float32
    assert sound.shape[1] == 2
    assert 18.0 <= len(sound) / SAMPLE_RATE <= 30.0
    assert np.all(np.isfinite(sound))
    assert np.max(np.abs(sound)) <= 0.9
    wanted_db = traits(piece.intended).loudness_db
    assert wanted_db - 4.0 <= level_db(sound) <= wanted_db + 0.5


def test_same_arguments_give_the_same_samples_and_another_seed_others():
    here = AffectPoint(0.7, 0.6)
    first = compose(here, ensemble="jazz", seed=5)
    assert np.array_equal(first, compose(here, ensemble="jazz", seed=5))
    other = compose(here, ensemble="jazz", seed=6)
    assert first.shape != other.shape or not np.allclose(first, other)


@pytest.mark.parametrize("ensemble", ["piano", "synth pop"])
def test_brightness_and_level_rise_with_arousal(ensemble):
    centroids, levels = [], []
    for arousal in (0.1, 0.5, 0.9):
        point = AffectPoint(0.6, arousal)
        sounds = [compose(point, ensemble=ensemble, seed=seed) for seed in range(3)]
        centroids.append(np.mean([spectral_centroid_hz(sound) for sound in sounds]))
        levels.append(np.mean([level_db(sound) for sound in sounds]))
    assert centroids == sorted(centroids)
    assert centroids[2] > 1.15 * centroids[0]
    assert levels == sorted(levels)
    assert levels[2] - levels[0] > 6.0


def test_notes_come_faster_with_arousal():
    rates = [
        np.mean([notes_per_second(frame_at(0.6, a, seed=s), "piano", s) for s in range(4)])
        for a in (0.1, 0.5, 0.9)
    ]
    assert rates == sorted(rates)
    assert rates[2] > 2 * rates[0]


# --- the cues -----------------------------------------------------------------------------------


@given(valence=UNIT, low=UNIT, high=UNIT)
def test_arousal_moves_its_cues_one_way(valence, low, high):
    low, high = sorted((low, high))
    calm, excited = traits(AffectPoint(valence, low)), traits(AffectPoint(valence, high))
    for name in ("tempo_bpm", "brightness", "loudness_db", "density", "dissonance"):
        assert getattr(calm, name) <= getattr(excited, name), name
    for name in ("legato", "attack_scale"):
        assert getattr(calm, name) >= getattr(excited, name), name


@given(arousal=UNIT, low=UNIT, high=UNIT)
def test_valence_moves_its_cues_one_way(arousal, low, high):
    low, high = sorted((low, high))
    dark, light = traits(AffectPoint(low, arousal)), traits(AffectPoint(high, arousal))
    for name in ("tempo_bpm", "centre_midi", "brightness", "rise"):
        assert getattr(dark, name) <= getattr(light, name), name
    assert dark.dissonance >= light.dissonance
    from_bright_to_dark = list(score.SCALES)
    assert from_bright_to_dark.index(dark.mode) >= from_bright_to_dark.index(light.mode)


@settings(max_examples=40, deadline=None)
@given(valence=UNIT, arousal=UNIT, seed=st.integers(0, 2**32 - 1))
def test_consonant_music_keeps_to_its_scale(valence, arousal, seed):
    cues = replace(traits(AffectPoint(valence, arousal)), dissonance=0.0)
    rng = np.random.default_rng(seed)
    frame = score.frame_make(cues, ENSEMBLES["folk"], seconds=22.0, rng=rng)
    notes = score.melody(frame, octave=0, rng=rng)
    for part in ENSEMBLES["folk"].parts:
        notes += score.accompaniment(frame, part, has_sevenths=True, rng=rng)
    scale = {step % 12 for step in score.SCALES[cues.mode]}
    assert {(note.midi - frame.tonic_midi) % 12 for note in notes} <= scale
    assert all(0.0 <= note.start_beats < frame.bars * frame.beats_per_bar for note in notes)
    assert all(note.beats > 0 and 20 <= note.midi <= 110 for note in notes)


# --- the files ----------------------------------------------------------------------------------


@pytest.fixture
def short_catalogue(monkeypatch, tmp_path, settings):
    """Three pieces, one of each way to carry words."""
    forms = {piece.lyrics_form: piece for piece in PIECES if piece.lyrics}
    pieces = tuple(forms.values())
    monkeypatch.setattr(writer, "PIECES", pieces)
    monkeypatch.setattr("catalog.demo.pieces.PIECES", pieces)
    settings.AFFETTI_CATALOG_ROOTS = [tmp_path / "demo"]
    return forms, tmp_path / "demo"


def test_command_writes_audio_tags_words_and_manifest(short_catalogue, capsys):
    forms, folder = short_catalogue
    call_command("demo")
    for piece in forms.values():
        path = folder / f"{piece.artist} - {piece.title}.ogg"
        tags = read_tags(path)
        assert (tags.title, tags.artist, tags.genre) == (piece.title, piece.artist, piece.genre)
        assert tags.lyrics == (piece.lyrics if piece.lyrics_form == "tag" else "")
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (SAMPLE_RATE, 2)
        sound, _ = soundfile.read(path)
        assert np.max(np.abs(sound)) < 1.0, "unclipped after coding, too"
    timed = forms["lrc"]
    lines = (folder / f"{timed.artist} - {timed.title}.lrc").read_text().splitlines()
    assert [line.partition("]")[2] for line in lines[2:]] == timed.lyrics.splitlines()
    assert lines[2:] == sorted(lines[2:], key=lambda line: line[:10])
    manifest = json.loads((folder / writer.MANIFEST_NAME).read_text())
    assert {row["title"] for row in manifest} == {piece.title for piece in forms.values()}
    assert not list(folder.glob(".*")), "nothing half-written is left"


def test_command_goes_on_where_it_stopped_and_forces_when_asked(short_catalogue):
    _, folder = short_catalogue
    call_command("demo")
    files = sorted(folder.glob("*.ogg"))
    before = {path: path.stat().st_mtime_ns for path in files}
    files[0].unlink()
    call_command("demo")
    after = {path: path.stat().st_mtime_ns for path in files}
    assert {path for path in files if after[path] != before[path]} == {files[0]}
    call_command("demo", force=True)
    assert all(path.stat().st_mtime_ns > after[path] for path in files)


def test_interrupted_piece_leaves_no_file(short_catalogue, monkeypatch):
    forms, folder = short_catalogue
    folder.mkdir()

    def break_off(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "write_tags", break_off)
    with pytest.raises(KeyboardInterrupt):
        writer.piece_write(folder, forms["tag"])
    assert list(folder.iterdir()) == []
    assert forms["tag"] in writer.pieces_missing(folder)
