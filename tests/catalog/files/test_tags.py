from __future__ import annotations

from typing import TYPE_CHECKING

import av
import mutagen
import numpy as np
import pytest
from mutagen.id3 import ID3, SYLT, TCON, TDRC, TIT2, TPE1, USLT
from mutagen.mp4 import MP4
from mutagen.wave import WAVE

from catalog.files.tags import read_tags
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from pathlib import Path


def write_m4a(path: Path) -> Path:
    with av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus"])
def test_vorbis_comments(tmp_path: Path, suffix: str) -> None:
    path = write_tone(tmp_path / f"x{suffix}")
    file = mutagen.File(path)
    file["title"], file["artist"], file["album"] = "Gnossienne", "Satie", "Trois"
    file["genre"], file["date"], file["lyrics"] = ["piano", "calm"], "1893-07-08", "la\nla"
    file.save()

    tags = read_tags(path)

    assert (tags.title, tags.artist, tags.album) == ("Gnossienne", "Satie", "Trois")
    assert (tags.genre, tags.year, tags.lyrics) == ("piano, calm", 1893, "la\nla")
    assert tags.genres == ("piano", "calm")


def test_mp4_atoms(tmp_path: Path) -> None:
    path = write_m4a(tmp_path / "x.m4a")
    file = MP4(path)
    file["\xa9nam"], file["\xa9ART"], file["\xa9day"] = "Title", "Artist", "2001"
    file["\xa9lyr"] = "words"
    file.save()

    tags = read_tags(path)

    assert (tags.title, tags.artist, tags.year, tags.lyrics) == ("Title", "Artist", 2001, "words")


@pytest.mark.parametrize("suffix", [".mp3", ".wav"])
def test_id3_frames(tmp_path: Path, suffix: str) -> None:
    path = write_tone(tmp_path / f"x{suffix}")
    frames = [
        TIT2(encoding=3, text="Title"),
        TPE1(encoding=3, text=["One", "Two"]),
        TCON(encoding=3, text="(17)"),
        TDRC(encoding=3, text="1999"),
        USLT(encoding=3, lang="eng", desc="", text="words"),
        USLT(encoding=3, lang="deu", desc="", text="Worte"),
    ]
    file = WAVE(path) if suffix == ".wav" else mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for frame in frames:
        file.tags.add(frame)
    file.save()

    tags = read_tags(path)

    assert tags.lyrics in {"words", "Worte"}  # one language, not both in a row
    assert (tags.title, tags.artist, tags.genre, tags.year) == ("Title", "One, Two", "Rock", 1999)
    assert tags.artist_values == ("One", "Two")


def test_synchronised_lyrics_become_lrc(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.mp3")
    tags = ID3()
    lines = [("first", 1_500), ("second", 61_230)]
    tags.add(SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=lines))
    tags.save(path)

    assert read_tags(path).lyrics == "[00:01.50]first\n[01:01.23]second"


def test_nul_and_surrogates_never_reach_the_database(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "x.flac")
    file = mutagen.File(path)
    file["title"] = "a\x00b"
    file.save()

    assert read_tags(path).title == "a b"


@pytest.mark.parametrize(
    ("name", "artist", "title"),
    [
        ("Nina Simone - Sinnerman.flac", "Nina Simone", "Sinnerman"),
        ("07 - Nina Simone - Sinnerman.flac", "Nina Simone", "Sinnerman"),
        ("07. Sinnerman.flac", "", "Sinnerman"),
        ("sinner_man.flac", "", "sinner man"),
        ("1999.flac", "", "1999"),
        ("99 Luftballons.flac", "", "99 Luftballons"),
        (" - .flac", "", "-"),
    ],
)
def test_the_file_name_speaks_where_tags_are_silent(
    tmp_path: Path, name: str, artist: str, title: str
) -> None:
    tags = read_tags(write_tone(tmp_path / name))

    assert (tags.artist, tags.title) == (artist, title)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".wav"])
def test_damaged_tags_never_raise(tmp_path: Path, suffix: str) -> None:
    path = write_tone(tmp_path / f"A - B{suffix}")
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        file.tags.add(TIT2(encoding=3, text="x" * 300))
    else:
        file["title"] = "x" * 300
    file.save()
    whole = path.read_bytes()
    rng = np.random.default_rng(1)

    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 700), size=8):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(damaged))])
        tags = read_tags(path)
        assert tags.title
        tags.title.encode("utf-8")
