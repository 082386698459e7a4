# ruff: noqa: RUF001  # look-alikes are what this is about
"""User names that could be mistaken for another's are refused."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from django.apps import apps as django_apps
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection

from recommender import names
from recommender.looks import name_looks
from recommender.models import NameLook
from recommender.names import name_problem
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

fill = import_module("recommender.migrations.0004_name_looks").fill

TAKEN = ("Alice", "bob", "warm", "иван", "Ilse")


@pytest.mark.parametrize(
    "name",
    [
        *("Alice", "alice", "ALICE", "A1ice", "AIice", "аlice", "Αlice", "ａｌｉｃｅ", "𝐀lice"),
        *("b0b", "BOB", "вов", "ЬоЬ", "warrn", "vvarm", "vvarrn", "ИВАН", "lIse", "1lse"),
        *("admin", "Admin", "adm1n", "аdmin", "ADM1N", "root", "r00t", "affetti", "support"),
        *("анна_smith", "pаul", "mixedб", "ελenи"),
    ],
)
def test_refused(name: str) -> None:
    for taken in TAKEN:
        UserFactory(username=taken)
    assert name_problem(name), name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "carol",
            "Alicia",
            "bo",
            "müller",
            "анна",
            "ελένη",
            "さくら",
            "田中たろう",
            "김민수",
            "佐藤k",
        ),
        *("ian.1", "user+tag@example.org", "administer", "o_o", "été"),
    ],
)
def test_accepted(name: str) -> None:
    for taken in TAKEN:
        UserFactory(username=taken)
    assert not name_problem(name), name


@pytest.mark.parametrize("name", ["аda", "ADA", "admin", "Adа"])
def test_sign_up(client: Client, name: str) -> None:
    UserFactory(username="ada")
    form = {"username": name, "password1": "pass-word-1x", "password2": "pass-word-1x"}
    response = client.post("/signup", form)
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert get_user_model().objects.count() == 1


@pytest.mark.parametrize("name", ["ada", "аda"])
def test_a_name_that_is_taken_while_its_form_is_read(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The same, and one that looks the same: the database refuses what the form let pass."""
    UserFactory(username="ada")
    monkeypatch.setattr(names, "name_problem", lambda *_, **__: "")
    monkeypatch.setattr(UserCreationForm, "clean_username", lambda f: f.cleaned_data["username"])
    monkeypatch.setattr(User, "validate_unique", lambda *_, **__: None)
    form = {"username": name, "password1": "pass-word-1x", "password2": "pass-word-1x"}
    response = client.post("/signup", form)
    assert response.status_code == 400
    assert str(names.NAME_TAKEN) in response.content.decode()
    assert [user.username for user in User.objects.all()] == ["ada"]


@pytest.mark.parametrize("name", ["аda", "ADA", "mixedб"])
class TestEveryWay:
    """However an account gets its name, it is not one that could be mistaken for another's."""

    @pytest.fixture(autouse=True)
    def ada(self) -> None:
        UserFactory(username="ada")

    def test_the_command(self, name: str) -> None:
        with pytest.raises(CommandError, match=r"taken|alphabets"):
            call_command("createsuperuser", interactive=False, username=name, email="a@example.org")

    def test_code(self, name: str) -> None:
        with pytest.raises(ValidationError):
            User.objects.create_user(name)
        with pytest.raises(ValidationError):
            User(username=name).save()

    def test_a_new_name_in_the_admin(self, name: str, client: Client) -> None:
        client.force_login(UserFactory(username="chief", is_staff=True, is_superuser=True))
        bob = UserFactory(username="bob")
        form = {"username": name, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        response = client.post(f"/admin/auth/user/{bob.pk}/change/", form)
        assert response.status_code == 200
        assert "errorlist" in response.content.decode()
        bob.refresh_from_db()
        assert bob.username == "bob"

    def test_an_account_keeps_its_own_name(self, name: str) -> None:
        bob = UserFactory(username="bob")
        for kept in ("bob", "Bob", "b0b", "rob"):
            bob.username = kept
            bob.save()
        assert not name_problem("bob")
        assert name_problem("r0b")
        bob.delete()
        assert not name_problem("rob")


def test_accounts_from_before_the_check_can_be_used(client: Client) -> None:
    User.objects.bulk_create([User(username="ada"), User(username="аda")])
    fill(django_apps, connection.schema_editor())
    for user in User.objects.all():
        client.force_login(user)  # writes the time of the login
        user.first_name = "A"
        user.save()
    assert NameLook.objects.count() == len(name_looks("ada"))
    assert name_problem("Ada")


def test_numeric_passwords_are_refused(client: Client) -> None:
    form = {"username": "ada", "password1": "8275619304", "password2": "8275619304"}
    assert "entirely numeric" in client.post("/signup", form).content.decode()


class TestAdmin:
    def test_new_accounts(self, client: Client) -> None:
        client.force_login(UserFactory(username="chief", is_staff=True, is_superuser=True))
        words = {
            "password1": "pass-word-1x",
            "password2": "pass-word-1x",
            "usable_password": "true",
        }
        for name, status in (("сhief", 200), ("support", 302)):
            response = client.post("/admin/auth/user/add/", {"username": name, **words})
            assert response.status_code == status, name

    def test_staff_cannot_become_superusers(self, client: Client) -> None:
        helper = UserFactory(username="helper", is_staff=True)
        helper.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
        chief = UserFactory(username="chief", is_staff=True, is_superuser=True)
        other = UserFactory(username="other")
        client.force_login(helper)
        form = {"username": "other", "is_superuser": "on", "is_staff": "on", "is_active": "on"}
        stamp = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        client.post(f"/admin/auth/user/{other.pk}/change/", {**form, **stamp})
        for user in (helper, chief):
            address = f"/admin/auth/user/{user.pk}"
            words = {"password1": "pass-word-1x", "password2": "pass-word-1x"}
            assert client.post(f"{address}/password/", words).status_code == 403
            assert client.post(f"{address}/change/", form).status_code == 403
            assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
        other.refresh_from_db()
        assert (other.is_superuser, other.is_staff) == (False, False)
