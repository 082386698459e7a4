"""A request with an `Idempotency-Key` that is sent again is answered again, and done once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from recommender import replays
from recommender.history import listen_record
from recommender.models import KeyedRequest, Listen, Playlist, Station, Token
from recommender.tasks import sweep_keyed_requests
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from catalog.models import Song

STATION = {"name": "Mornings", "request": {"moods": ["calm"], "count": 3, "min_match": 0}}
STATIONS = "/api/v1/stations/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(api: APIClient) -> APIClient:
    api.force_authenticate(UserFactory(is_staff=True, is_superuser=True))
    return api


def post(api: APIClient, path: str, body: Any, key: str = "k") -> Any:
    return api.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY=key)


def test_the_same_request_is_done_once(ada: APIClient) -> None:
    first = post(ada, STATIONS, STATION)
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first
    again = post(ada, STATIONS, STATION)
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Content-Type"] == "application/json"
    assert again["Idempotent-Replayed"] == "true"
    assert Station.objects.count() == 1
    assert post(ada, STATIONS, STATION, key="another").json()["id"] != first.json()["id"]


def test_what_creates_takes_a_key(ada: APIClient, songs: list[Song]) -> None:
    wanted = {"moods": ["calm"], "count": 3, "min_match": 0}
    for path, body in (
        ("playlists/", wanted),
        ("listens/", {"song_id": songs[0].pk}),
        (f"songs/{songs[0].pk}/skips/", {}),
    ):
        answers = [post(ada, f"/api/v1/{path}", body, key=path) for _ in range(2)]
        assert [one.status_code for one in answers] == [201, 201], answers[0].content
        assert answers[0].content == answers[1].content
    assert (Playlist.objects.count(), Listen.objects.count()) == (1, 1)


def test_a_file_in_pieces(ada: APIClient) -> None:
    sent: dict[str, Any] = {
        "data": b"[]",
        "content_type": "application/octet-stream",
        "HTTP_IDEMPOTENCY_KEY": "piece",
    }
    path = "/api/v1/imports/?name=a.json"
    first, again = (ada.post(path, **sent) for _ in range(2))
    assert first.status_code == 202, first.content
    assert (again.status_code, again.content) == (202, first.content)
    other = ada.post(path, **{**sent, "data": b"[ ]"})
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (STATIONS, {**STATION, "name": "Evenings"}),
        ("/api/v1/listens/", STATION),
        (f"{STATIONS}?x=1", STATION),
    ],
)
def test_a_key_is_good_for_one_request(ada: APIClient, path: str, body: Any) -> None:
    post(ada, STATIONS, STATION)
    response = post(ada, path, body)
    assert response.status_code == (400 if "?" in path else 422)
    assert Station.objects.count() == 1
    assert not Listen.objects.exists()


def test_a_refused_request_may_be_mended(ada: APIClient) -> None:
    assert post(ada, STATIONS, {"name": ""}).status_code == 400
    assert not KeyedRequest.objects.exists()
    assert post(ada, STATIONS, STATION).status_code == 201


def test_a_request_that_has_not_ended(ada: APIClient) -> None:
    post(ada, STATIONS, STATION)
    KeyedRequest.objects.update(status=None)
    response = post(ada, STATIONS, STATION)
    assert (response.status_code, response.json()["code"]) == (409, "IDEMPOTENCY_IN_FLIGHT")
    assert response.json()["details"]["began_at"]
    assert Station.objects.count() == 1


def test_a_bug_leaves_the_key_free(ada: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError

    ada.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("recommender.api.stations.stations.station_create", broken)
        assert post(ada, STATIONS, STATION).status_code == 500
    assert post(ada, STATIONS, STATION).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_failure_after_the_effect_keeps_the_key(
    ada: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    ada.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("recommender.api.stations.StationOutput.get_version", broken)
        assert post(ada, STATIONS, STATION).status_code == 500
    again = post(ada, STATIONS, STATION)
    assert (again.status_code, again.json()["code"]) == (409, "IDEMPOTENCY_IN_FLIGHT")
    assert Station.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_no_effect(ada: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**fields: object) -> None:
        with transaction.atomic():
            Station.objects.create(user=fields["user"], name="x", request={})
            raise ZeroDivisionError

    ada.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("recommender.api.stations.stations.station_create", broken)
        assert post(ada, STATIONS, STATION).status_code == 500
    assert not Station.objects.exists()
    assert post(ada, STATIONS, STATION).status_code == 201


def test_an_answer_comes_before_the_check_of_a_tag(ada: APIClient, songs: list[Song]) -> None:
    wanted = {"moods": ["calm"], "count": 3, "min_match": 0}
    made = ada.post("/api/v1/playlists/", wanted, format="json").json()
    address = f"/api/v1/playlists/{made['id']}/"
    body = {"edits": [{"kind": "remove", "song_id": made["entries"][0]["song"]["id"]}]}
    sent: dict[str, Any] = {"format": "json", "HTTP_IDEMPOTENCY_KEY": "k"}
    tag = ada.get(address)["ETag"]
    late = ada.post(f"{address}edit/", body, HTTP_IF_MATCH='"old"', **sent)
    assert late.status_code == 412
    assert not KeyedRequest.objects.exists()
    first, again = (ada.post(f"{address}edit/", body, HTTP_IF_MATCH=tag, **sent) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200), again.content
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    other = ada.post(f"{address}edit/", body, HTTP_IF_MATCH="*", **sent)
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_keys_of_two_users_never_meet(ada: APIClient) -> None:
    mine = post(ada, STATIONS, STATION).json()
    ada.force_authenticate(UserFactory())
    theirs = post(ada, STATIONS, {**STATION, "name": "Theirs"})
    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine["id"]


def test_who_may_no_more_is_answered_nothing(ada: APIClient, music_dir: Any) -> None:
    body = {"path": str(music_dir)}
    assert post(ada, "/api/v1/ingest-jobs/", body).status_code == 202
    user: User = ada.handler._force_user
    user.is_staff = user.is_superuser = False
    user.save()
    ada.force_authenticate(user)
    assert post(ada, "/api/v1/ingest-jobs/", body).status_code == 403


@pytest.mark.parametrize("key", ["", "x" * 201, "\x7f", "a\tb", "ü", "\x00"])
def test_keys_that_are_none(ada: APIClient, key: str) -> None:
    response = post(ada, STATIONS, STATION, key=key)
    assert response.status_code == 400
    assert list(response.json()["details"]) == ["Idempotency-Key"]
    assert not Station.objects.exists()


@pytest.mark.parametrize("key", ["x" * 200, "'; drop table", '"quoted"', " "])
def test_keys_of_any_look(ada: APIClient, key: str) -> None:
    assert {post(ada, STATIONS, STATION, key=key).status_code for _ in range(2)} == {201}
    assert Station.objects.count() == 1


def test_secrets_are_not_stored(ada: APIClient) -> None:
    for path, body in (
        ("tokens/", {"name": "x", "scopes": ["read"]}),
        ("app-passwords/", {"name": "x"}),
        ("account/password/", {"old_password": "a", "new_password": "b"}),
    ):
        response = post(ada, f"/api/v1/{path}", body)
        assert (response.status_code, response.json()["code"]) == (400, "IDEMPOTENCY_REFUSED")
    assert not Token.objects.exists()
    assert not KeyedRequest.objects.exists()


def test_a_visitor_is_told_that_a_login_takes_no_key(api: APIClient, user: User) -> None:
    body = {"username": user.get_username(), "password": "x"}
    for path in ("login", "logout"):
        response = post(api, f"/api/v1/auth/{path}/", body)
        assert (response.status_code, response.json()["code"]) == (400, "IDEMPOTENCY_REFUSED")


def test_what_only_reads_stores_nothing(ada: APIClient, songs: list[Song]) -> None:
    for _ in range(2):
        answer = post(ada, "/api/v1/songs/lookup/", {"ids": [songs[0].pk]})
        assert answer.status_code == 200
        assert "Idempotent-Replayed" not in answer
    assert not KeyedRequest.objects.exists()


def test_what_is_stored_tells_neither_key_nor_request(ada: APIClient) -> None:
    post(ada, STATIONS, {**STATION, "name": "Very secret"}, key="my key")
    row = KeyedRequest.objects.get()
    assert "my key" not in f"{row.key} {row.digest}"
    assert b"Very secret" not in bytes(row.body)


def test_a_visitor_has_no_keys(api: APIClient, songs: list[Song]) -> None:
    body = {"moods": ["calm"], "count": 3, "min_match": 0, "seed": 1}
    assert [post(api, "/api/v1/playlists/", body).status_code for _ in range(2)] == [200, 200]
    assert not KeyedRequest.objects.exists()


def test_a_form_is_no_body(ada: APIClient, client: Any, user: User) -> None:
    client.force_login(user)
    response = client.post(STATIONS, {"name": "x"}, headers={"Idempotency-Key": "k"})
    assert response.status_code == 415
    assert not KeyedRequest.objects.exists()


def test_keys_are_kept_for_a_day(ada: APIClient) -> None:
    post(ada, STATIONS, STATION)
    KeyedRequest.objects.update(created_at=timezone.now() - timedelta(hours=23))
    assert post(ada, STATIONS, STATION)["Idempotent-Replayed"] == "true"
    KeyedRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert "Idempotent-Replayed" not in post(ada, STATIONS, STATION)
    assert Station.objects.count() == 2


def test_old_answers_are_swept(ada: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MOST_KEYS", 3)
    for n in range(6):
        post(ada, STATIONS, STATION, key=str(n))
    oldest = KeyedRequest.objects.order_by("created_at").first()
    KeyedRequest.objects.filter(pk=oldest.pk).update(created_at=timezone.now() - timedelta(days=2))
    ada.force_authenticate(UserFactory())
    post(ada, STATIONS, STATION)
    assert sweep_keyed_requests() == {"deleted": 1}
    assert KeyedRequest.objects.count() == 3
    assert "Idempotent-Replayed" in post(ada, STATIONS, STATION)


def test_old_answers_give_way_at_once(ada: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MOST_KEYS", 3)
    for n in range(6):
        post(ada, STATIONS, STATION, key=str(n))
    assert KeyedRequest.objects.count() == 3
    assert "Idempotent-Replayed" in post(ada, STATIONS, STATION, key="5")
    assert "Idempotent-Replayed" not in post(ada, STATIONS, STATION, key="2")


def test_answers_have_so_many_bytes(ada: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    post(ada, STATIONS, STATION, key="0")
    size = len(bytes(KeyedRequest.objects.get().body))
    monkeypatch.setattr(replays, "MOST_BYTES", 2 * size + size // 2)
    for n in range(1, 6):
        post(ada, STATIONS, STATION, key=str(n))
    assert KeyedRequest.objects.count() == 3  # the last is not trimmed before the next comes
    assert "Idempotent-Replayed" in post(ada, STATIONS, STATION, key="5")
    assert "Idempotent-Replayed" not in post(ada, STATIONS, STATION, key="1")


@pytest.mark.django_db(transaction=True)
def test_many_at_once(songs: list[Song]) -> None:
    user = UserFactory()
    wait = threading.Barrier(6)
    answers: list[Any] = []

    def send() -> None:
        api = APIClient()
        api.force_authenticate(user)
        wait.wait()
        answers.append(post(api, "/api/v1/listens/", {"song_id": songs[0].pk}))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Listen.objects.count() == 1
    made = [one for one in answers if one.status_code == 201]
    # A database in memory, which SQLite has in tests alone, makes no thread wait for another.
    assert {one.status_code for one in answers} <= (
        {201, 409, 503} if connection.vendor == "sqlite" else {201, 409}
    )
    assert len({one.content for one in made}) == 1
    assert len([one for one in made if "Idempotent-Replayed" not in one]) == 1


def test_a_listen_of_before_is_another(ada: APIClient, songs: list[Song]) -> None:
    listen_record(user=ada.handler._force_user, song_id=songs[0].pk)
    assert post(ada, "/api/v1/listens/", {"song_id": songs[0].pk}).status_code == 201
    assert Listen.objects.count() == 2
