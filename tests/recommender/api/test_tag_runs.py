"""Writing tags over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.utils import translation

from catalog.files.tags import read_fields
from catalog.models import BackgroundJob, Library, Song, TagRun
from catalog.tagwriting import plan as plan_module
from recommender.tasks import write_tags
from tests.catalog.conftest import ingest, write_tone  # noqa: F401  # fixtures
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertMaxNumQueries

pytestmark = pytest.mark.django_db
URL = "/api/v1/tag-runs/"


@pytest.fixture
def files(music_dir: Path, ingest: Callable[..., Any]) -> list[Path]:  # noqa: F811
    paths = [write_tone(music_dir / f"{n}.flac", hz=300 + n) for n in range(2)]
    ingest()
    Song.objects.update(status=Song.Status.ANALYSED)
    for song in Song.objects.all():
        SongEmotionFactory(song=song, valence=0.7, arousal=0.2, novelty=0.0, emotions={})
    Library.objects.update(is_writable=True)
    return paths


@pytest.fixture
def boss(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def post(client: Client, url: str = URL, **body: Any) -> Any:
    headers = body.pop("headers", {})
    return client.post(url, body, content_type="application/json", headers=headers)


def worked(run: dict[str, Any]) -> dict[str, Any]:
    return write_tags(run["job"]["id"])


def test_from_the_preview_to_the_undo(boss: Client, files: list[Path]) -> None:
    before = [path.read_bytes() for path in files]
    answer = post(boss)
    assert answer.status_code == 202, answer.content
    preview = answer.json()
    assert answer["Location"] == preview["url"]
    assert (preview["state"], preview["job"]["status"]) == ("planning", "pending")
    assert preview["job"]["arguments"] == {"run": preview["id"], "act": "preview"}
    assert worked(preview)["status"] == "succeeded"
    preview = boss.get(preview["url"]).json()
    assert (preview["state"], preview["planned"], preview["problems"]) == ("planned", 2, [])
    page = boss.get(f"{preview['url']}files/?limit=1").json()
    assert page["count"] == 2
    change = {"field": "mood", "before": [], "after": ["calm"]}
    assert page["results"][0]["changes"] == [change]
    assert page["results"][0]["state"] == "planned"
    assert boss.get(page["next"]).json()["results"][0]["path"] == "1.flac"
    assert [path.read_bytes() for path in files] == before

    run = post(boss, is_preview=False, fields=["mood"]).json()
    worked(run)
    assert read_fields(files[0])[0]["mood"] == ["calm"]
    run = boss.get(run["url"]).json()
    assert (run["state"], run["written"], run["created_by"]) == ("done", 2, "staff")
    assert run["choice"]["fields"] == ["mood"]
    undo = post(boss, f"{run['url']}undo/")
    assert undo.status_code == 202
    assert undo.json()["job"]["arguments"]["act"] == "undo"
    again = post(boss, f"{run['url']}undo/")
    assert (again.status_code, again.json()["code"]) == (409, "TAGS_NOT_WRITABLE")
    worked(undo.json())
    assert [path.read_bytes() for path in files] == before
    listed = boss.get(f"{URL}?state=undone").json()["results"]
    assert [(one["id"], one["undone"]) for one in listed] == [(run["id"], 2)]


def test_a_key_makes_one_run(boss: Client, files: list[Path]) -> None:
    answers = [post(boss, headers={"Idempotency-Key": "once"}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert TagRun.objects.count() == 1


def test_cancelled(boss: Client, files: list[Path]) -> None:
    run = post(boss, is_preview=False).json()
    cancelled = post(boss, f"{run['url']}cancel/").json()
    assert (cancelled["is_stopped"], cancelled["job"]["status"]) == (True, "revoked")
    assert worked(run)["status"] == "not pending"
    again = post(boss, f"{run['url']}cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "JOB_STATE_INVALID")
    # It can be undone, although nothing was written.
    assert post(boss, f"{run['url']}undo/").status_code == 202


def test_failures_are_named_in_the_language_of_the_reader(
    boss: Client,
    files: list[Path],
    ingest: Callable[..., Any],  # noqa: F811
) -> None:
    run = post(boss, is_preview=False).json()
    files[0].write_bytes(b"another")
    worked(run)
    run = boss.get(run["url"], headers={"Accept-Language": "de"}).json()
    (problem,) = run["problems"]
    assert (problem["path"], problem["code"]) == ("0.flac", "TAGS_FILE_CHANGED")
    with translation.override("de"):
        assert problem["message"] == translation.gettext(plan_module._CHANGED)
    assert run["refused"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fields": []}, "fields"),
        ({"fields": ["title"]}, "fields"),
        ({"least": 1.1}, "least"),
        ({"library_ids": [0]}, "library_ids"),
        ({"library_ids": ["1"]}, "library_ids"),
        ({"is_preview": 0}, "is_preview"),
        ({"dry_run": True}, "dry_run"),
    ],
)
def test_wrong_bodies(boss: Client, files: list[Path], body: dict[str, Any], field: str) -> None:
    answer = post(boss, **body)
    assert answer.status_code == 400
    assert set(answer.json()["details"]) == {field}


def test_refused_until_the_library_may_be_written(boss: Client, files: list[Path]) -> None:
    library = Library.objects.get()
    url = f"/api/v1/libraries/{library.pk}/"
    change = {"content_type": "application/json"}
    assert boss.patch(url, {"is_writable": False}, **change).json()["is_writable"] is False
    for body in ({}, {"library_ids": [library.pk]}, {"library_ids": [10**9]}):
        answer = post(boss, **body)
        assert (answer.status_code, answer.json()["code"]) == (409, "TAGS_NOT_WRITABLE")
    assert not BackgroundJob.objects.filter(kind="tags").exists()
    assert boss.patch(url, {"is_writable": True}, **change).json()["is_writable"] is True
    assert post(boss, library_ids=[library.pk]).status_code == 202
    Library.objects.update(root="s3://bucket/music", is_writable=False)
    answer = boss.patch(url, {"is_writable": True}, **change)
    assert (answer.status_code, answer.json()["code"]) == (409, "TAGS_NOT_WRITABLE")
    assert "object store" in answer.json()["message"]


def test_a_list_costs_the_same_however_long(
    boss: Client, files: list[Path], django_assert_max_num_queries: DjangoAssertMaxNumQueries
) -> None:
    run = post(boss).json()
    worked(run)
    for _ in range(5):
        post(boss)
    with django_assert_max_num_queries(7):
        assert len(boss.get(URL).json()["results"]) == 6
    with django_assert_max_num_queries(7):
        assert len(boss.get(f"{URL}{run['id']}/files/").json()["results"]) == 2


def test_those_who_may_only_look_write_nothing(
    client: Client, files: list[Path], staff: User
) -> None:
    staff.user_permissions.set(staff.user_permissions.filter(codename="view_backgroundjob"))
    client.force_login(staff)
    assert client.get(URL).status_code == 200
    assert post(client).status_code == 403
