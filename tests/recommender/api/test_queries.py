"""Query parameters and values that are not in the schema are errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import URLPattern
from django_filters import CharFilter

from recommender.api.base import StrictQuery
from recommender.api.urls import v1_patterns
from recommender.filters import SongFilter
from recommender.models import Listen

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from rest_framework.test import APIClient

    from catalog.models import Song

LISTS = ("songs/", "playlists/", "listens/", "jobs/", "tokens/", "feedback/")
OTHERS = ("songs/{}/", "songs/{}/similar/", "songs/map/", "moods/", "facets/", "account/export/")


@pytest.fixture
def admin_api(api: APIClient, staff: User) -> APIClient:
    staff.is_superuser = True
    staff.save()
    api.force_authenticate(staff)
    return api


def problems(api: APIClient, path: str, songs: list[Song]) -> set[str]:
    response = api.get(f"/api/v1/{path}".format(songs[0].pk))
    assert response.status_code == 400, response.content
    assert response.json()["code"] == "REQUEST_INVALID"
    return set(response.json()["details"])


@pytest.mark.parametrize("path", LISTS + OTHERS)
def test_unknown_parameters(admin_api: APIClient, songs: list[Song], path: str) -> None:
    assert admin_api.get(f"/api/v1/{path}".format(songs[0].pk)).status_code == 200
    for name in ("pagesize", "utm_source", ""):
        assert problems(admin_api, f"{path}?{name}=1", songs) == {name}


def test_unknown_parameters_of_a_change(admin_api: APIClient, songs: list[Song]) -> None:
    response = admin_api.post("/api/v1/listens/?song=1", {"song_id": songs[0].pk}, format="json")
    assert response.status_code == 400
    assert not Listen.objects.exists()


def test_the_known_ones_are_named(admin_api: APIClient, songs: list[Song]) -> None:
    details = admin_api.get("/api/v1/songs/?titel=x").json()["details"]
    assert "page_size" in details["titel"][0]
    assert "artist" in details["titel"][0]


def test_every_view_is_strict() -> None:
    for pattern in v1_patterns:
        assert isinstance(pattern, URLPattern)
        view = getattr(pattern.callback, "cls", None) or pattern.callback.view_class
        assert issubclass(view, StrictQuery), pattern.name


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("page_size", value) for value in ("0", "-1", "201", "x", "", "1.5", "9" * 400, "²")),
        *(("page", value) for value in ("0", "-1", "x", "last", "", "9" * 400)),
    ],
)
def test_numbers_of_pages(
    admin_api: APIClient, songs: list[Song], path: str, name: str, value: str
) -> None:
    assert problems(admin_api, f"{path}?{name}={value}", songs) == {name}


@pytest.mark.parametrize("path", LISTS)
def test_a_page_behind_the_last(admin_api: APIClient, songs: list[Song], path: str) -> None:
    assert admin_api.get(f"/api/v1/{path}?page=2000000000").status_code == 404


def test_a_parameter_given_twice(admin_api: APIClient, songs: list[Song]) -> None:
    assert problems(admin_api, "songs/?page=1&page=1", songs) == {"page"}


EMPTY = [name for name, one in SongFilter.base_filters.items() if not isinstance(one, CharFilter)]


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_number_or_choice(admin_api: APIClient, songs: list[Song], name: str) -> None:
    assert problems(admin_api, f"songs/?{name}=", songs) == {name}


def test_pages_pass_over_what_they_do_not_know(client: Client, songs: list[Song]) -> None:
    assert client.get("/songs?utm_source=x").status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("song_id", "1"),
        ("song_id", True),
        ("song_id", 1.0),
        ("seconds_played", False),
        ("seconds_played", "3"),
        ("listened_at", 5),
    ],
)
def test_values_of_another_type(
    admin_api: APIClient, songs: list[Song], field: str, value: object
) -> None:
    body = {"song_id": songs[0].pk, field: value}
    response = admin_api.post("/api/v1/listens/", body, format="json")
    assert response.status_code == 400
    assert set(response.json()["details"]) == {field}


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN"])
def test_numbers_that_are_not_finite(admin_api: APIClient, songs: list[Song], number: str) -> None:
    body = f'{{"song_id": {songs[0].pk}, "seconds_played": {number}}}'
    response = admin_api.post("/api/v1/listens/", body, content_type="application/json")
    assert response.status_code == 400
    assert not Listen.objects.exists()


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        *(("songs/", name, "") for name in ("status", "quadrant", "ordering")),
        *(("songs/", "ordering", value) for value in (",", "title,", ",title", "titel")),
        *(("songs/", name, "x") for name in ("status", "quadrant")),
        *(("jobs/", name, value) for name in ("kind", "status") for value in ("", "x", "null")),
        *(("songs/{}/similar/", "count", value) for value in ("", "0", "101", "x", "1.5")),
    ],
)
def test_values_that_are_none_of_the_choices(
    admin_api: APIClient, songs: list[Song], path: str, name: str, value: str
) -> None:
    assert problems(admin_api, f"{path}?{name}={value}", songs) == {name}


def test_a_page_takes_the_empty_choice_of_its_form(client: Client, songs: list[Song]) -> None:
    page = client.get("/songs?q=&status=&quadrant=&ordering=").content.decode()
    assert "Artist 0" in page
