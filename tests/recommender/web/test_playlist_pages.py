"""Pages of lists: changed by hand, filtered, shared, refused."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils.html import escape

from catalog.models import Song
from recommender.models import Playlist
from recommender.playlists import playlist_rename, playlist_share, playlist_unshare
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

FOUR = "mood=calm&seed=1&count=4&min_match=0"


def text(response) -> str:
    return response.content.decode()


def ids(response) -> list[int]:
    return [int(pk) for pk in re.findall(r'data-row="(\d+)"', text(response))]


@pytest.fixture
def kept(client: Client, user: User, songs: list[Song]) -> Playlist:
    client.force_login(user)
    client.post("/playlists/save", {"query": FOUR, "name": "Evening"})
    return Playlist.objects.get()


def test_a_new_name_leaves_what_changed_meanwhile(kept: Playlist) -> None:
    playlist_share(playlist=kept)
    stale = Playlist.objects.get()
    playlist_unshare(playlist=kept)
    Playlist.objects.update(version=7)
    playlist_rename(playlist=stale, name="Night")
    now = Playlist.objects.get()
    assert (now.name, now.share_token, now.version) == ("Night", None, 7)


class TestNewList:
    def edit(self, client: Client, query: str, word: str) -> str:
        response = client.post("/playlist/edit", {"query": query, "edit": word})
        assert response.status_code == 302
        address = urlsplit(response["Location"])
        assert address.path == "/playlist"
        return address.query

    def test_changes_are_in_the_address(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        made = ids(client.get(f"/playlist?{FOUR}"))
        new = next(song.pk for song in songs if song.pk not in made)
        assert ">Undo<" not in text(client.get(f"/playlist?{FOUR}"))
        query = self.edit(client, FOUR, f"move.{made[3]}.0")
        query = self.edit(client, query, f"remove.{made[1]}")
        query = self.edit(client, query, f"add.{new}")
        changed = [made[3], made[0], made[2], new]
        page = client.get(f"/playlist?{query}")
        assert ids(page) == changed
        assert "You added this song." in text(page)
        assert ">Undo<" in text(page)
        xspf = text(client.get(f"/playlist.xspf?{query}"))
        assert [int(pk) for pk in re.findall(r"/songs/(\d+)/audio", xspf)] == changed

        client.force_login(user)
        saved = client.post("/playlists/save", {"query": query, "name": "X"})
        assert ids(client.get(saved["Location"])) == changed

        undone = self.edit(client, query, "undo")
        assert ids(client.get(f"/playlist?{undone}")) == changed[:3]
        again = re.search(r'href="/playlist\?([^"]*)">Different songs', text(page))
        assert again
        assert "edit" not in parse_qs(again[1].replace("&amp;", "&"))

    def test_a_wrong_change_is_explained(self, client: Client, songs: list[Song]) -> None:
        for query in (f"{FOUR}&edit=shuffle.1", f"{FOUR}&edit=move.x"):
            response = client.get(f"/playlist?{query}")
            assert response.status_code == 400
            assert "edit must be like" in text(response)
        for data in ({}, {"query": FOUR}, {"query": FOUR, "edit": "x"}):
            assert client.post("/playlist/edit", data).status_code == 400

    def test_songs_to_add_are_found(self, client: Client, songs: list[Song]) -> None:
        found = text(client.get("/playlist/songs?find=Title 1"))
        assert f'value="add.{songs[1].pk}"' in found
        assert "No song has these words" in text(client.get("/playlist/songs?find=zebra"))
        assert not text(client.get("/playlist/songs")).strip()

    def test_words_that_mean_themselves_are_said_once(
        self, client: Client, songs: list[Song]
    ) -> None:
        page = text(client.get("/playlist?text=calm+or+party&seed=1&min_match=0"))
        understood = re.findall(r'<li class="chip"><span><bdi>([^<]*)</bdi>([^<]*)<', page)
        assert understood == [("calm", ""), ("party", "")]

    def test_a_key_of_the_address_is_chosen_by_its_name(
        self, client: Client, songs: list[Song]
    ) -> None:
        Song.objects.update(estimated_key=9 + 12, key_confidence=0.9)
        page = text(client.get(f"/playlist?{FOUR}&key=8A&tempo_to="))
        assert len(ids(client.get(f"/playlist?{FOUR}&key=8A"))) == 4
        assert '<option value="A minor" selected>A minor</option>' in page
        assert '<option value="F# minor">F♯ minor</option>' in page
        several = text(client.get(f"/playlist?{FOUR}&key=8A,F%23+minor"))
        assert '<option value="A minor, F# minor" selected>A minor, F♯ minor</option>' in several
        again = f"/playlist?{FOUR}&key=A+minor,+F%23+minor"
        assert len(ids(client.get(again))) == 4

    def test_chips_count_genres_decades_and_lengths(
        self, client: Client, songs: list[Song]
    ) -> None:
        Song.objects.update(genre="", year=None, duration_seconds=100)
        both = [song.pk for song in songs[:2]]
        Song.objects.filter(pk__in=both).update(genre="Rock; Indie", year=1994)
        Song.objects.filter(pk=songs[2].pk).update(genre="Polka", duration_seconds=200)
        page = text(client.get("/playlist?mood=calm&seed=1&min_match=0"))
        chips = re.findall(
            r'data-query="([^"]*)" aria-pressed="false">(?:<bdi>)?([^<\s]+)(?:</bdi>)? '
            r"<span[^>]*>(\d+)<",
            page,
        )
        assert (
            chips
            == [
                ("genre=indie", "Indie", "2"),
                ("genre=rock", "Rock", "2"),
                ("decade=1990", "1990s", "2"),
                ("seconds_to=180", "under", f"{len(songs) - 1}"),
            ][: len(chips)]
        )
        rows = dict(re.findall(r'data-row="(\d+)" data-chips="([^"]*)"', page))
        assert {rows.pop(str(pk)) for pk in both} == {"0 1 2 3"}
        assert rows.pop(str(songs[2].pk)) == "", "what one song alone has is no chip"
        assert set(rows.values()) == {"3"}
        assert client.get("/playlist?mood=calm&seed=1&min_match=0&genre=indie").status_code == 200

    def test_ribbon_and_wash_are_drawn_without_styles(
        self, client: Client, songs: list[Song]
    ) -> None:
        page = text(client.get("/playlist?mood=calm&seed=1&min_match=0"))
        stripes = re.findall(
            r'<rect data-ribbon-song="\d+" x="([\d.]+)" width="([\d.]+)" height="10" '
            r'fill="#[0-9a-f]{6}"',
            page,
        )
        assert len(stripes) == len(songs)
        last, width = map(float, stripes[-1])
        assert last + width == pytest.approx(1000, abs=1)
        assert "style=" not in page
        stops = re.findall(r'<stop offset="([\d.]+)%" stop-color="#([0-9a-f]{6})"', page)
        assert (float(stops[0][0]), float(stops[-1][0])) == (0, 100)
        colours = [[int(one[at : at + 2], 16) for at in (0, 2, 4)] for _, one in stops]
        steps = [
            max(abs(a - b) for a, b in zip(one, other, strict=True))
            for one, other in pairwise(colours)
        ]
        assert max(steps) < 80, "no step is seen"


class TestRefused:
    def test_each_constraint_can_go_with_its_count(self, client: Client, songs: list[Song]) -> None:
        Song.objects.update(year=1994)
        response = client.get("/playlist?mood=calm&seed=1&genre=polka&year_from=2001")
        assert response.status_code == 409
        page = text(response)
        assert re.findall(r'href="/playlist\?([^"]*)">Without ([^<]*)</a>', page) == [
            ("mood=calm&amp;year_from=2001", "genre polka"),
            ("mood=calm&amp;genre=polka", "years 2001"),
        ]
        assert 'value="polka"' in page
        alone = text(client.get("/playlist?mood=calm&seed=1&genre=polka"))
        assert f"{len(songs)} songs" in alone

    def test_the_query_stays(self, client: Client, songs: list[Song]) -> None:
        query = "text=calm&seed=1&count=many&like=3"
        page = text(client.get(f"/playlist?{query}"))
        assert 'name="text" value="calm"' in page
        assert '<input type="hidden" name="like" value="3">' in page
        assert 'href="/playlist?text=calm&amp;like=3">Without “Songs” many</a>' in page


class TestKeptList:
    def test_changed_undone_restored(self, client: Client, kept: Playlist) -> None:
        url = f"/playlists/{kept.pk}"
        first, second, third, fourth = before = ids(client.get(url))
        assert client.post(f"{url}/edit", {"edit": f"move.{fourth}.0"})["Location"] == url
        client.post(f"{url}/edit", {"edit": f"remove.{second}"})
        page = client.get(url)
        assert ids(page) == [fourth, first, third]
        assert "As it was saved" in text(page)
        client.post(f"{url}/edit", {"edit": "undo"})
        assert ids(client.get(url)) == [fourth, first, second, third]
        client.post(f"{url}/edit", {"edit": "redo"})
        assert ids(client.get(url)) == [fourth, first, third]
        client.post(f"{url}/restore", {"version": 1})
        assert ids(client.get(url)) == before
        assert client.post(f"{url}/restore", {"version": 9}).status_code == 404
        assert client.post(f"{url}/restore", {"version": "x"}).status_code == 400
        assert client.post(f"{url}/edit", {"edit": "x"}).status_code == 400

    def test_is_its_owners_alone(self, client: Client, kept: Playlist) -> None:
        client.force_login(UserFactory())
        url = f"/playlists/{kept.pk}"
        for part, data in (("edit", {"edit": "undo"}), ("restore", {"version": 1}), ("share", {})):
            assert client.post(f"{url}/{part}", data).status_code == 404
        kept.refresh_from_db()
        assert kept.share_token is None

    def test_a_version_of_a_station_is_not_changed_by_hand(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        client.force_login(user)
        client.post("/stations/save", {"query": FOUR, "name": "Daily"})
        version = Playlist.objects.get()
        url = f"/playlists/{version.pk}"
        page = client.get(url)
        assert "data-edit-form" not in text(page)
        client.post(f"{url}/edit", {"edit": f"remove.{ids(page)[0]}"})
        assert ids(client.get(url)) == ids(page)

    def test_few_queries_whatever_the_length(
        self,
        client: Client,
        kept: Playlist,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        with django_assert_max_num_queries(10):
            client.get(f"/playlists/{kept.pk}")


class TestShared:
    @pytest.fixture
    def address(self, kept: Playlist) -> str:
        return f"/shared/{playlist_share(playlist=kept)}"

    def test_whoever_has_the_link_sees_names_and_nothing_of_the_owner(
        self, client: Client, user: User, kept: Playlist, address: str
    ) -> None:
        assert f'value="http://testserver{address}"' in text(client.get(f"/playlists/{kept.pk}"))
        reasons = [entry.reason["sentence"] for entry in kept.entries.all()]
        type(user).objects.update(username="hypatia")
        client.logout()
        response = client.get(address)
        assert response.status_code == 200
        assert response["X-Robots-Tag"] == "noindex"
        assert "no-store" in response["Cache-Control"]
        page = text(response)
        assert "Evening" in page
        assert ids(response) == list(kept.entries.values_list("song_id", flat=True))
        for private in ("hypatia", str(kept.pk), "/like", "edit-form", *map(escape, reasons)):
            assert private not in page

    def test_it_plays_only_where_strangers_may_listen(
        self, client: Client, kept: Playlist, address: str, settings: SettingsWrapper
    ) -> None:
        client.logout()
        assert "data-play " in text(client.get(address))
        settings.AFFETTI_PUBLIC = False
        page = text(client.get(address))
        title = kept.entries.first().song.title
        assert escape(title) in page
        assert "data-play " not in page
        assert not re.search(r"/songs/[1-9]", page)
        song_id = kept.entries.first().song_id
        assert client.get(f"/songs/{song_id}/audio").status_code == 302

    def test_export(self, client: Client, kept: Playlist, address: str) -> None:
        client.logout()
        jspf = json.loads(client.get(f"{address}/playlist.jspf").content)["playlist"]
        assert jspf["title"] == "Evening"
        assert len(jspf["track"]) == 4
        assert client.get(f"{address}/playlist.exe").status_code == 404

    def test_an_ended_link_is_gone_for_good(
        self, client: Client, kept: Playlist, address: str
    ) -> None:
        client.post(f"/playlists/{kept.pk}/share", {"stop": "1"})
        assert client.get(address).status_code == 404
        assert client.get(f"{address}/playlist.m3u8").status_code == 404
        client.post(f"/playlists/{kept.pk}/share")
        kept.refresh_from_db()
        assert f"/shared/{kept.share_token}" != address
        assert client.get(address).status_code == 404
        assert client.get("/shared/None").status_code == 404


class TestAllLists:
    def test_cards_and_order(
        self,
        client: Client,
        user: User,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        client.force_login(user)
        for name, count in (("b", 2), ("A", 4), ("c", 1)):
            query = f"mood=calm&seed=1&min_match=0&count={count}"
            client.post("/playlists/save", {"query": query, "name": name})

        def names(query: str) -> list[str]:
            page = text(client.get(f"/playlists{query}"))
            return re.findall(r'<strong dir="auto">([^<]*)</strong>', page)

        assert names("") == ["c", "A", "b"]
        assert names("?sort=name") == ["A", "b", "c"]
        assert names("?sort=length") == ["A", "b", "c"]
        assert names("?sort=other") == ["c", "A", "b"]
        with django_assert_max_num_queries(6):
            page = text(client.get("/playlists"))
        assert page.count("size=small") == 4
        assert page.count("size=large") == 2
        assert '<a class="button primary" href="/">New playlist</a>' in page

    def test_none_yet(self, client: Client, user: User) -> None:
        client.force_login(user)
        assert "press Save" in text(client.get("/playlists"))
