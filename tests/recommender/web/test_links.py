"""Links lead to every page; the pictures of all pages are taken along them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.screenshots import API_PAGE, pages_linked
from recommender.web.navigation import PAGES
from tests.e2e.site import site_fill

if TYPE_CHECKING:
    from django.test import Client

    from catalog.models import Song

pytestmark = pytest.mark.django_db

FOR_STRANGERS = {"login", "signup"}
BY_A_LINK_OR_FORM = {
    "setup",
    "station-new",
    "token-create",
    "invite",
    "person-password",
    "library-edit",
    "library-catalogue",
}
"""The setup's address is printed at the start; the others answer forms."""


def linked(client: Client) -> dict[str, str]:
    return pages_linked(lambda address: client.get(address).content.decode())


def test_links_lead_an_admin_to_every_page(client: Client, songs: list[Song]) -> None:
    site = site_fill(songs)
    client.force_login(site.admin)
    assert set(linked(client)) == (PAGES | {API_PAGE}) - FOR_STRANGERS - BY_A_LINK_OR_FORM


def test_links_lead_a_stranger_to_what_is_public(client: Client, songs: list[Song]) -> None:
    site_fill(songs)
    public = {"home", "songs", "song", "playlist", API_PAGE}
    assert set(linked(client)) == public | FOR_STRANGERS
