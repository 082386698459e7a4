"""The tools for language models, by the protocol's own client against a server that runs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from catalog.models import SongEmotion
from recommender.models import Playlist
from tests.factories import SongFactory, UserFactory, token_secret
from tests.recommender.subsonic.conftest import collection_make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django.live_server_helper import LiveServer

    from catalog.models import Song

mcp = pytest.importorskip("mcp", reason="needs the extra mcp")
tools = pytest.importorskip("recommender.mcp_server.tools")
remote = pytest.importorskip("recommender.mcp_server.remote")

ROOT = Path(__file__).parents[2]


def called(server: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Return the results of calls by the protocol's client."""

    async def run() -> list[Any]:
        async with mcp.Client(server) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(run())


def answers(server: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    results = called(server, *calls)
    texts = [result.content[0].text for result in results]
    assert not any(result.is_error for result in results), texts
    return [json.loads(text) for text in texts]


@pytest.fixture
def songs(live_server: LiveServer) -> list[Song]:
    return collection_make()


@pytest.fixture
def server_for(live_server: LiveServer, songs: list[Song]) -> Iterator[Callable[..., Any]]:
    """Make a server of tools with a token of some scopes; without any it has none."""
    with ExitStack() as opened:

        def make(*scopes: str) -> Any:
            token = token_secret(UserFactory(), *scopes) if scopes else ""
            return tools.server_of(opened.enter_context(remote.Remote(live_server.url, token)))

        yield make


@pytest.mark.django_db(transaction=True)
def test_tools_over_standard_input_and_output(live_server: LiveServer, songs: list[Song]) -> None:
    seed = songs[0]
    token = token_secret(UserFactory(username="ada"), "read", "playlists")
    command = mcp.StdioServerParameters(
        command=sys.executable,
        args=[str(ROOT / "manage.py"), "mcp", "--address", live_server.url],
        env={**os.environ, "AFFETTI_MCP_TOKEN": token},
    )
    found, alike, made, gone, why = answers(
        command,
        ("search", {"words": seed.title}),
        ("similar", {"song_id": seed.pk, "count": 4}),
        ("playlist", {"words": "happy", "count": 5}),
        ("journey", {"moods": ["sad", "happy"], "count": 6}),
        ("why", {"song_id": seed.pk}),
    )
    assert [song["id"] for song in found["songs"]] == [seed.pk]
    assert found["songs"][0]["artist"] == seed.artist
    values = [song["similarity"] for song in alike["songs"]]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    assert made["songs"]
    assert all(song["reason"] and 0 <= song["score"] <= 1 for song in made["songs"])
    assert 0 < len(gone["songs"]) <= 6
    emotion = SongEmotion.objects.get(song=seed)
    assert why["valence"] == pytest.approx(emotion.valence, abs=0.01)
    assert why["weights_of_parts"] == pytest.approx(emotion.gates)
    assert not Playlist.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_list_is_kept_under_its_name(server_for: Callable[..., Any]) -> None:
    server = server_for("playlists", "read")
    (made,) = answers(server, ("playlist", {"words": "happy", "keep_as": "Mornings"}))
    playlist = Playlist.objects.get()
    assert (playlist.name, str(playlist.pk)) == ("Mornings", made["id"])
    assert playlist.entries.count() == len(made["songs"])


@pytest.mark.django_db(transaction=True)
def test_the_scopes_of_the_token_hold(
    server_for: Callable[..., Any], songs: list[Song], settings: Any
) -> None:
    (result,) = called(server_for("read"), ("playlist", {"words": "happy"}))
    assert result.is_error
    assert "scope playlists" in result.content[0].text
    settings.AFFETTI_PUBLIC = False
    for call in (("search", {"words": "song"}), ("why", {"song_id": songs[0].pk})):
        (result,) = called(server_for(), call)
        assert result.is_error


@pytest.mark.django_db(transaction=True)
def test_errors_are_sentences(server_for: Callable[..., Any]) -> None:
    waiting = SongFactory(title="Waiting")
    server = server_for("read", "playlists")
    results = called(
        server,
        ("why", {"song_id": waiting.pk}),
        ("why", {"song_id": 999_999}),
        ("similar", {"song_id": waiting.pk}),
        ("playlist", {"words": "happy", "count": 0}),
        ("playlist", {"words": ""}),
        ("journey", {"moods": ["sad"]}),
        ("search", {"words": "x" * 2_001}),
        ("similar", {"song_id": 2**70}),
        ("search", {"words": "a\0b"}),
    )
    assert all(result.is_error for result in results[:-1])
    assert "“Waiting” is not analysed yet." in results[0].content[0].text
    assert "Not analysed" in results[2].content[0].text


def answering(status: int, body: bytes) -> Any:
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, content=body))
    return tools.server_of(remote.Remote("http://affetti.test/", "t", transport=transport))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"<html>", "No Affetti answers"),
        (502, b"", "No Affetti answers"),
        (500, b"[]", "Affetti answered 500"),
        (503, b'{"message": "The index is away."}', "The index is away."),
        (200, b'"' + b"x" * (9 * 1024**2) + b'"', "too large"),
    ],
)
def test_answers_of_others_are_told(status: int, body: bytes, told: str) -> None:
    (result,) = called(answering(status, body), ("search", {"words": "a"}))
    assert result.is_error
    assert told in result.content[0].text


def test_an_answer_without_an_end_is_not_read_to_it() -> None:
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        while sent < 1_000:
            sent += 1
            yield b"x" * 1024**2

    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=parts()))
    server = tools.server_of(remote.Remote("http://affetti.test/", "t", transport=transport))
    (result,) = called(server, ("search", {"words": "a"}))
    assert "too large" in result.content[0].text
    assert sent < 20


def test_a_server_that_is_away_is_told() -> None:
    with remote.Remote("http://127.0.0.1:9", "") as away:
        (result,) = called(tools.server_of(away), ("search", {"words": "a"}))
    assert "does not answer at http://127.0.0.1:9" in result.content[0].text


def test_the_tools_are_named() -> None:
    async def listed() -> dict[str, Any]:
        async with mcp.Client(answering(200, b"{}")) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    found = asyncio.run(listed())
    assert set(found) == {"search", "similar", "playlist", "journey", "why"}
    assert all(tool.description for tool in found.values())
    assert found["why"].annotations.read_only_hint is True
    assert found["playlist"].annotations.read_only_hint is False


def test_the_process_loads_no_model() -> None:
    script = (
        "import recommender.mcp_server.tools, sys;"
        "print([name for name in ('torch', 'faiss', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_wrong_address_is_refused() -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "mcp", "--address", "localhost"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1
    assert "must begin with http" in done.stderr
