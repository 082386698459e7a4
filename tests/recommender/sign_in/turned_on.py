"""What `test_ways_in.py` runs in its own process, with single sign-on and second factors on."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.mfa.utils import decrypt
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.core.cache import cache, caches
from django.core.exceptions import PermissionDenied
from django.test import Client

from recommender.accounts import account_export, token_create
from recommender.models import Token
from recommender.sign_in.cache import LockedFileCache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.live_server_helper import LiveServer

pytestmark = pytest.mark.django_db
WORD = "a long password 17"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(autouse=True)
def _no_counts() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna", password=WORD)


# --- Single sign-on ------------------------------------------------------------------------------
class Provider(BaseHTTPRequestHandler):
    """An OpenID Connect provider that knows one person."""

    person: dict[str, Any] = {}
    last: dict[str, list[str]] = {}

    def do_GET(self) -> None:
        root = f"http://{self.headers['Host']}"
        path = urlsplit(self.path).path
        if path == "/.well-known/openid-configuration":
            return self.tell(
                {
                    "issuer": root,
                    "authorization_endpoint": f"{root}/authorize",
                    "token_endpoint": f"{root}/token",
                    "userinfo_endpoint": f"{root}/me",
                    "jwks_uri": f"{root}/keys",
                    "token_endpoint_auth_methods_supported": ["client_secret_post"],
                }
            )
        if path == "/me" and self.headers["Authorization"] == "Bearer let-me-see":
            return self.tell(self.person)
        return self.send_error(404)

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        Provider.last = sent
        if sent["client_secret"] != ["word"] or sent["code"] != ["a-code"]:
            return self.send_error(400)
        claims = {
            "iss": f"http://{self.headers['Host']}",
            "aud": "affetti",
            "exp": int(time.time()) + 60,
            "iat": int(time.time()),
            **self.person,
        }
        token = jwt.encode(claims, KEY, algorithm="RS256")
        self.tell({"access_token": "let-me-see", "token_type": "Bearer", "id_token": token})
        return None

    def tell(self, body: object) -> None:
        words = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider(settings: Any) -> Iterator[type[Provider]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    apps = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]
    apps[0]["settings"]["server_url"] = f"http://127.0.0.1:{server.server_port}"
    Provider.person = {
        "sub": "person-7",
        "preferred_username": "berta",
        "email": "berta@example.org",
        "name": "Berta B.",
    }
    yield Provider
    server.shutdown()
    server.server_close()


def by_provider(client: Client, way: str = "/songs") -> Any:
    """Go to the provider and come back with a code."""
    gone = client.get(f"/accounts/oidc/sso/login/?next={way}")
    assert gone.status_code == 302, gone.content
    asked = parse_qs(urlsplit(gone["Location"]).query)
    assert asked["client_id"] == ["affetti"]
    assert asked["code_challenge_method"] == ["S256"]
    return client.get(
        "/accounts/oidc/sso/login/callback/", {"code": "a-code", "state": asked["state"][0]}
    )


@pytest.mark.usefixtures("provider")
def test_somebody_new_gets_an_account(client: Client) -> None:
    answer = by_provider(client)
    assert (answer.status_code, answer["Location"]) == (302, "/songs")
    user = User.objects.get()
    assert (user.username, user.email, user.first_name) == ("berta", "", "")
    assert not user.has_usable_password()
    assert "code_verifier" in Provider.last
    kept = json.dumps(SocialAccount.objects.get().extra_data)
    assert "person-7" in kept
    assert "example.org" not in kept
    assert "Berta B." not in kept
    assert b"berta" in client.get("/account").content


@pytest.mark.usefixtures("provider")
def test_who_comes_again_is_the_same_and_keeps_the_tokens(client: Client) -> None:
    by_provider(client)
    user = User.objects.get()
    token_create(user=user, name="player", scopes=["read"])
    client.post("/logout")
    by_provider(client)
    assert User.objects.count() == 1
    assert Token.objects.filter(user=user).count() == 1


@pytest.mark.parametrize("name", ["anna", "Anna", "admin", "", "\u0430nna", "a" * 400])
def test_a_name_proves_nothing(
    client: Client, anna: User, provider: type[Provider], name: str
) -> None:
    provider.person["preferred_username"] = name
    assert by_provider(client).status_code == 302
    came = SocialAccount.objects.get().user
    assert came != anna
    assert came.username.lower() not in ("anna", "admin", "")
    assert not came.is_staff


@pytest.mark.usefixtures("provider")
def test_a_closed_site_takes_no_one_new(client: Client, settings: Any) -> None:
    settings.AFFETTI_SIGN_IN = type(settings.AFFETTI_SIGN_IN)(server="x")
    answer = by_provider(client)
    assert not User.objects.exists()
    assert "_auth_user_id" not in client.session
    assert answer.status_code in (200, 302)


@pytest.mark.usefixtures("provider")
def test_an_account_is_connected_by_its_owner(client: Client, anna: User) -> None:
    client.force_login(anna, backend="recommender.auth.CarefulBackend")
    assert client.get("/accounts/3rdparty/").status_code in (200, 302)
    gone = client.get("/accounts/oidc/sso/login/?process=connect")
    state = parse_qs(urlsplit(gone["Location"]).query)["state"][0]
    back = client.get("/accounts/oidc/sso/login/callback/", {"code": "a-code", "state": state})
    assert back["Location"].startswith("/accounts/reauthenticate/")
    assert not SocialAccount.objects.exists(), "a session alone connects nothing"
    client.post(back["Location"], {"password": "wrong"})
    assert not SocialAccount.objects.exists()
    client.post(back["Location"], {"password": WORD})
    assert SocialAccount.objects.get().user == anna
    (told,) = account_export(user=anna)["connections"]
    assert told["extra_data"]["userinfo"]["sub"] == "person-7"
    client.post("/logout")
    by_provider(client)
    assert client.session["_auth_user_id"] == str(anna.pk)


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("process", ["", "&process=connect"])
def test_another_site_sends_nobody_to_the_provider(client: Client, process: str) -> None:
    path = f"/accounts/oidc/sso/login/?next=/songs{process}"
    answer = client.get(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer["Location"]) == (302, "/login?next=/songs")
    own = client.get(path, headers={"Sec-Fetch-Site": "same-origin"})
    assert urlsplit(own["Location"]).path == "/authorize"


@pytest.mark.usefixtures("provider")
def test_a_forged_answer_lets_nobody_in(client: Client) -> None:
    client.get("/accounts/oidc/sso/login/")
    for query in ({"code": "a-code", "state": "forged"}, {"error": "access_denied"}, {}):
        answer = client.get("/accounts/oidc/sso/login/callback/", query)
        assert answer.status_code < 500
        assert "_auth_user_id" not in client.session
    assert not User.objects.exists()


@pytest.mark.usefixtures("provider")
def test_without_a_password_the_name_confirms_the_deletion(client: Client) -> None:
    by_provider(client)
    assert "Set a password first" in client.get("/account").content.decode()
    page = client.get("/account/delete").content.decode()
    assert "Your user name" in page
    assert (
        "not your user name" in client.post("/account/delete", {"password": "x"}).content.decode()
    )
    client.post("/account/delete", {"password": "berta"})
    assert not User.objects.exists()


@pytest.mark.usefixtures("provider")
def test_a_first_password_needs_no_old_one(client: Client) -> None:
    by_provider(client)
    secret = token_create(user=User.objects.get(), name="leaked", scopes=["admin"])[1]
    refused = client.post(
        "/api/v1/account/password/",
        {"old_password": "berta", "new_password": WORD},
        content_type="application/json",
        headers={"Authorization": f"Token {secret}"},
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    assert not User.objects.get().has_usable_password()
    answer = client.post("/account/password", {"new_password1": WORD, "new_password2": WORD})
    assert answer.status_code == 302
    assert User.objects.get().check_password(WORD)


def test_an_absent_provider_is_said(client: Client) -> None:
    answer = client.get("/accounts/oidc/sso/login/", follow=True)
    assert answer.redirect_chain == [("/login", 302)]
    assert "does not answer now" in answer.content.decode()


# --- Codes of an app -----------------------------------------------------------------------------
def code(user: User) -> str:
    secret = Authenticator.objects.get(user=user, type="totp").wrap()
    plain = decrypt(secret.instance.data["secret"])
    return str(format_hotp_value(hotp_value(plain, int(time.time()) // 30)))


@pytest.fixture
def protected(anna: User) -> User:
    client = Client()
    client.post("/login", {"username": "anna", "password": WORD})
    page = client.get("/accounts/2fa/totp/activate/")
    if page.status_code == 302:
        page = client.post(page["Location"], {"password": WORD}, follow=True)
    secret = re.search(r"[A-Z2-7]{32}", page.content.decode())
    assert secret, page.content
    right = format_hotp_value(hotp_value(secret[0], int(time.time()) // 30))
    done = client.post("/accounts/2fa/totp/activate/", {"code": right})
    assert done.status_code == 302, done.content
    cache.clear()  # a code is taken once
    return anna


def test_a_code_is_asked_after_the_password(client: Client, protected: User) -> None:
    stored = Authenticator.objects.get(user=protected, type="totp").data["secret"]
    assert not re.fullmatch(r"[A-Z2-7]{32}", stored), "the secret is stored in clear"
    first = client.post("/login", {"username": "anna", "password": WORD, "next": "/songs"})
    assert (first.status_code, first["Location"]) == (302, "/accounts/2fa/authenticate/")
    assert "_auth_user_id" not in client.session
    assert client.get("/account").status_code == 302
    page = client.get("/accounts/2fa/authenticate/")
    assert page.status_code == 200
    wrong = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert wrong.status_code == 200
    assert "_auth_user_id" not in client.session
    right = client.post("/accounts/2fa/authenticate/", {"code": code(protected)})
    assert (right.status_code, right["Location"]) == (302, "/songs")
    assert client.session["_auth_user_id"] == str(protected.pk)


def test_no_other_door_takes_the_password_alone(client: Client, protected: User) -> None:
    protected.is_staff = protected.is_superuser = True
    protected.save()
    sent = {"username": "anna", "password": WORD}
    api = client.post("/api/v1/auth/login/", sent, content_type="application/json")
    assert api.status_code == 401
    assert "second factor" in api.content.decode()
    admin = client.post("/admin/login/?next=/admin/", sent)
    assert admin.status_code == 302
    assert admin["Location"] == "/login?next=/admin/"
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/?next=/admin/"])
def test_the_admin_refuses_listeners_who_are_logged_in(
    client: Client, anna: User, path: str
) -> None:
    client.force_login(anna, backend="recommender.auth.CarefulBackend")
    assert client.get(path, follow=True).status_code == 403
    anna.is_staff = anna.is_superuser = True
    anna.save()
    assert client.get(path, follow=True).status_code == 200


def test_another_secret_key_refuses_codes(
    client: Client, protected: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another " * 9
    client.post("/login", {"username": "anna", "password": WORD})
    for sent in ("000000", ""):
        answer = client.post("/accounts/2fa/authenticate/", {"code": sent})
        assert answer.status_code == 200
        assert "_auth_user_id" not in client.session
    assert "AFFETTI_SECRET_KEY has changed" in caplog.text
    with pytest.raises(PermissionDenied):
        decrypt(Authenticator.objects.get(user=protected, type="totp").data["secret"])
    # Codes that the new key encrypted are taken, although those of the app cannot be read.
    Authenticator.objects.filter(type="recovery_codes").delete()
    spare = RecoveryCodes.activate(protected).get_unused_codes()[0]
    assert client.post("/accounts/2fa/authenticate/", {"code": spare}).status_code == 302
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "third " * 9, [former]
    assert code(protected)


def test_an_address_sends_some_codes_and_no_more(
    client: Client, protected: User, settings: Any
) -> None:
    settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "login": "2/min"}
    client.force_login(protected, backend="recommender.auth.CarefulBackend")
    for path in ("2fa/authenticate/", "2fa/reauthenticate/", "reauthenticate/"):
        sent = [
            client.post(f"/accounts/{path}", {"code": "000000"}, REMOTE_ADDR=f"10.0.0.{len(path)}")
            for _ in range(3)
        ]
        assert [answer.status_code == 429 for answer in sent] == [False, False, True], path


def test_one_code_lets_in_one(protected: User) -> None:
    assert isinstance(caches["default"], LockedFileCache)
    keys = [caches.create_connection("default") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda one: one.add("used", "y", timeout=60), keys))
    assert sorted(done) == [False] * 7 + [True]


def test_the_export_names_second_factors_without_secrets(protected: User) -> None:
    told = account_export(user=protected)["second_factors"]
    assert [one["type"] for one in told] == ["totp", "recovery_codes"]
    stored = Authenticator.objects.get(user=protected, type="totp").data["secret"]
    assert stored not in str(told)


def test_without_a_second_factor_a_password_is_enough(client: Client, anna: User) -> None:
    answer = client.post("/login", {"username": "anna", "password": WORD, "next": "/songs"})
    assert (answer.status_code, answer["Location"]) == (302, "/songs")
    api = client.post(
        "/api/v1/auth/login/",
        {"username": "anna", "password": WORD},
        content_type="application/json",
    )
    assert api.status_code == 201


def test_recovery_codes_work_once(client: Client, protected: User) -> None:
    codes = Authenticator.objects.get(user=protected, type="recovery_codes").wrap()
    spare = codes.get_unused_codes()[0]
    for expected in (302, 200):
        client.post("/login", {"username": "anna", "password": WORD})
        answer = client.post("/accounts/2fa/authenticate/", {"code": spare})
        assert answer.status_code == expected
        client.logout()


def test_pages_are_affettis(client: Client, protected: User) -> None:
    client.force_login(protected, backend="recommender.auth.CarefulBackend")
    for path in ("/accounts/2fa/", "/account", "/accounts/3rdparty/"):
        page = client.get(path, follow=True)
        assert page.status_code == 200
        assert b"recommender/affetti" in page.content, path
    assert b"Codes and passkeys" in client.get("/account").content


# --- Passkeys ------------------------------------------------------------------------------------
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.mark.django_db(transaction=True)
def test_a_passkey_logs_in_without_a_password(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip("no Chromium is on the PATH")
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    User.objects.create_user("anna", password=WORD)
    root = live_server.url.replace("127.0.0.1", "localhost")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_context(base_url=root).new_page()
        page.set_default_timeout(15_000)
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else 0)
        keys = page.context.new_cdp_session(page)
        keys.send("WebAuthn.enable")
        keys.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        page.goto("/login")
        page.fill("[name=username]", "anna")
        page.fill("[name=password]", WORD)
        page.click("form button.primary")
        page.wait_for_url(lambda url: "/login" not in url)
        page.goto("/accounts/2fa/webauthn/add/")
        if "reauthenticate" in page.url:
            page.fill("[name=password]", WORD)
            page.click("main button[type=submit]")
            page.wait_for_url("**/webauthn/add/")  # with its scripts, which answer the click
        page.check("[name=passwordless]")
        page.click("#mfa_webauthn_add")
        page.wait_for_url(lambda url: "add" not in url)
        page.context.clear_cookies()
        page.goto("/login?next=/songs")
        page.click("#passkey_login")
        page.wait_for_url(f"{root}/songs")
        page.goto("/account")
        assert page.get_by_text("anna").first.is_visible()
        assert complaints == []
        browser.close()
