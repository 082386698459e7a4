"""Libraries over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils import translation

from catalog.ingest.libraries import removed_delete
from catalog.models import BackgroundJob, Library, Song
from tests.catalog.conftest import write_tone
from tests.factories import SongFactory, UserFactory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db
URL = "/api/v1/libraries/"


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def music(tmp_path: Path, settings: SettingsWrapper) -> Path:
    path = tmp_path / "music"
    write_tone(path / "a.wav")
    settings.AFFETTI_CATALOG_ROOTS = [path]
    return path


def send(client: Client, method: str, url: str, **body: Any) -> Any:
    return getattr(client, method)(url, body, content_type="application/json")


def test_a_library_from_its_addition_to_its_removal(staff: Client, music: Path) -> None:
    added = send(staff, "post", URL, path=str(music), watch="polling", rescan_hours=24)
    assert added.status_code == 201, added.json()
    library = added.json()
    assert added["Location"] == library["url"]
    assert (library["name"], library["watch"], library["songs"]) == ("music", "polling", 0)
    assert library["rescan_at"] is not None
    job = BackgroundJob.objects.get()
    assert job.arguments["path"] == library["root"] == str(music)

    url = f"{URL}{library['id']}/"
    changed = send(staff, "patch", url, name="Disk").json()
    assert (changed["name"], changed["watch"], changed["rescan_hours"]) == ("Disk", "polling", 24)
    changed = send(staff, "patch", url, watch="events", rescan_hours=None).json()
    assert (changed["watch"], changed["rescan_hours"], changed["rescan_at"]) == (
        "events",
        None,
        None,
    )
    again = send(staff, "post", f"{url}rescan/")
    assert again.status_code == 202
    assert again.json()["id"] == str(job.pk), "its first scan has not begun"

    gone = staff.delete(url)
    assert (gone.status_code, gone.json()["is_being_removed"]) == (202, True)
    assert send(staff, "patch", url, name="X").status_code == 400
    assert send(staff, "post", f"{url}rescan/").status_code == 400
    removed_delete(seconds=10)
    assert staff.get(url).status_code == 404
    assert (music / "a.wav").exists()


def test_a_list_counts_songs_with_one_query_for_all(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        song = SongFactory()
        SongFactory(library=song.library, is_available=False)
    with django_assert_max_num_queries(6):
        answer = staff.get(URL).json()
    assert [one["songs"] for one in answer["results"]] == [1] * 5


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"path": "/etc"}, "PATH_INVALID"),
        ({"watch": "events"}, "REQUEST_INVALID"),
        ({"path": "/", "watch": "always"}, "REQUEST_INVALID"),
        ({"path": "/", "rescan_hours": 0}, "REQUEST_INVALID"),
        ({"path": "/", "rescan_hours": True}, "REQUEST_INVALID"),
        ({"path": "/", "root": "/"}, "REQUEST_INVALID"),
    ],
)
def test_what_is_no_library(staff: Client, music: Path, body: dict[str, Any], code: str) -> None:
    answer = send(staff, "post", URL, **body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Library.objects.exists()
    assert not Song.objects.exists()


def test_a_folder_of_another_library_is_refused(staff: Client, music: Path) -> None:
    (music / "inside").mkdir()
    send(staff, "post", URL, path=str(music))
    answer = send(staff, "post", URL, path=str(music / "inside"), watch="events")
    assert answer.status_code == 400
    assert Library.objects.get().watch == "off"


def test_a_catalogue_file_completes_songs(staff: Client) -> None:
    song = SongFactory(relative_path="a/one.mp3", title="T", year=None)
    url = f"{URL}{song.library_id}/catalogue/"
    text = "\ufeffpath;title;year\r\na/one.mp3;Dawn;1994\r\nb.mp3;X;\r\na/two.mp3;X;soon\r\n"
    answer = send(staff, "post", url, kind="csv", text=text)
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert [body[name] for name in ("changed", "unchanged", "refused")] == [1, 0, 2]
    # A batch is written after it was read, so its wrong values come first.
    assert [(one["line"], one["field"]) for one in body["problems"]] == [(4, "year"), (3, "path")]
    song.refresh_from_db()
    assert (song.title, song.year) == ("Dawn", 1994)
    again = send(staff, "post", url, kind="jsonl", text='{"path": "a/one.mp3", "title": "Dawn"}')
    assert again.json()["unchanged"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "xlsx", "text": "path"}, 400),
        ({"kind": "csv"}, 400),
        ({"kind": "csv", "text": "title\nDawn"}, 400),
        ({"kind": "csv", "text": "path\n" + "x" * 1_000_000}, 413),
    ],
)
def test_a_catalogue_file_that_is_none(staff: Client, body: dict[str, str], status: int) -> None:
    library = SongFactory().library
    answer = send(staff, "post", f"{URL}{library.pk}/catalogue/", **body)
    assert answer.status_code == status, answer.json()


def test_problems_of_rows_are_told_in_the_language_of_the_request(staff: Client) -> None:
    library = SongFactory().library
    with translation.override("en"):  # the request leaves its language in the thread
        answer = staff.post(
            f"{URL}{library.pk}/catalogue/",
            {"kind": "csv", "text": "path,year\na.mp3,soon"},
            content_type="application/json",
            headers={"Accept-Language": "de"},
        )
    (problem,) = answer.json()["problems"]
    assert problem["message"] == "soon: ist kein Jahr; schreib es wie 1994"
