"""Pages by cursors: every row once, in both directions, and no cursor but the list's own."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.request import Request

from catalog.models import BackgroundJob, IngestFailure, Library, Song
from recommender.api.cursors import Cursor
from recommender.feedback import song_like
from recommender.library import SONG_KEYSETS
from recommender.models import Listen, Playlist
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

SONGS = "/api/v1/songs/"


@pytest.fixture
def alike() -> list[Song]:
    """Songs of which many are alike in what they are ordered by, and some lack it."""
    made = [
        SongFactory(
            title=f"Title {n % 2}",
            artist=f"Artist {n % 3}" if n % 4 else "",
            album=f"Album {n % 2}",
            year=1990 + n % 2 if n % 3 else None,
            duration_seconds=100.0 + n % 2 if n % 5 else None,
        )
        for n in range(11)
    ]
    for song in made[:6]:
        SongEmotionFactory(song=song)
    return made


def pages(api: APIClient, address: str, link: str = "next") -> list[dict[str, Any]]:
    """Return the pages from an address on, by their links."""
    found = []
    while address:
        response = api.get(address)
        assert response.status_code == 200, response.content
        found.append(response.json())
        address = found[-1][link]
    return found


def ids(found: list[dict[str, Any]]) -> list[Any]:
    return [row["id"] for page in found for row in page["results"]]


def cursor_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["cursor"][0]


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("name", [name for name in SONG_KEYSETS if name])
def test_every_song_is_on_one_page(api: APIClient, alike: list[Song], name: str, sign: str) -> None:
    query = f"?ordering={sign}{name}"
    found = pages(api, f"{SONGS}{query}&limit=3")
    assert [len(page["results"]) for page in found] == [3, 3, 3, 2]
    assert sorted(ids(found)) == sorted(song.pk for song in alike)
    assert {page["count"] for page in found} == {11}
    # Numbers of pages show the same order, and the way back the same pages.
    assert ids([api.get(f"{SONGS}{query}&page={n}&page_size=3").json() for n in (1, 2, 3, 4)]) == (
        ids(found)
    )
    back = pages(api, found[-1]["previous"], "previous")
    assert [page["results"] for page in reversed(back)] == [page["results"] for page in found[:-1]]
    assert back[-1]["previous"] is None
    assert ids(pages(api, back[-1]["next"])) == ids(found[1:])


@pytest.mark.parametrize("name", [name for name in SONG_KEYSETS if name])
def test_descending_is_the_other_way_round(api: APIClient, alike: list[Song], name: str) -> None:
    up = ids(pages(api, f"{SONGS}?ordering={name}&limit=200"))
    down = ids(pages(api, f"{SONGS}?ordering=-{name}&limit=4"))
    if name in {"valence", "arousal"}:  # songs without an emotion are last both ways
        assert set(up[6:]) == set(down[6:]) == {song.pk for song in alike[6:]}
        up, down = up[:6], down[:6]
    assert down == up[::-1]


def test_a_song_that_comes_or_goes_moves_no_other(api: APIClient, alike: list[Song]) -> None:
    order = ids(pages(api, f"{SONGS}?limit=200"))
    first = api.get(f"{SONGS}?limit=4").json()
    SongFactory(artist=" ", title="First of all")
    Song.objects.filter(pk__in=[order[1], order[3]]).update(is_available=False)
    rest = pages(api, first["next"])
    assert ids(rest) == order[4:]
    assert [page["count"] for page in rest] == [11, 11]  # as at the first page


def test_a_filter_holds_on_every_page(api: APIClient, alike: list[Song]) -> None:
    found = pages(api, f"{SONGS}?artist=artist%201&limit=1")
    assert len(found) > 1
    assert {row["artist"] for page in found for row in page["results"]} == {"Artist 1"}
    assert sorted(ids(found)) == sorted(song.pk for song in alike if song.artist == "Artist 1")


def test_an_order_of_several_fields(api: APIClient, alike: list[Song]) -> None:
    query = f"{SONGS}?ordering=-title,year"
    found = pages(api, f"{query}&limit=4")
    assert ids(found) == ids([api.get(f"{query}&page_size=200").json()])
    back = pages(api, found[-1]["previous"], "previous")
    assert [page["results"] for page in reversed(back)] == [page["results"] for page in found[:-1]]


def test_an_empty_list(api: APIClient) -> None:
    body = api.get(SONGS).json()
    assert body == {"count": 0, "next": None, "previous": None, "results": []}


def test_what_is_behind_vanishes(api: APIClient, alike: list[Song]) -> None:
    order = ids(pages(api, f"{SONGS}?limit=200"))
    first = api.get(f"{SONGS}?limit=9").json()
    Song.objects.filter(pk__in=order[9:]).update(is_available=False)
    page = api.get(first["next"]).json()
    assert (page["results"], page["next"]) == ([], None)
    assert api.get(page["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "x",
        lambda text: text[:-1],
        lambda text: text[1:],
        lambda text: text + "x",
        lambda text: text.swapcase(),
        lambda text: "A" * 9_000,
        lambda text: "\x00" + text,
        lambda text: "²" + text,
        lambda text: ":" + text,
        lambda text: text.rpartition(":")[0],
    ],
)
def test_a_damaged_cursor(api: APIClient, alike: list[Song], damage: Any) -> None:
    cursor = cursor_of(api.get(f"{SONGS}?limit=4").json()["next"])
    response = api.get(SONGS, {"cursor": damage(cursor), "limit": "4"})
    assert response.status_code == 400
    assert response.json()["code"] == "CURSOR_INVALID"
    assert list(response.json()["details"]) == ["cursor"]


@pytest.mark.parametrize(
    "address", [f"{SONGS}?ordering=title", f"{SONGS}?q=title", "/api/v1/listens/"]
)
def test_a_cursor_of_another_list(api: APIClient, alike: list[Song], address: str) -> None:
    api.force_authenticate(UserFactory())
    cursor = cursor_of(api.get(f"{SONGS}?limit=4").json()["next"])
    response = api.get(f"{address}{'&' if '?' in address else '?'}cursor={quote(cursor)}")
    assert (response.status_code, response.json()["code"]) == (400, "CURSOR_INVALID")


def test_a_cursor_of_another_account(api: APIClient, alike: list[Song]) -> None:
    api.force_authenticate(UserFactory())
    link = api.get(f"{SONGS}?limit=4").json()["next"]
    api.force_authenticate(UserFactory())
    assert api.get(link).json()["code"] == "CURSOR_INVALID"


def test_limit_may_change_from_page_to_page(api: APIClient, alike: list[Song]) -> None:
    order = ids(pages(api, f"{SONGS}?limit=200"))
    cursor = cursor_of(api.get(f"{SONGS}?limit=4").json()["next"])
    assert ids([api.get(SONGS, {"cursor": cursor, "limit": 2}).json()]) == order[4:6]


@pytest.mark.parametrize("value", ["0", "-1", "201", "x", "", "1.5", "9" * 400, "²"])
def test_limits(api: APIClient, alike: list[Song], value: str) -> None:
    response = api.get(SONGS, {"limit": value})
    assert response.status_code == 400
    assert list(response.json()["details"]) == ["limit"]


@pytest.mark.parametrize("other", ["page=1", "page_size=5"])
def test_not_both_kinds_of_pages(api: APIClient, alike: list[Song], other: str) -> None:
    for name in ("limit=5", "cursor=x"):
        response = api.get(f"{SONGS}?{name}&{other}")
        assert response.status_code == 400
        assert list(response.json()["details"]) == [name.partition("=")[0]]


def test_no_page_reads_more_than_its_rows(
    api: APIClient, alike: list[Song], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    last = pages(api, f"{SONGS}?limit=3")[-2]["next"]
    for address, queries in ((f"{SONGS}?limit=3", 3), (last, 2)):
        with django_assert_num_queries(queries):  # keys, songs; at first their number
            api.get(address)


@pytest.mark.parametrize("name", ["", "artist", "title", "album", "year", "duration_seconds"])
def test_an_index_has_the_order(alike: list[Song], name: str) -> None:
    keyset = SONG_KEYSETS[name]
    rows = Song.objects.filter(is_available=True)
    place = keyset.slice(rows, place=(), size=3).values[-1]
    behind = keyset.ordered(rows).filter(keyset._behind(keyset.ordered(rows), place))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        plan = behind.values_list("pk")[:3].explain()
    assert "song_shown" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def made_for(user: User) -> None:
    now = timezone.now()
    song = SongFactory()
    for n in range(7):
        then = now - timedelta(hours=n // 2, seconds=n % 2)
        Listen.objects.create(user=user, song=song, listened_at=then)
        Playlist.objects.create(user=user, name=str(n), request={}, seed=1, model_version="v")
        BackgroundJob.objects.create(kind=BackgroundJob.Kind.INGEST)
        song_like(user=user, song_id=SongFactory(artist=f"Liked {n}").pk)
    Playlist.objects.update(created_at=now)  # all at the same moment
    BackgroundJob.objects.update(created_at=now)


@pytest.mark.parametrize("path", ["listens/", "playlists/", "jobs/", "feedback/"])
def test_other_lists(api: APIClient, path: str) -> None:
    user = UserFactory(is_staff=True, is_superuser=True)
    api.force_authenticate(user)
    made_for(user)
    found = pages(api, f"/api/v1/{path}?limit=2")
    rows = [row for page in found for row in page["results"]]
    assert [len(page["results"]) for page in found] == [2, 2, 2, 1]
    assert rows == api.get(f"/api/v1/{path}?page_size=200").json()["results"]
    back = pages(api, found[-1]["previous"], "previous")
    assert [page["results"] for page in reversed(back)] == [page["results"] for page in found[:-1]]


def test_a_cursor_keeps_values_of_every_kind(rf: Any) -> None:
    request = Request(rf.get("/x"))
    place = (timezone.now(), uuid.uuid4(), b"\x00\xff", 1.5, 3, "text")
    names = tuple("abcdef")
    text = Cursor(5, place, names, is_back=True).written(request)
    assert Cursor.read(text, request, names) == Cursor(5, place, names, is_back=True)


def test_a_list_without_a_keyset(api: APIClient) -> None:
    api.force_authenticate(UserFactory(is_staff=True, is_superuser=True))
    for n in range(5):
        LibraryFactory(name=f"L{n}")
    found = pages(api, "/api/v1/libraries/?limit=2")
    names = [row["name"] for page in found for row in page["results"]]
    assert names == ["L0", "L1", "L2", "L3", "L4"]
    Library.objects.filter(name="L4").delete()
    empty = api.get(found[1]["next"]).json()
    assert (empty["results"], empty["next"]) == ([], None)
    assert [row["name"] for row in api.get(empty["previous"]).json()["results"]] == ["L2", "L3"]


def test_failures_of_a_job(api: APIClient) -> None:
    api.force_authenticate(UserFactory(is_staff=True, is_superuser=True))
    library = LibraryFactory()
    job = BackgroundJob.objects.create(
        kind=BackgroundJob.Kind.INGEST, arguments={"path": str(library.path)}
    )
    for n in range(5):
        IngestFailure.objects.create(
            library=library,
            relative_path=f"{n}.mp3",
            file_size_bytes=1,
            file_mtime_ns=1,
            code="AUDIO_DECODE",
            message="broken",
        )
    address = f"/api/v1/jobs/{job.pk}/failures/"
    found = pages(api, f"{address}?limit=2")
    names = [row["path"].rpartition("/")[2] for page in found for row in page["results"]]
    assert names == [f"{n}.mp3" for n in range(5)]
    assert {page["count"] for page in found} == {5}
    back = pages(api, found[-1]["previous"], "previous")
    assert [page["results"] for page in reversed(back)] == [page["results"] for page in found[:-1]]
    assert api.get(f"{address}?page=3&page_size=2").json()["results"] == found[2]["results"]
    IngestFailure.objects.filter(relative_path="1.mp3").delete()
    assert api.get(found[0]["next"]).json()["results"] == found[1]["results"]
    assert api.get(f"{address}?status=failed").status_code == 400
