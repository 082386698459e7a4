"""Importing listening history, by API and by page."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import translation
from rest_framework.test import APIClient

from recommender.models import Listen, ListenImport
from recommender.tasks import import_history
from tests.factories import UserFactory, token_secret
from tests.recommender.listening.histories import MOMENT, in_lines, listenbrainz, zipped

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertMaxNumQueries

    from catalog.models import Song

pytestmark = pytest.mark.django_db

IMPORTS = "/api/v1/imports/"


@pytest.fixture
def history(songs: list[Song]) -> bytes:
    values = [listenbrainz(one.artist, one.title, at=MOMENT + n) for n, one in enumerate(songs)]
    values += [listenbrainz("Nobody", "Nothing"), listenbrainz("", "x")]
    return in_lines(values).encode()


@pytest.fixture
def ada(user: User) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token_secret(user, 'listen')}")
    return client


def sent(client: Any, data: bytes, query: str = "", path: str = IMPORTS) -> Any:
    return client.post(f"{path}{query}", data, content_type="application/octet-stream")


def worked(pk: Any) -> None:
    import_history(str(ListenImport.objects.get(pk=pk).job_id))


def test_a_file_is_imported_and_taken_back(ada: APIClient, history: bytes) -> None:
    answer = sent(ada, zipped({"listens/2020/9.jsonl": history}), "?name=my.zip")
    assert answer.status_code == 202, answer.content
    begun = answer.json()
    assert (begun["state"], begun["file_name"], begun["read"]) == ("waiting", "my.zip", 0)
    worked(begun["id"])
    url = f"{IMPORTS}{begun['id']}/"
    done = ada.get(url).json()
    assert (done["state"], done["read"], done["added"]) == ("done", 14, 12)
    assert (done["unmatched"], done["left_out"], done["error"]) == (1, 1, "")
    assert done["most_unmatched"] == [{"artist": "Nobody", "title": "Nothing", "count": 1}]
    assert done["faults"] == ["listens/2020/9.jsonl, line 14: it has no artist or no title."]
    listed = ada.get(IMPORTS).json()
    assert listed["count"] == 1
    assert "most_unmatched" not in listed["results"][0]
    assert ada.delete(url).status_code == 204
    assert not Listen.objects.exists()
    assert ada.get(url).status_code == 404


def test_a_large_file_comes_in_pieces(ada: APIClient, history: bytes) -> None:
    upload, step = uuid.uuid4(), 1000
    answers = [
        sent(
            ada,
            history[offset : offset + step],
            f"?upload={upload}&size={len(history)}&offset={offset}",
        )
        for offset in range(0, len(history), step)
    ]
    assert [answer.status_code for answer in answers] == [*[204] * (len(answers) - 1), 202]
    assert answers[-1].json()["id"] == str(upload)
    wrong = sent(ada, b"x", f"?upload={uuid.uuid4()}&size=9&offset=5")
    assert (wrong.status_code, wrong.json()["details"]) == (409, {"offset": 0})


def test_a_refused_file_says_where(ada: APIClient) -> None:
    begun = sent(ada, b'{"track_metadata": {}}\n{"listened_at"').json()
    worked(begun["id"])
    done = ada.get(f"{IMPORTS}{begun['id']}/").json()
    assert done["state"] == "failed"
    assert done["error"].startswith("history, line 2: it is no JSON")


@pytest.mark.parametrize(
    ("query", "status"),
    [("?size=0", 400), ("?size=x", 400), ("?offset=-1", 400), ("?upload=1", 400), ("?nme=x", 400),
     ("?size=999999999999", 400), ("?size=2", 204)],
)  # fmt: skip
def test_addresses_of_pieces(query: str, status: int, ada: APIClient) -> None:
    answer = sent(ada, b"[", query)
    assert answer.status_code == status, answer.content
    assert not ListenImport.objects.exists()


def test_an_upload_that_has_not_ended_is_deleted_by_its_owner(ada: APIClient) -> None:
    upload = str(uuid.uuid4())
    query = f"?upload={upload}&size=9"
    assert sent(ada, b"abc", f"{query}&offset=0").status_code == 204
    other = APIClient()
    other.credentials(HTTP_AUTHORIZATION=f"Token {token_secret(UserFactory(), 'listen')}")
    assert other.delete(f"{IMPORTS}{upload}/").status_code == 404
    assert ada.delete(f"{IMPORTS}{upload}/").status_code == 204
    assert sent(ada, b"def", f"{query}&offset=3").status_code == 409
    assert ada.delete(f"{IMPORTS}{upload}/").status_code == 404
    assert ada.delete(f"{IMPORTS}no-id/").status_code == 404


def test_nothing_is_no_file(ada: APIClient) -> None:
    assert sent(ada, b"").status_code == 400


def test_another_cannot_see_or_undo_it(ada: APIClient, history: bytes) -> None:
    begun = sent(ada, history).json()
    other = APIClient()
    other.credentials(HTTP_AUTHORIZATION=f"Token {token_secret(UserFactory())}")
    assert other.get(f"{IMPORTS}{begun['id']}/").status_code == 404
    assert other.delete(f"{IMPORTS}{begun['id']}/").status_code == 404
    assert other.get(IMPORTS).json()["count"] == 0


def test_queries_of_the_list_do_not_grow(
    ada: APIClient, user: User, django_assert_max_num_queries: DjangoAssertMaxNumQueries
) -> None:
    for n in range(30):
        ListenImport.objects.create(user=user, file_name=str(n), is_done=True)
    with django_assert_max_num_queries(6):
        assert ada.get(IMPORTS).json()["count"] == 30


# --- Pages ---------------------------------------------------------------------------------------


def test_the_page_takes_pieces_and_shows_what_came_of_them(
    client: Client, user: User, history: bytes
) -> None:
    client.force_login(user)
    upload = uuid.uuid4()
    query = f"?upload={upload.hex}&name=my+history.jsonl&size={len(history)}&offset="
    half = len(history) // 2
    pieces = "/history/imports/pieces"
    assert sent(client, history[:half], f"{query}0", pieces).status_code == 204
    lost = sent(client, history[half:], f"{query}{half + 1}", pieces)
    assert (lost.status_code, lost.json()["details"]["offset"]) == (409, half)
    done = sent(client, history[half:], f"{query}{half}", pieces)
    assert done.status_code == 201
    page = client.get(done.json()["url"]).content.decode()
    assert "data-live-open" in page
    worked(upload)
    page = client.get(done.json()["url"]).content.decode()
    assert "data-live-open" not in page
    assert "Nothing" in page
    assert "my history.jsonl, line 14: it has no artist or no title." in page
    assert "12 listens added" in client.get("/history/imports").content.decode()
    undone = client.post(f"/history/imports/{upload}/undo", follow=True).content.decode()
    assert "Taken back: 12 listens are deleted." in undone


def test_the_page_works_without_scripts(client: Client, user: User, history: bytes) -> None:
    client.force_login(user)
    file = SimpleUploadedFile("a.jsonl", history)
    answer = client.post("/history/imports", {"file": file})
    begun = ListenImport.objects.get()
    assert answer["Location"] == f"/history/imports/{begun.pk}"
    worked(begun.pk)
    assert Listen.objects.count() == 12
    for nothing in ({}, {"file": "x"}, {"file": SimpleUploadedFile("a", b"")}):
        again = client.post("/history/imports", nothing)
        assert 'role="alert"' in again.content.decode()


def test_a_refused_file_is_told_in_the_language_of_the_reader(client: Client, user: User) -> None:
    client.force_login(user)
    client.post("/history/imports", {"file": SimpleUploadedFile("a.csv", b"x\xff")})
    begun = ListenImport.objects.get()
    worked(begun.pk)
    with translation.override("en"):  # which is restored after the request
        page = client.get(f"/history/imports/{begun.pk}", headers={"Accept-Language": "de"})
    assert "a.csv, Zeile 1: Der Text ist nicht UTF-8" in page.content.decode()


# --- Command -------------------------------------------------------------------------------------


def test_the_command_imports_and_tells(
    user: User, history: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(history)
    call_command("import_history", str(path), "--user", "ada")
    out = capsys.readouterr().out
    assert "14 listens read: 12 added, 0 known before" in out
    assert "Nobody - Nothing" in out
    assert "a.jsonl, line 14" in out
    path.write_bytes(b"[[[[")
    for file, name in ((str(path), "ada"), (str(path), "x"), ("/x", "ada")):
        with pytest.raises(CommandError):
            call_command("import_history", file, "--user", name)
    assert ListenImport.objects.count() == 1
