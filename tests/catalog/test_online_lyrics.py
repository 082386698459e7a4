"""Lyrics from a server: found, not there, refused, and servers that are slow, broken or hostile."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from catalog import lrclib, online_lyrics
from catalog.files.tags import Tags, write_tags
from catalog.lrclib import Answer, LyricsServer, LyricsServerError, Question
from catalog.models import LyricsLookup, Song
from catalog.online_lyrics import lyrics_ask, lyrics_portion, songs_to_ask
from catalog.tasks import online_lyrics as task
from tests.catalog.conftest import write_tone
from tests.factories import SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import BackgroundJob

WORDS = "The river runs beneath the moon\nand every light is far from home\nI sing to keep the dark"
TIMED = "[00:01.00]The river runs beneath the moon\n[00:05.50]and every light is far from home"
ASKED = Question("River Song", "The Band", "First", 180.0)


def record(**values: Any) -> dict[str, Any]:
    return {
        "trackName": "River Song",
        "artistName": "The Band",
        "albumName": "First",
        "duration": 180.4,
        "instrumental": False,
        "plainLyrics": WORDS,
        "syncedLyrics": None,
    } | values


class Stub:
    """A lyrics server that gives what it is told to, path by path."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, list[str]], str]] = []
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes | None]]] = {}
        self.url = ""

    def gives(self, path: str, body: object, status: int = 200, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(path, []).append((status, named, data))

    def next(self, path: str) -> tuple[int, dict[str, str], bytes | None]:
        queue = self.answers.get(path, [])
        missing = b'{"code": 404, "name": "TrackNotFound"}' if "get" in path else b"[]"
        if not queue:
            return (404 if "get" in path else 200), {}, missing
        return queue.pop(0) if len(queue) > 1 else queue[0]


@pytest.fixture
def stub() -> Iterator[Stub]:
    served = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            agent = self.headers["User-Agent"]
            served.requests.append((parts.path, parse_qs(parts.query), agent))
            status, headers, body = served.next(parts.path)
            if body is None:
                time.sleep(1.0)
                body = b"{}"
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return  # the client has left

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def client(stub: Stub, slept: list[float] | None = None, **options: Any) -> Iterator[LyricsServer]:
    waits = [] if slept is None else slept
    with LyricsServer(stub.url, sleep=waits.append, **options) as server:
        yield server


def found(stub: Stub, question: Question = ASKED) -> Answer | None:
    with client(stub) as server:
        return server.find(question)


def test_it_sends_names_album_and_length_and_nothing_else(stub: Stub) -> None:
    stub.gives("/api/get", record())
    assert found(stub) == Answer(WORDS)
    ((path, sent, agent),) = stub.requests
    assert path == "/api/get"
    assert sent == {
        "track_name": ["River Song"],
        "artist_name": ["The Band"],
        "album_name": ["First"],
        "duration": ["180"],
    }
    assert agent.startswith("Affetti/")


def test_lyrics_with_times_are_preferred(stub: Stub) -> None:
    stub.gives("/api/get", record(syncedLyrics=TIMED))
    assert found(stub) == Answer(TIMED)


def test_a_search_follows_and_takes_the_nearest_of_the_same_song(stub: Stub) -> None:
    stub.gives(
        "/api/search",
        [
            record(duration=300, plainLyrics="another recording"),
            record(trackName="Mountain Song", plainLyrics="another song"),
            record(artistName="Somebody Else", plainLyrics="another artist"),
            record(duration=182.5, plainLyrics="less near"),
            record(artistName="Band, The", duration=181),
            "no record",
        ],
    )
    assert found(stub) == Answer(WORDS)
    assert [path for path, *_ in stub.requests] == ["/api/get", "/api/search"]


def test_nothing_there(stub: Stub) -> None:
    assert found(stub) is None


def test_the_wrong_song_is_not_taken_from_either(stub: Stub) -> None:
    stub.gives("/api/get", record(duration=200))
    stub.gives("/api/search", [record(trackName="Other")])
    assert found(stub) is None


def test_instrumental(stub: Stub) -> None:
    stub.gives("/api/get", record(instrumental=True, plainLyrics=None))
    assert found(stub) == Answer(is_instrumental=True)


def test_it_waits_as_long_as_it_is_told(stub: Stub) -> None:
    stub.gives("/api/get", {}, 429, Retry_After="7")
    stub.gives("/api/get", record())
    slept: list[float] = []
    with client(stub, slept) as server:
        assert server.find(ASKED) == Answer(WORDS)
    assert 7.0 in slept


def test_it_does_not_wait_for_an_hour(stub: Stub) -> None:
    stub.gives("/api/get", {}, 429, Retry_After="3600")
    with client(stub) as server, pytest.raises(LyricsServerError, match="3600 seconds"):
        server.find(ASKED)
    assert len(stub.requests) == 1


def test_two_requests_are_half_a_second_apart(stub: Stub) -> None:
    slept: list[float] = []
    with client(stub, slept, clock=lambda: 100.0) as server:
        server.find(ASKED)
    assert slept == [0.0, 0.5]


@pytest.mark.parametrize(("status", "tries"), [(500, 1), (503, 3), (403, 1), (302, 1)])
def test_a_server_with_errors(stub: Stub, status: int, tries: int) -> None:
    stub.gives("/api/get", {}, status, Location="http://127.0.0.1:1/")
    with client(stub) as server, pytest.raises(LyricsServerError, match=f"it answers {status}"):
        server.find(ASKED)
    assert len(stub.requests) == tries


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refused_question_has_no_answer(stub: Stub, status: int) -> None:
    stub.gives("/api/get", {"message": "invalid"}, status)
    assert found(stub) is None


@pytest.mark.parametrize("seconds", [0.2, 4000.0])
def test_a_length_that_the_server_refuses_is_not_sent(stub: Stub, seconds: float) -> None:
    stub.gives("/api/search", [record(duration=seconds)])
    assert found(stub, Question("River Song", "The Band", "First", seconds)) == Answer(WORDS)
    assert [path for path, _, _ in stub.requests] == ["/api/search"]


def test_a_length_that_is_no_number_is_of_no_song(stub: Stub) -> None:
    stub.gives("/api/get", json.dumps(record(duration=float("nan"))).encode())
    assert found(stub) is None


def test_the_error_does_not_tell_a_password(stub: Stub) -> None:
    stub.gives("/api/get", {}, 500)
    url = stub.url.replace("http://", "http://user:secret@")
    with (
        LyricsServer(url, sleep=lambda _: None) as server,
        pytest.raises(LyricsServerError, match="asked in vain") as told,
    ):
        server.find(ASKED)
    assert "secret" not in str(told.value)


def test_a_slow_server(stub: Stub) -> None:
    stub.answers["/api/get"] = [(200, {}, None)]
    with client(stub, timeout_seconds=0.1) as server, pytest.raises(LyricsServerError):
        server.find(ASKED)


def test_nobody_there() -> None:
    with (
        LyricsServer("http://127.0.0.1:1", sleep=lambda _: None) as server,
        pytest.raises(LyricsServerError, match="cannot be reached"),
    ):
        server.find(ASKED)


@pytest.mark.parametrize(
    "body", [b"<html>Welcome</html>", b"\xff\xfe\x00", b"[" * 200_000, b"", b"{"]
)
def test_what_is_not_json(stub: Stub, body: bytes) -> None:
    stub.gives("/api/get", body)
    with client(stub) as server, pytest.raises(LyricsServerError):
        server.find(ASKED)


@pytest.mark.parametrize(
    "values",
    [
        {"duration": "long"}, {"duration": True}, {"duration": None}, {"duration": 1e400},
        {"trackName": None}, {"artistName": 3}, {"plainLyrics": {"a": 1}},
        {"plainLyrics": "x " * 600_000}, {"plainLyrics": "   "},
    ],
)  # fmt: skip
def test_records_that_are_no_records(stub: Stub, values: dict[str, Any]) -> None:
    stub.gives("/api/get", record(**values))
    stub.gives("/api/search", [record(**values), None, [], 3])
    assert found(stub) is None


@pytest.mark.parametrize("body", [[1, 2], "text", 3, None, True])
def test_json_of_another_kind(stub: Stub, body: object) -> None:
    stub.gives("/api/get", body)
    stub.gives("/api/search", body)
    assert found(stub) is None


def test_a_huge_answer_is_not_read_to_its_end(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lrclib, "_MOST_BYTES", 1000)
    stub.gives("/api/get", record(plainLyrics="la " * 100_000))
    with client(stub) as server, pytest.raises(LyricsServerError, match="more than 1000 bytes"):
        server.find(ASKED)


# --- songs -------------------------------------------------------------------------------------


def a_song(**values: Any) -> Song:
    names = {"title": "River Song", "artist": "The Band", "album": "First"}
    return SongFactory(**(names | {"duration_seconds": 180.0, "lyrics": ""} | values))


def ask(stub: Stub) -> online_lyrics.LyricsReport:
    with client(stub) as server:
        return lyrics_ask(songs=list(songs_to_ask()), server=server)


@pytest.mark.django_db
def test_a_song_gets_lyrics_and_waits_for_its_analysis(stub: Stub) -> None:
    song = a_song(status="analysed")
    stub.gives("/api/get", record(syncedLyrics=TIMED))
    assert ask(stub).found == 1
    song.refresh_from_db()
    assert (song.lyrics, song.lyrics_source, song.status) == (TIMED, "lrclib", "pending")
    assert not songs_to_ask().exists()


@pytest.mark.django_db
def test_what_is_not_there_is_asked_again_after_months(stub: Stub) -> None:
    a_song()
    assert ask(stub).absent == 1
    assert not songs_to_ask().exists()
    old = timezone.now() - online_lyrics.ASK_AGAIN_AFTER - timedelta(days=1)
    LyricsLookup.objects.update(asked_at=old)
    assert songs_to_ask().exists()


@pytest.mark.django_db
def test_a_song_that_the_server_cannot_answer_keeps_none_waiting(stub: Stub) -> None:
    broken, next_one = a_song(), a_song(content_sha256="2")
    stub.gives("/api/get", b"no JSON")
    with pytest.raises(LyricsServerError):
        ask(stub)
    assert list(songs_to_ask()) == [next_one]
    LyricsLookup.objects.update(asked_at=F("asked_at") - timedelta(days=2))
    assert list(songs_to_ask()) == [broken, next_one]


@pytest.mark.django_db
def test_refused_lyrics_beside_the_file_take_them_not_away(
    stub: Stub, music_dir: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    path = write_tone(music_dir / "a.flac")
    write_tags(path, Tags(title="River Song", artist="The Band"))
    path.with_suffix(".txt").write_text("<html><body><div>Buy now</div></body></html>")
    ingest()
    Song.objects.update(duration_seconds=180.0)
    stub.gives("/api/get", record())
    assert ask(stub).found == 1
    ingest()
    assert Song.objects.get().lyrics == WORDS


@pytest.mark.django_db
def test_lyrics_that_are_none_are_refused_with_the_reason(stub: Stub) -> None:
    song = a_song()
    stub.gives("/api/get", record(plainLyrics="<html><body><div>Buy now</div></body></html>"))
    assert ask(stub).refused == 1
    song.refresh_from_db()
    assert song.lyrics == ""
    assert song.lyrics_note.startswith("the lyrics of LRCLIB ignored: ")
    assert LyricsLookup.objects.get().reason


@pytest.mark.django_db
def test_zero_bytes_and_surrogates_are_stored_nowhere(stub: Stub) -> None:
    song = a_song()
    stub.gives("/api/get", record(plainLyrics=WORDS + "\x00\nanother line of it"))
    ask(stub)
    song.refresh_from_db()
    assert "\x00" not in song.lyrics


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        {"lyrics": "words of the file"},
        {"lyrics_source": "admin"},
        {"genre": "Instrumental Jazz"},
        {"artist": ""},
        {"is_title_from_name": True},
        {"is_available": False},
        {"duration_seconds": None},
    ],
)
def test_songs_that_are_not_asked_for(values: dict[str, Any]) -> None:
    a_song(**values)
    assert not songs_to_ask().exists()


