"""Every file of the bug trackers, through the path that reads a file of a library."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from catalog.files.scan import read_file
from mer.audio.patches import song_patches
from mer.errors import AudioError
from tests.catalog.conftest import write_tone
from tests.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FILES = ROOT.parent / "shared" / "faults" / "files"
MAX_BYTES = 2**30
SIDECARS = {".lrc", ".txt"}

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FILES.is_dir(), reason=f"{FILES} is absent"),
]


@dataclass(frozen=True, slots=True)
class Right:
    """What a file must give: `lyrics` begin so, `note` says which were refused."""

    seconds: float = 4.0
    code: str = ""
    silence: tuple[float, float] | None = None
    media_type: str = "audio/mpeg"
    title: str | None = None
    artist: str | None = None
    lyrics: str = ""
    note: str = ""


AAC = 'audio/mp4; codecs="mp4a.40.2"'
OPUS = 'audio/webm; codecs="opus"'
TONE = {"media_type": "audio/wav"}
EXPECTED = {
    "aac_named.mp3": Right(8.0, media_type=AAC),
    "adts_named.m4a": Right(8.05, media_type="audio/aac"),
    "cp1251.lrc": Right(**TONE, lyrics="[00:01.00]слёзы падают и мне грустно"),
    "cp1251.mp3": Right(8.0, lyrics="[00:01.00]слёзы падают и мне грустно"),
    "cp1251_in_latin1.mp3": Right(8.1, title="Кукушка", artist="Виктор"),
    "f0149.wav": Right(code="AUDIO_CORRUPT"),
    "f0611.mp3": Right(3.9),
    "garbage_200k.mp3": Right(8.0),
    "gbk.lrc": Right(**TONE, lyrics="[00:01.00]我很伤心 眼泪落下"),
    "genius_head.txt": Right(**TONE, lyrics="[Verse 1: Singer]\ntears are falling\nso lonely"),
    "hidden.mp3": Right(510.0, silence=(60, 479)),
    "id3v1_cp1251.mp3": Right(8.1, title="Группа крови", artist="Кино"),
    "instr_music.txt": Right(**TONE, note="instr_music.txt ignored: "),
    "latin1-title.m4a": Right(4.0, media_type=AAC, title="é", artist="A", lyrics="la la"),
    "one_bad_frame_short.mp3": Right(3.2),
    "opus_webm_named.opus": Right(8.0, media_type=OPUS),
    "segv-g0112.m4a": Right(4.0, media_type=AAC, title="T", artist="A", lyrics="la la"),
    "syncedlyrics.flac": Right(
        8.0, media_type="audio/flac", title="Synced", artist="S", lyrics="[00:01.00]I am so sad"
    ),
    "txxx_lyrics.mp3": Right(8.1, title="TxxxLyrics", artist="X", lyrics="I am so happy today"),
    "unknown_total.flac": Right(8.0, media_type="audio/flac"),
    "wav_list_info.wav": Right(8.0, media_type="audio/wav", title="WavInfo", artist="Info Artist"),
    "webm_named.m4a": Right(8.0, media_type=OPUS),
    "zeros_first_half.mp3": Right(30.0),
}


def test_no_file_is_forgotten() -> None:
    assert {path.name for path in FILES.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_gives_what_is_expected(name: str, tmp_path: Path) -> None:
    right, path = EXPECTED[name], _song(tmp_path, name)
    if right.code:
        with pytest.raises(AudioError) as error:
            read_file(tmp_path, path.relative_to(tmp_path), max_bytes=MAX_BYTES)
        assert error.value.code == right.code
        assert name in str(error.value)
        return
    facts = read_file(tmp_path, path.relative_to(tmp_path), max_bytes=MAX_BYTES)

    assert facts.duration_seconds == pytest.approx(right.seconds, abs=0.2)
    assert facts.media_type == right.media_type
    assert right.title in {None, facts.tags.title}
    assert right.artist in {None, facts.tags.artist}
    assert facts.lyrics.text.startswith(right.lyrics)
    assert bool(facts.lyrics.text) == bool(right.lyrics)
    assert right.note in facts.lyrics.note
    patches = song_patches(path)
    assert patches.duration_seconds == pytest.approx(right.seconds, abs=0.2)
    first, last = right.silence or (right.seconds, right.seconds)
    starts = patches.start_seconds
    assert ((starts < first) | (starts >= last)).all()


def _song(folder: Path, name: str) -> Path:
    """Copy a file and those of its name; a tone stands in for the song of a file with lyrics."""
    for path in FILES.glob(f"{name.rsplit('.', 1)[0]}.*"):
        shutil.copy(path, folder)
    path = folder / name
    return write_tone(path.with_suffix(".wav")) if path.suffix in SIDECARS else path
