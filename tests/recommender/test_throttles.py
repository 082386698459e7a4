"""Limits hold over processes, pages and API; a store that is away stops nothing."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING

import pytest
import redis
import time_machine
from django.test import Client, RequestFactory
from django.urls import reverse
from filelock import FileLock
from rest_framework.exceptions import Throttled

from recommender import throttles
from recommender.throttles import (
    CarefulStore,
    Rate,
    RedisStore,
    SQLiteStore,
    address,
    limit,
    rate_headers,
    words_turn,
)
from tests.factories import UserFactory
from tests.integration.stack import REDIS_LOCK, REDIS_URL
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.http import HttpRequest
    from pytest_django.fixtures import SettingsWrapper
    from rest_framework.test import APIClient

    from catalog.models import Song
    from recommender.throttles import Store


@pytest.fixture
def redis_store() -> Iterator[RedisStore]:
    """A store in a Redis database that no test of an installation empties meanwhile."""
    store = RedisStore(REDIS_URL)
    try:
        store.forget("nothing")
    except redis.RedisError:
        pytest.skip("Redis is not reachable here")
    with FileLock(REDIS_LOCK):
        yield store


@pytest.fixture(params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "redis":
        return request.getfixturevalue("redis_store")  # type: ignore[no-any-return]
    return SQLiteStore(tmp_path / "counts.sqlite3")


@pytest.fixture
def key() -> str:
    return f"test {uuid.uuid4().hex}"


def allowed(store: Store, key: str, tries: int, most: int) -> int:
    return sum(store.hit(key, 60)[0] <= most for _ in range(tries))


# --- stores --------------------------------------------------------------------------------------


def test_a_store_counts_within_a_window(shared: Store, key: str) -> None:
    assert [shared.hit(key, 0.3)[0] for _ in range(3)] == [1, 2, 3]
    assert 0 < shared.hit(key, 0.3)[1] <= 0.3
    time.sleep(0.35)
    assert shared.hit(key, 0.3)[0] == 1


def test_attempts_have_a_growing_delay(shared: Store, key: str) -> None:
    assert [shared.attempt(key, 3, 900) for _ in range(4)] == [0, 0, 0, 0]
    wait = shared.attempt(key, 3, 900)
    assert 1.5 < wait <= 2
    assert shared.attempt(key, 3, 900) <= wait, "an attempt that is refused does not count"
    time.sleep(wait + 0.05)
    assert shared.attempt(key, 3, 900) == 0
    assert 3.5 < shared.attempt(key, 3, 900) <= 4
    shared.forget(key)
    assert shared.attempt(key, 3, 900) == 0


def test_what_is_remembered(shared: Store, key: str) -> None:
    assert not shared.knows(key)
    shared.remember(key, 0.3)
    assert shared.knows(key)
    time.sleep(0.35)
    assert not shared.knows(key)


HIT = """
import sys
import django
django.setup()
from recommender.throttles import CarefulStore, RedisStore, SQLiteStore
make = RedisStore if sys.argv[1] == "redis" else SQLiteStore
store = CarefulStore(lambda: make(sys.argv[2]))
store.knows("ready")
print("ready", flush=True)
sys.stdin.readline()
print(sum(store.hit(sys.argv[3], 86_400)[0] <= 600 for _ in range(450)))
"""


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_limit_holds_over_processes(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, key: str
) -> None:
    """Two processes that ask as fast as they can are allowed 600 together."""
    if kind == "redis":
        request.getfixturevalue("redis_store")
    where = REDIS_URL if kind == "redis" else str(tmp_path / "counts.sqlite3")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HIT, kind, where, key],
            cwd=ROOT,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "recommender.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sum(int(process.communicate(timeout=60)[0]) for process in processes) == 600


def test_a_limit_holds_over_threads(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "counts.sqlite3")
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(allowed(store, "k", 100, 250)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 250


def test_a_count_costs_less_than_a_millisecond(shared: Store, key: str) -> None:
    best = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(100):
            shared.hit(key, 60)
        best.append((time.perf_counter() - started) / 100)
    assert min(best) < 0.001


def test_without_its_store_each_process_counts_for_itself(key: str) -> None:
    store = CarefulStore(lambda: RedisStore("redis://127.0.0.1:1/0"))
    started = time.monotonic()
    assert [store.hit(key, 60)[0] for _ in range(50)] == list(range(1, 51))
    assert time.monotonic() - started < 2


def test_a_silent_store_is_waited_for_once(key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = CarefulStore(lambda: RedisStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        started = time.monotonic()
        for _ in range(50):
            store.hit(key, 60)
        assert time.monotonic() - started < 4 * throttles.STORE_TIMEOUT_SECONDS


def test_a_store_is_used_again_when_it_is_back(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttles, "STORE_PAUSE_SECONDS", 0.1)
    real = SQLiteStore(":memory:")
    is_away = True

    class Flaky:
        def hit(self, key: str, seconds: float) -> tuple[int, float]:
            if is_away:
                raise OSError("away")
            return real.hit(key, seconds)

    store = CarefulStore(Flaky)  # type: ignore[arg-type]
    assert store.hit(key, 60)[0] == 1
    is_away = False
    time.sleep(0.15)
    assert store.hit(key, 60)[0] == 1
    assert real.hit(key, 60)[0] == 2


def test_a_count_that_failed_leaves_no_open_transaction(key: str, tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "counts.sqlite3")
    store.hit(key, 60)
    store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError):
        store.hit(key, 60)
    store._connection.execute("PRAGMA query_only = OFF")
    assert not store._connection.in_transaction
    assert store.hit(key, 60)[0] == 2


def test_a_clock_that_is_set_back_keeps_no_count() -> None:
    store = SQLiteStore(":memory:")
    with time_machine.travel("2026-03-01 12:00:00Z") as clock:
        assert [store.hit("k", 60)[0] for _ in range(2)] == [1, 2]
        for _ in range(30):
            store.attempt("a", 1, 900)
        clock.move_to("2026-03-01 06:00:00Z")
        assert store.hit("k", 60)[0] == 1
        assert store.attempt("a", 1, 900) == 0


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("600/min", Rate(600, 60)),
        ("5/s", Rate(5, 1)),
        ("9/hour", Rate(9, 3600)),
        ("1/day", Rate(1, 86_400)),
    ],
)
def test_rates(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


def test_a_rate_of_none(settings: SettingsWrapper) -> None:
    settings.AFFETTI_THROTTLE_RATES = {**settings.AFFETTI_THROTTLE_RATES, "anon": "0/min"}
    request = request_of("192.0.2.7")
    with pytest.raises(Throttled):
        limit("anon", "192.0.2.7", request)
    headers = rate_headers(request)
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("0", "0")


# --- addresses -----------------------------------------------------------------------------------


def request_of(remote: str, forwarded: str = "") -> HttpRequest:
    extra = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    return RequestFactory().get("/", REMOTE_ADDR=remote, **extra)


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_addresses(remote: str, expected: str) -> None:
    assert address(request_of(remote)) == expected


def test_a_forwarded_address_counts_only_behind_our_proxies(settings: SettingsWrapper) -> None:
    request = request_of("192.0.2.7", "198.51.100.1, 203.0.113.9")
    assert address(request) == "192.0.2.7"
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    assert address(request) == "203.0.113.9"


# --- pages and API -------------------------------------------------------------------------------


@pytest.fixture
def low(settings: SettingsWrapper) -> dict[str, str]:
    settings.AFFETTI_THROTTLE_RATES = {
        "anon": "6/min",
        "user": "9/min",
        "login": "4/min",
        "stream": "5/min",
        "words": "2/min",
    }
    return settings.AFFETTI_THROTTLE_RATES


def statuses(client: Client, path: str, times: int) -> list[int]:
    answers = [client.get(path) for _ in range(times)]
    for answer in answers:
        answer.close()
    return [answer.status_code for answer in answers]


@pytest.mark.django_db
def test_pages_and_api_are_counted_together(low: object, client: Client) -> None:
    assert statuses(client, "/", 3) + statuses(client, "/api/v1/moods/", 3) == [200] * 6
    page = client.get("/songs")
    assert page.status_code == 429
    assert 0 < int(page["Retry-After"]) <= 60
    assert b"Too many" in page.content
    answer = client.get("/api/v1/songs/")
    assert answer.status_code == 429
    assert answer.json()["code"] == "THROTTLED"


@pytest.mark.django_db
def test_users_have_their_own_rate(low: object, client: Client, user: User) -> None:
    assert 429 in statuses(client, "/", 7)
    client.force_login(user)
    assert statuses(client, "/", 9) == [200] * 9
    assert client.get("/").status_code == 429
    client.force_login(UserFactory())
    assert client.get("/").status_code == 200


@pytest.mark.django_db
def test_probes_and_static_files_are_not_counted(
    low: object, settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "page.css").write_text("p {}")
    client = Client()
    for path in ("/healthz", "/static/page.css"):
        assert statuses(client, path, 12) == [200] * 12
    assert client.get("/").status_code == 200


@pytest.mark.django_db
def test_audio_has_its_own_rate(low: object, client: Client, wav_song: Song) -> None:
    path = reverse("song-audio", args=[wav_song.pk])
    answers = [client.get(path, headers={"Range": "bytes=0-9"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [206] * 5 + [429]
    assert client.get("/").status_code == 200
    for answer in answers:
        answer.close()


@pytest.mark.django_db
def test_words_have_a_lower_rate(
    low: object, client: Client, api: APIClient, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog import analysis  # noqa: PLC0415  this test alone
    from mer.errors import InputError  # noqa: PLC0415

    def no_words(**_: object) -> None:
        raise InputError("none")

    monkeypatch.setattr(analysis, "text_analyse", no_words)
    text = api.post("/api/v1/playlists/", {"text": "rain"}, format="json")
    mood = client.get("/playlist?mood=rainy+windows&seed=1")
    assert (text.status_code, mood.status_code) == (400, 400)
    again = api.post("/api/v1/playlists/", {"moods": ["winter mornings"]}, format="json")
    assert again.status_code == 429
    assert client.get("/playlist?mood=calm&seed=1").status_code == 200


def test_only_a_few_requests_rate_words_at_once() -> None:
    held = threading.Event()
    inside = threading.Event()

    def hold() -> None:
        with words_turn():
            inside.set()
            held.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(throttles.WORDS_PLACES)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    time.sleep(0.1)
    with pytest.raises(Throttled), words_turn():
        pass
    held.set()
    for thread in threads:
        thread.join()
    with words_turn():
        pass


# --- passwords -----------------------------------------------------------------------------------

WAYS = ["page", "api", "admin"]


def log_in(client: Client, way: str, password: str, remote: str = "192.0.2.1") -> int:
    fields = {"username": "ada", "password": password}
    if way == "api":
        return client.post(
            "/api/v1/auth/login/", fields, content_type="application/json", REMOTE_ADDR=remote
        ).status_code
    path = "/login" if way == "page" else "/admin/login/"
    return client.post(path, fields, REMOTE_ADDR=remote).status_code


@pytest.fixture
def ada(db: None) -> User:
    user = UserFactory(username="ada", is_staff=True)
    user.set_password("right")
    user.save()
    return user


@pytest.mark.parametrize("way", WAYS)
def test_guesses_at_one_account_are_delayed(way: str, ada: User, client: Client) -> None:
    with time_machine.travel("2026-03-01 12:00:00Z", tick=False) as clock:
        free = [log_in(client, way, "wrong") for _ in range(throttles.FREE_ATTEMPTS + 1)]
        assert 429 not in free
        assert log_in(client, way, "right") == 429
        for delay in (2, 4, 8):
            clock.shift(delay - 0.5)
            assert log_in(client, way, "wrong") == 429
            clock.shift(0.6)
            assert log_in(client, way, "wrong") in (200, 401)
        clock.shift(throttles.LONGEST_DELAY_SECONDS)
        assert log_in(client, way, "right") in (201, 302)


def test_a_right_password_ends_the_delays(ada: User, client: Client) -> None:
    for _ in range(4):
        for _ in range(3):
            assert log_in(client, "api", "wrong") == 401
        assert log_in(client, "api", "right") == 201


def test_strangers_do_not_lock_the_owner_out(ada: User, client: Client) -> None:
    with time_machine.travel("2026-03-01 12:00:00Z", tick=False) as clock:
        assert log_in(client, "api", "right", "192.0.2.1") == 201
        clock.shift(3600)
        strangers = [log_in(client, "api", "wrong", f"198.51.100.{n}") for n in range(60)]
        assert 429 in strangers, "many addresses guess no faster than the shared delay allows"
        assert log_in(client, "api", "right", "192.0.2.1") == 201, "from a known address at once"
        for n in range(60):
            log_in(client, "api", "wrong", f"198.51.100.{n}")
        clock.shift(throttles.LONGEST_SHARED_DELAY_SECONDS + 1)
        assert log_in(client, "api", "right", "203.0.113.5") == 201, "from a new one, after 30 s"


def test_names_that_differ_in_case_are_one_account(ada: User, client: Client) -> None:
    for n in range(throttles.FREE_ATTEMPTS + 1):
        name = "ADA" if n % 2 else "ada"
        client.post("/login", {"username": name, "password": "wrong"})
    assert client.post("/login", {"username": "Ada", "password": "wrong"}).status_code == 429


def test_an_account_that_does_not_exist_is_delayed_alike(client: Client, db: None) -> None:
    answers = [
        client.post("/login", {"username": "nobody", "password": "x"}).status_code
        for _ in range(throttles.FREE_ATTEMPTS + 2)
    ]
    assert answers[-1] == 429


# --- what clients are told ------------------------------------------------------------------------


def test_answers_of_the_api_tell_what_is_left(
    client: Client, songs: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_THROTTLE_RATES = settings.AFFETTI_THROTTLE_RATES | {"anon": "2/min"}
    answers = [client.get("/api/v1/moods/") for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert [one["RateLimit-Limit"] for one in answers] == ["2"] * 3
    assert [one["RateLimit-Remaining"] for one in answers] == ["1", "0", "0"]
    assert {one["RateLimit-Policy"] for one in answers} == {'"anon";q=2;w=60'}
    for one in answers:
        assert 0 < int(one["RateLimit-Reset"]) <= 60
        left = f"r={one['RateLimit-Remaining']};t={one['RateLimit-Reset']}"
        assert one["RateLimit"] == f'"anon";{left}'
    assert 0 < int(answers[2]["Retry-After"]) <= 60


def test_the_scarcest_of_two_rates_is_told(
    client: Client, songs: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_THROTTLE_RATES = settings.AFFETTI_THROTTLE_RATES | {"login": "3/min"}
    sent = {"username": "nobody", "password": "x"}
    answer = client.post("/api/v1/auth/login/", sent, content_type="application/json")
    assert answer.status_code == 401
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("3", "2")


def test_a_304_and_an_unknown_address_tell_it_too(client: Client, songs: list[Song]) -> None:
    tag = client.get("/api/v1/moods/")["ETag"]
    unchanged = client.get("/api/v1/moods/", HTTP_IF_NONE_MATCH=tag)
    assert unchanged.status_code == 304
    assert unchanged["RateLimit-Limit"] == "600"
    assert client.get("/api/v1/nothing/")["RateLimit-Limit"] == "600"


def test_pages_and_static_files_tell_nothing(client: Client, songs: list[Song]) -> None:
    assert "RateLimit" not in client.get("/songs")
    assert "RateLimit" not in client.get("/healthz")
