"""Every request is counted against an address or a user, whatever becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

from tests.factories import UserFactory, token_secret

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper


@pytest.fixture(autouse=True)
def low(settings: SettingsWrapper) -> None:
    rates = {"anon": "6/min", "user": "9/min"}
    settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, **rates}


def statuses(client: Client, path: str, times: int) -> list[int]:
    return [client.get(path).status_code for _ in range(times)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("get", "/no/such/page", {}, 404),
        ("get", "/api/v1/no/such/page/", {}, 404),
        ("get", "/static/no-such-file.css", {}, 404),
        ("get", "/songs/", {}, 404),
        ("get", "/api/v1/songs", {}, 404),
        ("get", "/songs/987654321", {}, 404),
        ("get", "/account", {}, 302),
        ("get", "/api/v1/tokens/", {}, 401),
        ("get", "/api/v1/tokens/", {"Authorization": f"Token {'ab' * 32}"}, 401),
        ("get", "/api/v1/tokens/", {"Authorization": "Token"}, 401),
        ("get", "/api/v1/songs/", {"Authorization": f"Token {'ab' * 32}"}, 200),
        ("post", "/api/v1/listens/", {"Authorization": "Token zz"}, 401),
        ("post", "/api/v1/auth/logout/", {"Authorization": f"Token {'ab' * 32}"}, 204),
        ("post", "/songs", {}, 405),
        ("post", "/api/v1/moods/", {}, 405),
        ("get", "/", {"Host": "evil.example"}, 400),
        ("get", f"/?q={'x' * 30_000}", {}, 414),
        ("post", "/signup", {"Content-Length": "9" * 8}, 413),
    ],
)
def test_every_anonymous_request_counts(
    client: Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    extra = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    if "HTTP_CONTENT-LENGTH" in extra:
        extra["CONTENT_LENGTH"] = extra.pop("HTTP_CONTENT-LENGTH")
    answers = [getattr(client, method)(path, **extra) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [status] * 6 + [429]
    assert int(answers[-1]["Retry-After"]) <= 60
    assert "default-src 'self'" in answers[-1]["Content-Security-Policy"]
    assert client.get("/").status_code == 429


@pytest.mark.django_db
def test_forms_without_their_secret_count() -> None:
    browser = Client(enforce_csrf_checks=True)
    forged = [browser.post("/logout").status_code for _ in range(7)]
    assert forged == [403] * 6 + [429]


@pytest.mark.django_db
def test_what_a_user_may_not_do_counts_for_the_user(client: Client) -> None:
    """An address that many share is not closed by the mistakes of one of them."""
    headers = {"Authorization": f"Token {token_secret(UserFactory(), 'read')}"}
    refused = [client.get("/api/v1/tokens/", headers=headers).status_code for _ in range(10)]
    assert refused[:9] == [403] * 9
    client.force_login(UserFactory())
    assert statuses(client, "/no/such/page", 10) == [404] * 9 + [429]
    client.logout()
    assert 429 not in statuses(client, "/", 2)


@pytest.mark.django_db
def test_a_token_that_works_is_counted_once(client: Client) -> None:
    headers = {"Authorization": f"Token {token_secret(UserFactory())}"}
    found = [client.get("/api/v1/tokens/", headers=headers).status_code for _ in range(10)]
    assert found == [200] * 9 + [429]
