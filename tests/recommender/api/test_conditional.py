"""Tags of answers: nothing is sent twice, and nobody changes what they have not seen."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from recommender.accounts import token_create
from recommender.api.playlists import generated_list
from recommender.models import Playlist, Scope, Station
from tests.factories import UserFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.test import Client

    from catalog.models import Song

pytestmark = pytest.mark.django_db
STATION = {"name": "Mornings", "request": {"moods": ["calm"], "count": 3, "min_match": 0}}


@pytest.fixture
def ada(api: APIClient) -> APIClient:
    api.force_authenticate(UserFactory(is_staff=True, is_superuser=True))
    return api


@pytest.fixture
def station(ada: APIClient, songs: list[Song]) -> str:
    made = ada.post("/api/v1/stations/", STATION, format="json").json()
    return f"/api/v1/stations/{made['id']}/"


@pytest.fixture
def playlist(ada: APIClient, songs: list[Song]) -> str:
    body = {"moods": ["calm"], "count": 3, "min_match": 0}
    made = ada.post("/api/v1/playlists/", body, format="json").json()
    return f"/api/v1/playlists/{made['id']}/"


@pytest.mark.parametrize(
    "path",
    [
        *("songs/", "songs/?limit=2", "songs/{}/", "songs/{}/similar/", "moods/", "facets/"),
        *("playlists/", "stations/", "listens/", "jobs/", "libraries/", "feedback/"),
    ],
)
def test_what_a_client_has_is_not_sent_again(ada: APIClient, songs: list[Song], path: str) -> None:
    address = f"/api/v1/{path}".format(songs[0].pk)
    first = ada.get(address)
    tag = first["ETag"]
    assert tag.startswith('W/"')
    assert first["Cache-Control"] == "private, no-cache"
    for name in ("Accept-Encoding", "Accept-Language", "Authorization", "Cookie"):
        assert name in first["Vary"]
    for held in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = ada.get(address, HTTP_IF_NONE_MATCH=held)
        assert (again.status_code, again.content) == (304, b"")
        for name in ("ETag", "Cache-Control"):
            assert again[name] == first[name]
        assert set(again["Vary"].split(", ")) >= {"Accept-Encoding", "Authorization"}
    for held in ('"other"', "nonsense", "", 'W/"x', "\x00", tag.replace('W/"', 'W/"x')):
        again = ada.get(address, HTTP_IF_NONE_MATCH=held)
        assert (again.status_code, again.content) == (200, first.content)


def test_another_content_has_another_tag(ada: APIClient, songs: list[Song]) -> None:
    address = f"/api/v1/songs/{songs[0].pk}/"
    tag = ada.get(address)["ETag"]
    assert ada.get(f"/api/v1/songs/{songs[1].pk}/")["ETag"] != tag
    ada.put(f"{address}like/")
    changed = ada.get(address, HTTP_IF_NONE_MATCH=tag)
    assert changed.status_code == 200
    assert changed["ETag"] != tag
    ada.force_authenticate(UserFactory())  # whose like it is not
    assert ada.get(address, HTTP_IF_NONE_MATCH=tag).status_code == 304


def test_compressed_answers_have_the_same_tag(client: Client, songs: list[Song]) -> None:
    plain = client.get("/api/v1/songs/")
    packed = client.get("/api/v1/songs/", HTTP_ACCEPT_ENCODING="gzip")
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert packed["ETag"] == plain["ETag"]
    again = client.get(
        "/api/v1/songs/", HTTP_ACCEPT_ENCODING="gzip", HTTP_IF_NONE_MATCH=packed["ETag"]
    )
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Encoding" not in again


def test_head_has_the_tag_of_get(ada: APIClient, songs: list[Song]) -> None:
    assert ada.head("/api/v1/songs/")["ETag"] == ada.get("/api/v1/songs/")["ETag"]


@pytest.mark.parametrize("path", ["tokens/", "app-passwords/", "account/export/"])
def test_secrets_are_kept_nowhere(user: User, client: Client, path: str) -> None:
    client.force_login(user)
    response = client.get(f"/api/v1/{path}")
    assert response.status_code == 200
    assert "ETag" not in response
    assert response["Cache-Control"] == "private, no-store"


def test_errors_have_no_tag(ada: APIClient) -> None:
    assert "ETag" not in ada.get("/api/v1/songs/999/", HTTP_IF_NONE_MATCH="*")


def test_a_change_of_what_one_has_seen(ada: APIClient, station: str) -> None:
    tag = ada.get(station)["ETag"]
    sent: dict[str, Any] = {"data": {"name": "Evenings"}, "format": "json"}
    assert ada.patch(station, **sent, HTTP_IF_MATCH=tag).status_code == 200
    late = ada.patch(station, {"name": "Nights"}, format="json", HTTP_IF_MATCH=tag)
    assert (late.status_code, late.json()["code"]) == (412, "PRECONDITION_FAILED")
    assert Station.objects.get().name == "Evenings"
    assert ada.delete(station, HTTP_IF_MATCH=tag).status_code == 412
    assert ada.delete(station, HTTP_IF_MATCH=ada.get(station)["ETag"]).status_code == 204
    assert ada.delete(station, HTTP_IF_MATCH="*").status_code == 404


@pytest.mark.parametrize("held", ["", "nonsense", '"x"', 'W/"x", "y"', "\x00", "W/*"])
def test_tags_that_are_none(ada: APIClient, station: str, held: str) -> None:
    response = ada.patch(station, {"name": "x"}, format="json", HTTP_IF_MATCH=held)
    assert response.status_code == 412
    assert Station.objects.get().name == "Mornings"


@pytest.mark.parametrize("held", ["*", "{0}", '"other", {0}', "{1}"])
def test_tags_that_match(ada: APIClient, station: str, held: str) -> None:
    tag = ada.get(station)["ETag"]
    held = held.format(tag, tag.removeprefix("W/"))
    response = ada.patch(station, {"name": "x"}, format="json", HTTP_IF_MATCH=held)
    assert response.status_code == 200


def test_playlists(ada: APIClient, playlist: str) -> None:
    read = ada.get(playlist)
    first = read.json()["entries"][0]["song"]["id"]
    edits = {"edits": [{"kind": "remove", "song_id": first}]}
    address = f"{playlist}edit/"
    changed = ada.post(address, edits, format="json", HTTP_IF_MATCH=read["ETag"])
    assert changed.status_code == 200, changed.content
    assert ada.post(address, edits, format="json", HTTP_IF_MATCH=read["ETag"]).status_code == 412
    assert ada.put(f"{playlist}share/", HTTP_IF_MATCH=read["ETag"]).status_code == 412
    assert ada.delete(playlist, HTTP_IF_MATCH=read["ETag"]).status_code == 412
    assert Playlist.objects.get().share_token is None
    assert ada.delete(playlist, HTTP_IF_MATCH=ada.get(playlist)["ETag"]).status_code == 204


def test_corrections_of_songs(ada: APIClient, songs: list[Song]) -> None:
    address = f"/api/v1/songs/{songs[0].pk}/correction/"
    tag = ada.get(address)["ETag"]
    body = {"valence": 0.1, "arousal": 0.2}
    assert ada.put(address, body, format="json", HTTP_IF_MATCH=tag).status_code == 204
    assert ada.put(address, body, format="json", HTTP_IF_MATCH=tag).status_code == 412


def test_a_list_made_again(ada: APIClient, playlist: str) -> None:
    tag = ada.get(playlist)["ETag"]
    address = f"{playlist}regenerate/"
    sent: dict[str, Any] = {"data": {"seed": 5}, "format": "json"}
    assert ada.post(address, **sent, HTTP_IF_MATCH='"other"').status_code == 412
    changed = ada.post(address, **sent, HTTP_IF_MATCH=tag)
    assert changed.status_code == 200, changed.content
    assert ada.post(address, **sent, HTTP_IF_MATCH=tag).status_code == 412
    ada.force_authenticate(UserFactory())
    assert ada.post(address, **sent, HTTP_IF_MATCH="*").status_code == 404


def test_a_list_that_changes_while_it_is_made_again(
    ada: APIClient, playlist: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = ada.get(playlist)["ETag"]

    def slow(request: Any, wanted: Any) -> Any:
        Playlist.objects.update(name="Renamed meanwhile")
        return generated_list(request, wanted)

    monkeypatch.setattr("recommender.api.regeneration.generated_list", slow)
    late = ada.post(f"{playlist}regenerate/", {"seed": 5}, format="json", HTTP_IF_MATCH=tag)
    assert late.status_code == 412
    assert ada.get(playlist).json()["seed"] != 5


def test_a_station_is_checked_before_it_is_made(ada: APIClient, station: str) -> None:
    tag = ada.get(station)["ETag"]
    assert ada.post(f"{station}refresh/", HTTP_IF_MATCH='"other"').status_code == 412
    assert ada.post(f"{station}refresh/", HTTP_IF_MATCH=tag).status_code == 200
    assert ada.post(f"{station}refresh/", HTTP_IF_MATCH=tag).status_code == 412


def test_indents_change_no_tag(ada: APIClient, station: str) -> None:
    plain = ada.get(station)
    wide = ada.get(station, HTTP_ACCEPT="application/json; indent=2")
    assert wide.content != plain.content
    assert wide["ETag"] == plain["ETag"]
    sent: dict[str, Any] = {"data": {"name": "x"}, "format": "json"}
    assert ada.patch(station, **sent, HTTP_IF_MATCH=wide["ETag"]).status_code == 200


def test_who_may_not_has_no_transaction(
    api: APIClient, ada: APIClient, station: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun() -> None:
        raise AssertionError("a transaction was begun")

    stranger = UserFactory()
    api.force_authenticate(None)
    monkeypatch.setattr("recommender.api.conditional.transaction.atomic", begun)
    assert api.delete(station, HTTP_IF_MATCH="*").status_code == 401
    api.force_authenticate(stranger)
    assert api.put("/api/v1/songs/1/like/", HTTP_IF_MATCH="*").status_code == 412


def test_where_there_is_no_tag_nothing_is_changed(ada: APIClient, songs: list[Song]) -> None:
    address = f"/api/v1/songs/{songs[0].pk}/"
    response = ada.put(f"{address}like/", HTTP_IF_MATCH="*")
    assert (response.status_code, response.json()["code"]) == (412, "PRECONDITION_FAILED")
    assert ada.get(address).json()["liked"] is False


def test_another_users_thing_is_not_there(ada: APIClient, station: str) -> None:
    tag = ada.get(station)["ETag"]
    ada.force_authenticate(UserFactory())
    assert ada.delete(station, HTTP_IF_MATCH=tag).status_code == 404
    assert Station.objects.exists()


def test_a_refused_change_leaves_nothing(ada: APIClient, station: str) -> None:
    tag = ada.get(station)["ETag"]
    response = ada.patch(station, {"hour": 99}, format="json", HTTP_IF_MATCH=tag)
    assert response.status_code == 400
    assert ada.get(station)["ETag"] == tag


def test_by_a_token(user: User, songs: list[Song]) -> None:
    _, secret = token_create(user=user, name="x", scopes=[Scope.PLAYLISTS])
    api = APIClient(HTTP_AUTHORIZATION=f"Token {secret}")
    made = api.post("/api/v1/stations/", STATION, format="json").json()
    address = f"/api/v1/stations/{made['id']}/"
    tag = api.get(address)["ETag"]
    sent: dict[str, Any] = {"data": {"name": "x"}, "format": "json"}
    assert api.patch(address, **sent, HTTP_IF_MATCH=tag).status_code == 200
    assert api.patch(address, **sent, HTTP_IF_MATCH=tag).status_code == 412


def at_once(user: User, address: str, change: Callable[[APIClient, str, int], Any]) -> list[int]:
    """Return the statuses of four changes by clients that have the same tag."""
    wait, answers = threading.Barrier(4), []

    def changed(number: int) -> None:
        api = APIClient()
        api.force_authenticate(user)
        tag = api.get(address)["ETag"]
        wait.wait()
        answers.append(change(api, tag, number).status_code)
        connection.close()

    threads = [threading.Thread(target=changed, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a database in memory takes no threads")
@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_changes_it(songs: list[Song]) -> None:
    user = UserFactory()
    station = Station.objects.create(user=user, name="Mornings", request={})
    address = f"/api/v1/stations/{station.pk}/"

    def change(api: APIClient, tag: str, number: int) -> Any:
        return api.patch(address, {"name": f"{number}"}, format="json", HTTP_IF_MATCH=tag)

    assert at_once(user, address, change) == [200, 412, 412, 412]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a database in memory takes no threads")
@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_corrects_a_song(songs: list[Song]) -> None:
    address = f"/api/v1/songs/{songs[0].pk}/correction/"
    user = UserFactory(is_staff=True, is_superuser=True)

    def change(api: APIClient, tag: str, number: int) -> Any:
        body = {"valence": number / 10, "arousal": 0.5}
        return api.put(address, body, format="json", HTTP_IF_MATCH=tag)

    assert at_once(user, address, change) == [204, 412, 412, 412]
