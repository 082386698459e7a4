"""The plugin for beets, by beets' own command against a server that runs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import mutagen
import numpy as np
import pytest
import soundfile

from catalog.models import SongEmotion
from tests.factories import SongEmotionFactory, SongFactory, UserFactory, token_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.live_server_helper import LiveServer

pytest.importorskip("beets", reason="needs beets, of the development tools")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PLUGINS = Path(__file__).parents[3] / "integrations" / "beets" / "beetsplug"
RECORDING = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two songs, one of them with the id of its recording, and one that the server lacks."""
    folder = tmp_path / "music"
    folder.mkdir()
    tone = np.sin(np.arange(44_100) * 2 * np.pi * 440 / 44_100) / 2
    for name, tags in (
        ("one", {"title": "Élan", "artist": "Ada", "album": "First", "bpm": "90"}),
        ("two", {"title": "Other", "artist": "Bob", "musicbrainz_trackid": RECORDING}),
        ("three", {"title": "Unknown", "artist": "Nobody"}),
    ):
        path = folder / f"{name}.flac"
        soundfile.write(path, tone, 44_100)
        file = mutagen.File(path)
        file.update(tags)
        file.save()
    return folder


@pytest.fixture
def beet(live_server: LiveServer, tmp_path: Path) -> Callable[..., str]:
    """Run beets with a library of its own."""
    token = token_secret(UserFactory(), "read")
    settings = f"""
directory: {tmp_path}
library: {tmp_path}/beets.db
plugins: affetti
pluginpath: {PLUGINS}
import: {{copy: no, move: no, write: yes, autotag: no, quiet: yes}}
affetti: {{url: "{live_server.url}/", token: {token}}}
"""
    (tmp_path / "config.yaml").write_text(settings)

    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "beets", *words],
            env={**os.environ, "BEETSDIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    return run


def test_moods_come_into_beets(beet: Callable[..., str], files: Path) -> None:
    # Another song of the name, which is longer than the item, is none of its songs.
    SongEmotionFactory(song=SongFactory(title="elan", artist="ADA", duration_seconds=200.0))
    calm = SongFactory(title="elan", artist="ADA", album="First", duration_seconds=2.0, bpm=120.4)
    SongEmotionFactory(song=calm, valence=0.7, arousal=0.2)
    lively = SongFactory(
        title="Renamed",
        artist="Bob",
        musicbrainz_recording_id=RECORDING,
        bpm=140.4,
        estimated_key=9,
        key_confidence=0.9,
    )
    SongEmotionFactory(song=lively, valence=0.2, arousal=0.8)
    beet("import", str(files))
    assert "affetti_valence" in beet("affetti", "-p")
    assert beet("ls", "affetti_valence:0..") == ""
    assert "2 songs found, 1 not found" in beet("affetti")
    shown = beet("ls", "-f", "$title|$mood|$bpm|$initial_key", "affetti_arousal:..0.35")
    assert shown.splitlines() == ["Élan|calm|90|"]
    # A tempo that an item has is kept, without force.
    beet("affetti", "-f", "title:Élan")
    assert beet("ls", "-f", "$bpm", "title:Élan").strip() == "120"
    shown = beet("ls", "-f", "$mood|$bpm|$initial_key|$affetti_valence", "artist:Bob")
    assert shown.strip() == f"angry|140|{lively.key}{'m' if lively.mode == 'minor' else ''}|0.2"
    assert mutagen.File(files / "one.flac")["mood"] == ["calm"]
    assert "mood" not in mutagen.File(files / "three.flac")


def test_a_mood_of_ones_own_stays(beet: Callable[..., str], files: Path) -> None:
    song = SongFactory(title="Other", artist="Bob", musicbrainz_recording_id=RECORDING)
    row = SongEmotionFactory(song=song, valence=0.7, arousal=0.2)

    def mood() -> str:
        return beet("ls", "-f", "$mood", "artist:Bob").strip()

    beet("import", str(files))
    beet("modify", "-y", "artist:Bob", "mood=mine")
    beet("affetti")
    assert mood() == "mine"
    beet("affetti", "-f")
    assert mood() == "calm"
    # Another prediction replaces what the plugin wrote.
    row.valence, row.arousal = 0.2, 0.8
    row.save()
    beet("affetti")
    assert mood() == "angry"


@pytest.mark.parametrize("answer", [b"[]", b"{}", b'{"tracks": 1, "next_page": null}'])
def test_another_server_is_told(beet: Callable[..., str], tmp_path: Path, answer: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = tmp_path / "config.yaml"
    text = config.read_text()
    address = text.split('url: "')[1].split('"')[0]
    config.write_text(text.replace(address, f"http://127.0.0.1:{server.server_port}"))
    told = beet("affetti", code=1)
    server.shutdown()
    server.server_close()
    assert "is no Affetti server" in told
    assert "Traceback" not in told


def test_a_server_that_refuses_is_told(
    beet: Callable[..., str], settings: object, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("token: ", "token: x"))
    assert "The token is not valid" in beet("affetti", code=1)
    address = text.split('url: "')[1].split('"')[0]
    config.write_text(text.replace(address, "http://127.0.0.1:9"))
    assert "does not answer" in beet("affetti", code=1)


def test_a_large_library_comes_in_pages(beet: Callable[..., str], files: Path) -> None:
    beet("import", str(files))
    library = SongFactory().library
    songs = SongFactory.create_batch(510, library=library)
    last = SongFactory(library=library, title="Unknown", artist="Nobody", duration_seconds=None)
    for song in (*songs, last):
        SongEmotionFactory(song=song, valence=0.9, arousal=0.7)
    assert SongEmotion.objects.count() == 511
    assert "1 songs found, 2 not found" in beet("affetti")
