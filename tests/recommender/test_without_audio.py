"""Songs without audio, which a table names: everywhere that songs are found, played or exported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from catalog.ingest.tablesongs import table_library, table_take
from catalog.models import Library, Song
from recommender.accounts import app_password_create
from recommender.feedback import song_like
from recommender.index import index_build
from recommender.playlists import (
    PlaylistRequest,
    playlist_generate,
    playlist_save,
    songs_between,
    songs_similar,
)
from recommender.selectors import songs_by_id
from tests.factories import (
    LibraryFactory,
    SongEmotionFactory,
    SongFactory,
    UserFactory,
    token_secret,
)
from tests.recommender.audiomuse.conftest import Plugin
from tests.recommender.subsonic.conftest import Player

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from rest_framework.test import APIClient

    from recommender.models import Playlist

pytestmark = pytest.mark.django_db
LIBRARIES = "/manage/libraries"


@pytest.fixture
def files(db: None) -> list[Song]:
    """Six songs that can be played, of one album."""
    library = LibraryFactory()
    songs = [SongFactory(library=library, title=f"File {n}", artist=f"F{n}") for n in range(6)]
    return [SongEmotionFactory(song=one, valence=0.8, arousal=0.8).song for one in songs]


@pytest.fixture
def silent(files: list[Song]) -> list[Song]:
    """Six songs of a table, in the same place."""
    rows = [
        {"id": n, "title": f"Silent {n}", "artist": f"S{n}", "album": "Table", "genres": "Folk"}
        for n in range(6)
    ]
    text = "\n".join(map(json.dumps, rows))
    table_take(library=table_library(name="Research"), text=text, kind="jsonl")
    songs = list(Song.objects.filter(title__startswith="Silent").order_by("pk"))
    Song.objects.filter(pk__in=[song.pk for song in songs]).update(status="analysed")
    for song in songs:
        SongEmotionFactory(song=song, valence=0.8, arousal=0.8)
    index_build()
    return songs


def ids(songs: list[Song]) -> set[int]:
    return {song.pk for song in songs}


def listed(**fields: Any) -> set[int]:
    request = PlaylistRequest(moods=[("joy", 1.0)], count=12, seed=1, min_match=0, **fields)
    return {entry.song_id for entry in playlist_generate(request=request).entries}


def test_lists_hold_playable_songs_unless_the_others_are_asked_for(
    files: list[Song], silent: list[Song]
) -> None:
    assert listed() == ids(files)
    assert listed(include_unplayable=True) == ids(files) | ids(silent)
    library = silent[0].library_id
    assert listed(include_unplayable=True, library_ids=(library,)) == ids(silent)
    assert listed(library_ids=(files[0].library_id,)) == ids(files)


def test_a_list_of_a_table_alone_is_refused_with_the_reason(
    api: APIClient, silent: list[Song]
) -> None:
    body = {"moods": ["joy"], "library_ids": [silent[0].library_id], "relax": False}
    answer = api.post("/api/v1/playlists/", body, format="json")
    assert answer.status_code == 409, answer.json()
    assert "songs with audio" in answer.json()["message"]
    body["include_unplayable"] = True
    assert api.post("/api/v1/playlists/", body, format="json").status_code == 200


def test_no_message_names_the_rule_where_every_song_has_audio(
    api: APIClient, files: list[Song]
) -> None:
    index_build()
    body = {"moods": ["joy"], "genre": "polka", "relax": False}
    answer = api.post("/api/v1/playlists/", body, format="json")
    assert "genre" in answer.json()["message"]
    assert "songs with audio" not in answer.json()["message"]


def test_the_api_says_which_songs_have_no_audio(
    api: APIClient, silent: list[Song], files: list[Song]
) -> None:
    found = {row["title"]: row for row in api.get("/api/v1/songs/?page_size=50").json()["results"]}
    assert len(found) == 12
    row = found["Silent 0"]
    assert (row["has_audio"], row["audio_url"]) == (False, None)
    assert found["File 0"]["has_audio"]
    assert found["File 0"]["audio_url"].startswith("http")
    detail = api.get(f"/api/v1/songs/{silent[0].pk}/").json()
    assert (detail["has_audio"], detail["genres"]) == (False, ["Folk"])
    assert api.get("/api/v1/songs/?q=silent+3").json()["results"][0]["title"] == "Silent 3"
    similar = api.get(f"/api/v1/songs/{silent[0].pk}/similar/?count=20").json()
    assert {row["song"]["has_audio"] for row in similar} == {True, False}
    places = api.get("/api/v1/songs/map/").content
    assert int.from_bytes(places[8:12], "little") == 12


def test_its_sound_and_waveform_are_not_found(
    client: Client, user: User, silent: list[Song]
) -> None:
    client.force_login(user)
    for address in ("/songs/{pk}/audio", "/songs/{pk}/audio?as=mp3"):
        assert client.get(address.format(pk=silent[0].pk)).status_code == 404
    answer = client.get(f"/api/v1/songs/{silent[0].pk}/waveform/")
    assert answer.status_code == 404
    assert "has no audio" in answer.json()["message"]


def test_its_cover_is_drawn(client: Client, user: User, silent: list[Song]) -> None:
    client.force_login(user)
    answer = client.get(f"/songs/{silent[0].pk}/cover")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")


def test_its_page_has_no_player_and_no_waveform_and_says_why(
    client: Client, user: User, silent: list[Song], files: list[Song]
) -> None:
    client.force_login(user)
    page = client.get(f"/songs/{silent[0].pk}").content.decode()
    assert "This song has no audio here" in page
    assert 'class="waveform"' not in page
    assert f'data-play data-song-id="{silent[0].pk}"' not in page
    assert f'data-play data-song-id="{files[0].pk}"' in page, "similar songs can be played"
    page = client.get(f"/songs/{files[0].pk}").content.decode()
    assert 'class="waveform"' in page
    assert "This song has no audio here" not in page


def test_lists_of_songs_mark_it_and_queue_it_not(
    client: Client, user: User, silent: list[Song]
) -> None:
    client.force_login(user)
    page = client.get("/songs?q=silent").content.decode()
    assert page.count("No audio") == 6
    assert "data-play " not in page
    assert "data-add-to-queue" not in page


def kept(user: User) -> Playlist:
    request = PlaylistRequest(
        moods=[("joy", 1.0)], count=12, seed=1, min_match=0, include_unplayable=True
    )
    return playlist_save(generated=playlist_generate(request=request), user=user, name="Both")


def test_exports_have_it_without_an_address(
    client: Client, user: User, silent: list[Song], files: list[Song]
) -> None:
    client.force_login(user)
    playlist = kept(user)
    m3u8 = client.get(f"/api/v1/playlists/{playlist.pk}/export.m3u8").content.decode()
    assert m3u8.count("#EXTINF") == m3u8.count("http://") == len(files)
    assert "# S0 - Silent 0: no audio" in m3u8
    jspf = client.get(f"/api/v1/playlists/{playlist.pk}/export.jspf").json()["playlist"]["track"]
    assert len(jspf) == 12
    assert {track["title"] for track in jspf if "location" not in track} == {
        song.title for song in silent
    }
    xspf = client.get(f"/api/v1/playlists/{playlist.pk}/export.xspf").content.decode()
    assert (xspf.count("<track>"), xspf.count("<location>")) == (12, 6)


def test_the_command_writes_it_as_a_comment(
    silent: list[Song], files: list[Song], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command(
        "playlist",
        mood=["joy"],
        count="12",
        min_match="0",
        include_unplayable="true",
        format="m3u8",
    )
    out, err = capsys.readouterr()
    assert "Silent 0: no audio" in out
    assert "Silent" not in err


def test_players_of_subsonic_never_see_it(
    user: User, silent: list[Song], files: list[Song]
) -> None:
    player = Player(user.username, app_password_create(user=user, name="Phone")[1])
    playlist = kept(user)
    answers = [
        player.ok("search3", query="", songCount=50),
        player.ok("search3", query="silent", songCount=50),
        player.ok("getAlbumList2", type="alphabeticalByName", size=50),
        player.ok("getRandomSongs", size=50),
        player.ok("getGenres"),
        player.ok("getArtists"),
        player.ok("getSimilarSongs2", id=files[0].pk, count=50),
        player.ok("getSongsByGenre", genre="Folk", count=50),
        player.ok("getPlaylist", id=f"pl-{playlist.pk}"),
    ]
    for answer in answers:
        text = json.dumps(answer)
        assert "Silent" not in text
        assert "Folk" not in text
    assert "File 0" in json.dumps(answers[0])
    for name in ("getSong", "stream", "download"):
        assert player.code(name, id=silent[0].pk) == 70


def test_the_way_between_two_songs_has_playable_ones(silent: list[Song], files: list[Song]) -> None:
    between = songs_between(start_id=files[0].pk, end_id=files[1].pk, count=8)
    assert {one.song_id for one in between} <= ids(files)
    assert ids(silent) & {one.song_id for one in songs_similar(song_id=files[0].pk, k=20)}
    playable = songs_similar(song_id=files[0].pk, k=20, is_playable=True)
    assert {one.song_id for one in playable} == ids(files[1:])


def test_lists_of_it_cost_no_query_a_song(
    silent: list[Song], django_assert_num_queries: Callable[..., Any]
) -> None:
    with django_assert_num_queries(1):
        songs = songs_by_id(ids(silent))
        assert not any(song.has_audio for song in songs.values())


@pytest.fixture
def staff_client() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def sent(client: Client, text: str, file_name: str = "songs.csv", **fields: str) -> str:
    file = SimpleUploadedFile(file_name, text.encode())
    answer = client.post(f"{LIBRARIES}/table", {"file": file, **fields})
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_page_makes_a_library_and_says_what_came_of_each_row(staff_client: Client) -> None:
    page = sent(staff_client, "id,title,year\n1,One,1999\n2,Two,soon\n3,Three,\n")
    assert "New songs: 2" in page
    assert "soon: is no year" in page
    library = Library.objects.get()
    assert (library.name, library.kind) == ("songs", "table")
    assert "A table of songs without audio" in page
    assert f"{LIBRARIES}/{library.pk}/scan" not in page
    assert f"{LIBRARIES}/{library.pk}/catalogue" not in page
    page = sent(staff_client, "id,title\n1,One", "other.csv")
    assert Library.objects.count() == 2
    page = sent(staff_client, "id,title\n9,Nine", name="songs")
    assert "Songs without a row that stay: 2" in page
    page = sent(staff_client, "id,title\n9,Nine", name="songs", accept_empty="true")
    assert "no longer in the table: 2" in page


def test_the_page_refuses_what_is_no_table(staff_client: Client) -> None:
    assert "Choose a file that ends with .csv or .jsonl." in sent(staff_client, "x", "x.txt")
    assert "names no column title" in sent(staff_client, "a,b\n1,2")
    assert staff_client.post(f"{LIBRARIES}/table").status_code == 200
    assert not Song.objects.exists()


def test_a_table_is_renamed_and_neither_watched_nor_scanned(staff_client: Client) -> None:
    library = table_library(name="Research")
    url = f"{LIBRARIES}/{library.pk}"
    prefix = f"library-{library.pk}"
    staff_client.post(f"{url}/change", {f"{prefix}-name": "Renamed", f"{prefix}-watch": "events"})
    library.refresh_from_db()
    assert (library.name, library.watch) == ("Renamed", "off")
    answer = staff_client.post(f"{url}/scan", follow=True)
    assert "is a table without a folder" in answer.content.decode()
    api = f"/api/v1/libraries/{library.pk}/"
    changes = [{"watch": "events"}, {"rescan_hours": 3}]
    for body in changes:
        answer = staff_client.patch(api, body, content_type="application/json")
        assert answer.status_code == 400, answer.content
    assert staff_client.post(f"{api}rescan/").status_code == 400
    row = staff_client.get(api).json()
    assert (row["kind"], row["has_audio"], row["root"]) == ("table", False, "")


def test_the_api_takes_a_table_whole_or_in_parts(staff_client: Client) -> None:
    def post(**body: Any) -> Any:
        url = "/api/v1/libraries/table/"
        return staff_client.post(url, {"name": "T", "kind": "csv", **body}, "application/json")

    first = post(text="id,title\n1,One\n2,Two\n3,Three").json()
    assert (first["added"], first["missing"], first["problems"]) == (3, 0, [])
    assert first["library_id"] == Library.objects.get().pk
    part = post(text="id,title\n4,Four", is_whole=False).json()
    assert (part["added"], part["missing"], part["kept"]) == (1, 0, 0)
    whole = post(text="id,title\n1,One\n2,Two\n4,Four").json()
    assert (whole["unchanged"], whole["missing"]) == (3, 1)
    for body in ({"text": "a\nb"}, {"text": "title\nx", "kind": "xml"}, {"text": 5}, {}):
        assert post(**body).status_code == 400
    assert post(text="title\nx", name=" ").status_code == 400
    assert Client().post("/api/v1/libraries/table/").status_code in {401, 403}


def test_likes_without_audio_offer_nothing_to_play(
    client: Client, user: User, silent: list[Song], files: list[Song]
) -> None:
    client.force_login(user)
    song_like(user=user, song_id=silent[0].pk)
    page = client.get(reverse("own-feedback")).content.decode()
    assert "Silent 0" in page
    assert "data-play-all" not in page
    song_like(user=user, song_id=files[0].pk)
    assert 'data-play-all="liked"' in client.get(reverse("own-feedback")).content.decode()


def test_plugins_of_audiomuse_never_see_it(
    user: User, silent: list[Song], files: list[Song]
) -> None:
    plugin = Plugin(token_secret(user, "read", "listen", "playlists"))
    answers = [
        plugin.read("/api/search_tracks", search_query="silent"),
        plugin.read("/api/sync"),
        plugin.read("/api/similar_tracks", item_id=str(files[0].pk), n=50),
    ]
    for answer in answers:
        assert "Silent" not in json.dumps(answer)
    assert "File 1" in json.dumps(answers)
    assert plugin.get("/api/track", item_id=str(silent[0].pk)).status_code == 404


def test_what_plays_a_page_is_offered_only_where_a_song_can_be_played(
    client: Client, user: User, silent: list[Song], files: list[Song]
) -> None:
    client.force_login(user)
    table = (silent[0].library_id,)
    request = PlaylistRequest(
        moods=[("joy", 1.0)], seed=1, min_match=0, include_unplayable=True, library_ids=table
    )
    saved = playlist_save(generated=playlist_generate(request=request), user=user, name="S")
    for address in ("/songs?q=silent", f"/playlists/{saved.pk}"):
        shown = client.get(address).content.decode()
        assert "Silent 0" in shown
        assert "data-play-all" not in shown
    assert "data-play-all" in client.get("/songs?q=file").content.decode()
    panel = client.get("/songs/chosen?ids=" + ",".join(str(song.pk) for song in silent))
    assert "data-play-all" not in panel.content.decode()
