"""Who may call, what is refused, and how it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import BackgroundJob, Library
from recommender.api.urls import urlpatterns as api_patterns
from recommender.audiomuse.calls import CALLS
from recommender.errors import IndexBusyError
from recommender.models import Playlist, Scope
from recommender.playlists import similar
from tests.factories import SongFactory, UserFactory, token_secret
from tests.recommender.audiomuse.conftest import Plugin

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

pytestmark = pytest.mark.django_db

HOSTILE = ("9" * 40, "-1", "0", "1e9", "a\0b", "[]", "ar-1", "é" * 300, "%00", "true", "١٢")


def test_no_address_can_be_one_of_the_api() -> None:
    for route in CALLS:
        assert not route.endswith("/")
        assert not route.startswith(("api/v1", "api/schema", "api/docs"))
    ours = [str(pattern.pattern) for pattern in api_patterns]
    assert all(not name or name.endswith("/") for name in ours)


def test_a_private_site_needs_a_token(
    user: User, collection: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_PUBLIC = False
    stranger = Plugin()
    assert stranger.read("/api/health") == {"status": "ok"}
    response = stranger.get("/api/search_tracks", search_query="song")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
    assert response.json()["error"]
    stranger.client.force_login(user)  # a session is no token
    assert stranger.get("/api/search_tracks", search_query="song").status_code == 401
    with_token = Plugin(token_secret(user, "read"))
    assert len(with_token.read("/api/search_tracks", search_query="song")) == 20
    assert Plugin("0" * 64).get("/api/track", item_id=collection[0].pk).status_code == 401


def test_a_public_site_lets_strangers_look_and_no_more(collection: list[Song]) -> None:
    stranger = Plugin()
    assert stranger.read("/api/track", item_id=collection[0].pk)["title"] == collection[0].title
    assert stranger.get("/api/playlists").status_code == 401
    sent = {"playlist_name": "Mine", "track_ids": [str(collection[0].pk)]}
    assert stranger.post("/api/create_playlist", sent).status_code == 401
    assert not Playlist.objects.exists()


def test_scopes_hold(user: User, collection: list[Song]) -> None:
    for route, calls in CALLS.items():
        path = "/" + route.replace("<str:task_id>", "x").replace("<str:prefix>", "main")
        for method, call in calls.items():
            if call.scope is None:
                continue
            others = [scope for scope in Scope.values if scope not in {call.scope, Scope.ADMIN}]
            plugin = Plugin(token_secret(user, *others))
            answer = plugin.get(path) if method == "get" else plugin.post(path, {})
            assert answer.status_code == 403, (method, route)


def test_another_may_not_read_my_playlists(plugin: Plugin, collection: list[Song]) -> None:
    sent = {"playlist_name": "Mine", "track_ids": [str(collection[0].pk)]}
    plugin.sent("/api/create_playlist", sent, status=201)
    other = Plugin(token_secret(UserFactory(), "playlists"))
    assert other.read("/api/playlists") == {}


def test_only_staff_start_and_cancel(
    plugin: Plugin, user: User, staff: User, tmp_path: Path, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_MUSIC_ROOTS = [str(tmp_path)]
    assert plugin.read("/api/active_tasks") == {}
    assert plugin.read("/api/last_task")["status"] == "NO_PREVIOUS_MAIN_TASK"
    listener, may = (Plugin(token_secret(one, "read", "ingest")) for one in (user, staff))
    assert listener.post("/api/analysis/start", {}).status_code == 403
    assert may.post("/api/analysis/start", {}).status_code == 404
    Library.objects.create(name="Music", root=str(tmp_path))
    started = may.sent("/api/analysis/start", {}, status=202)
    task = started["task_id"]
    assert BackgroundJob.objects.get(pk=task).status == BackgroundJob.Status.PENDING
    active = plugin.read("/api/active_tasks")
    assert (active["task_id"], active["status"]) == (task, "PENDING")
    assert str(tmp_path) not in str(active)
    assert listener.post(f"/api/cancel/{task}", None).status_code == 403
    assert may.sent(f"/api/cancel/{task}", {})["cancelled_jobs_count"] == 1
    assert plugin.read(f"/api/status/{task}")["status"] == "REVOKED"
    assert may.post(f"/api/cancel/{task}", {}).status_code == 409
    again = may.sent("/api/analysis/start", {}, status=202)["task_id"]
    assert may.sent("/api/cancel_all/main_analysis", {})["cancelled_main_tasks"] == [again]
    assert may.post("/api/cancel_all/main_clustering", {}).status_code == 404
    assert plugin.get("/api/status/none").status_code == 404


def test_one_library_that_cannot_be_scanned_stops_no_other(
    staff: User, tmp_path: Path, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_MUSIC_ROOTS = [str(tmp_path)]
    may = Plugin(token_secret(staff, "ingest"))
    Library.objects.create(name="Table", root="a table", kind=Library.Kind.TABLE)
    assert may.post("/api/analysis/start", {}).status_code == 404  # a table is not scanned
    Library.objects.create(name="Gone", root=str(tmp_path / "gone"))
    gone = may.post("/api/analysis/start", {})
    assert 400 <= gone.status_code < 500
    assert gone.json()["error"]
    assert not BackgroundJob.objects.exists()
    Library.objects.create(name="Music", root=str(tmp_path))
    task = may.sent("/api/analysis/start", {}, status=202)["task_id"]
    assert BackgroundJob.objects.get().pk.hex == task.replace("-", "")


@pytest.mark.parametrize(("kind", "count"), [("artist", 11), ("mood", 11), ("song", 51)])
def test_a_blend_of_too_much_is_refused_before_it_is_looked_up(
    user: User, collection: list[Song], kind: str, count: int
) -> None:
    plugin = Plugin(token_secret(user, "read"))
    items = [{"type": kind, "id": "ar-1", "op": "ADD"}] * count
    with CaptureQueriesContext(
        connection,
    ) as queries:
        refused = plugin.post("/api/alchemy", {"items": items})
    assert refused.status_code == 400
    assert str(count - 1) in refused.json()["error"]
    assert not [one for one in queries if "catalog_artist" in one["sql"]]


def test_what_is_not_analysed_or_away_is_an_error(
    plugin: Plugin, collection: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = SongFactory()
    # Plugins try another song after a 404.
    assert "Not analysed" in plugin.refused(404, "/api/similar_tracks", item_id=waiting.pk)
    assert plugin.refused(404, "/api/similar_tracks", item_id=999_999)
    assert plugin.refused(404, "/api/track", item_id=999_999)
    assert plugin.refused(400, "/api/similar_tracks", n=5)
    same = {"start_song_id": collection[0].pk, "end_song_id": collection[0].pk}
    assert plugin.refused(400, "/api/find_path", **same)
    assert plugin.refused(400, "/api/find_path", start_song_id=collection[0].pk)

    def away() -> None:
        raise IndexBusyError("away")

    monkeypatch.setattr(similar, "index_snapshot", away)
    assert "index" in plugin.refused(503, "/api/similar_tracks", item_id=collection[0].pk)


def test_what_affetti_has_not_is_said(plugin: Plugin, collection: list[Song]) -> None:
    body = {"item_id": str(collection[0].pk), "mode": "similar", "limit": 5}
    assert "hyperbolic" in plugin.sent("/api/hyperbolic/similar", body, status=404)["error"]
    assert "clusters" in plugin.sent("/api/clustering/start", {}, status=404)["error"]
    assert plugin.refused(404, "/api/similar_tracks", anchor_id=1)
    assert "Unknown server" in plugin.refused(
        400, "/api/similar_tracks", item_id=collection[0].pk, server="jellyfin"
    )


def test_paths_have_their_own_rate(
    plugin: Plugin, collection: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "paths": "1/min"}
    ends = {"start_song_id": collection[0].pk, "end_song_id": collection[-1].pk}
    plugin.read("/api/find_path", **ends)
    assert plugin.refused(429, "/api/find_path", **ends)
    plugin.read("/api/active_tasks")


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_parameters(plugin: Plugin, collection: list[Song], value: str) -> None:
    names = (
        *("item_id", "n", "title", "artist", "artist_id", "search_query", "query", "start", "end"),
        *("start_song_id", "end_song_id", "end_mood", "mood", "centroid_index", "max_steps"),
        *("ids", "page", "limit", "id", "mood_pct", "server", "fields", "anchor_id"),
    )
    for route, calls in CALLS.items():
        path = "/" + route.replace("<str:task_id>", "x").replace("<str:prefix>", "main")
        if "get" in calls:
            valid = {"item_id": collection[0].pk, "artist": "Beta", "id": collection[0].pk}
            for given in ({}, valid):
                sent = {**dict.fromkeys(names, value), **given}
                assert plugin.get(path, **sent).status_code < 500, path
                del sent["server"]
                assert plugin.get(path, **sent).status_code < 500, path


@pytest.mark.parametrize(
    "body",
    [
        *(
            {"query": value, "limit": value, "n": value}
            for value in (None, 7, [], {}, "a\0b", True)
        ),
        *({"item_id": value, "limit": value} for value in (None, [], {}, 1.5, 2**70, "x" * 5000)),
        *({"items": value, "add": value} for value in (None, 7, [None], [[]], [{"id": {}}], {})),
        {"items": [{"id": "1", "op": [], "type": {}}]},
        *({"playlist_name": value, "track_ids": value} for value in (None, 7, [{}], "a\0", [None])),
        {"playlist_name": "x" * 201, "track_ids": ["1"]},
        [],
        "text",
        None,
    ],
)
def test_hostile_bodies(plugin: Plugin, collection: list[Song], body: object) -> None:
    for route, calls in CALLS.items():
        if "post" in calls and "analysis" not in route:
            path = "/" + route.replace("<str:task_id>", "x").replace("<str:prefix>", "main")
            assert plugin.post(path, body).status_code < 500, path


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/similar_tracks?item_id={pk}&n=20", 16),
        ("/api/sync?limit=500", 8),
        ("/api/sync?fields=index", 8),
        ("/api/search_tracks?search_query=song&end=500", 6),
        ("/api/playlists", 8),
        ("/api/find_path?start_song_id={pk}&end_song_id={last}", 20),
    ],
)
def test_queries_are_bounded(plugin: Plugin, collection: list[Song], path: str, most: int) -> None:
    for number in range(3):
        ids = [str(song.pk) for song in collection]
        plugin.sent("/api/create_playlist", {"playlist_name": f"{number}", "track_ids": ids}, 201)
    address = path.format(pk=collection[0].pk, last=collection[-1].pk)
    plugin.read(address)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        plugin.read(address)
    assert len(queries) <= most, [one["sql"][:200] for one in queries]
