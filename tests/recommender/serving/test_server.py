"""The web server beside slow clients, in a process of its own and with short deadlines."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = """
import sys, time
from pathlib import Path
import django
django.setup()
from recommender.serving import server
server.IDLE_SECONDS, server.HEADER_SECONDS, server.BODY_SECONDS, server.WRITE_SECONDS = 2, 2, 3, 4
server.MAX_CONNECTIONS = int(sys.argv[2])

def application(environ, start_response):
    if environ["PATH_INFO"] == "/file":
        file = open(sys.argv[1], "rb")
        file.seek(1000)
        start_response("200 OK", [("Content-Length", "40000000")])
        return environ["wsgi.file_wrapper"](file, 65536)
    if environ["PATH_INFO"] == "/waits":
        has_left, end = environ["waitress.client_disconnected"], time.monotonic() + 5
        while not has_left() and time.monotonic() < end:
            time.sleep(0.05)
        Path(sys.argv[1]).with_name("left").write_text(str(has_left()))
    body = environ["wsgi.input"].read()
    said = environ.get("CONTENT_LENGTH", "-").encode() + b" " + body
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]

listener = server.listen("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
server.serve(application, listener, threads=4)
"""
START = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@contextlib.contextmanager
def serving(folder: Path, connections: int = 1000) -> Iterator[int]:
    (folder / "file").touch()
    os.truncate(folder / "file", 50_000_000)
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder / "file"), str(connections)],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "recommender.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        assert process.wait(timeout=15) == 0
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving(tmp_path_factory.mktemp("server")) as number:
        yield number


def get(port: int, path: str = "/") -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as client:
        client.request("GET", path)
        response = client.getresponse()
        return response.status, response.read()


def opened(port: int, words: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(words)
    return client


def seconds_until_closed(client: socket.socket) -> float:
    started = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        while client.recv(4096):
            pass
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (b"", 2),
        (START, 2),
        (POST + b"Content-Length: 100\r\n\r\nhalf", 3),
        (START + b"\r\n", 2),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", 3),
    ],
    ids=["idle", "half a header", "half a body", "kept alive", "half a chunk"],
)
def test_a_client_that_lets_a_deadline_pass_is_cut_off(
    words: bytes, seconds: float, port: int
) -> None:
    with opened(port, words) as client:
        assert seconds - 0.5 < seconds_until_closed(client) < seconds + 4


def test_a_drip_does_not_extend_the_deadline(port: int) -> None:
    with opened(port, START) as client:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 10:
                client.sendall(b"X")
                time.sleep(0.2)
        assert time.monotonic() - started < 7


def test_a_client_that_stops_reading_is_cut_off(port: int) -> None:
    with opened(port, b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        client.recv(1000)
        time.sleep(8)
        total = 1000
        with contextlib.suppress(OSError):
            while block := client.recv(1 << 20):
                total += len(block)
        assert total < 40_000_000


def test_pages_answer_beside_slow_clients_and_paused_streams(port: int) -> None:
    kinds = [b"", START, POST + b"Content-Length: 100\r\n\r\n", START + b"\r\n"]
    with contextlib.ExitStack() as stack:
        for number in range(80):
            stack.enter_context(opened(port, kinds[number % 4]))
        for _ in range(30):
            stream = opened(port, b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n")
            stack.enter_context(stream).recv(1000)
        for _ in range(30):
            started = time.monotonic()
            assert get(port) == (200, b"- ")
            assert time.monotonic() - started < 1


@pytest.mark.parametrize("leaves", [True, False])
def test_a_request_can_tell_that_its_client_has_left(tmp_path: Path, leaves: bool) -> None:
    with serving(tmp_path) as port:
        client = opened(port, b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.5)
        if leaves:
            client.close()
        end = time.monotonic() + (3 if leaves else 8)
        while not (tmp_path / "left").exists() and time.monotonic() < end:
            time.sleep(0.1)
        client.close()
        assert (tmp_path / "left").read_text() == str(leaves)
        assert get(port)[0] == 200


def test_more_clients_than_connections_do_not_stop_it(tmp_path: Path) -> None:
    with serving(tmp_path, connections=20) as port, contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(opened(port, START))
        for _ in range(10):
            assert get(port)[0] == 200


def test_part_of_a_file_is_sent_to_its_end_and_no_further(port: int) -> None:
    status, body = get(port, "/file")
    assert (status, len(body)) == (200, 40_000_000)


def test_a_chunked_body_is_read(port: int) -> None:
    words = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with opened(port, words + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n") as client:
        answer = b""
        while block := client.recv(4096):
            answer += block
    assert answer.endswith(b"7 abcdefg")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (START + b"X: " + b"x" * 60_000 + b"\r\n\r\n", b"431"),
        (POST + b"Content-Length: 2000000\r\n\r\n", b"413"),
        (POST + b"Content-Length: 99999999999999999999999\r\n\r\n", b"413"),
        (POST + b"Content-Length: -1\r\n\r\n", b"400"),
        (b"\x00\xff\r\n\r\n", b"400"),
    ],
)
def test_what_is_too_large_or_no_request(words: bytes, status: bytes, port: int) -> None:
    with opened(port, words) as client:
        assert client.recv(4096).split()[1] == status
