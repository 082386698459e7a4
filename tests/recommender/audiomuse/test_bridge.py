"""The bridge between AudioMuse-AI plugins of media servers and Affetti."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integrations.bridge import __main__ as starting
from integrations.bridge import server as bridging
from integrations.bridge import sources
from integrations.bridge.ids import matched
from integrations.bridge.sources import Jellyfin, Lyrion, Subsonic
from integrations.bridge.sources import Song as TheirSong
from tests.factories import UserFactory, token_secret
from tests.recommender.subsonic.conftest import collection_make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django.live_server_helper import LiveServer

    from catalog.models import Song

pytestmark = pytest.mark.django_db(transaction=True)


def as_navidrome_has_it(song: Song) -> dict[str, Any]:
    return {
        "id": f"nav{song.pk}",
        "title": song.title.upper(),
        "artist": song.artist,
        "artistId": f"navartist-{song.artist}",
        "album": song.album,
        "duration": 181,
    }


@pytest.fixture
def songs(live_server: LiveServer) -> list[Song]:
    return collection_make()


@pytest.fixture
def theirs(songs: list[Song]) -> list[dict[str, Any]]:
    """The songs of Navidrome: one is missing, and Affetti lacks another."""
    rows = [as_navidrome_has_it(song) for song in songs[:-1]]
    return [*rows, {"id": "navalone", "title": "Alone", "artist": "Nobody"}]


@pytest.fixture
def navidrome(theirs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that answers search3 as Navidrome does, page by page."""
    monkeypatch.setattr(sources, "PAGE", 10)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            start = int(query["songOffset"][0])
            is_known = query["u"] == ["ada"] and query["query"] == [""] and len(query["t"][0]) == 32
            page = theirs[start : start + int(query["songCount"][0])]
            answer: dict[str, Any] = {"status": "ok", "searchResult3": {"song": page}}
            if not is_known:
                answer = {"status": "failed", "error": {"code": 40, "message": "Wrong name"}}
            body = json.dumps({"subsonic-response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    yield from served(ThreadingHTTPServer(("127.0.0.1", 0), Handler))


def served(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def token(songs: list[Song]) -> str:
    return token_secret(UserFactory(), "read", "playlists")


@pytest.fixture
def bridge(live_server: LiveServer, navidrome: str, token: str) -> Iterator[bridging.Bridge]:
    made = bridging.Bridge(Subsonic(navidrome, "ada", "secret"), live_server.url, token)
    made.read()
    yield made
    made.close()


@pytest.fixture
def plugin(bridge: bridging.Bridge, token: str) -> Iterator[httpx.Client]:
    for address in served(bridging.server_of(bridge, "127.0.0.1", 0)):
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
            yield client


def test_songs_are_matched(bridge: bridging.Bridge, songs: list[Song]) -> None:
    assert bridge.ids.songs == {f"nav{song.pk}": str(song.pk) for song in songs[:-1]}
    assert bridge.ids.unmatched == 1


def test_an_instant_mix_has_ids_of_navidrome(
    plugin: httpx.Client, live_server: LiveServer, songs: list[Song], token: str
) -> None:
    seed = songs[0].pk
    sent = "eliminate_duplicates=false&n=30&radius_similarity=true&server=nav"
    rows = plugin.get(f"/api/similar_tracks?item_id=nav{seed}&{sent}").json()
    direct = httpx.get(
        f"{live_server.url}/api/similar_tracks?item_id={seed}&n=30&eliminate_duplicates=false",
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    gone = str(songs[-1].pk)
    wanted = [(f"nav{row['item_id']}", row["distance"]) for row in direct if row["item_id"] != gone]
    assert [(row["item_id"], row["distance"]) for row in rows] == wanted
    assert len(rows) == len(songs) - 2


def test_artists_have_ids_of_navidrome(plugin: httpx.Client) -> None:
    sent = {"artist": "navartist-Beta", "n": "10", "include_component_matches": "true"}
    rows = plugin.get("/api/similar_artists", params=sent).json()
    assert {row["artist_id"] for row in rows} == {
        *("navartist-The Alpha", "navartist-Ørsted", "navartist-4 Winds")
    }
    for row in rows:
        for match in row["component_matches"]:
            for songs in match.values():
                assert all(song["item_id"].startswith("nav") for song in songs)


def test_paths_blends_and_lists_are_translated(plugin: httpx.Client, songs: list[Song]) -> None:
    ends = {"start_song_id": f"nav{songs[0].pk}", "end_song_id": f"nav{songs[7].pk}"}
    path = plugin.get("/api/find_path", params={**ends, "max_steps": 6}).json()["path"]
    assert (path[0]["item_id"], path[-1]["item_id"]) == tuple(ends.values())
    items = [
        {"id": f"nav{songs[0].pk}", "op": "ADD", "type": "song"},
        {"id": "navartist-Beta", "op": "SUBTRACT", "type": "artist"},
    ]
    blend = plugin.post("/api/alchemy", json={"items": items, "n": 5}).json()["results"]
    assert blend
    assert all(row["item_id"].startswith("nav") and row["author"] != "Beta" for row in blend)
    kept = {"playlist_name": "Mix", "track_ids": [row["item_id"] for row in blend]}
    assert plugin.post("/api/create_playlist", json=kept).json()["mapped"] == len(blend)


def test_moods_of_a_blend_are_no_songs(plugin: httpx.Client, songs: list[Song]) -> None:
    items = [{"id": "calm", "op": "ADD", "type": "mood"}]
    answer = plugin.post("/api/alchemy", json={"items": items, "n": 5})
    assert answer.status_code == 200, answer.content
    assert all(row["item_id"].startswith("nav") for row in answer.json()["results"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/sync",
        "/api/sync/",
        "/api/%73ync",
        "/api/../metrics",
        "/api/%2e%2e/metrics",
        "/api/./x",
    ],
)
def test_other_addresses_are_not_passed_on(bridge: bridging.Bridge, token: str, path: str) -> None:
    status, body = bridge.passed("GET", path, f"Bearer {token}", b"")
    assert (status, "no such address" in body.decode()) == (404, True)


def test_an_answer_that_cannot_be_read_is_told(
    plugin: httpx.Client, bridge: bridging.Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: Any) -> Any:
        raise KeyError("item_id")

    monkeypatch.setattr(bridge, "_told", unread)
    answer = plugin.get("/api/health")
    assert (answer.status_code, "cannot be read" in answer.json()["error"]) == (502, True)


def test_what_is_not_known_is_an_error(
    plugin: httpx.Client, bridge: bridging.Bridge, songs: list[Song]
) -> None:
    # The id of Affetti is none of Navidrome, and must not be taken for one.
    for given in ("navalone", str(songs[0].pk), "none", ""):
        assert plugin.get("/api/similar_tracks", params={"item_id": given}).status_code >= 400
    assert plugin.get("/api/v1/songs/", headers={"Authorization": "Bearer x"}).status_code < 500
    assert plugin.get("/account").status_code == 404
    wrong = plugin.get("/api/track", headers={"Authorization": "Bearer x"})
    assert (wrong.status_code, "error" in wrong.json()) == (401, True)
    assert plugin.post("/api/alchemy", content=b"{nonsense").status_code == 400
    assert plugin.post("/api/alchemy", content=b" " * 2_000_000).status_code == 413


def test_new_songs_are_read_when_they_are_named(
    plugin: httpx.Client,
    bridge: bridging.Bridge,
    theirs: list[dict[str, Any]],
    songs: list[Song],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs.append(as_navidrome_has_it(songs[-1]))
    query = {"item_id": f"nav{songs[-1].pk}", "n": "3"}
    assert plugin.get("/api/similar_tracks", params=query).status_code == 404  # it was just read
    monkeypatch.setattr(bridging, "_AGAIN_SECONDS", 0.0)
    assert len(plugin.get("/api/similar_tracks", params=query).json()) == 3


def test_servers_that_refuse_are_told(live_server: LiveServer, navidrome: str, token: str) -> None:
    for address, user, ours, error in (
        (navidrome, "eve", live_server.url, ValueError),
        ("http://127.0.0.1:9", "ada", live_server.url, httpx.HTTPError),
        (navidrome, "ada", "http://127.0.0.1:9", httpx.HTTPError),
    ):
        made = bridging.Bridge(Subsonic(address, user, "secret"), ours, token)
        with pytest.raises(error):
            made.read()
        made.close()


def test_songs_that_are_not_sure_are_left_out() -> None:
    one = {"id": "1", "title": "A", "artist": "B", "album": "X", "duration_seconds": 100.0}
    ours = [{**one, "musicbrainz_recording_id": ""}, {**one, "id": "2", "album": "Y"}]
    ours[1]["musicbrainz_recording_id"] = "mbid"
    for given, found in (
        ({}, {}),
        ({"album": "y"}, {"n": "2"}),
        ({"recording": "mbid"}, {"n": "2"}),
        ({"album": "y", "seconds": 300.0}, {}),
        ({"album": "y", "seconds": None}, {"n": "2"}),
    ):
        song = TheirSong(**{"id": "n", "title": "a", "artist": "b", "seconds": 102.0, **given})
        assert matched([song], ours).songs == found, given


def read_by(source: Any, answer: Any) -> list[TheirSong]:
    """Return the songs that a source reads of a server with answers of its own."""
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return list(source.songs(client))


def test_pages_end_whatever_a_server_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAGE", 2)
    rows = [{"id": 1}, {"id": 2, "title": None}, {"title": "Without an id"}, {"id": 3}, {"id": 4}]

    def asked(pages: Callable[[int], list[dict[str, Any]]]) -> list[str]:
        def answer(request: httpx.Request) -> httpx.Response:
            page = pages(int(request.url.params["songOffset"]))
            told = {"status": "ok", "searchResult3": {"song": page}}
            return httpx.Response(200, json={"subsonic-response": told})

        return [song.id for song in read_by(Subsonic("http://nav.test", "ada", "word"), answer)]

    assert asked(lambda start: rows[start : start + 2]) == ["1", "2", "3", "4"]
    assert asked(lambda start: rows[start : start + 1]) == ["1", "2"], "no song of a page is new"
    assert asked(lambda _start: rows[:2]) == ["1", "2"], "the offset is ignored"
    assert asked(lambda _start: []) == []


@pytest.mark.parametrize("answer", [{}, {"subsonic-response": None}, [], {"subsonic-response": {}}])
def test_another_server_is_told(answer: object, token: str) -> None:
    made = bridging.Bridge(Subsonic("http://nav.test", "ada", "word"), "http://aff.test", token)
    made._client = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    )
    with pytest.raises(ValueError, match="not one of such a server"):
        made.read()
    made.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(401), "nav.test answers with status 401"),
        (httpx.ConnectError("http://nav.test/?t=key"), "nav.test does not answer (ConnectError)"),
    ],
    ids=["refused", "away"],
)
def test_a_failed_start_tells_no_keys(
    answer: httpx.Response | httpx.ConnectError,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.host != "nav.test":
            return httpx.Response(200, json={"tracks": [], "next_page": None})
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.Client(transport=httpx.MockTransport(answered))
    monkeypatch.setattr(bridging.httpx, "Client", lambda **_: client)
    monkeypatch.setenv("BRIDGE_SECRET", "word")
    monkeypatch.setattr("sys.argv", ["bridge", "subsonic", "http://nav.test", "--user", "ada"])
    with pytest.raises(SystemExit):
        starting.main()
    told = capsys.readouterr().err
    assert words in told
    assert not re.search("[?&](t|s|u)=|ada|word|key", told)


def test_jellyfin_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAGE", 2)
    whole = {
        "Id": "0f3b2a60-9c1d-4e5f-8a7b-6c5d4e3f2a1b",
        "Name": "Élan",
        "Album": "First",
        "RunTimeTicks": 1_815_000_000,
        "ArtistItems": [{"Name": "Ada", "Id": "a" * 32}, {"Name": "Guest", "Id": "b" * 32}],
        "ProviderIds": {"MusicBrainzRecording": "mbid"},
    }
    rows = [whole, {"Id": "c" * 32, "Name": "Bare"}, {"Id": "d" * 32, "ArtistItems": []}]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == 'MediaBrowser Token="key"'
        assert request.url.params["IncludeItemTypes"] == "Audio"
        start, count = (int(request.url.params[name]) for name in ("StartIndex", "Limit"))
        return httpx.Response(200, json={"Items": rows[start : start + count]})

    first, *others = read_by(Jellyfin("http://jellyfin.test", "", "key"), answer)
    assert first == TheirSong(
        "0f3b2a609c1d4e5f8a7b6c5d4e3f2a1b", "Élan", "Ada", "a" * 32, "First", 181.5, "mbid"
    )
    assert [song.id for song in others] == ["c" * 32, "d" * 32]


def test_lyrion_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAGE", 2)
    whole = {"id": 7, "title": "Élan", "artist": "Ada", "artist_id": "3", "duration": "181.5"}
    rows = [whole, {"id": "8", "title": "Bare"}]

    def answer(request: httpx.Request) -> httpx.Response:
        _, words = json.loads(request.content)["params"]
        assert words[0] == "titles"
        page = rows[words[1] : words[1] + words[2]]
        return httpx.Response(200, json={"result": {"titles_loop": page} if page else {"count": 2}})

    first, other = read_by(Lyrion("http://lyrion.test", "", ""), answer)
    assert first == TheirSong("7", "Élan", "Ada", "3", "", 181.5)
    assert (other.id, other.seconds) == ("8", None)
