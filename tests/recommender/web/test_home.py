from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.http import QueryDict
from django.utils import timezone

from catalog.models import Artist, Song
from recommender.models import ArtistBan, Listen
from recommender.web import charts, presentation
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db
PANEL = "/playlist/panel"


def text(response) -> str:
    return html.unescape(response.content.decode())


def entry_ids(response) -> list[int]:
    return [int(pk) for pk in re.findall(r'data-play data-song-id="(\d+)"', text(response))]


def listen(user: User, song: Song, days_ago: float = 0.0) -> None:
    Listen.objects.create(
        user=user, song=song, listened_at=timezone.now() - timedelta(days=days_ago)
    )


class TestHome:
    def test_few_queries_however_many_songs(
        self,
        client: Client,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for _ in range(20):
            SongEmotionFactory()
        with django_assert_max_num_queries(4):
            page = text(client.get("/"))
        assert "Log in" in page
        for name in ("happy", "energetic", "calm", "romantic", "sad", "melancholy"):
            assert f'name="mood" value="{name}"' in page

    def test_the_newest_songs(self, client: Client, songs: list[Song]) -> None:
        SongFactory(title="Not analysed")
        shown = entry_ids(client.get("/"))
        assert shown == sorted((song.pk for song in songs), reverse=True)

    def test_empty_library_says_what_to_do(self, client: Client, staff: User) -> None:
        page = text(client.get("/"))
        assert "There is no music yet" in page
        assert "Add music" not in page
        assert "New in the library" not in page
        client.force_login(staff)
        assert ">Add music</a>" in text(client.get("/"))

    def test_rows_only_with_content(self, client: Client, user: User, songs: list[Song]) -> None:
        client.force_login(user)
        page = text(client.get("/"))
        for heading in ("Continue", "Stations"):
            assert f">{heading}</h2>" not in page
        assert "the moods of your days appear here" in page
        listen(user, songs[0])
        client.post(
            "/playlists/save", {"name": "Evenings", "query": "mood=calm&seed=1&min_match=0"}
        )
        client.post("/stations/save", {"name": "Mornings", "query": "mood=happy&min_match=0"})
        page = text(client.get("/"))
        for heading in ("Continue", "Your moods lately", "Stations"):
            assert f">{heading}</h2>" in page
        assert "the moods of your days appear here" not in page
        assert re.search(r"1 song in two weeks, 100% of them", page)
        assert "Evenings" in page
        assert "Mornings" in page
        assert 'name="history"' in page
        assert f'Go on listening<span class="faint small"><bdi>{songs[0].title}</bdi>' in page
        assert "With an account" not in page

    def test_a_stranger_reads_what_an_account_gives(
        self, client: Client, songs: list[Song], settings: SettingsWrapper
    ) -> None:
        card = text(client.get("/")).partition("With an account")[2].partition("</section>")[0]
        assert "/signup" in card
        assert "/login" in card
        settings.AFFETTI_SIGNUP = False
        card = text(client.get("/")).partition("With an account")[2].partition("</section>")[0]
        assert "/signup" not in card
        assert "/login" in card

    def test_nobody_sees_the_rows_of_others(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        listen(user, songs[0])
        assert ">Continue</h2>" not in text(client.get("/"))

    def test_words_of_listeners_only(self, client: Client, songs: list[Song]) -> None:
        words = re.sub(r"<[^>]+>", " ", text(client.get("/"))).casefold()
        for word in ("valence", "arousal", "quadrant", "embedding", "analysed", "ingest"):
            assert word not in words


class TestPanel:
    def test_the_same_rows_as_the_page(self, client: Client, songs: list[Song]) -> None:
        query = "mood=calm&seed=7&min_match=0"
        panel, page = client.get(f"{PANEL}?{query}"), client.get(f"/playlist?{query}")
        assert entry_ids(panel) == entry_ids(page) != []
        assert "<html" not in text(panel)
        # The page's rows can be moved and removed, too.
        names = [re.findall(r'class="(?:title|meta)".*?</div>', text(one)) for one in (panel, page)]
        assert names[0] == names[1] != []

    def test_it_says_how_to_open_the_same_list(self, client: Client, songs: list[Song]) -> None:
        panel = client.get(f"{PANEL}?valence=0.7&arousal=0.3&min_match=0")
        address = re.search(r'href="(/playlist\?[^"]*seed=\d+)"', text(panel))
        assert address
        assert entry_ids(client.get(address[1])) == entry_ids(panel)

    def test_a_point_and_a_journey_have_names_in_words(
        self, client: Client, songs: list[Song]
    ) -> None:
        panel = text(client.get(f"{PANEL}?valence=0.75&arousal=0.15&min_match=0"))
        assert ">Near peaceful</h2>" in panel
        panel = text(client.get(f"{PANEL}?journey=0.28/0.78&journey=0.7/0.2&min_match=0"))
        assert ">From tense to calm</h2>" in panel

    def test_it_can_be_saved_by_those_who_are_logged_in(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        query = f"{PANEL}?mood=calm&min_match=0"
        assert "/login?next=/playlist" in text(client.get(query))
        client.force_login(user)
        panel = client.get(query)
        kept = re.search(r'name="query" value="([^"]+)"', text(panel))
        assert kept
        response = client.post("/playlists/save", {"name": "Mine", "query": kept[1]}, follow=True)
        assert entry_ids(response) == entry_ids(panel)

    @pytest.mark.parametrize(
        ("words", "without"),
        [
            ("calm", [""]),
            ("calm, not angry", ["not angry", "calm"]),
            (
                "calm but not sad, from the 90s",
                ["but not sad, from the 90s", "calm, from the 90s", "calm but not sad"],
            ),
            ("calm without sad songs", ["without sad songs", "calm songs"]),
        ],
    )
    def test_words_can_be_taken_away(
        self, client: Client, songs: list[Song], words: str, without: list[str]
    ) -> None:
        panel = text(client.get(PANEL, {"text": words, "min_match": "0", "seed": "1"}))
        chips = re.findall(r'<li class="chip.*?</li>', panel, re.DOTALL)
        left = []
        for chip in chips:
            address = re.search(r'chip-remove[^>]*href="/playlist\?([^"]*)"', chip)
            query = QueryDict(address[1] if address else "")
            assert "seed" not in query
            left.append(query.get("text", ""))
        assert left == without

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "valence=2&arousal=0.5",
            "valence=nan&arousal=0.5",
            "journey=0.1/9",
            "mood=" + "x" * 300,
            "seed=-1&mood=calm",
            "seed=x&mood=calm",
            "text=%00",
            "like=0",
        ],
    )
    def test_hostile_queries_are_refused(
        self, client: Client, songs: list[Song], query: str
    ) -> None:
        response = client.get(f"{PANEL}?{query}")
        assert response.status_code == 400, text(response)
        assert 'class="lead' in text(response)  # what the script shows

    def test_queries_do_not_grow_with_the_list(
        self,
        client: Client,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        client.get(f"{PANEL}?mood=calm&min_match=0")
        with django_assert_max_num_queries(12):
            client.get(f"{PANEL}?mood=calm&min_match=0&count=3")
        for _ in range(30):
            SongEmotionFactory()
        with django_assert_max_num_queries(12):
            client.get(f"{PANEL}?mood=calm&min_match=0&count=40")


class TestChosen:
    def test_exactly_these_in_their_order(self, client: Client, songs: list[Song]) -> None:
        wanted = [songs[4].pk, songs[1].pk, songs[9].pk]
        response = client.get(
            f"/songs/chosen?ids={','.join(map(str, [*wanted, wanted[0], 999_999]))}"
        )
        assert entry_ids(response) == wanted
        assert "Chosen on the map" in text(response)

    def test_one_song_with_songs_like_it(self, client: Client, songs: list[Song]) -> None:
        response = client.get(f"/songs/chosen?ids={songs[4].pk}")
        shown = entry_ids(response)
        assert shown[0] == songs[4].pk
        assert len(shown) == len(set(shown)) > 1
        assert f"{songs[4].title} and songs like it" in text(response)

    def test_banned_songs_are_left_out(self, client: Client, user: User, songs: list[Song]) -> None:
        client.force_login(user)
        client.post(f"/songs/{songs[1].pk}/ban")
        response = client.get(f"/songs/chosen?ids={songs[0].pk},{songs[1].pk}")
        assert entry_ids(response) == [songs[0].pk]
        assert ArtistBan.objects.count() == 0

    @pytest.mark.parametrize(
        "ids", ["", "x", "1,,2", "-1", "1.5", "²", "9" * 25, ",".join(map(str, range(1, 102)))]
    )
    def test_hostile_ids(self, client: Client, songs: list[Song], ids: str) -> None:
        response = client.get("/songs/chosen", {"ids": ids})
        assert response.status_code == 400
        assert "ids must be 1 to 100" in text(response)

    def test_songs_that_are_gone(self, client: Client, songs: list[Song]) -> None:
        response = client.get("/songs/chosen?ids=999999")
        assert response.status_code == 200
        assert entry_ids(response) == []

    def test_few_queries(
        self,
        client: Client,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        ids = ",".join(str(song.pk) for song in songs)
        with django_assert_max_num_queries(3):
            assert len(entry_ids(client.get(f"/songs/chosen?ids={ids}"))) == 12


class TestSuggestions:
    def test_moods_songs_and_artists(self, client: Client) -> None:
        library = LibraryFactory()
        SongFactory(library=library, title="A hymn of calm", artist="B")
        first = SongFactory(library=library, title="Calm sea", artist="A")
        artist = Artist.objects.create(name="Calmwater", key="calmwater")
        page = text(client.get("/suggestions?q=cal"))
        assert re.findall(r'data-words="([^"]+)"', page) == [
            *("calm", "Calm sea", "A hymn of calm", "Calmwater"),
        ]
        assert f'data-panel-url="/songs/chosen?ids={first.pk}"' in page
        assert f'data-page-url="/songs?artist_id={artist.pk}"' in page

    def test_a_journey_between_moods_in_another_language_has_english_names_in_its_address(
        self, client: Client, songs: list[Song]
    ) -> None:
        german = {"accept-language": "de"}
        made = client.get("/playlist?journey=angespannt&journey=Ruhig&minutes=", headers=german)
        assert "?journey=tense&journey=calm&seed=" in made["Location"].replace("&minutes", "")

    def test_moods_are_found_in_the_language_of_the_page(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        german = {"calm": "ruhig"}
        monkeypatch.setattr(presentation, "shown", lambda word: german.get(word, word))
        page = text(client.get("/suggestions?q=ruh"))
        assert 'data-panel-url="/playlist/panel?mood=calm"' in page

    @pytest.mark.parametrize("q", ["", "  ", "zzzz", "%", "\x00", "'", "x" * 5_000, "🎵"])
    def test_nothing_found(self, client: Client, songs: list[Song], q: str) -> None:
        response = client.get("/suggestions", {"q": q})
        assert response.status_code == 200
        assert "data-words" not in text(response)

    def test_few_queries(
        self,
        client: Client,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        with django_assert_max_num_queries(2):
            client.get("/suggestions?q=artist")

    def test_songs_that_are_gone_are_not_offered(self, client: Client) -> None:
        SongFactory(title="Vanished", is_available=False)
        assert "Vanished" not in text(client.get("/suggestions?q=vanis"))


def test_every_label_of_the_map_is_a_mood_once() -> None:
    labels = presentation.mood_labels()
    assert [label.is_big for label in labels[:8]] == [True] * 8
    names = [label.name for label in labels]
    assert len(set(names)) == len(names)
    assert {"happy", "calm", "scary"} <= set(names)
    assert "joy" not in names


def test_the_chart_of_days() -> None:
    today = timezone.localdate()
    chart = charts.days_chart(
        [(today, 0.9, 0.9), (today, 0.9, 0.8), (today - timedelta(3), 0.9, 0.1)]
    )
    assert chart is not None
    assert chart.shares == (("Q1", pytest.approx(2 / 3)), ("Q4", pytest.approx(1 / 3)))
    assert chart.count == 3
    assert len(chart.days) == 14
    assert chart.days[-1].parts == (("Q1", 0, 2),)
    assert (chart.days[-1].height, chart.days[-1].most) == (100.0, "Q1")
    assert chart.days[-4].parts == (("Q4", 0, 1),)
    assert chart.days[-4].height == 50.0
    assert (chart.days[0].parts, chart.days[0].most) == ((), "")
    assert charts.days_chart([]) is None
