"""Every error of the API has one shape, whatever went wrong and wherever."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import URLPattern, get_resolver, resolve
from rest_framework.test import APIClient

from catalog.errors import TransientError
from recommender.error_answers import ErrorCode
from recommender.errors import PlaylistErrorCode
from tests.factories import SongFactory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

pytestmark = pytest.mark.django_db


def check(response: Any, status: int, code: ErrorCode) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert set(body) == {"code", "message", "details"}
    assert body["code"] == code
    assert body["message"]
    assert isinstance(body["details"], dict)
    return body


def api_patterns() -> Iterator[tuple[str, URLPattern]]:
    def walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLPattern):
                yield route, pattern
            else:
                yield from walk(pattern.url_patterns, route)

    yield from (
        (route, pattern)
        for route, pattern in walk(get_resolver().url_patterns, "")
        if route.startswith("api/")
    )


def addresses() -> list[str]:
    filled = []
    for route, pattern in api_patterns():
        if "format" in route or not pattern.name:
            continue
        path = route
        for converter in ("(?P<pk>[^/.]+)", "<uuid:pk>"):
            path = path.replace(converter, str(uuid.UUID(int=1)))
        path = re.sub(r"<int:\w+>", "1", path)
        filled.append(f"/{path.replace('^', '').replace('$', '')}")
    return filled


@pytest.mark.parametrize("path", addresses())
def test_method_not_allowed(api: APIClient, staff: User, path: str) -> None:
    staff.is_superuser = True
    api.force_authenticate(staff)
    view = resolve(path).func
    # The one method that an address of the API does not take.
    method = "PUT" if "patch" in getattr(view, "actions", ()) else "PATCH"
    answer = api.generic(method, path, "{}", content_type="application/json")
    if view.__module__.startswith("recommender.audiomuse"):  # in the shape of AudioMuse-AI
        assert answer.status_code == 405
        assert set(answer.json()) == {"error", "error_code"}
        assert answer.json()["error_code"] == ErrorCode.METHOD_NOT_ALLOWED
        return
    if view.__module__ == "recommender.api.spotify":  # with the field that its programs read
        told = answer.json()["error"]
        assert (told["status"], method in told["message"]) == (405, True)
        return
    body = check(answer, 405, ErrorCode.METHOD_NOT_ALLOWED)
    assert method in body["message"]


@pytest.mark.parametrize("path", addresses())
def test_every_view_states_who_may_call_it(path: str) -> None:
    view = resolve(path).func
    view_class = getattr(view, "cls", None) or view.view_class
    assert "permission_classes" in view_class.__dict__ or "permission_classes" in view.initkwargs


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/v1/", "/api/v1/songs", "/api/v2/"])
def test_unknown_address(api: APIClient, method: str, path: str) -> None:
    body = check(getattr(api, method)(path), 404, ErrorCode.NOT_FOUND)
    assert path in body["message"]


@pytest.mark.parametrize(
    "path", ["/api/v1/songs/999/", "/api/v1/songs/x/", "/api/v1/songs/999/similar/"]
)
def test_unknown_song(api: APIClient, path: str) -> None:
    check(api.get(path), 404, ErrorCode.NOT_FOUND)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/playlists/",
        "/api/v1/listens/",
        "/api/v1/jobs/",
        f"/api/v1/jobs/{uuid.UUID(int=1)}/",
        f"/api/v1/playlists/{uuid.UUID(int=1)}/export.m3u8",
    ],
)
def test_not_authenticated(api: APIClient, path: str) -> None:
    response = api.get(path)
    check(response, 401, ErrorCode.NOT_AUTHENTICATED)
    assert response["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize("token", ["nonsense", "\xff\xfe"])
def test_bad_token(api: APIClient, token: str) -> None:
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    check(api.get("/api/v1/playlists/"), 401, ErrorCode.AUTHENTICATION_FAILED)


def test_permission_denied(api: APIClient, user: User) -> None:
    api.force_authenticate(user)
    check(api.get("/api/v1/jobs/"), 403, ErrorCode.PERMISSION_DENIED)
    check(
        api.post("/api/v1/ingest-jobs/", {"path": "/"}, format="json"),
        403,
        ErrorCode.PERMISSION_DENIED,
    )


def test_session_needs_csrf_token(user: User) -> None:
    api = APIClient(enforce_csrf_checks=True)
    api.force_login(user)
    body = check(
        api.post("/api/v1/listens/", {"song_id": 1}, format="json"),
        403,
        ErrorCode.PERMISSION_DENIED,
    )
    assert "CSRF" in body["message"]


def test_body_is_no_json(api: APIClient) -> None:
    response = api.post("/api/v1/playlists/", b"{", content_type="application/json")
    check(response, 400, ErrorCode.PARSE_FAILED)


def test_body_is_nested_too_deeply(api: APIClient) -> None:
    body = b"[" * 100_000 + b"]" * 100_000
    response = api.post("/api/v1/playlists/", body, content_type="application/json")
    check(response, 400, ErrorCode.PARSE_FAILED)


def test_body_is_too_large(api: APIClient, settings: SettingsWrapper) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = api.post("/api/v1/playlists/", {"text": "a" * 1000}, format="json")
    check(response, 413, ErrorCode.REQUEST_TOO_LARGE)


@pytest.mark.parametrize("body", [[], "calm", 1, None])
def test_body_is_no_object(api: APIClient, body: object) -> None:
    check(api.post("/api/v1/playlists/", body, format="json"), 400, ErrorCode.REQUEST_INVALID)


def test_unsupported_media_type(api: APIClient) -> None:
    response = api.post("/api/v1/playlists/", b"mood=calm", content_type="text/plain")
    check(response, 415, ErrorCode.UNSUPPORTED_MEDIA_TYPE)


def test_not_acceptable(api: APIClient) -> None:
    response = api.get("/api/v1/moods/", headers={"Accept": "text/html"})
    check(response, 406, ErrorCode.NOT_ACCEPTABLE)


@pytest.mark.parametrize(
    "query",
    ["quadrant=Q5", "status=nice", "ordering=lyrics", "ordering=library__root"],
)
def test_bad_filter(api: APIClient, query: str) -> None:
    body = check(api.get(f"/api/v1/songs/?{query}"), 400, ErrorCode.REQUEST_INVALID)
    assert list(body["details"]) == [query.split("=")[0]]


def test_page_past_the_end(api: APIClient) -> None:
    check(api.get("/api/v1/songs/?page=9"), 404, ErrorCode.NOT_FOUND)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mood": ["calm"]}, "mood"),
        ({"moods": ["calm"], "count": 0}, "count"),
        ({"moods": [1]}, "moods"),
        ({"point": {"valence": 2, "arousal": 0}}, "point"),
        ({"point": {"valence": 0.5}}, "point"),
        ({"song_ids": ["x"]}, "song_ids"),
        ({"text": "sad", "diversity": "much"}, "diversity"),
    ],
)
def test_bad_playlist_request(api: APIClient, body: dict[str, Any], field: str) -> None:
    answer = check(
        api.post("/api/v1/playlists/", body, format="json"), 400, ErrorCode.REQUEST_INVALID
    )
    assert list(answer["details"]) == [field]
    assert field in answer["message"]


def test_request_without_target_names_the_field(api: APIClient) -> None:
    response = api.post("/api/v1/playlists/", {"count": 5}, format="json")
    body = check(response, 400, ErrorCode.REQUEST_INVALID)
    assert body["details"] == {"field": "moods"}


def test_empty_catalogue(api: APIClient) -> None:
    response = api.post("/api/v1/playlists/", {"moods": ["calm"]}, format="json")
    check(response, 409, ErrorCode.CATALOG_EMPTY)


def test_song_not_analysed(api: APIClient) -> None:
    song = SongFactory(status="pending")
    response = api.get(f"/api/v1/songs/{song.pk}/similar/")
    body = check(response, 409, ErrorCode.SONG_NOT_ANALYSED)
    assert body["details"] == {"song_ids": [song.pk]}


def test_history_of_nobody(api: APIClient, songs: list[Song]) -> None:
    response = api.post("/api/v1/playlists/", {"history": True}, format="json")
    check(response, 409, ErrorCode.HISTORY_EMPTY)


def test_throttled(api: APIClient, user: User) -> None:
    credentials = {"username": "ada", "password": "wrong"}
    for number in range(20):
        another = {"username": f"user{number}", "password": "wrong"}
        response = api.post("/api/v1/auth/login/", another, format="json")
        check(response, 401, ErrorCode.AUTHENTICATION_FAILED)
    response = api.post("/api/v1/auth/login/", credentials, format="json")
    check(response, 429, ErrorCode.THROTTLED)
    assert 0 < int(response["Retry-After"]) <= 60
    # Another address cannot be claimed to get round it.
    response = api.post(
        "/api/v1/auth/login/", credentials, format="json", headers={"X-Forwarded-For": "10.1.1.1"}
    )
    check(response, 429, ErrorCode.THROTTLED)


def test_path_outside_the_roots(api: APIClient, staff: User) -> None:
    api.force_authenticate(staff)
    response = api.post("/api/v1/ingest-jobs/", {"path": "/etc"}, format="json")
    check(response, 400, ErrorCode.PATH_INVALID)


def test_server_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("recommender.song_map.song_map", fail)
    api = APIClient(raise_request_exception=False)
    body = check(api.get("/api/v1/songs/map/"), 500, ErrorCode.INTERNAL_ERROR)
    assert "secret" not in str(body)
    with pytest.raises(RuntimeError):  # error reporters hear of it
        APIClient().get("/api/v1/songs/map/")


def test_unavailable(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise TransientError("away")

    monkeypatch.setattr("recommender.song_map.song_map", fail)
    response = api.get("/api/v1/songs/map/")
    check(response, 503, ErrorCode.UNAVAILABLE)
    assert response["Retry-After"] == "10"


def test_errors_from_outside_the_views(api: APIClient, settings: SettingsWrapper) -> None:
    settings.ALLOWED_HOSTS = ["example.org"]
    check(api.get("/api/v1/moods/"), 400, ErrorCode.BAD_REQUEST)


def test_every_playlist_error_has_a_code() -> None:
    assert set(PlaylistErrorCode) <= {code.value for code in ErrorCode}
