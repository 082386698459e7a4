"""Who may call, and how answers are written."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from django.test import Client

from recommender.accounts import MOST_APP_PASSWORDS, app_password_create
from recommender.errors import AccountError
from recommender.models import AppPassword
from recommender.subsonic.calls import CALLS
from tests.factories import UserFactory, token_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song
    from tests.recommender.subsonic.conftest import Player


def ping(client: Client, **parameters: str) -> dict[str, Any]:
    response = client.get("/rest/ping", {"f": "json", **parameters})
    assert response.status_code == 200
    body: dict[str, Any] = response.json()["subsonic-response"]
    return body


class TestKeys:
    @pytest.fixture
    def secret(self, user: User) -> str:
        return app_password_create(user=user, name="Phone")[1]

    def test_a_token_with_a_salt(self, client: Client, secret: str) -> None:
        token = hashlib.md5(f"{secret}abc".encode()).hexdigest()
        for given in (token, token.upper()):
            assert ping(client, u="ada", t=given, s="abc")["status"] == "ok"
        assert ping(client, u="ada", t=token, s="abd")["error"]["code"] == 40

    @pytest.mark.parametrize("name", ["ping", "ping.view"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_password_plain_or_in_hex(
        self, client: Client, secret: str, name: str, method: str
    ) -> None:
        for password in (secret, f"enc:{secret.encode().hex()}"):
            sent = {"u": "ada", "p": password, "f": "json"}
            body = getattr(client, method)(f"/rest/{name}?", _form(sent, method), **_kind(method))
            assert body.json()["subsonic-response"]["status"] == "ok"

    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            ({}, 10),
            ({"u": "ada"}, 10),
            ({"u": "ada", "t": "x"}, 10),
            ({"u": "ada", "s": "x"}, 10),
            ({"p": "x"}, 10),
            ({"u": "ada", "p": "wrong"}, 40),
            ({"u": "ada", "p": "pass-word-1"}, 40),  # the password of the pages
            ({"u": "ada", "p": "enc:zz"}, 40),
            ({"u": "ada\0", "p": "\0"}, 10),
            ({"u": "x" * 500, "p": "x"}, 40),
            ({"u": "ada", "p": "x", "t": "x", "s": "x"}, 43),
            ({"apiKey": "x" * 64}, 44),
            ({"apiKey": "é"}, 44),
            ({"apiKey": "x", "u": "ada"}, 43),
        ],
    )
    def test_refusals_have_the_codes_of_the_protocol(
        self, client: Client, secret: str, sent: dict[str, str], code: int
    ) -> None:
        body = ping(client, **sent)
        assert (body["status"], body["error"]["code"]) == ("failed", code)
        assert body["error"]["message"]

    def test_no_other_account_has_the_password(self, client: Client, secret: str) -> None:
        UserFactory(username="bob")
        assert ping(client, u="bob", p=secret)["error"]["code"] == 40

    def test_a_session_is_no_key(self, client: Client, user: User) -> None:
        client.force_login(user)
        assert ping(client)["error"]["code"] == 10

    def test_a_token_of_the_api_by_its_scopes(self, client: Client, user: User) -> None:
        key = token_secret(user, "read")
        assert ping(client, apiKey=key)["status"] == "ok"
        answer = client.get("/rest/stream", {"apiKey": key, "id": "1", "f": "json"})
        assert answer.json()["subsonic-response"]["error"]["code"] == 50

    def test_the_end(self, client: Client, user: User, secret: str) -> None:
        def is_open() -> bool:
            return ping(client, u="ada", p=secret)["status"] == "ok"

        user.is_active = False
        user.save()
        assert not is_open()
        user.is_active = True
        user.save()
        assert is_open()
        user.set_password("another-word-2")
        user.save()
        assert not is_open()
        assert not AppPassword.objects.exists()

    def test_nothing_of_the_password_is_stored(self, user: User) -> None:
        made, secret = app_password_create(user=user, name="Phone")
        assert re.fullmatch("[a-z2-7]{24}", secret)
        stored = json.dumps(AppPassword.objects.filter(pk=made.pk).values().get(), default=str)
        for whole in (secret, secret.encode().hex(), hashlib.md5(secret.encode()).hexdigest()):
            assert whole not in stored

    def test_another_secret_key_ends_it(
        self, client: Client, secret: str, settings: SettingsWrapper
    ) -> None:
        settings.SECRET_KEY = "another"
        assert ping(client, u="ada", p=secret)["error"]["code"] == 40

    def test_the_use_is_noted(self, client: Client, secret: str) -> None:
        ping(client, u="ada", p=secret)
        assert AppPassword.objects.get().last_used_at is not None

    def test_there_are_not_too_many(self, user: User) -> None:
        for _ in range(MOST_APP_PASSWORDS):
            app_password_create(user=user, name="x")
        with pytest.raises(AccountError, match="revoke one"):
            app_password_create(user=user, name="x")

    def test_guessing_is_throttled_by_address_and_name(
        self, client: Client, secret: str, settings: SettingsWrapper
    ) -> None:
        settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "keys": "5/min"}
        codes = [ping(client, u="ada", p=f"guess{n}")["error"]["code"] for n in range(6)]
        assert codes == [40] * 5 + [0]
        assert ping(client, u="ada", p=secret)["error"]["code"] == 0
        elsewhere = Client(REMOTE_ADDR="203.0.113.9")
        for _ in range(30):  # players send their key with every call
            assert ping(elsewhere, u="ada", p=secret)["status"] == "ok"

    def test_an_old_key_in_one_player_refuses_nobody_else(
        self, client: Client, user: User, secret: str, settings: SettingsWrapper
    ) -> None:
        settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "keys": "5/min"}
        for _ in range(7):
            ping(client, u="bob", p="old")
            ping(client, apiKey="old")
        assert ping(client, u="bob", p="old")["error"]["code"] == 0
        assert ping(client, u="ada", p=secret)["status"] == "ok"
        assert ping(client, apiKey=token_secret(user, "read"))["status"] == "ok"
        login = {"username": "ada", "password": "wrong"}
        assert client.post("/login", login).status_code == 200

    def test_an_address_that_guesses_many_names_is_refused(
        self, client: Client, secret: str, settings: SettingsWrapper
    ) -> None:
        settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "keys": "1/min"}
        codes = [ping(client, u=f"name{n}", p="guess")["error"]["code"] for n in range(11)]
        assert codes == [40] * 10 + [0]
        assert ping(client, u="ada", p=secret)["error"]["code"] == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sent", [{}, {"f": "yaml"}, {"apiKey": "x", "u": "x"}, {"u": "x", "p": "x"}, {"u": "x" * 2001}]
)
def test_refused_calls_are_counted_by_address(
    client: Client, settings: SettingsWrapper, sent: dict[str, str]
) -> None:
    settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "anon": "3/min"}
    words = [client.get("/rest/ping", sent).content for _ in range(4)]
    assert [b"Too many" in answer for answer in words] == [False] * 3 + [True]
    assert client.get("/songs").status_code == 200  # pages are counted apart


def _form(sent: dict[str, str], method: str) -> Any:
    return "&".join(f"{k}={v}" for k, v in sent.items()) if method == "post" else sent


def _kind(method: str) -> dict[str, str]:
    return {"content_type": "application/x-www-form-urlencoded"} if method == "post" else {}


@pytest.mark.django_db
def test_the_extensions_are_told_to_anybody(client: Client, settings: SettingsWrapper) -> None:
    settings.AFFETTI_PUBLIC = False
    response = client.get("/rest/getOpenSubsonicExtensions", {"f": "json"})
    told = response.json()["subsonic-response"]["openSubsonicExtensions"]
    assert {"name": "formPost", "versions": [1]} in told
    assert {"name": "apiKeyAuthentication", "versions": [1]} in told


@pytest.mark.django_db
@pytest.mark.parametrize("is_public", [True, False])
@pytest.mark.parametrize("name", [*CALLS, "noSuchCall", ""])
def test_no_other_call_is_answered_without_a_key(
    client: Client, settings: SettingsWrapper, name: str, is_public: bool
) -> None:
    settings.AFFETTI_PUBLIC = is_public
    if name:
        response = client.get(f"/rest/{name}", {"f": "json", "id": "1"})
        assert response.json()["subsonic-response"]["error"]["code"] == 10


def test_every_call_holds_a_token_to_its_scope(client: Client, user: User) -> None:
    key = token_secret(user, "ingest")
    for name in CALLS:
        response = client.get(f"/rest/{name}", {"f": "json", "apiKey": key})
        assert response.json()["subsonic-response"]["error"]["code"] == 50, name


class TestWriting:
    def test_xml_is_the_default(self, player: Player, collection: list[Song]) -> None:
        response = player.raw("getSong", f="", id=str(collection[0].pk))
        assert response["Content-Type"] == "text/xml"
        root = ElementTree.fromstring(response.content)
        space = "{http://subsonic.org/restapi}"
        assert (root.tag, root.get("status"), root.get("openSubsonic")) == (
            f"{space}subsonic-response",
            "ok",
            "true",
        )
        song = root.find(f"{space}song")
        assert song is not None
        assert song.get("title") == "Song 000"
        assert [one.text for one in song.findall(f"{space}moods")] == ["happy", "rainy"]
        assert [one.get("name") for one in song.findall(f"{space}genres")] == ["Rock"]

    def test_characters_that_xml_forbids(self, player: Player, collection: list[Song]) -> None:
        collection[0].title = "bell \x07 & <b> \ud800".encode("utf-8", "replace").decode()
        collection[0].save()
        response = player.raw("getSong", f="xml", id=str(collection[0].pk))
        song = ElementTree.fromstring(response.content)[0]
        assert song.get("title", "").startswith("bell \N{REPLACEMENT CHARACTER} & <b>")

    def test_jsonp_calls_a_function_by_its_name_alone(self, player: Player) -> None:
        response = player.raw("ping", f="jsonp", callback="app.done")
        assert response.content.startswith(b'app.done({"subsonic-response"')
        for bad in ("alert(1)//", "", "1x", "a b"):
            assert b"alert" not in player.raw("ping", f="jsonp", callback=bad).content
            assert player.raw("ping", f="jsonp", callback=bad)["Content-Type"] == "text/xml"

    def test_no_cache_keeps_it_and_any_player_in_a_browser_reads_it(self, player: Player) -> None:
        response = player.raw("ping")
        assert response["Cache-Control"] == "private, no-store"
        assert response["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response
        assert player.client.options("/rest/ping").status_code == 204

    def test_an_unknown_call_has_a_sentence(self, player: Player) -> None:
        error = player.answer("jukeboxControl")["error"]
        assert error == {"code": 70, "message": "Affetti has no call jukeboxControl."}

    def test_too_many_parameters(self, player: Player) -> None:
        response = player.client.get("/rest/ping?f=json&" + "a&" * 10_001)
        assert response.status_code in (200, 414)


def test_requests_are_counted_by_account(
    user: User, player_of: Callable[[User], Player], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "user": "3/min"}
    ada = player_of(user)
    assert [ada.answer("ping")["status"] for _ in range(4)] == ["ok"] * 3 + ["failed"]
    assert player_of(UserFactory(username="bob")).answer("ping")["status"] == "ok"
