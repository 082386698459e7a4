"""The pages of the own account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from recommender.accounts import app_password_create, token_find
from recommender.models import AppPassword, Token
from tests.factories import UserFactory, token_secret

if TYPE_CHECKING:
    from typing import Any

    from django.contrib.auth.models import User

PASSWORD = "pass-word-1"
NEW_PASSWORD = "another-word-2"


def text(response: Any) -> str:
    page: str = response.content.decode()
    return page


@pytest.fixture
def ada(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


class TestTokens:
    FORM = {"name": "Phone", "scopes": ["read", "listen"], "expires_at": ""}

    def test_secret_is_shown_once(self, ada: Client) -> None:
        response = ada.post("/account/tokens", self.FORM)
        assert "no-store" in response["Cache-Control"]
        secret = re.search(r">([0-9a-f]{64})<", text(response))
        assert secret
        found = token_find(secret[1].encode())
        assert found is not None
        assert (found.name, found.scopes) == ("Phone", ["read", "listen"])
        page = text(ada.get("/account"))
        assert "Phone" in page
        assert "Read, play · made" in page
        assert secret[1] not in page
        assert "Revoke all" not in page  # there is one
        ada.post("/account/tokens", {**self.FORM, "name": "Car", "scopes": ["read"]})
        page = text(ada.get("/account"))
        assert "Read only · made" in page
        assert "Revoke all" in page

    def test_last_day_counts_whole(self, ada: Client) -> None:
        ada.post("/account/tokens", {**self.FORM, "expires_at": "2099-12-31"})
        assert str(Token.objects.get().expires_at) == "2099-12-31 23:59:59.999999+00:00"

    @pytest.mark.parametrize(
        "change",
        [
            {"scopes": []},
            {"scopes": ["all"]},
            {"name": ""},
            {"expires_at": "2020-01-01"},
            {"expires_at": "soon"},
        ],
    )
    def test_mistakes_are_shown(self, ada: Client, change: dict[str, Any]) -> None:
        response = ada.post("/account/tokens", {**self.FORM, **change})
        assert response.status_code == 200
        assert "errorlist" in text(response)
        assert not Token.objects.exists()

    def test_revoke_one_and_all(self, ada: Client, user: User) -> None:
        first, second, third = (token_secret(user) for _ in range(3))
        others = token_secret(UserFactory())
        pk = Token.objects.get(prefix=first[:8]).pk
        assert ada.post(f"/account/tokens/{pk}/revoke").status_code == 302
        assert [bool(token_find(s.encode())) for s in (first, second)] == [False, True]
        ada.post("/account/tokens/revoke")
        assert [bool(token_find(s.encode())) for s in (third, others)] == [False, True]
        pk = Token.objects.get().pk
        assert ada.post(f"/account/tokens/{pk}/revoke").status_code == 404


class TestPassword:
    FORM = {
        "old_password": PASSWORD,
        "new_password1": NEW_PASSWORD,
        "new_password2": NEW_PASSWORD,
    }

    def test_change(self, ada: Client, user: User) -> None:
        elsewhere, secret = Client(), token_secret(user)
        elsewhere.force_login(user)
        assert ada.post("/account/password", self.FORM)["Location"] == "/account"
        assert ada.get("/account").status_code == 200
        assert elsewhere.get("/account").status_code == 302
        assert token_find(secret.encode()) is None

    def test_mistakes_are_shown(self, ada: Client, user: User) -> None:
        for change in ({"old_password": "wrong"}, {"new_password2": "x"}):
            response = ada.post("/account/password", {**self.FORM, **change})
            assert "errorlist" in text(response)
        user.refresh_from_db()
        assert user.check_password(PASSWORD)


def test_export_is_a_file(ada: Client) -> None:
    response = ada.get("/account/export")
    assert "attachment" in response["Content-Disposition"]
    assert response.json()["profile"]["username"] == "ada"


class TestDeletion:
    def test_with_the_password(self, ada: Client) -> None:
        page = text(ada.post("/account/delete", {"password": "wrong"}))
        assert "This is not your password." in page
        response = ada.post("/account/delete", {"password": PASSWORD}, follow=True)
        assert "Your account is deleted." in text(response)
        assert not get_user_model().objects.exists()
        assert ada.get("/account").status_code == 302

    def test_not_the_last_admin(self, client: Client, db: None) -> None:
        client.force_login(UserFactory(is_staff=True, is_superuser=True))
        assert "only account" in text(client.post("/account/delete", {"password": PASSWORD}))
        assert get_user_model().objects.exists()


class TestAppPasswords:
    def test_one_is_shown_once_and_works_until_it_is_revoked(self, ada: Client) -> None:
        response = ada.post("/account/app-passwords", {"name": "Symfonium"})
        assert "no-store" in response["Cache-Control"]
        secret = re.search(r">([a-z2-7]{24})<", text(response))
        assert secret
        page = text(ada.get("/account"))
        assert "Symfonium" in page
        assert secret[1] not in page
        made = AppPassword.objects.get()
        keys = {"u": "ada", "p": secret[1], "f": "json"}
        assert '"ok"' in text(Client().get("/rest/ping", keys))
        ada.post(f"/account/app-passwords/{made.pk}/revoke")
        assert '"failed"' in text(Client().get("/rest/ping", keys))
        assert ada.post(f"/account/app-passwords/{made.pk}/revoke").status_code == 404

    def test_mistakes_are_shown(self, ada: Client, user: User) -> None:
        for name in ("", "x" * 101):
            response = ada.post("/account/app-passwords", {"name": name})
            assert "errorlist" in text(response)
        for _ in range(50):
            app_password_create(user=user, name="x")
        assert "revoke one first" in text(ada.post("/account/app-passwords", {"name": "One more"}))

    def test_by_the_api(self, user: User) -> None:
        api = Client(headers={"Authorization": f"Token {token_secret(user)}"})
        address = "/api/v1/app-passwords/"
        made = api.post(address, {"name": "Radio"}, content_type="application/json").json()
        keys = {"u": "ada", "p": made["password"], "f": "json"}
        assert '"ok"' in text(Client().get("/rest/ping", keys))
        (listed,) = api.get(address).json()["results"]
        assert (listed["name"], "password" in listed) == ("Radio", False)
        assert listed["last_used_at"]
        assert made["password"] not in text(api.get("/api/v1/account/export/"))
        assert api.delete(f"{address}{made['id']}/").status_code == 204
        assert '"failed"' in text(Client().get("/rest/ping", keys))
