from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest
import soundfile

from catalog.errors import PathError
from mer.audio.pyav import DEMUXERS
from recommender.errors import MediaBusyError, SongUnplayableError, TranscodingOffError
from recommender.media import transcoding
from recommender.media.transcoding import (
    song_transcoded,
    song_transcoded_already,
    transcoded_cache,
)
from recommender.media.turns import Pauses
from tests.factories import SongFactory
from tests.made_audio import needs_ffmpeg, tones, write

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

pytestmark = needs_ffmpeg


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The songs of all tests sound the same."""
    monkeypatch.setattr(transcoding, "_pauses", Pauses())
    monkeypatch.setattr(transcoding, "_unplayable", Pauses())


def convert(song: Song, target: str = "mp3", *, is_wanted: bool = True) -> Path:
    return song_transcoded(song=song, target=target, is_wanted=lambda: is_wanted)


@pytest.fixture
def alac_song(wav_song: Song) -> Song:
    path = write(wav_song.path.with_name("x.m4a"), tones(5.0), options="-c:a alac")
    wav_song.relative_path, wav_song.media_type = path.name, 'audio/mp4; codecs="alac"'
    wav_song.save()
    return wav_song


def fake_ffmpeg(folder: Path, script: str) -> str:
    path = folder / "fake-ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize("target", ["mp3", "opus"])
def test_a_song_in_another_format(alac_song: Song, target: str) -> None:
    path = convert(alac_song, target)
    with soundfile.SoundFile(path) as file:
        assert file.format == {"mp3": "MP3", "opus": "OGG"}[target]
        assert abs(file.frames / file.samplerate - 5) < 0.1
    assert path.is_relative_to(transcoded_cache().folder)


def test_it_is_converted_once(alac_song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    first = convert(alac_song)
    monkeypatch.setattr(transcoding, "_convert", None)
    assert convert(alac_song) == first


@pytest.mark.parametrize("suffix", ["aiff", "wma", "wv", "tta", "caf"])
def test_what_browsers_cannot_play(wav_song: Song, suffix: str) -> None:
    wav_song.relative_path = write(wav_song.path.with_name(f"x.{suffix}"), tones(3.5)).name
    with soundfile.SoundFile(convert(wav_song)) as file:
        assert abs(file.frames / file.samplerate - 3.5) < 0.1


def test_without_ffmpeg_it_is_said(alac_song: Song, settings: SettingsWrapper) -> None:
    for name, value in (("AFFETTI_FFMPEG", "no-such-program"), ("AFFETTI_FFMPEG", "")):
        setattr(settings, name, value)
        assert not transcoding.can_transcode()
        with pytest.raises(TranscodingOffError, match="ffmpeg"):
            convert(alac_song)
    settings.AFFETTI_FFMPEG, settings.AFFETTI_TRANSCODES = "ffmpeg", 0
    assert not transcoding.is_transcoding_offered("audio/x-ape")


@pytest.mark.parametrize(
    ("media_type", "is_offered"),
    [
        ("audio/mpeg", False),
        ("audio/flac", False),
        ("audio/wav", False),
        ('audio/mp4; codecs="mp4a.40.2"', False),
        ('audio/mp4; codecs="alac"', True),
        ("audio/x-ms-wma", True),
        ("audio/aiff", True),
        ("audio/x-ape", True),
        ("audio/ogg", True),  # Safari plays none, or not every codec
        ("application/octet-stream", True),
    ],
)
def test_it_is_offered_where_a_browser_may_need_it(media_type: str, is_offered: bool) -> None:
    assert transcoding.is_transcoding_offered(media_type) is is_offered


HOSTILE = {
    "playlist": "#EXTM3U\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n",
    "network": "#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:{port}/x.ts\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{secret}'\n",
    "text": "no music at all\n",
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_opens_nothing_and_is_said_to_be_damaged(
    wav_song: Song, tmp_path: Path, name: str
) -> None:
    secret = tmp_path / "secret.wav"
    soundfile.write(secret, tones(5.0), 44_100)
    path = wav_song.path.with_name("x.m4a")
    path.write_text(HOSTILE[name].format(secret=secret, port=9))
    wav_song.relative_path = path.name
    with pytest.raises(SongUnplayableError):
        convert(wav_song)
    assert not list(transcoded_cache().folder.glob("*/*"))


def test_no_word_of_the_file_or_the_client_is_an_argument(wav_song: Song) -> None:
    command = transcoding._command(7, transcoding.TARGETS["mp3"])
    text = " ".join(command)
    assert wav_song.relative_path not in text
    assert "-protocol_whitelist file,pipe" in text
    assert f"-format_whitelist {DEMUXERS}" in text
    assert not {"hls", "concat", "image2"} & set(DEMUXERS.split(","))


def test_it_is_ended_when_nobody_waits(
    wav_song: Song, tmp_path: Path, settings: SettingsWrapper
) -> None:
    pid = tmp_path / "pid"
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, f"echo $$ > {pid}; exec sleep 60")
    started = time.monotonic()
    wanted = iter([True, True, True])
    with pytest.raises(MediaBusyError):
        song_transcoded(song=wav_song, target="mp3", is_wanted=lambda: next(wanted, False))
    assert time.monotonic() - started < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_it_is_ended_at_its_deadline(
    wav_song: Song, tmp_path: Path, settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, "printf data; exec sleep 60")
    monkeypatch.setattr(transcoding, "DEADLINE_SECONDS", 0.5)
    with pytest.raises(SongUnplayableError, match="within"):
        convert(wav_song)
    assert not list(transcoded_cache().folder.glob("*/*"))


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("kill -9 $$", MediaBusyError),
        ("exec sleep 60", SongUnplayableError),
        ("exit 1", SongUnplayableError),
    ],
)
def test_one_that_failed_is_tried_again_after_a_pause(
    wav_song: Song,
    tmp_path: Path,
    settings: SettingsWrapper,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    kind: type[Exception],
) -> None:
    now, runs = [0.0], tmp_path / "runs"
    for name in ("_pauses", "_unplayable"):
        monkeypatch.setattr(transcoding, name, Pauses(lambda: now[0]))
    monkeypatch.setattr(transcoding, "DEADLINE_SECONDS", 0.5)
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, f"echo x >> {runs}; {script}")
    for seconds in (0, 30, 61):
        now[0] = float(seconds)
        with pytest.raises(kind) as raised:
            convert(wav_song)
        assert ("damaged" in str(raised.value)) is (script == "exit 1" and seconds != 30)
        with pytest.raises(kind):
            song_transcoded_already(song=wav_song, target="mp3")
    assert runs.read_text().count("x") == 2


@pytest.mark.parametrize("script", ["kill -9 $$", "exit 1"])
def test_one_that_succeeds_is_forgotten_to_have_failed(
    wav_song: Song,
    tmp_path: Path,
    settings: SettingsWrapper,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
) -> None:
    now = [0.0]
    for name in ("_pauses", "_unplayable"):
        monkeypatch.setattr(transcoding, name, Pauses(lambda: now[0]))
    works = tmp_path / "works"
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, f"[ -e {works} ] && printf data || {script}")
    for _ in range(2):  # a second failure in a row has a pause of five minutes
        with pytest.raises((MediaBusyError, SongUnplayableError)):
            convert(wav_song)
        now[0] += 61
        works.touch()
        convert(wav_song).unlink()
        works.unlink()


def test_requests_that_wait_for_a_damaged_song_do_not_convert_it_again(
    wav_song: Song, tmp_path: Path, settings: SettingsWrapper
) -> None:
    runs = tmp_path / "runs"
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, f"echo x >> {runs}; sleep 0.5; exit 1")
    refused: list[str] = []

    def request() -> None:
        try:
            convert(wav_song)
        except SongUnplayableError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=request) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(refused) == 2
    assert runs.read_text() == "x\n"


def test_what_is_known_without_a_conversion(
    wav_song: Song, tmp_path: Path, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, "printf data")
    assert song_transcoded_already(song=wav_song, target="mp3") is None
    at_once = settings.AFFETTI_TRANSCODES
    with contextlib.ExitStack() as held:
        for _ in range(at_once):
            held.enter_context(transcoding._turns(at_once).taken(wait_seconds=0))
        with pytest.raises(MediaBusyError):
            song_transcoded_already(song=wav_song, target="mp3")
    made = convert(wav_song)
    wav_song.path.unlink()
    assert song_transcoded_already(song=wav_song, target="mp3") == made
    made.unlink()
    with pytest.raises(PathError):
        song_transcoded_already(song=wav_song, target="mp3")


def test_two_requests_wait_for_one_conversion(
    wav_song: Song, tmp_path: Path, settings: SettingsWrapper
) -> None:
    runs = tmp_path / "runs"
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, f"echo x >> {runs}; sleep 0.5; printf data")
    found: list[bytes] = []

    def request() -> None:
        # The first client leaves, but the others wait on.
        found.append(convert(wav_song, is_wanted=False).read_bytes())

    threads = [threading.Thread(target=request) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [b"data"] * 3
    assert runs.read_text() == "x\n"


def test_requests_for_few_songs_do_not_hold_every_thread(
    wav_song: Song, tmp_path: Path, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, "sleep 1.5; printf data")
    ended: list[str] = []

    def request() -> None:
        try:
            convert(wav_song)
        except MediaBusyError:
            ended.append("busy")
        else:
            ended.append("converted")

    threads = [threading.Thread(target=request) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.7)
    assert ended == ["busy"]  # at once; the three others convert or wait
    for thread in threads:
        thread.join(10)
    assert ended == ["busy", *["converted"] * 3]


def test_only_so_many_at_once(
    tmp_path: Path, wav_song: Song, settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AFFETTI_TRANSCODES = 1
    monkeypatch.setattr(transcoding, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(transcoding, "_songs", transcoding.OneByOne())
    transcoding._turns.cache_clear()
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, "sleep 1; printf data")
    other = SongFactory(library=wav_song.library, relative_path="tone.wav", is_available=False)
    thread = threading.Thread(target=convert, args=(wav_song,))
    thread.start()
    time.sleep(0.3)
    with pytest.raises(MediaBusyError):
        convert(other)
    thread.join(10)
    assert convert(other).read_bytes() == b"data"


def test_the_cache_is_bounded(wav_song: Song, tmp_path: Path, settings: SettingsWrapper) -> None:
    settings.AFFETTI_TRANSCODED_CACHE_BYTES = 10_000
    settings.AFFETTI_FFMPEG = fake_ffmpeg(tmp_path, "head -c 3000 /dev/zero")
    for number in range(8):
        wav_song.audio_sha256 = f"{number:064d}"
        convert(wav_song)
    files = list(transcoded_cache().folder.glob("*/*"))
    assert 0 < sum(path.stat().st_size for path in files) <= 10_000
