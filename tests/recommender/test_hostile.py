"""Hostile requests to pages and API: each is refused with a reason, none fails the server."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from recommender.models import Listen, Playlist, Scope, Token
from tests.factories import UserFactory, token_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

pytestmark = pytest.mark.django_db

LIST, LISTEN = "/api/v1/playlists/", "/api/v1/listens/"
LONE = "\ud800"
BODIES = {
    "lists 50,000 deep": b"[" * 25_000 + b"]" * 25_000,
    "objects 5,000 deep": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "1e308": b'{"point": {"valence": 1e308, "arousal": 0}}',
    "1e999": b'{"point": {"valence": 1e999, "arousal": 0}}',
    "NaN": b'{"point": {"valence": NaN, "arousal": 0}}',
    "a number of 10,000 digits": b'{"count": ' + b"9" * 10_000 + b"}",
    "a negative seed": b'{"moods": ["calm"], "seed": -1}',
    "a lone surrogate in a mood": json.dumps({"moods": [LONE]}).encode(),
    "a lone surrogate in the text": json.dumps({"text": LONE}).encode(),
    "a lone surrogate in a key": json.dumps({LONE: 1}).encode(),
    "NUL in a mood": b'{"moods": ["\\u0000"]}',
    "no UTF-8": b'{"moods": ["\xff\xfe"]}',
    "UTF-16": '{"moods": ["calm"]}'.encode("utf-16"),
    "half an object": b'{"moods": ["calm"',
    "two objects": b'{"moods": ["calm"]}{"moods": ["calm"]}',
    "a prototype": b'{"__proto__": {"is_staff": true}, "moods": ["calm"]}',
    "a row number that is a truth": b'{"song_ids": [true]}',
}


@pytest.fixture
def quiet() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("case", BODIES)
def test_bodies(case: str, quiet: Client, songs: list[Song]) -> None:
    answer = quiet.post(LIST, BODIES[case], content_type="application/json")
    assert answer.status_code in (400, 413), answer.content[:300]
    assert answer.json()["code"] in ("REQUEST_INVALID", "PARSE_FAILED", "REQUEST_TOO_LARGE")
    assert len(answer.content) <= 8192


def test_the_last_of_two_equal_keys_counts(quiet: Client, songs: list[Song]) -> None:
    """As in every reader of JSON; the first is not used behind the back of a check."""
    body = b'{"moods": ["calm"], "count": 3, "count": 100000}'
    assert quiet.post(LIST, body, content_type="application/json").status_code == 400


@pytest.mark.parametrize("field", ["username", "password", "name"])
def test_lone_surrogates_at_the_login(field: str, quiet: Client, user: User) -> None:
    body = {"username": "ada", "password": "pass-word-1", "name": "x", field: LONE}
    answer = quiet.post("/api/v1/auth/login/", json.dumps(body), content_type="application/json")
    assert answer.status_code in (400, 401), answer.content[:300]


def test_a_compressed_body_is_not_unpacked(quiet: Client, songs: list[Song]) -> None:
    bomb = gzip.compress(b" " * 30_000_000)
    answer = quiet.post(LIST, bomb, content_type="application/json", HTTP_CONTENT_ENCODING="gzip")
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/signup", "/login", "/admin/login/"])
def test_ten_thousand_fields(path: str, quiet: Client) -> None:
    fields = "&".join(f"a{n}=" for n in range(10_000))
    kind = "application/x-www-form-urlencoded"
    assert quiet.post(path, fields, content_type=kind).status_code in (400, 413)


@pytest.mark.parametrize(
    "path", ["/account/delete", "/account/tokens", "/account/tokens/revoke", "/playlists/save"]
)
def test_forms_of_other_sites(path: str, user: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    secret = token_secret(user)
    assert browser.post(path, {"password": "pass-word-1", "name": "x"}).status_code == 403
    assert Token.objects.filter(prefix=secret[:8]).exists()


def test_a_session_alone_writes_nothing_by_the_api(user: User, songs: list[Song]) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    body = {"song_id": songs[0].pk}
    answer = browser.post(LISTEN, body, content_type="application/json")
    assert answer.status_code == 403
    assert not Listen.objects.exists()


@pytest.mark.parametrize(
    "target",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example"),
        *("javascript:alert(1)", "http:evil.example", "///evil.example", "/%0d%0aSet-Cookie: a=b"),
    ],
)
def test_a_login_leads_to_no_other_site(target: str, client: Client, user: User) -> None:
    answer = client.post("/login", {"username": "ada", "password": "pass-word-1", "next": target})
    assert answer.status_code == 302
    assert "evil.example" not in answer["Location"] or answer["Location"].startswith("/%")
    assert answer["Location"].startswith("/")
    assert not answer["Location"].startswith(("//", "/\\"))


def test_a_login_begins_a_new_session(client: Client, user: User) -> None:
    session = client.session
    session["planted"] = True
    session.save()
    before = client.cookies["sessionid"].value
    client.post("/login", {"username": "ada", "password": "pass-word-1"})
    assert client.cookies["sessionid"].value != before
    assert client.cookies["sessionid"]["httponly"]
    assert client.cookies["sessionid"]["samesite"] == "Lax"


def test_a_token_ends_with_its_user(client: Client, user: User) -> None:
    headers = {"Authorization": f"Token {token_secret(user)}"}
    assert client.get("/api/v1/tokens/", headers=headers).status_code == 200
    user.is_active = False
    user.save()
    assert client.get("/api/v1/tokens/", headers=headers).status_code == 401
    user.delete()
    assert client.get("/api/v1/tokens/", headers=headers).status_code == 401


WRITES: dict[str, tuple[str, dict[str, Any], str]] = {
    "playlists": (LIST, {"moods": ["calm"]}, Scope.PLAYLISTS),
    "listens": (LISTEN, {"song_id": 1}, Scope.LISTEN),
    "tokens": ("/api/v1/tokens/", {"name": "x", "scopes": ["read"]}, Scope.ADMIN),
    "jobs": ("/api/v1/ingest-jobs/", {"path": "/etc"}, Scope.INGEST),
    "password": ("/api/v1/account/password/", {"old_password": "a"}, Scope.ADMIN),
    "deletion": ("/api/v1/account/delete/", {"password": "pass-word-1"}, Scope.ADMIN),
}


@pytest.mark.parametrize("scope", [s for s in Scope if s != Scope.ADMIN])
@pytest.mark.parametrize("write", WRITES)
def test_a_narrow_token_writes_its_own_alone(
    write: str, scope: Scope, client: Client, staff: User, songs: list[Song]
) -> None:
    path, body, needed = WRITES[write]
    headers = {"Authorization": f"Token {token_secret(staff, scope)}"}
    answer = client.post(path, body, content_type="application/json", headers=headers)
    assert (answer.status_code == 403) == (scope != needed), answer.content[:200]


@pytest.mark.parametrize("method", ["get", "head", "patch", "put", "delete", "post"])
def test_what_is_anothers_is_not_there(method: str, client: Client, user: User) -> None:
    other = UserFactory()
    mine = Playlist.objects.create(user=other, name="p", request={}, seed=1, model_version="m")
    token_secret(other)
    token = Token.objects.get(user=other)
    client.force_login(user)
    for path in (
        f"{LIST}{mine.pk}/",
        f"/api/v1/tokens/{token.pk}/",
        f"/playlists/{mine.pk}",
        f"/playlists/{mine.pk}/rename",
        f"/playlists/{mine.pk}/delete",
        f"/account/tokens/{token.pk}/revoke",
    ):
        body = None if method in ("get", "head") else {"name": "x"}
        kind: Any = {} if method in ("get", "head") else {"content_type": "application/json"}
        answer = getattr(client, method)(path, body, **kind)
        assert answer.status_code in (404, 405), (path, answer.status_code)
    mine.refresh_from_db()
    token.refresh_from_db()
    assert mine.name == "p"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "DEBUG"])
def test_other_methods_tell_nothing(method: str, quiet: Client) -> None:
    for path in ("/", LIST, "/api/v1/tokens/", "/account", "/admin/"):
        answer = quiet.generic(method, path, headers={"X-Secret": "do-not-repeat"})
        assert answer.status_code < 500, path
        assert b"do-not-repeat" not in answer.content


@pytest.mark.parametrize(
    "path", ["/account", "/account/export", "/api/v1/account/export/", "/history"]
)
def test_no_cache_keeps_what_is_private(path: str, client: Client, user: User) -> None:
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == 200
    assert "no-store" in answer.get("Cache-Control", ""), path


def test_no_cache_keeps_what_a_token_reads(client: Client, user: User) -> None:
    headers = {"Authorization": f"Token {token_secret(user)}"}
    for path in ("/api/v1/tokens/", "/api/v1/account/export/"):
        assert "no-store" in client.get(path, headers=headers)["Cache-Control"], path
    # The client itself may keep what has a tag, to ask whether it is still so.
    for path in (LIST, LISTEN, "/api/v1/moods/"):
        for asker in (client, Client()):
            answer = asker.get(path, headers=headers if asker is client else {})
            if answer.status_code == 200:
                assert answer["Cache-Control"] == "private, no-cache", path
                assert {"Authorization", "Cookie"} <= set(answer["Vary"].split(", ")), path


def test_a_thousand_ranges(client: Client, wav_song: Song) -> None:
    ranges = "bytes=" + ",".join("0-" for _ in range(1_000))
    answer = client.get(f"/songs/{wav_song.pk}/audio", headers={"Range": ranges})
    size = len(b"".join(answer.streaming_content)) if answer.streaming else len(answer.content)
    assert answer.status_code in (200, 416)
    assert size <= 64_044


def test_no_header_comes_out_of_a_name(client: Client, user: User, songs: list[Song]) -> None:
    client.force_login(user)
    name = 'x"\r\nSet-Cookie: a=b; filename="../../evil'
    query = f"mood=calm&seed=1&count=3&name={name}"
    client.post("/playlists/save", {"name": name, "query": "mood=calm&seed=1&count=3"})
    kept = Playlist.objects.first()
    addresses = [f"/playlist.m3u8?{query}"]
    if kept is not None:
        addresses.append(f"{LIST}{kept.pk}/export.m3u8")
    for address in addresses:
        answer = client.get(address)
        disposition = answer.get("Content-Disposition", "")
        assert "Set-Cookie" not in answer.headers
        assert "\n" not in disposition
        assert "/" not in disposition


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "/proc/self/environ", "/dev/zero", "file:///etc/passwd"),
        *("http://169.254.169.254/", "\\\\evil\\share", "../../etc", "~root", "$HOME", "|id", "\0"),
    ],
)
def test_only_catalogue_roots_are_ingested(
    path: str, client: Client, staff: User, settings: SettingsWrapper
) -> None:
    client.force_login(staff)
    answer = client.post("/api/v1/ingest-jobs/", {"path": path}, content_type="application/json")
    assert answer.status_code == 400
    assert "root:x:0" not in answer.content.decode()
