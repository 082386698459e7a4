"""Who may do what: a row for every route and method, checked for six kinds of visitors.

The routes come from the URL configuration, so a new one fails until it has a row here.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import re
import uuid
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from catalog.models import Album, Artist, BackgroundJob, Genre, IngestFailure, TagRun
from catalog.tagwriting.plan import Choice
from recommender import throttles
from recommender.exports import FORMATS
from recommender.models import (
    AppPassword,
    IndexBuild,
    Invitation,
    Listen,
    ListenImport,
    Playlist,
    PlaylistEntry,
    Scope,
    Station,
    Token,
)
from tests.factories import SongEmotionFactory, UserFactory, token_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.contrib.auth.models import User

    from catalog.models import Song

ROLES = ("anonymous", "other", "owner", "staff", "permitted", "admin")
"""`staff` has no permission of any model, `permitted` has all; neither is a superuser."""
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")

# What a rule allows, by role: + does it, L is led to the login, - is refused, 0 finds nothing.
RULES = {
    "all": "++++++",
    "login": "L+++++",
    "own": "L0+000",
    "probe of staff": "---+++",
    "permitted": "L---++",
    "token": "LLLLLL",
    # In Django's admin, who is not staff is led to its own login.
    "admin staff": "LLL+++",
    "admin permitted": "LLL-++",
    "admin nobody": "LLL---",
    "absent": "000000",
}
READ = {"get": "all", "head": "all"}
LOGGED_IN = {"get": "login", "head": "login"}
FORM = {**LOGGED_IN, "post": "login"}
FOR_STAFF = {"get": "permitted", "head": "permitted"}
SAID = {"put": "login", "delete": "login"}

PAGES: dict[str, dict[str, str]] = {
    "": READ,
    "map.svg": READ,
    "suggestions": READ,
    "songs": READ,
    "songs/chosen": READ,
    "songs/<int:pk>": READ,
    "songs/<int:pk>/mood.svg": READ,
    "songs/<int:pk>/audio": READ,
    "songs/<int:pk>/cover": READ,
    "songs/<int:pk>/like": {"post": "login"},
    "songs/<int:pk>/ban": {"post": "login"},
    "songs/<int:pk>/rating": {"post": "login"},
    "songs/<int:pk>/mood": {"post": "login"},
    "songs/<int:pk>/correction": {"post": "permitted"},
    "artists/<int:pk>/ban": {"post": "login"},
    "playlist": READ,
    "playlist.jspf": READ,
    "playlist/panel": READ,
    "playlist.m3u8": READ,
    "playlist.xspf": READ,
    "playlist/edit": {"post": "all"},
    "playlist/songs": READ,
    "playlists": LOGGED_IN,
    "playlists/import": FORM,
    "playlists/save": {"post": "login"},
    "playlists/<uuid:pk>": {"get": "own", "head": "own"},
    "playlists/<uuid:pk>/mood.svg": {"get": "own", "head": "own"},
    "playlists/<uuid:pk>/edit": {"post": "own"},
    "playlists/<uuid:pk>/restore": {"post": "own"},
    "playlists/<uuid:pk>/share": {"post": "own"},
    "playlists/<uuid:pk>/rename": {"post": "own"},
    "playlists/<uuid:pk>/delete": {"post": "own"},
    "shared/<str:token>": READ,
    "shared/<str:token>/playlist.<str:suffix>": READ,
    "stations": LOGGED_IN,
    "stations/new": FORM,
    "stations/save": {"post": "login"},
    "stations/<uuid:pk>": {"get": "own", "head": "own"},
    "stations/<uuid:pk>/change": {"post": "own"},
    "stations/<uuid:pk>/refresh": {"post": "own"},
    "stations/<uuid:pk>/restore": {"post": "own"},
    "stations/<uuid:pk>/delete": {"post": "own"},
    "you": LOGGED_IN,
    "history": LOGGED_IN,
    "history/imports": FORM,
    "history/imports/pieces": {"post": "login", "delete": "login"},
    "history/imports/<uuid:pk>": {"get": "own", "head": "own"},
    "history/imports/<uuid:pk>/undo": {"post": "own"},
    "account": LOGGED_IN,
    "account/password": FORM,
    "account/feedback": LOGGED_IN,
    "account/feedback/reset": {"post": "login"},
    "account/export": LOGGED_IN,
    "account/delete": FORM,
    "account/tokens": {"post": "login"},
    "account/tokens/revoke": {"post": "login"},
    "account/tokens/<uuid:pk>/revoke": {"post": "own"},
    "account/app-passwords": {"post": "login"},
    "account/app-passwords/<uuid:pk>/revoke": {"post": "own"},
    "manage": FOR_STAFF,
    "manage/add": {**FOR_STAFF, "post": "permitted"},
    "manage/upload": {"post": "permitted", "delete": "permitted"},
    "manage/jobs": FOR_STAFF,
    "manage/jobs/<uuid:pk>": FOR_STAFF,
    "manage/jobs/<uuid:pk>/pause": {"post": "permitted"},
    "manage/jobs/<uuid:pk>/resume": {"post": "permitted"},
    "manage/jobs/<uuid:pk>/cancel": {"post": "permitted"},
    "manage/jobs/<uuid:pk>/priority": {"post": "permitted"},
    "manage/jobs/<uuid:pk>/retry": {"post": "permitted"},
    "manage/libraries": FOR_STAFF,
    "manage/libraries/table": dict.fromkeys(("get", "head", "post"), "permitted"),
    "manage/libraries/<int:pk>/change": dict.fromkeys(("get", "head", "post"), "permitted"),
    "manage/libraries/<int:pk>/catalogue": dict.fromkeys(("get", "head", "post"), "permitted"),
    "manage/libraries/<int:pk>/scan": {"post": "permitted"},
    "manage/libraries/<int:pk>/remove": {"post": "permitted"},
    "manage/tags": {**FOR_STAFF, "post": "permitted"},
    "manage/tags/<int:pk>": FOR_STAFF,
    "manage/tags/<int:pk>/write": {"post": "permitted"},
    "manage/tags/<int:pk>/undo": {"post": "permitted"},
    "manage/tags/<int:pk>/cancel": {"post": "permitted"},
    "manage/models": FOR_STAFF,
    "manage/models/switch": {"post": "permitted"},
    "manage/index/build": {"post": "permitted"},
    "manage/songs": FOR_STAFF,
    "manage/songs/edit": {"post": "permitted"},
    "manage/songs/analyse": {"post": "permitted"},
    "manage/songs/remove": {"post": "permitted"},
    "manage/songs/restore": {"post": "permitted"},
    "manage/people": FOR_STAFF,
    "manage/people/<int:pk>/role": {"post": "permitted"},
    "manage/people/<int:pk>/deactivate": {"post": "permitted"},
    "manage/people/<int:pk>/activate": {"post": "permitted"},
    "manage/people/<int:pk>/password": {"post": "permitted"},
    "manage/invitations": {"post": "permitted"},
    "manage/invitations/<uuid:pk>/withdraw": {"post": "permitted"},
    "setup": {**READ, "post": "all"},  # here there is an admin: it leads to the login
    "invitation/<str:key>": dict.fromkeys(("get", "head", "post"), "absent"),
    "password/<str:uid>/<str:key>": dict.fromkeys(("get", "head", "post"), "absent"),
    "login": dict.fromkeys(METHODS, "all"),  # who is logged in is led on whatever was sent
    "logout": {"post": "all", "options": "all"},
    "signup": {**READ, "post": "all"},
    "language": {"post": "all"},
    "favicon.ico": dict.fromkeys(METHODS, "all"),
    "manifest.webmanifest": dict.fromkeys(METHODS, "all"),
    "worker.js": dict.fromkeys(METHODS, "all"),
    "offline/<slug:language>": READ,
    "texts/<slug:language>.<str:digest>.js": READ,
    "healthz": READ,
    "readyz": READ,
    "metrics": {"get": "probe of staff", "head": "probe of staff"},
    # Calls of players have keys of their own, and tell refusals by codes: see tests of `subsonic`.
    "rest/<str:name>": dict.fromkeys(("get", "head", "post", "options"), "all"),
    # Both take a token alone, and a wrong or missing one is told as ListenBrainz tells it.
    "1/submit-listens": {"post": "token"},
    "1/validate-token": dict.fromkeys(("get", "head"), "all"),
}
# Of the API; `options` tells the same people as the other methods what the address takes.
API: dict[str, tuple[Scope | str, dict[str, str]]] = {
    "songs/": (Scope.READ, READ),
    "songs/lookup/": (Scope.READ, {"post": "all"}),
    "songs/map/": (Scope.READ, READ),
    "songs/map/tiles/{zoom}/{column}/{row}/": (Scope.READ, READ),
    "recommendations": (Scope.READ, READ),
    "recommendations/": (Scope.READ, READ),
    "audio-features": (Scope.READ, READ),
    "audio-features/": (Scope.READ, READ),
    "audio-features/{pk}": (Scope.READ, READ),
    "audio-features/{pk}/": (Scope.READ, READ),
    "songs/{pk}/": (Scope.READ, READ),
    "songs/{pk}/similar/": (Scope.READ, READ),
    "songs/{pk}/emotion/": (Scope.READ, READ),
    "songs/{pk}/timeline/": (Scope.READ, READ),
    "songs/{pk}/explanation/": (Scope.READ, READ),
    "songs/{pk}/waveform/": (Scope.READ, READ),
    "moods/": (Scope.READ, READ),
    "facets/": (Scope.READ, READ),
    "playlists/": (Scope.PLAYLISTS, {**LOGGED_IN, "post": "all"}),
    "playlists/import/": (Scope.PLAYLISTS, {"post": "login"}),
    "playlists/{pk}/": (
        Scope.PLAYLISTS,
        {"get": "own", "head": "own", "patch": "own", "delete": "own"},
    ),
    **{
        f"playlists/{{pk}}/export.{suffix}": (Scope.PLAYLISTS, {"get": "own", "head": "own"})
        for suffix in FORMATS
    },
    "playlists/{pk}/regenerate/": (Scope.PLAYLISTS, {"post": "own"}),
    "playlists/{pk}/edit/": (Scope.PLAYLISTS, {"post": "own"}),
    "playlists/{pk}/restore/": (Scope.PLAYLISTS, {"post": "own"}),
    "playlists/{pk}/share/": (Scope.PLAYLISTS, {"put": "own", "delete": "own"}),
    "playlists/{pk}/versions/": (Scope.PLAYLISTS, {"get": "own", "head": "own"}),
    "stations/": (Scope.PLAYLISTS, FORM),
    "stations/{pk}/": (
        Scope.PLAYLISTS,
        {"get": "own", "head": "own", "patch": "own", "delete": "own"},
    ),
    "stations/{pk}/refresh/": (Scope.PLAYLISTS, {"post": "own"}),
    "stations/{pk}/versions/": (Scope.PLAYLISTS, {"get": "own", "head": "own"}),
    "stations/{pk}/restore/": (Scope.PLAYLISTS, {"post": "own"}),
    "listens/": (Scope.LISTEN, {**FORM, "delete": "login"}),
    "listens/bulk/": (Scope.LISTEN, {"post": "login"}),
    "listens/{pk}/": (Scope.LISTEN, {"delete": "own"}),
    "imports/": (Scope.LISTEN, FORM),
    "imports/{pk}/": (Scope.LISTEN, {"get": "own", "head": "own", "delete": "own"}),
    "songs/{pk}/like/": (Scope.LISTEN, SAID),
    "songs/{pk}/ban/": (Scope.LISTEN, SAID),
    "songs/{pk}/rating/": (Scope.LISTEN, SAID),
    "songs/{pk}/mood/": (Scope.LISTEN, SAID),
    "songs/{pk}/skips/": (Scope.LISTEN, {"post": "login"}),
    "songs/{pk}/correction/": (
        Scope.ADMIN,
        dict.fromkeys(("get", "head", "put", "delete"), "permitted"),
    ),
    "artists/{pk}/ban/": (Scope.LISTEN, SAID),
    "feedback/": (Scope.LISTEN, {**LOGGED_IN, "delete": "login"}),
    "profile/": (Scope.LISTEN, LOGGED_IN),
    "profile/moods/": (Scope.LISTEN, LOGGED_IN),
    "models/": (Scope.INGEST, {"get": "permitted", "head": "permitted"}),
    "models/switch/": (Scope.INGEST, {"post": "permitted"}),
    "models/rollback/": (Scope.INGEST, {"post": "permitted"}),
    "index-builds/": (
        Scope.INGEST,
        {"get": "permitted", "head": "permitted", "post": "permitted"},
    ),
    "jobs/": (Scope.INGEST, {"get": "permitted", "head": "permitted"}),
    "jobs/{pk}/": (Scope.INGEST, {"get": "permitted", "head": "permitted"}),
    "jobs/{pk}/failures/": (Scope.INGEST, {"get": "permitted", "head": "permitted"}),
    "jobs/{pk}/pause/": (Scope.INGEST, {"post": "permitted"}),
    "jobs/{pk}/priority/": (Scope.INGEST, {"post": "permitted"}),
    "jobs/{pk}/resume/": (Scope.INGEST, {"post": "permitted"}),
    "jobs/{pk}/cancel/": (Scope.INGEST, {"post": "permitted"}),
    "jobs/{pk}/retry/": (Scope.INGEST, {"post": "permitted"}),
    "ingest-jobs/": (Scope.INGEST, {"post": "permitted"}),
    "libraries/": (
        Scope.INGEST,
        {"get": "permitted", "head": "permitted", "post": "permitted"},
    ),
    "libraries/{pk}/": (
        Scope.INGEST,
        {"get": "permitted", "head": "permitted", "patch": "permitted", "delete": "permitted"},
    ),
    "libraries/{pk}/rescan/": (Scope.INGEST, {"post": "permitted"}),
    "libraries/{pk}/catalogue/": (Scope.INGEST, {"post": "permitted"}),
    "libraries/table/": (Scope.INGEST, {"post": "permitted"}),
    "tag-runs/": (Scope.INGEST, {"get": "permitted", "head": "permitted", "post": "permitted"}),
    "tag-runs/{pk}/": (Scope.INGEST, {"get": "permitted", "head": "permitted"}),
    "tag-runs/{pk}/files/": (Scope.INGEST, {"get": "permitted", "head": "permitted"}),
    "tag-runs/{pk}/undo/": (Scope.INGEST, {"post": "permitted"}),
    "tag-runs/{pk}/cancel/": (Scope.INGEST, {"post": "permitted"}),
    "auth/login/": ("door", {"post": "all"}),
    "auth/logout/": ("door", {"post": "token"}),  # it takes nothing else; see test_accounts
    "tokens/": (Scope.ADMIN, {**FORM, "delete": "login"}),
    "tokens/{pk}/": (Scope.ADMIN, {"delete": "own"}),
    "app-passwords/": (Scope.ADMIN, FORM),
    "app-passwords/{pk}/": (Scope.ADMIN, {"delete": "own"}),
    "account/password/": (Scope.ADMIN, {"post": "login"}),
    "account/export/": (Scope.ADMIN, LOGGED_IN),
    "account/delete/": (Scope.ADMIN, {"post": "login"}),
    "me/": (Scope.READ, LOGGED_IN),
}
# Those of AudioMuse-AI's clients take a token alone; on this public site all may look.
AUDIOMUSE: dict[str, dict[str, str]] = {
    **{
        f"{route}": READ
        for route in (
            *("api/health", "api/servers", "api/config", "api/config/defaults"),
            *("api/dashboard/summary", "api/clap/stats", "api/clap/top_queries"),
            *("api/lyrics/stats", "api/sem_grove/stats", "api/clap/warmup/status"),
            *("api/search_tracks", "api/track", "api/similar_tracks", "api/mood_centroids"),
            *("api/find_path", "api/search_artists", "api/artist_tracks", "api/similar_artists"),
            *("api/sync", "api/active_tasks", "api/last_task", "api/status/<str:task_id>"),
            *("api/max_distance", "chat/api/config_defaults"),
            *("external/search", "external/get_score", "external/get_embedding"),
        )
    },
    "api/clap/search": {"post": "all"},
    "api/clap/warmup": {"post": "all"},
    "api/sem_grove/search": {"post": "all"},
    "api/alchemy": {"post": "all"},
    "api/hyperbolic/similar": {"post": "all"},
    "api/lyrics/search/text": {"post": "all"},
    "api/clustering/start": {"post": "all"},
    "chat/api/chatPlaylist": {"post": "all"},
    "api/sonic_fingerprint/generate": dict.fromkeys(("get", "head", "post"), "token"),
    "api/playlists": dict.fromkeys(("get", "head"), "token"),
    "api/create_playlist": {"post": "token"},
    "chat/api/create_playlist": {"post": "token"},
    "api/analysis/start": {"post": "token"},
    "api/cancel/<str:task_id>": {"post": "token"},
    "api/cancel_all/<str:prefix>": {"post": "token"},
}
OPEN_API = {
    **dict.fromkeys(("api/schema/", "api/docs/", "api/redoc/"), READ),
    "api/": dict.fromkeys(METHODS, "absent"),
}

ADMIN = {
    "": "admin staff",
    "login/": "all",
    "logout/": "",  # by POST
    "password_change/": "admin staff",
    "password_change/done/": "admin staff",
    "autocomplete/": "admin nobody",  # no model of ours asks for it
    "jsi18n/": "admin staff",
    "r/<path:content_type_id>/<path:object_id>/": "",  # no model of ours has a page of its own
    "auth/user/<id>/password/": "admin permitted",
    "(?P<url>.*)$": "",  # 404, or a slash is added
}
# Which of the admin's pages each model has for staff with its permissions.
ADMIN_MODELS = {
    "recommender/playlist": "view add change delete",
    "recommender/listen": "view add change delete",
    "recommender/indexbuild": "view delete",
    "catalog/library": "view delete",
    "catalog/artist": "view delete",
    "catalog/album": "view delete",
    "catalog/genre": "view delete",
    "catalog/song": "view change delete",
    "catalog/songemotion": "view delete",
    "catalog/ingestfailure": "view delete",
    "catalog/backgroundjob": "view delete",
    "auth/group": "view add change delete",
    "auth/user": "view add change delete",
}


def routes() -> Iterator[tuple[str, Any]]:
    def walk(patterns: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route, pattern.callback

    seen = set()
    for route, view in walk(get_resolver().url_patterns, ""):
        if route not in seen:  # the throttled admin/login/ comes before the admin's own
            seen.add(route)
            yield route, view


ROUTES = dict(routes())


def api_name(route: str) -> str:
    name = route.removeprefix("api/v1/")
    name = re.sub(r"\(\?P<pk>[^)]*\)|<uuid:pk>|<int:pk>", "{pk}", name)
    name = re.sub(r"<int:(\w+)>", r"{\1}", name)
    return name.replace("^", "").replace("$", "")


API_ROUTES = {api_name(route): route for route in ROUTES if route.startswith("api/v1/")}
ADMIN_ROUTES = [route for route in ROUTES if route.startswith("admin/")]
PAGE_ROUTES = [
    route for route in ROUTES if not route.startswith(("admin/", "api/")) and route not in AUDIOMUSE
]


def admin_rule(route: str) -> str:
    """Return the rule of a page of the admin; KeyError if it has no row."""
    name = route.removeprefix("admin/")
    if name.startswith("^(?P<app_label>"):
        return ""  # a list of the pages of an app
    if name in ADMIN:
        return ADMIN[name]
    match = re.fullmatch(r"(\w+/\w+)/(?:<path:object_id>/)?(\w*)/?", name)
    if match is None:
        raise KeyError(route)
    model, action = match.groups()
    if action == "" and "<path" in name:
        return ""  # leads to the change page
    needed = {"": "view", "history": "view", "change": "view"}.get(action, action)
    return "admin permitted" if needed in ADMIN_MODELS[model].split() else "admin nobody"


def test_every_route_has_a_row() -> None:
    assert set(PAGE_ROUTES) == set(PAGES)
    assert set(API_ROUTES) == set(API)
    others = {r for r in ROUTES if r.startswith("api/") and not r.startswith("api/v1/")}
    assert others - set(AUDIOMUSE) == set(OPEN_API)
    assert set(AUDIOMUSE) <= set(ROUTES)
    for route in ADMIN_ROUTES:
        admin_rule(route)
    assert set(ADMIN) <= {route.removeprefix("admin/") for route in ADMIN_ROUTES}


def test_every_view_of_the_api_declares_its_scope() -> None:
    for name, (scope, _) in API.items():
        view = ROUTES[API_ROUTES[name]]
        view_class = getattr(view, "cls", None) or view.view_class
        if scope == "door":
            assert view_class.is_door
            assert not hasattr(view_class, "scope")
        else:
            assert view_class.scope == scope, name
    for route in OPEN_API:
        view = ROUTES[route]
        initkwargs = {**view.view_class.__dict__, **view.initkwargs}
        assert initkwargs["authentication_classes"] == [], route


@pytest.fixture
def world(db: None, user: User, songs: list[Song], wav_song: Song) -> dict[str, Any]:
    """One of everything, that of listeners owned by `owner`."""
    everything = Permission.objects.filter(
        content_type__app_label__in=["catalog", "recommender", "auth"]
    )
    permitted = UserFactory(username="permitted", is_staff=True)
    permitted.user_permissions.set(everything)
    people = {
        "anonymous": None,
        "other": UserFactory(username="other"),
        "owner": user,
        "staff": UserFactory(username="staff", is_staff=True),
        "permitted": permitted,
        "admin": UserFactory(username="admin", is_staff=True, is_superuser=True),
    }
    clients = {}
    for role, person in people.items():
        clients[role] = Client()
        if person:
            clients[role].force_login(person)
    UserFactory(username="second", is_staff=True, is_superuser=True)
    emotion = SongEmotionFactory(song=wav_song)
    artist = Artist.objects.create(name="Artist", key="artist")
    playlist = Playlist.objects.create(
        user=user, name="Mine", request={}, seed=1, share_token=SHARE_TOKEN
    )
    PlaylistEntry.objects.create(
        playlist=playlist, position=0, song=songs[0], score=1.0, reason=REASON
    )
    token_secret(user)
    rows = {
        "app password": AppPassword.objects.create(user=user, name="Player", nonce="n"),
        "recommender/playlist": playlist,
        "recommender/station": Station.objects.create(
            user=user, name="Mine", request={"moods": [["calm", 1.0]]}, version=1, current=1
        ),
        "recommender/listenimport": ListenImport.objects.create(user=user, file_name="a.zip"),
        "recommender/invitation": Invitation.objects.create(expires_at=timezone.now()),
        "recommender/listen": Listen.objects.create(
            user=user, song=wav_song, listened_at=timezone.now()
        ),
        "recommender/indexbuild": IndexBuild.objects.create(
            model_version="m",
            directory="d",
            row_count=1,
            manifest_sha256="0" * 64,
            position="0",
        ),
        "catalog/library": wav_song.library,
        "catalog/artist": artist,
        "catalog/album": Album.objects.create(title="Album", key="album", artist=artist),
        "catalog/genre": Genre.objects.create(name="Genre", key="genre"),
        "catalog/song": wav_song,
        "catalog/songemotion": emotion,
        "catalog/ingestfailure": IngestFailure.objects.create(
            library=wav_song.library,
            relative_path="bad.mp3",
            file_size_bytes=1,
            file_mtime_ns=1,
            code="AUDIO_EMPTY",
        ),
        "catalog/backgroundjob": BackgroundJob.objects.create(
            kind=BackgroundJob.Kind.INGEST, arguments={"path": "/x"}
        ),
        "tag run": TagRun.objects.create(choice=Choice().as_json()),
        "auth/group": Group.objects.create(name="group"),
        "auth/user": people["other"],
    }
    return {"people": people, "clients": clients, "rows": rows, "token": Token.objects.get()}


SHARE_TOKEN = "t" * 32
REASON = {
    "distance": 0.1,
    "valence": 0.5,
    "arousal": 0.5,
    "shared_emotions": [],
    "modality": "audio",
    "sentence": "It fits.",
}


def address(route: str, world: dict[str, Any]) -> str:
    rows = world["rows"]
    key = next((name for name in rows if f"admin/{name}/" in route), None)
    if key is None:
        key = {
            "songs": "catalog/song",
            "audio-features": "catalog/song",
            "artists": "catalog/artist",
            "playlists": "recommender/playlist",
            "history": "recommender/listenimport",
            "imports": "recommender/listenimport",
            "listens": "recommender/listen",
            "stations": "recommender/station",
            "jobs": "catalog/backgroundjob",
            "libraries": "catalog/library",
            "tag-runs": "tag run",
            "tags": "tag run",
            "people": "auth/user",
            "invitations": "recommender/invitation",
            "app-passwords": "app password",
        }.get(re.sub(r"^(api/v1/|manage/|account/(?=app))?\^?", "", route).split("/")[0], "token")
    pk = str((world["token"] if key == "token" else rows[key]).pk)
    route = route.replace("<str:token>", SHARE_TOKEN).replace("<str:suffix>", "m3u8")
    for name in ("zoom", "column", "row"):
        route = route.replace(f"<int:{name}>", "0")
    route = route.replace("<slug:language>", "de").replace("<str:digest>", "0")
    filled = re.sub(r"\(\?P<pk>[^)]*\)|<\w*:?(pk|object_id|id|uid|key)>", pk, route)
    return "/" + filled.replace("^", "").replace("$", "")


def kind_of(response: Any) -> str:
    """Return what an answer did to the visitor, in the letters of RULES."""
    code = response.status_code
    assert code < 500 or code == 503, (response.request["PATH_INFO"], code)
    if code == 401 or (code == 302 and re.match(r"/(admin/)?login/?\?next=", response["Location"])):
        return "L"
    return {403: "-", 404: "0"}.get(code, "+")


@contextlib.contextmanager
def visit(world: dict[str, Any], role: str) -> Iterator[Client]:
    """Yield the browser of a role; nothing that it does is kept."""
    client = Client()
    client.cookies = copy.deepcopy(world["clients"][role].cookies)
    counts = throttles.SQLiteStore(":memory:")
    with mock.patch.object(throttles, "store", return_value=counts), transaction.atomic():
        yield client
        transaction.set_rollback(True)


def answers(world: dict[str, Any], method: str, path: str) -> str:
    """Return the letter of every role; nothing that they do is kept."""
    letters = ""
    for role in ROLES:
        with visit(world, role) as client:
            response = getattr(client, method)(path, **_body(path, method))
            letters += kind_of(response)
            if response.streaming:
                list(response.streaming_content)
    return letters


def _body(path: str, method: str) -> dict[str, Any]:
    if method in {"get", "head", "options"}:
        return {}
    if path.startswith("/api/"):
        return {"data": {}, "content_type": "application/json"}
    return {}


@pytest.mark.parametrize("route", PAGES)
def test_pages(world: dict[str, Any], route: str) -> None:
    check(world, address(route, world), PAGES[route], METHODS)


@pytest.mark.parametrize("name", API)
def test_api(world: dict[str, Any], name: str) -> None:
    path, rules = address(API_ROUTES[name], world), API[name][1]
    check(world, path, rules, METHODS[:-1])
    # OPTIONS tells what an address takes to those alone who may send something there.
    told = answers(world, "options", path)
    widest = RULES[max(rules.values(), key=lambda rule: RULES[rule].count("+"))]
    if API[name][0] != "door":
        assert all(a != "+" or b in "+0" for a, b in zip(told, widest, strict=True)), told


@pytest.mark.parametrize("route", OPEN_API)
def test_open_api(world: dict[str, Any], route: str) -> None:
    check(world, f"/{route}", OPEN_API[route], METHODS[:-1])


@pytest.mark.parametrize("route", AUDIOMUSE)
def test_calls_of_audiomuse_clients(world: dict[str, Any], route: str) -> None:
    """A session counts for nothing: everybody is a stranger without a token."""
    path = f"/{route}".replace("<str:task_id>", "x").replace("<str:prefix>", "main")
    for method in METHODS[:-1]:
        if rule := AUDIOMUSE[route].get(method):
            letters = answers(world, method, path)
            # What lacks a parameter, or is not there, is answered alike to all.
            assert letters == RULES[rule] or (rule == "all" and letters == RULES["absent"]), method
        else:
            refuses(world, method, path)


def check(world: dict[str, Any], path: str, rules: dict[str, str], methods: Sequence[str]) -> None:
    """Check the answers of an address to every method."""
    for method in methods:
        if rule := rules.get(method):
            assert answers(world, method, path) == RULES[rule], method
        else:
            refuses(world, method, path)


def refuses(world: dict[str, Any], method: str, path: str) -> None:
    """Check that a method without a row does nothing for anybody, the admin included."""
    for role in ROLES:
        with visit(world, role) as client:
            code = getattr(client, method)(path, **_body(path, method)).status_code
        allowed = {302, 401, 403, 405} if role != "admin" else {403, 405}
        assert code in allowed, (method, role, code)


@pytest.mark.parametrize("route", ADMIN_ROUTES)
def test_admin(world: dict[str, Any], route: str) -> None:
    rule = admin_rule(route)
    if not rule:
        return
    letters = answers(world, "get", address(route, world))
    assert letters == RULES[rule]


@pytest.mark.parametrize("name", API)
def test_tokens(world: dict[str, Any], name: str) -> None:
    """A token does what its owner may and its scopes say."""
    needed, rules = API[name]
    if needed == "door":
        return
    path = address(API_ROUTES[name], world)
    for role, scope in itertools.product(("owner", "admin"), Scope.values):
        for method, rule in rules.items():
            with visit(world, "anonymous") as client:
                secret = token_secret(world["people"][role], scope)
                headers = {"Authorization": f"Token {secret}"}
                response = getattr(client, method)(path, headers=headers, **_body(path, method))
            expected = RULES[rule][ROLES.index(role)] if scope in {needed, "admin"} else "-"
            assert kind_of(response) == expected, (role, scope, method, response.status_code)


@pytest.mark.parametrize("route", [route for route in PAGES if "<" in route])
def test_nobody_learns_whether_anothers_exists(world: dict[str, Any], route: str) -> None:
    """What is another's and what is not there are answered alike."""
    if "own" not in PAGES[route].values():
        return
    client = Client()
    client.force_login(world["people"]["other"])
    method = next(iter(PAGES[route]))
    path = address(route, world)
    pk = next(part for part in path.split("/") if re.fullmatch(r"[0-9a-f-]{36}", part))
    absent = path.replace(pk, str(uuid.UUID(int=1)))
    there, gone = (getattr(client, method)(p) for p in (path, absent))
    pages = {re.sub(rb'value="\w{64}"', b"", answer.content) for answer in (there, gone)}
    assert (there.status_code, gone.status_code, len(pages)) == (404, 404, 1)
