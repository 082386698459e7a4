"""Requests that are no good HTTP, over a socket: each gets its answer, and the server goes on."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = """
import django
django.setup()
from recommender.serving import server
from recommender.wsgi import application

listener = server.listen("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
server.serve(application, listener, threads=4)
"""


class Site(NamedTuple):
    port: int
    log: Path
    process: subprocess.Popen[str]

    def answers(self, sent: bytes) -> bytes:
        """Return all that the server says until it closes, or is silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            said = b""
            # A server that has said no resets the connection of one who goes on to send.
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                while part := client.recv(65536):
                    said += part
            return said


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole application, in a process of its own, with an empty database."""
    folder = tmp_path_factory.mktemp("site")
    own = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    own |= {
        "DJANGO_SETTINGS_MODULE": "recommender.settings",
        "AFFETTI_VAR_DIR": str(folder),
        "AFFETTI_THROTTLE_LOGIN": "1000/min",
    }
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=own, check=True)
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=ROOT,
            env=own,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    yield Site(int(process.stdout.readline()), log, process)
    process.terminate()
    assert process.wait(timeout=20) == 0
    process.stdout.close()


HOST = b"Host: 127.0.0.1\r\n"
END = b"Connection: close\r\n\r\n"


def get(path: bytes, headers: bytes = b"", method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + HOST + headers + END


def post(headers: bytes, body: bytes = b"") -> bytes:
    return get(b"/signup", headers, b"POST") + body


CASES = {
    "length of 5,000 digits": (post(b"Content-Length: " + b"9" * 5000 + b"\r\n"), {400, 413}),
    "length of 19 digits": (post(b"Content-Length: " + b"9" * 19 + b"\r\n"), {413}),
    "length of 5,000 zeros": (post(b"Content-Length: " + b"0" * 5000 + b"\r\n"), {400, 403}),
    "negative length": (post(b"Content-Length: -1\r\n"), {400}),
    "length with a plus": (post(b"Content-Length: +3\r\n", b"a=b"), {400}),
    "length in hex": (post(b"Content-Length: 0x3\r\n", b"a=b"), {400}),
    "two lengths": (post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"a=bc"), {400}),
    "twice the same length": (post(b"Content-Length: 3\r\n" * 2, b"a=b"), {400}),
    "length and chunks": (
        post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"3\r\na=b\r\n0\r\n\r\n"),
        {400},
    ),
    "chunks of HTTP/1.0": (
        b"POST /signup HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        {400},
    ),
    "other transfer encoding": (post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), {501}),
    "chunk size in words": (post(b"Transfer-Encoding: chunked\r\n", b"xyz\r\nabc\r\n"), {400}),
    "negative chunk size": (post(b"Transfer-Encoding: chunked\r\n", b"-5\r\nabcde\r\n"), {400}),
    "chunk size of 5,000 digits": (
        post(b"Transfer-Encoding: chunked\r\n", b"f" * 5000 + b"\r\nabc\r\n"),
        {400, 413},
    ),
    "chunk without its end": (
        post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"),
        {400},
    ),
    "chunks above the limit": (
        post(b"Transfer-Encoding: chunked\r\n", (b"ffff\r\n" + b"x" * 65535 + b"\r\n") * 20),
        {413},
    ),
    "header of 100 kB": (get(b"/", b"X-A: " + b"a" * 100_000 + b"\r\n"), {431}),
    "5,000 headers": (get(b"/", b"".join(b"X-%d: a\r\n" % n for n in range(5000))), {431}),
    "path of 100 kB": (get(b"/" + b"a" * 100_000), {431}),
    "header without a colon": (get(b"/", b"no colon here\r\n"), {400}),
    "header without a name": (get(b"/", b": value\r\n"), {400}),
    "space before the colon": (get(b"/", b"X-A : b\r\n"), {400}),
    "NUL in a header": (get(b"/", b"X-A: a\0b\r\n"), {400}),
    "NUL in the request line": (get(b"/a\0b"), {400, 404}),
    "bare line feeds": (b"GET / HTTP/1.1\n" + HOST + END, {400}),
    "bare carriage return": (get(b"/", b"X-A: a\rSet-Cookie: b\r\n"), {400}),
    "folded header": (get(b"/healthz", b"X-A: a\r\n  b\r\n"), {200, 400}),
    "folded first header": (b"GET / HTTP/1.1\r\n a: b\r\n" + HOST + END, {400}),
    "absolute address": (get(b"http://127.0.0.1/healthz"), {200}),
    "absolute address of another host": (get(b"http://evil.example/healthz"), {200, 400}),
    "absolute address without a host": (get(b"http://[/healthz"), {400}),
    "address and port": (get(b"127.0.0.1:80", b"", b"CONNECT"), {400, 404, 405}),
    "asterisk": (get(b"*", b"", b"OPTIONS"), {400, 404, 405}),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", {200, 400}),
    "HTTP/9.9": (b"GET /healthz HTTP/9.9\r\n" + HOST + END, {200, 400, 505}),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 405, 505}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50 + b"\r\n\r\n", {400}),
    "method in small letters": (get(b"/healthz", b"", b"get"), {200, 400, 405}),
    "method that there is not": (get(b"/healthz", b"", b"BREW"), {403, 405}),
    "method of 1,000 letters": (get(b"/healthz", b"", b"A" * 1000), {400, 403, 405}),
    "no host": (b"GET / HTTP/1.1\r\n" + END, {200, 400}),
    "two hosts": (get(b"/", b"Host: evil.example\r\n"), {400}),
    "host with a path": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1/evil\r\n" + END, {400}),
    "host that is no name": (b"GET / HTTP/1.1\r\nHost: [::1\r\n" + END, {400}),
    "%00 in the path": (get(b"/songs%00"), {404}),
    "%00 in a query": (get(b"/songs?q=%00"), {200, 400}),
    "overlong slash": (get(b"/static/..%c0%af..%c0%afetc/passwd"), {400, 404}),
    "overlong letter": (get(b"/%c1%a1dmin/"), {400, 404}),
    "raw bytes in the path": (get(b"/\xff\xfe"), {400, 404}),
    "bytes that are no UTF-8": (get(b"/songs?q=%ff%fe"), {200, 400}),
    "half a percent sign": (get(b"/songs?q=%&%=%zz"), {200, 400}),
    "climbing": (get(b"/static/../../../../etc/passwd"), {400, 404}),
    "climbing by percent": (get(b"/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd"), {400, 404}),
    "climbing by a parameter": (get(b"/static/..;/..;/admin/"), {404}),
    "climbing by backslash": (get(b"/static/..\\..\\secret.key"), {400, 404}),
    "two slashes": (get(b"//evil.example/%2e%2e"), {404}),
    "waiting with too large a body": (
        post(b"Content-Length: 99999999\r\nExpect: 100-continue\r\n"),
        {413},
    ),
    "waiting for what there is not": (
        post(b"Content-Length: 0\r\nExpect: 200-maybe\r\n"),
        {403, 417},
    ),
    "forged proxy headers": (
        get(b"/healthz", b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: nonsense\r\n"),
        {200},
    ),
    "range of 1,000 parts": (
        get(b"/healthz", b"Range: bytes=" + b"0-0," * 999 + b"0-0\r\n"),
        {200, 416},
    ),
    "cookie of 30 kB": (get(b"/", b"Cookie: sessionid=" + b"a" * 30_000 + b"\r\n"), {200, 400}),
    "cookie that is none": (get(b"/", b'Cookie: =;;\xff=\x01; "\r\n'), {200, 400}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_malformed_request_gets_its_answer(case: str, site: Site) -> None:
    sent, statuses = CASES[case]
    said = site.answers(sent)
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", said)
    assert match, f"no answer: {said[:80]!r}"
    assert int(match[1]) in statuses, said[:300]
    assert b"Traceback" not in said
    assert b"root:" not in said
    assert b"evil" not in said.lower().split(b"\r\n\r\n", 1)[0], "no header repeats what was sent"
    assert b" 200 OK" in site.answers(get(b"/healthz"))
    assert site.process.poll() is None


def test_the_log_has_no_traceback(site: Site) -> None:
    for sent, _ in CASES.values():
        site.answers(sent)
    log = site.log.read_text()
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]


def test_one_body_is_not_two_requests(site: Site) -> None:
    """What a proxy takes for a body must not be answered as a request."""
    hidden = get(b"/healthz")
    for first in (
        post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked\r\n", b"0;\n\r\n\r\n"),
        b"POST /signup HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
    ):
        first = first.replace(b"Connection: close\r\n", b"")
        assert site.answers(first + hidden).count(b"HTTP/1.") == 1


def test_many_sign_ups_of_one_name(site: Site) -> None:
    """Eight at once: one gets the account, the others an answer that says why not."""
    page = site.answers(get(b"/signup"))
    cookie = re.search(rb"csrftoken=(\w+)", page)
    secret = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert cookie
    assert secret
    answers: list[bytes] = []
    # Names that differ and look alike; every address may try.
    names = [b"mirna", b"MIRNA", b"Mirna", b"mIrna", b"rnirna", b"mirna", b"mirnA", b"mima"]

    def sign_up(name: bytes) -> None:
        words = b"pass-word-1x"
        body = b"csrfmiddlewaretoken=%b&username=%b&password1=%b&password2=%b"
        body %= secret[1], name, words, words
        headers = b"Content-Type: application/x-www-form-urlencoded\r\nCookie: csrftoken=%b\r\n"
        answers.append(
            site.answers(post(headers % cookie[1] + b"Content-Length: %d\r\n" % len(body), body))
        )

    threads = [threading.Thread(target=sign_up, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(int(answer[9:12]) for answer in answers)
    assert statuses.count(302) == 1, statuses
    assert set(statuses) <= {200, 302, 400}, statuses
