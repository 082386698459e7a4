"""Versions of the model and builds of the index, as staff see and change them by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from catalog.models import ModelVersion
from recommender.index import index_build
from tests.factories import MODEL_VERSION, SongEmotionFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries
    from rest_framework.test import APIClient

    from catalog.models import Song

pytestmark = pytest.mark.django_db
NEW = "affetti-11111111"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the tasks that workers are asked for."""
    tasks: list[str] = []
    for module in ("recommender.index.builds", "recommender.index.transition"):
        monkeypatch.setattr(f"{module}.message_send", lambda task, *_: tasks.append(task))
    return tasks


@pytest.fixture
def keeper(api: APIClient, staff: User, songs: list[Song], sent: list[str]) -> APIClient:
    """Staff who may switch, where one version serves and another has analysed a song."""
    staff.user_permissions.add(*Permission.objects.filter(codename__endswith="_modelversion"))
    ModelVersion.objects.create(
        name=MODEL_VERSION, checkpoint="", is_serving=True, served_at=timezone.now()
    )
    ModelVersion.objects.create(name=NEW, checkpoint="")
    SongEmotionFactory(song=songs[0], model_version=NEW)
    api.force_authenticate(staff)
    return api


def test_the_versions(
    keeper: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(6):
        serving, other = keeper.get("/api/v1/models/").json()
    assert (serving["name"], serving["songs"], serving["is_serving"]) == (MODEL_VERSION, 12, True)
    assert (other["name"], other["coverage"], other["served_at"]) == (
        NEW,
        pytest.approx(1 / 12),
        None,
    )


def test_a_switch_is_asked_for_and_withdrawn(keeper: APIClient, sent: list[str]) -> None:
    answer = keeper.post("/api/v1/models/switch/", {"name": NEW}, format="json")
    assert answer.status_code == 202
    assert [one["is_requested"] for one in answer.json()] == [False, True]
    assert sent == ["recommender.build_index_if_stale"]
    keeper.post("/api/v1/models/switch/", {"name": MODEL_VERSION}, format="json")
    assert not ModelVersion.objects.filter(requested_at__isnull=False).exists()


def test_roll_back(keeper: APIClient) -> None:
    answer = keeper.post("/api/v1/models/rollback/")
    assert (answer.status_code, answer.json()["code"]) == (409, "VERSION_NO_FORMER")
    ModelVersion.objects.filter(name=NEW).update(served_at=timezone.now())
    assert keeper.post("/api/v1/models/rollback/").status_code == 202
    assert ModelVersion.objects.get(requested_at__isnull=False).name == NEW


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "affetti-99999999"}, 404, "VERSION_UNKNOWN"),
        ({"name": "a\0"}, 400, "REQUEST_INVALID"),
        ({"name": 3}, 400, "REQUEST_INVALID"),
        ({}, 400, "REQUEST_INVALID"),
        ({"name": NEW, "when": "now"}, 400, "REQUEST_INVALID"),
    ],
)
def test_what_is_no_version(
    keeper: APIClient, sent: list[str], body: object, status: int, code: str
) -> None:
    answer = keeper.post("/api/v1/models/switch/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert sent == []


def test_a_version_without_a_song_that_is_here(keeper: APIClient, sent: list[str]) -> None:
    ModelVersion.objects.create(name="affetti-22222222", checkpoint="")
    answer = keeper.post("/api/v1/models/switch/", {"name": "affetti-22222222"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "VERSION_EMPTY")
    assert sent == []


def test_builds_of_the_index(
    keeper: APIClient,
    sent: list[str],
    settings: object,
    tmp_path: object,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    settings.AFFETTI_INDEX_DIR = tmp_path  # type: ignore[attr-defined]
    build = index_build()
    with django_assert_max_num_queries(4):  # two for the permissions
        body = keeper.get("/api/v1/index-builds/").json()
    row = body["results"][0]
    assert (row["id"], row["songs"], row["is_active"]) == (str(build.pk), 12, True)
    assert "directory" not in row
    answer = keeper.post("/api/v1/index-builds/")
    assert answer.status_code == 202
    assert (answer.json()["songs"], answer.json()["changed_songs"]) == (12, 0)
    assert sent == ["recommender.build_index"]


def test_who_may_only_look(keeper: APIClient, staff: User, sent: list[str]) -> None:
    staff.user_permissions.remove(Permission.objects.get(codename="change_modelversion"))
    keeper.force_authenticate(type(staff).objects.get(pk=staff.pk))  # it keeps its permissions
    assert keeper.get("/api/v1/models/").status_code == 200
    assert keeper.get("/api/v1/index-builds/").status_code == 200
    for path in ("models/switch/", "models/rollback/", "index-builds/"):
        assert keeper.post(f"/api/v1/{path}").status_code == 403
    assert sent == []
