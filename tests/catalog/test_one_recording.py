"""One recording as people have it in three files: real audio, real ingest, the packaged model."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from catalog.analysis import model_version, songs_analyse
from catalog.demo.composer import compose
from catalog.demo.pieces import PIECES
from catalog.demo.synth import SAMPLE_RATE
from catalog.models import Song
from catalog.recordings import recordings_link
from recommender.index.reader import index_snapshot_forget
from recommender.playlists import PlaylistRequest, playlist_generate, songs_similar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from catalog.models import BackgroundJob

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

FFMPEG = shutil.which("ffmpeg")
REMASTER = "bass=g=4,treble=g=3,acompressor=threshold=0.1:ratio=3:makeup=2,alimiter=limit=0.95"


@pytest.fixture(autouse=True)
def fresh_snapshot() -> Iterator[None]:
    index_snapshot_forget()
    yield
    index_snapshot_forget()


def write(path: Path, sound: np.ndarray, *, filters: str = "anull", **tags: str) -> None:
    """Write a sound as a file, through a filter of ffmpeg."""
    source = path.with_name("source.wav")
    soundfile.write(source, sound, SAMPLE_RATE)
    rate = ["-b:a", "128k"] if path.suffix == ".mp3" else []
    written = [f"-metadata={name}={value}" for name, value in tags.items()]
    words = [word for line in written for word in line.split("=", 1)]
    command = [FFMPEG, "-v", "error", "-i", source, "-af", filters, *rate, *words, path]
    subprocess.run(command, check=True)
    source.unlink()


@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg on this machine")
def test_album_best_of_and_remaster_are_one_entry(
    music_dir: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    band = {"artist": "The Band", "album": "First"}
    pieces = [PIECES[place] for place in (0, 8, 12)]
    sounds = [compose(p.intended, ensemble=p.ensemble, seed=p.seed) for p in pieces]
    for number, sound in enumerate(sounds):
        write(music_dir / f"{number}.mp3", sound, title=f"Song {number}", **band)
    write(
        music_dir / "best.mp3",
        np.concatenate([np.zeros_like(sounds[0][: SAMPLE_RATE // 2]), sounds[0]]),
        title="Song 0",
        artist="Band, The",
        album="Best of",
    )
    write(
        music_dir / "remaster.flac",
        sounds[0],
        filters=REMASTER,
        title="Song 0 (2011 Remaster)",
        artist="The Band",
        album="First (Deluxe Edition)",
    )
    write(
        music_dir / "live.ogg",
        sounds[0],
        filters="aecho=0.8:0.7:60:0.4",
        title="Song 0 (Live)",
        artist="The Band",
        album="Live",
    )
    ingest()
    ids = {song.relative_path: song.pk for song in Song.objects.all()}
    assert len(ids) == len(sounds) + 3
    assert songs_analyse(song_ids=list(ids.values()), worker="w").analysed == len(ids)
    recordings_link(model_version=model_version())
    linked = Song.objects.exclude(recording=None).order_by("recording_rank")
    assert [song.relative_path for song in linked] == ["remaster.flac", "0.mp3", "best.mp3"]
    others = {pk for name, pk in ids.items() if name not in {"0.mp3", "best.mp3"}}

    made = playlist_generate(
        request=PlaylistRequest(moods=(("calm", 1.0),), count=20, max_per_artist=20, min_match=0)
    )
    assert {entry.song_id for entry in made.entries} == others
    found = {similar.song_id for similar in songs_similar(song_id=ids["1.mp3"], k=20)}
    assert found == others - {ids["1.mp3"]}
    for name in ("0.mp3", "best.mp3", "remaster.flac"):
        found = {similar.song_id for similar in songs_similar(song_id=ids[name], k=20)}
        assert found == others - {ids["remaster.flac"]}
