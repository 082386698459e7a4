"""Links by which accounts are made or opened: the setup, invitations, new passwords; People."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client

from recommender.first_run import setup_code
from recommender.models import Invitation, Role
from recommender.people import role_of, role_set
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.http import HttpResponse

pytestmark = pytest.mark.django_db

WORDS = {"password1": "a-long-word-1", "password2": "a-long-word-1"}


def text(response: HttpResponse) -> str:
    return response.content.decode()


def link_on(response: HttpResponse) -> str:
    found = re.search(r"data-copied>http://testserver([^<]+)<", text(response))
    assert found
    return found[1]


@pytest.fixture
def boss(client: Client) -> User:
    boss = UserFactory(username="boss", is_staff=True, is_superuser=True)
    client.force_login(boss)
    return boss


class TestSetup:
    def test_the_printed_address_makes_the_admin_once(self, client: Client) -> None:
        page = text(client.get(f"/setup?code={setup_code()}"))
        assert f'value="{setup_code()}"' in page
        assert "Open the address that was printed" not in page
        sent = {"code": setup_code(), "username": "admin", **WORDS}
        response = client.post("/setup", sent)
        assert response["Location"] == "/manage/add?welcome"
        assert client.get(response["Location"]).status_code == 200
        assert User.objects.get().is_superuser
        stranger = Client()
        assert stranger.get(f"/setup?code={setup_code()}")["Location"] == "/login"
        assert stranger.post("/setup", sent | {"username": "x"})["Location"] == "/login"
        assert User.objects.count() == 1

    def test_without_the_code_nobody_is_let_in(self, client: Client) -> None:
        assert "Open the address that was printed" in text(client.get("/setup"))
        response = client.post("/setup", {"code": "guess", "username": "admin", **WORDS})
        assert response.status_code == 400
        assert "This code is wrong" in text(response)
        assert not User.objects.exists()
        assert setup_code() not in text(client.get("/setup?code=guess"))

    def test_every_page_leads_strangers_there_until_then(self, client: Client) -> None:
        assert 'href="/setup"' in text(client.get("/"))
        UserFactory(is_staff=True, is_superuser=True)
        assert 'href="/setup"' not in text(client.get("/"))


class TestInvitations:
    def test_an_invitation_is_made_used_and_gone(self, client: Client, boss: User) -> None:
        sent = {"role": "manager", "days": "7", "note": "Grace"}
        link = link_on(client.post("/manage/invitations", sent))
        assert "Grace" in text(client.get("/manage/people"))
        guest = Client()
        asked = text(guest.get(link))
        assert "<bdi>boss</bdi> invites you to Affetti. Your role: Manager." in asked
        bad = guest.post(link, {"username": "boss", **WORDS})
        assert bad.status_code == 400
        assert guest.post(link, {"username": "grace", **WORDS})["Location"] == "/"
        grace = User.objects.get(username="grace")
        assert role_of(grace) is Role.MANAGER
        assert guest.get("/manage").status_code == 200
        late = Client().get(link)
        assert late.status_code == 404
        assert "Ask for another one" in text(late)

    def test_withdrawn(self, client: Client, boss: User) -> None:
        link = link_on(client.post("/manage/invitations", {"role": "listener", "days": "1"}))
        client.post(f"/manage/invitations/{Invitation.objects.get().pk}/withdraw")
        assert Client().get(link).status_code == 404

    def test_a_manager_cannot_invite_managers(self, client: Client, boss: User) -> None:
        manager = UserFactory(username="max")
        role_set(user=manager, role=Role.MANAGER, by=boss)
        client.force_login(manager)
        response = client.post("/manage/invitations", {"role": "manager", "days": "7"})
        assert "Select a valid choice" in text(response)
        assert not Invitation.objects.exists()

    def test_a_private_site_lets_invited_people_in(
        self, client: Client, boss: User, settings
    ) -> None:  # type: ignore[no-untyped-def]
        settings.AFFETTI_PUBLIC = settings.AFFETTI_SIGNUP = False
        link = link_on(client.post("/manage/invitations", {"role": "listener", "days": "1"}))
        assert Client().get(link).status_code == 200


class TestPeople:
    def test_roles_and_rest(self, client: Client, boss: User) -> None:
        ada = UserFactory(username="ada")
        client.post(f"/manage/people/{ada.pk}/role", {"role": "manager"})
        assert role_of(User.objects.get(pk=ada.pk)) is Role.MANAGER
        client.post(f"/manage/people/{ada.pk}/deactivate")
        assert not User.objects.get(pk=ada.pk).is_active
        assert "deactivated" in text(client.get("/manage/people?q=ad"))
        client.post(f"/manage/people/{ada.pk}/activate")
        assert User.objects.get(pk=ada.pk).is_active
        page = text(client.post(f"/manage/people/{boss.pk}/deactivate", follow=True))
        assert "the only account that administers" in page

    def test_a_session_ends_with_its_account(self, client: Client, boss: User) -> None:
        ada, of_ada = UserFactory(username="ada"), Client()
        of_ada.force_login(ada)
        client.post(f"/manage/people/{ada.pk}/deactivate")
        assert of_ada.get("/history").status_code == 302

    def test_a_password_link(self, client: Client, boss: User) -> None:
        ada = UserFactory(username="ada")
        link = link_on(client.post(f"/manage/people/{ada.pk}/password"))
        of_ada = Client()
        assert "ada" in text(of_ada.get(link))
        sent = {"new_password1": "another-word-1", "new_password2": "another-word-1"}
        assert of_ada.post(link, sent).status_code == 302
        assert User.objects.get(pk=ada.pk).check_password("another-word-1")
        assert of_ada.get("/history").status_code == 200
        assert Client().get(link).status_code == 404

    def test_managers_leave_staff_alone(self, client: Client, boss: User) -> None:
        manager = UserFactory(username="max")
        role_set(user=manager, role=Role.MANAGER, by=boss)
        client.force_login(manager)
        for act in ("role", "deactivate", "password"):
            client.post(f"/manage/people/{boss.pk}/{act}", {"role": "listener"})
        again = User.objects.get(pk=boss.pk)
        assert (again.is_superuser, again.is_active) == (True, True)
        assert f"/manage/people/{boss.pk}/" not in text(client.get("/manage/people"))


class TestWayBack:
    def test_a_login_leads_back(self, client: Client) -> None:
        UserFactory(username="ada")
        page = text(client.get("/login", headers={"referer": "http://testserver/songs?q=a"}))
        assert 'name="next" value="/songs?q=a"' in page
        sent = {"username": "ada", "password": "pass-word-1", "next": "/songs?q=a"}
        assert client.post("/login", sent)["Location"] == "/songs?q=a"

    def test_a_sign_up_leads_back_over_the_login(self, client: Client) -> None:
        came = {"referer": "http://testserver/login?next=/playlists"}
        assert 'value="/playlists"' in text(client.get("/signup", headers=came))
        sent = {"username": "grace", **WORDS, "next": "/playlists"}
        assert client.post("/signup", sent)["Location"] == "/playlists"

    @pytest.mark.parametrize(
        "bad",
        ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/login", "/signup"],
    )
    def test_it_never_leads_away_or_in_circles(self, client: Client, bad: str) -> None:
        UserFactory(username="ada")
        sent = {"username": "ada", "password": "pass-word-1", "next": bad}
        assert client.post("/login", sent)["Location"] == "/"
        page = text(Client().get("/login", headers={"referer": "https://evil.example/songs"}))
        assert 'name="next" value=""' in page
