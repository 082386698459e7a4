from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

pytestmark = pytest.mark.django_db


def opening_tag(client: Client, path: str) -> str:
    page = client.get(path).content.decode()
    found = re.search(r"<main[^>]*>", page)
    assert found
    return found[0]


@pytest.mark.parametrize(
    ("path", "section"),
    [("/", "home"), ("/songs", "library"), ("/login", "login"), ("/songs/99", "library")],
)
def test_a_page_names_its_section(client: Client, path: str, section: str) -> None:
    assert f'data-section="{section}"' in opening_tag(client, path)


@pytest.mark.parametrize("path", ["/login", "/signup"])
def test_a_door_stands_alone(client: Client, path: str) -> None:
    page = client.get(path).content.decode()
    assert 'data-frame="door"' in opening_tag(client, path)
    assert "<nav" not in page
    assert "data-player" not in page.partition("<main")[0] + page.partition("</main>")[2]
    assert 'href="/"' in page, "the way to the other pages"


def test_an_unknown_address_is_in_no_section(client: Client) -> None:
    assert 'data-section=""' in opening_tag(client, "/nothing")


@pytest.mark.parametrize(
    ("path", "section"),
    [("/playlists", "playlists"), ("/stations", "playlists"), ("/account", "you"), ("/you", "you"),
     ("/history", "you"), ("/account/feedback", "you"), ("/manage/add", "manage"),
     ("/manage/jobs", "manage")],
)  # fmt: skip
def test_the_current_section_is_marked(
    client: Client, staff: User, path: str, section: str
) -> None:
    client.force_login(staff)
    page = client.get(path).content.decode()
    marked = re.findall(r'data-section-link="(\w+)" aria-current="page"', page)
    assert marked == [section]


def test_a_page_says_whose_it_is(client: Client, user: User) -> None:
    assert 'data-user=""' in opening_tag(client, "/")
    client.force_login(user)
    assert f'data-user="{user.pk}"' in opening_tag(client, "/")


def test_manage_is_for_staff(client: Client, user: User) -> None:
    client.force_login(user)
    assert "Manage" not in client.get("/").content.decode()
