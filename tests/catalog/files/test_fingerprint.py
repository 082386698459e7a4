"""Acoustic fingerprints by Chromaprint, and the linking of songs by them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from catalog.demo.composer import compose
from catalog.demo.pieces import PIECES
from catalog.demo.synth import SAMPLE_RATE
from catalog.files import fingerprint as fingerprint_module
from catalog.files.fingerprint import fingerprint, is_fingerprinting_there, is_same_sound
from catalog.models import Song
from catalog.recordings import recordings_link
from tests.factories import (
    MODEL_VERSION,
    LibraryFactory,
    SongEmotionFactory,
    SongFactory,
    random_embedding,
)

if TYPE_CHECKING:
    from pathlib import Path

needs_fpcalc = pytest.mark.skipif(
    not is_fingerprinting_there(), reason="no fpcalc; install chromaprint"
)
FFMPEG = shutil.which("ffmpeg")


def played(path: Path, piece: int, *, seed: int = 0) -> Path:
    """Write one performance of a piece of the demo."""
    intended = PIECES[piece].intended
    sound = compose(intended, ensemble=PIECES[piece].ensemble, seed=PIECES[piece].seed + seed)
    soundfile.write(path, sound, SAMPLE_RATE)
    return path


@needs_fpcalc
@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg on this machine")
@pytest.mark.parametrize(
    ("filters", "rate"),
    [
        ("anull", "48k"),
        ("bass=g=4,treble=g=3,acompressor=threshold=0.1:ratio=3:makeup=2", "128k"),
        ("adelay=700:all=1", "128k"),
    ],
)
def test_other_files_of_a_recording_sound_the_same(tmp_path: Path, filters: str, rate: str) -> None:
    source = played(tmp_path / "a.wav", 0)
    other = tmp_path / "b.mp3"
    command = ["ffmpeg", "-v", "error", "-i", source, "-af", filters, "-b:a", rate, other]
    subprocess.run(command, check=True)
    assert is_same_sound(fingerprint(source), fingerprint(other))


@needs_fpcalc
@pytest.mark.parametrize(("piece", "seed"), [(8, 0), (0, 1)])
def test_another_piece_and_another_performance_do_not(
    tmp_path: Path, piece: int, seed: int
) -> None:
    first = fingerprint(played(tmp_path / "a.wav", 0))
    other = fingerprint(played(tmp_path / "b.wav", piece, seed=seed))
    assert len(first) > 400
    assert not is_same_sound(first, other)


def test_what_is_short_proves_nothing() -> None:
    assert not is_same_sound(bytes(100), bytes(100))


def test_without_the_program_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint_module.shutil, "which", lambda name: None)
    assert fingerprint(tmp_path / "a.wav") == b""


@needs_fpcalc
def test_what_is_no_audio_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("no audio")
    assert fingerprint(tmp_path / "a.mp3") == b""


@needs_fpcalc
@pytest.mark.django_db
@pytest.mark.parametrize(("seed", "turn", "is_one"), [(0, 1.0, True), (1, 0.0, False)])
def test_the_fingerprint_decides_where_there_is_one(
    music_dir: Path, seed: int, turn: float, is_one: bool
) -> None:
    library = LibraryFactory(root=str(music_dir))
    for number, name in enumerate(("a.wav", "b.flac")):
        played(music_dir / name, 0, seed=seed * number)
        vector = random_embedding(0) + turn * number * random_embedding(1)
        SongEmotionFactory(
            song=SongFactory(
                library=library, relative_path=name, title="Piece", artist="A", duration_seconds=25
            ),
            fused_embedding=(vector / np.linalg.norm(vector)).astype("<f4").tobytes(),
        )
    recordings_link(model_version=MODEL_VERSION)
    assert Song.objects.exclude(recording=None).count() == (2 if is_one else 0)
    assert all(song.fingerprint for song in Song.objects.all())
