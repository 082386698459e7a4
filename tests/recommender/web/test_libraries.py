"""The page of the libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from catalog.models import BackgroundJob, Library
from recommender.models import ServiceHeartbeat
from recommender.selectors import library_list
from tests.catalog.conftest import write_tone
from tests.factories import LibraryFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpResponse

pytestmark = pytest.mark.django_db
URL = "/manage/libraries"


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def change(client: Client, library: Library, **fields: object) -> HttpResponse:
    data = {f"library-{library.pk}-{name}": value for name, value in fields.items()}
    return client.post(f"{URL}/{library.pk}/change", data, follow=True)


def test_it_shows_how_libraries_stand(staff: Client) -> None:
    SongFactory(library=LibraryFactory(name="Quiet", root="/music/quiet"))
    LibraryFactory(
        name="Loud", watch="events", watch_state="fallback", watch_note="No space left on device"
    )
    LibraryFactory(name="Old", is_going=True)
    page = staff.get(URL).content.decode()
    assert "/music/quiet" in page
    assert "The watcher is not running" in page
    assert "Being removed" in page
    ServiceHeartbeat.objects.create(name="w", kind="watcher", seen_at=timezone.now())
    page = staff.get(URL).content.decode()
    assert "The watcher is not running" not in page
    assert "Watched by polling, because events fail" in page
    assert "No space left on device" in page


def test_nothing_yet(staff: Client) -> None:
    assert "No folder has been added yet." in staff.get(URL).content.decode()


def test_it_changes_what_is_sent(staff: Client) -> None:
    library = LibraryFactory()
    page = change(staff, library, name="Disk", watch="polling", rescan_hours="24")
    assert "Saved" in page.content.decode()
    library.refresh_from_db()
    assert (library.name, library.watch, library.rescan_hours) == ("Disk", "polling", 24)
    change(staff, library, name="Disk", watch="off", rescan_hours="")
    library.refresh_from_db()
    assert (library.watch, library.rescan_hours) == ("off", None)


def test_what_was_chosen_elsewhere_is_kept(staff: Client) -> None:
    library = LibraryFactory(rescan_hours=17)
    assert "Every 17 hours" in staff.get(URL).content.decode()
    change(staff, library, name="Disk", watch="off", rescan_hours="17")
    library.refresh_from_db()
    assert library.rescan_hours == 17


def test_what_is_wrong_is_said_at_its_field(staff: Client) -> None:
    library = LibraryFactory(name="Before")
    page = change(staff, library, name="", watch="always", rescan_hours="-3").content.decode()
    assert page.count("errorlist") >= 3
    library.refresh_from_db()
    assert library.name == "Before"
    again = staff.get(f"{URL}/{library.pk}/change")
    assert (again.status_code, again["Location"]) == (302, URL)


def test_scan_now(staff: Client, tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    library = LibraryFactory(root=str(tmp_path))
    answer = staff.post(f"{URL}/{library.pk}/scan")
    assert answer["Location"].endswith(str(BackgroundJob.objects.get().pk))
    gone = LibraryFactory(root=str(tmp_path / "gone"))
    page = staff.post(f"{URL}/{gone.pk}/scan", follow=True).content.decode()
    assert "there is no such file or folder here" in page


def test_remove(staff: Client) -> None:
    library = SongFactory().library
    page = staff.post(f"{URL}/{library.pk}/remove", follow=True).content.decode()
    assert "is being removed" in page
    library.refresh_from_db()
    assert library.is_going
    for act in ("change", "scan"):
        assert staff.post(f"{URL}/{library.pk}/{act}").status_code == 404


def test_german(staff: Client) -> None:
    LibraryFactory(watch="polling")
    page = staff.get(URL, headers={"Accept-Language": "de"}).content.decode()
    assert "Bibliotheken" in page
    assert "Der Wächter läuft nicht" in page


def test_only_the_page_counts_what_goes_with_a_library() -> None:
    assert "playlistentry" not in str(library_list().query)
    assert "playlistentry" in str(library_list(with_all=True).query)


def test_songs_are_completed_from_a_table(staff: Client) -> None:
    song = SongFactory(relative_path="a.mp3", title="T")
    url = f"{URL}/{song.library_id}/catalogue"
    assert url in staff.get(URL).content.decode()
    table = SimpleUploadedFile("c.CSV", b"path,title\na.mp3,Dawn\nb.mp3,X\n\xff.mp3,Y\n")
    page = staff.post(url, {"file": table}).content.decode()
    assert "Songs changed: 1, unchanged: 0. Rows that are not used: 2." in page
    assert "b.mp3: no song of the library has this path" in page
    assert "is not UTF-8" in page
    song.refresh_from_db()
    assert song.title == "Dawn"
    for table in (
        SimpleUploadedFile("c.xlsx", b"path"),
        SimpleUploadedFile("c.csv", b"title\nDawn"),
        SimpleUploadedFile("c.csv", b""),
    ):
        page = staff.post(url, {"file": table}).content.decode()
        assert "notice-card is-bad" in page
    assert staff.get(url)["Location"] == URL