@pytest.mark.django_db
def test_lyrics_that_came_meanwhile_win(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    song = a_song()
    stub.gives("/api/get", record())

    class Late(LyricsServer):
        def find(self, question: Question) -> Answer | None:
            Song.objects.update(lyrics="mine", lyrics_source="admin")
            return super().find(question)

    with Late(stub.url, sleep=lambda _: None) as server:
        lyrics_ask(songs=list(songs_to_ask()), server=server)
    song.refresh_from_db()
    assert (song.lyrics, song.lyrics_source) == ("mine", "admin")


@pytest.mark.django_db
def test_an_ingest_keeps_them_until_the_file_has_its_own(
    stub: Stub, music_dir: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    path = write_tone(music_dir / "a.flac")
    write_tags(path, Tags(title="River Song", artist="The Band"))
    ingest()
    Song.objects.update(duration_seconds=180.0)
    stub.gives("/api/get", record())
    assert ask(stub).found == 1
    ingest()
    assert Song.objects.get().lyrics == WORDS
    write_tags(path, Tags(title="River Song", artist="The Band", album="Second"))
    ingest()
    assert (Song.objects.get().lyrics, Song.objects.get().album) == (WORDS, "Second")
    write_tags(path, Tags(title="Another Song", artist="The Band"))
    ingest()
    assert (Song.objects.get().lyrics, Song.objects.get().lyrics_source) == ("", "")
    assert not LyricsLookup.objects.exists()
    path.with_suffix(".txt").write_text("these words are\nbeside the file\nand they win")
    ingest()
    assert Song.objects.get().lyrics_source == "txt"


@pytest.mark.django_db
def test_nothing_is_sent_without_the_setting_or_while_songs_wait(
    stub: Stub, settings: SettingsWrapper
) -> None:
    a_song(status="analysed")
    settings.AFFETTI_LRCLIB_URL = ""
    lyrics_portion()
    settings.AFFETTI_LRCLIB_URL = stub.url
    waiting = SongFactory(status="pending", lyrics="la")
    lyrics_portion()
    assert not stub.requests
    waiting.delete()
    stub.gives("/api/get", record())
    assert task()["found"] == 1


@pytest.mark.django_db
def test_the_task_ends_in_peace_when_the_server_is_away(settings: SettingsWrapper) -> None:
    a_song(status="analysed")
    settings.AFFETTI_LRCLIB_URL = "http://127.0.0.1:1"
    assert task() == {}
    assert songs_to_ask().exists()


@pytest.mark.django_db
def test_the_command(stub: Stub, settings: SettingsWrapper) -> None:
    settings.AFFETTI_LRCLIB_URL = ""
    with pytest.raises(CommandError, match="AFFETTI_LRCLIB_URL is not set"):
        call_command("lyrics")
    settings.AFFETTI_LRCLIB_URL = stub.url
    a_song()
    a_song()
    stub.gives("/api/get", record())
    out = StringIO()
    call_command("lyrics", "--limit", "1", stdout=out, stderr=StringIO())
    assert "1 songs got lyrics, 0 are instrumental" in out.getvalue()
    assert songs_to_ask().count() == 1
