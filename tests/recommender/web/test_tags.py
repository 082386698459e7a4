"""The pages on which staff write tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.files.tags import read_fields
from catalog.models import Library, Song, TagRun, TagWrite
from recommender.tasks import write_tags
from tests.catalog.conftest import ingest, write_tone  # noqa: F401  # fixtures
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.test import Client

pytestmark = pytest.mark.django_db
URL = "/manage/tags"
FORM = {"tag": ["mood"], "least": "0.25"}


@pytest.fixture
def file(music_dir: Path, ingest: Callable[..., Any]) -> Path:  # noqa: F811
    path = write_tone(music_dir / "a.flac")
    ingest()
    Song.objects.update(status=Song.Status.ANALYSED)
    song = Song.objects.get()
    SongEmotionFactory(song=song, valence=0.7, arousal=0.2, novelty=0.0, emotions={})
    Library.objects.update(is_writable=True)
    return path


@pytest.fixture
def boss(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def worked() -> None:
    run = TagRun.objects.order_by("-pk")[0]
    assert write_tags(str(run.job_id))["status"] == "succeeded"


def page(client: Client, path: str, **data: Any) -> str:
    answer = client.post(path, data, follow=True) if data else client.get(path)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_preview_write_and_undo_without_scripts(boss: Client, file: Path) -> None:
    before = file.read_bytes()
    assert "Waiting for a worker" in page(boss, URL, **FORM)
    worked()
    run = TagRun.objects.get()
    shown = page(boss, f"{URL}/{run.pk}")
    assert "a.flac calm" in shown
    assert "Would change 1" in shown
    assert "Write these tags" in shown
    assert file.read_bytes() == before
    assert f"Preview {run.pk} Preview is ready 1 would change" in page(boss, URL)
    assert "are being written" in page(boss, f"{URL}/{run.pk}/write", sure="1")
    worked()
    assert read_fields(file)[0]["mood"] == ["calm"]
    run = TagRun.objects.latest("pk")
    listed = page(boss, URL)
    assert f"Run {run.pk} Written 1 0 0" in listed
    assert "Yes, undo it" in listed
    assert "are being restored" in page(boss, f"{URL}/{run.pk}/undo", sure="1")
    worked()
    assert file.read_bytes() == before
    assert "a.flac restored calm" in page(boss, f"{URL}/{run.pk}")
    assert "Yes, undo it" not in page(boss, URL)


def test_the_live_part_moves_until_the_job_has_ended(boss: Client, file: Path) -> None:
    boss.post(URL, FORM)
    run = TagRun.objects.get()
    live = f"{URL}/{run.pk}?live=1"
    assert b"data-live-open" in boss.get(live).content
    assert "Cancelled." in page(boss, f"{URL}/{run.pk}/cancel", sure="1")
    content = boss.get(live).content
    assert b"data-live-open" not in content
    assert b"Stopped" in content
    assert "Nothing goes on" in page(boss, f"{URL}/{run.pk}/cancel", sure="1")


def test_a_preview_that_was_stopped_is_not_written(boss: Client, file: Path) -> None:
    boss.post(URL, FORM)
    worked()
    run = TagRun.objects.get()
    TagRun.objects.update(state=TagRun.State.PLANNING)  # as a worker that was cancelled leaves it
    assert "Write these tags" not in page(boss, f"{URL}/{run.pk}")
    assert "is not ready; wait for it" in page(boss, f"{URL}/{run.pk}/write", sure="1")
    assert TagRun.objects.count() == 1


def test_refused_in_words(boss: Client, file: Path) -> None:
    assert "no song in the folder nowhere" in page(boss, URL, **FORM, folder="nowhere")
    assert "This field is required." in page(boss, URL, least="0.25")
    Library.objects.update(root="s3://bucket/music")
    assert "object store" in page(boss, URL, **FORM)
    Library.objects.update(is_writable=False)
    assert "No library may be written yet." in page(boss, URL)
    assert not TagRun.objects.exists()


def test_files_that_are_left_alone_are_named(boss: Client, file: Path) -> None:
    file.write_bytes(b"another")
    boss.post(URL, {**FORM, "folder": "", "may_overwrite": "on"})
    worked()
    shown = page(boss, f"{URL}/{TagRun.objects.get().pk}")
    assert "All writable libraries · Mood · manual edits are overwritten" in shown
    assert "a.flac it was changed meanwhile" in shown
    assert "No file would change." in shown


def test_a_library_that_was_removed_since_is_said(boss: Client, file: Path) -> None:
    boss.post(URL, FORM)
    run = TagRun.objects.get()
    run.choice["libraries"] = [Library.objects.get().pk, 10**9]
    run.save()
    name = Library.objects.get().name
    assert f"{name}, removed libraries · Mood" in page(boss, f"{URL}/{run.pk}")


def test_a_library_is_allowed_on_its_page(boss: Client, file: Path) -> None:
    library = Library.objects.get()
    Library.objects.update(is_writable=False)
    fields = {"name": "Music", "watch": "off", "rescan_hours": "", "is_writable": "on"}
    data = {f"library-{library.pk}-{name}": value for name, value in fields.items()}
    assert "Saved." in page(boss, f"/manage/libraries/{library.pk}/change", **data)
    library.refresh_from_db()
    assert library.is_writable
    Library.objects.update(root="s3://bucket/music", is_writable=False)
    assert "object store" in page(boss, f"/manage/libraries/{library.pk}/change", **data)


def test_those_who_may_only_look(client: Client, file: Path, staff: User) -> None:
    staff.user_permissions.set(staff.user_permissions.filter(codename="view_backgroundjob"))
    client.force_login(staff)
    assert "New run" not in page(client, URL)
    assert client.post(URL, FORM).status_code == 403


def test_the_list_costs_the_same_however_long(boss: Client, file: Path) -> None:
    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            boss.get(path)
        return len(queries)

    boss.post(URL, FORM)
    worked()
    TagRun.objects.update(state=TagRun.State.DONE)
    paths = [URL, f"{URL}/{TagRun.objects.get().pk}"]
    before = [cost(path) for path in paths]
    for _ in range(4):
        boss.post(URL, FORM)
    TagRun.objects.update(state=TagRun.State.DONE)
    rows = TagWrite.objects.get()
    for n in range(5):
        rows.pk = None
        rows.relative_path = f"{n}.flac"
        rows.save()
    assert [cost(path) for path in paths] == before


def test_a_file_is_one_row_whatever_tags_change(boss: Client, file: Path) -> None:
    boss.post(URL, {**FORM, "tag": ["mood", "bpm"]})
    worked()
    write = TagWrite.objects.get()
    write.fields = {"mood": {"before": ["sad"], "after": ["calm", "tender"]}}
    write.save()
    shown = page(boss, f"{URL}/{write.run_id}")
    assert "File Mood Tempo a.flac sad → calm, tender no change" in shown
    assert "1 file would change" in shown
