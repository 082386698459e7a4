from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from catalog.models import Song, SongWaveform
from catalog.waveforms import songs_without_waveform, waveform_known, waveform_measure
from tests.catalog.conftest import write_tone
from tests.factories import LibraryFactory, SongFactory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def three(db: None, music_dir: Path) -> list[Song]:
    """Two songs, and one whose file is damaged."""
    library = LibraryFactory(root=str(music_dir))
    songs = []
    for number in range(3):
        path = write_tone(music_dir / f"{number}.wav", hz=200.0 + number)
        songs.append(SongFactory(library=library, relative_path=path.name))
    songs[2].path.write_bytes(b"no music")
    return songs


def command(*options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("waveforms", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_measures_what_is_missing(three: list[Song]) -> None:
    waveform_measure(song=three[0])
    out, err = command()
    assert "1 waveforms measured, 1 songs have none" in out
    assert "2.wav" in err
    assert [bool(waveform_known(song)) for song in three] == [True, True, True]
    assert list(songs_without_waveform()) == [three[2]]  # tried again next time
    write_tone(three[2].path)
    assert "1 waveforms measured, 0 songs have none" in command()[0]


def test_the_command_stops_where_it_is_told(three: list[Song]) -> None:
    command("--at-most", "1")
    assert SongWaveform.objects.count() == 1


def test_a_file_that_is_gone_fails_alone(three: list[Song]) -> None:
    three[0].path.unlink()
    out, err = command()
    assert "1 waveforms measured, 2 songs have none" in out
    assert "there is no such file" in err


def test_a_deleted_song_takes_its_waveform_along(three: list[Song]) -> None:
    waveform_measure(song=three[0])
    Song.objects.filter(pk=three[0].pk).delete()
    assert not SongWaveform.objects.exists()
