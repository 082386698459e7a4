from __future__ import annotations

import html
import math
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.urls import reverse

from catalog.corrections import emotion_correct
from catalog.models import Song
from mer.affect import GEMS
from mer.errors import CheckpointError
from mer.prediction import UNFAMILIAR_FROM
from recommender.feedback import song_ban
from recommender.models import Listen, Playlist
from recommender.playlists import PlaylistRequest, playlist_by_hand
from recommender.playlists.journeys import SHAPES
from recommender.web.queries import query_request, request_query
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db


def text(response) -> str:
    """Return a page without the random tokens of its forms, in which any letters may stand."""
    return re.sub(r'(csrfmiddlewaretoken" value=")[^"]*', r"\1", response.content.decode())


def entry_ids(response) -> list[int]:
    return [int(pk) for pk in re.findall(r'data-play data-song-id="(\d+)"', text(response))]


class TestEveryPage:
    PATHS = ("/", "/songs", "/playlist?mood=calm&seed=1", "/login", "/signup", "/nothing")

    @pytest.mark.parametrize("path", PATHS)
    def test_nothing_from_elsewhere_and_nothing_inline(
        self, client: Client, songs: list[Song], path: str
    ) -> None:
        response = client.get(path)
        page = text(response)
        policy = response["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        loaded = re.findall(r'<(?:script|link|img|audio|source)[^>]*?(?:src|href)="([^"]*)"', page)
        assert loaded
        assert all(re.match(r"/(static/|texts/|songs/\d+/cover|manifest)", url) for url in loaded)
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"\sstyle=|<style|\son\w+=", page)

    @pytest.mark.parametrize("path", PATHS)
    def test_every_control_has_a_name(self, client: Client, songs: list[Song], path: str) -> None:
        page = text(client.get(path))
        for field in re.findall(r"<(?:input|select|textarea)\b[^>]*>", page):
            if 'type="hidden"' in field or "aria-label=" in field:
                continue
            name = re.search(r'\bid="([^"]+)"', field)
            assert name, field
            assert f'for="{name[1]}"' in page, field
        for button in re.findall(r"<button\b.*?</button>", page, re.DOTALL):
            words = re.sub(r"<svg.*?</svg>|<[^>]+>", "", button, flags=re.DOTALL).strip()
            assert words or "aria-label=" in button, button


class TestSongs:
    def test_search(
        self,
        client: Client,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        with django_assert_max_num_queries(3):
            assert len(entry_ids(client.get("/songs"))) == 12
        alone = SongFactory(title="One alone").pk
        assert entry_ids(client.get("/songs?q=alone one&quadrant=")) == [alone]
        assert entry_ids(client.get("/songs?q=xyz")) == []

    def test_pages_follow_each_other_in_the_order_of_artists(self, client: Client) -> None:
        library = LibraryFactory()
        made = [
            SongFactory(library=library, artist=f"Artist {n % 7}", title="Same") for n in range(120)
        ]
        made.sort(key=lambda song: (song.artist, song.pk))
        address, shown, rows = "/songs", [], []
        while address:
            page = text(response := client.get(address))
            shown += entry_ids(response)
            later = re.search(
                r'class="more-row" data-more="([^"]+)"><a class="button" href="([^"]+)', page
            )
            address = f"/songs{html.unescape(later[2])}" if later else ""
            if later:
                part = client.get(f"/songs{html.unescape(later[1])}")
                assert "<html" not in text(part)
                rows += entry_ids(part)
        assert shown == [song.pk for song in made]
        assert rows == shown[50:]

    def test_columns_sort(self, client: Client) -> None:
        names = [
            ("Cello", "Anna", "Zoo", 9.0),
            ("älter", "bert", "Moor", 5.0),
            ("Bass", "Cid", "", 7.0),
        ]
        made = {
            title: SongFactory(title=title, artist=artist, album=album, duration_seconds=length).pk
            for title, artist, album, length in names
        }
        orders = {
            "artist": ["Cello", "älter", "Bass"],
            "title": ["älter", "Bass", "Cello"],
            "-title": ["Cello", "Bass", "älter"],
            "album": ["Bass", "älter", "Cello"],
            "length": ["älter", "Bass", "Cello"],
            "-length": ["Cello", "Bass", "älter"],
            "added": ["Bass", "älter", "Cello"],
            "-added": ["Cello", "älter", "Bass"],
        }
        for sort, titles in orders.items():
            assert entry_ids(client.get(f"/songs?sort={sort}")) == [made[one] for one in titles]
        page = text(client.get("/songs?sort=title&q=e"))
        assert 'href="?sort=-title&amp;q=e" aria-current="true">Title' in page

    def test_songs_of_a_mood_are_those_that_the_rows_name(self, client: Client) -> None:
        emotion = SongEmotionFactory(valence=0.2, arousal=0.2, quadrant="Q4")
        assert entry_ids(client.get("/songs?quadrant=Q4")) == []
        response = client.get("/songs?quadrant=Q3")
        assert entry_ids(response) == [emotion.song.pk]
        assert '<span class="mood-name">sad' in text(response)

    def test_songs_of_an_artist(self, client: Client) -> None:
        one = SongFactory(artist="Björk", album="Post")
        SongFactory(artist="Other")
        response = client.get("/songs?artist=bjork")
        assert entry_ids(response) == [one.pk]
        assert "<bdi>bjork</bdi></h1>" in text(response)
        assert 'href="/songs?artist=Bj%C3%B6rk"' in text(client.get("/songs"))

    def test_bad_filter_and_page_show_a_page(self, client: Client, songs: list[Song]) -> None:
        for query in ("quadrant=Q9", "page=nine", "page=999"):
            assert client.get(f"/songs?{query}").status_code == 200

    def test_song(self, client: Client) -> None:
        song = SongEmotionFactory(
            song=SongFactory(title="<b>Bold</b>", lyrics="[Chorus]\nOh <i>my</i>"),
            valence=0.9,
            arousal=0.9,
        ).song
        page = text(client.get(f"/songs/{song.pk}"))
        assert "&lt;b&gt;Bold&lt;/b&gt;" in page
        assert "<i>my" not in page
        assert "happy" in page
        assert "unclear" not in page
        assert page.count("<polyline") == 2

    def test_low_confidence_is_called_ambiguous(self, client: Client) -> None:
        chances = {"Q1": 0.1, "Q2": 0.1, "Q3": 0.38, "Q4": 0.42}
        song = SongEmotionFactory(quadrant="Q4", quadrants=chances, confidence=0.42).song
        page = text(client.get(f"/songs/{song.pk}"))
        assert ">perhaps calm<" in page
        assert "unclear: could as well be sad" in page
        assert re.findall(r">(\w+ \(\d+)%\)<", page)[:2] == [
            "calm (42",
            "sad (38",
        ]

    def test_the_plane_shows_how_sure_a_place_is(self, client: Client) -> None:
        emotion = SongEmotionFactory(valence=0.9, arousal=0.25, valence_spread=0.125)
        page = text(client.get(f"/songs/{emotion.song_id}"))
        assert ">Pleasant 0.90 ± 0.12,<" in page
        assert ">lively 0.25 ± 0.08<" in page
        across, up = "h12.5h-12.5h-12.5h12.5", "v8.0v-8.0v-8.0"
        assert f'<path class="reach" d="M90.0 75.0{across}{up}"/>' in page

    def test_the_plane_of_an_older_model_has_a_point_alone(self, client: Client) -> None:
        emotion = SongEmotionFactory(valence=0.9, valence_spread=None, arousal_spread=None)
        page = text(client.get(f"/songs/{emotion.song_id}"))
        assert '<circle cx="90.0"' in page
        assert 'class="reach"' not in page
        assert "±" not in page

    def test_lines_that_moved_it_are_told_if_they_moved_it_visibly(self, client: Client) -> None:
        moves = ((-0.06, 0.01), (0.03, -0.04), (0.001, 0.0))
        lines = [
            {"line": n, "text": f"<{n}>", "valence": v, "arousal": a, "shift": math.hypot(v, a)}
            for n, (v, a) in enumerate(moves)
        ]
        song = SongEmotionFactory(lyric_lines=lines).song
        page = text(client.get(f"/songs/{song.pk}"))
        first, second = re.findall(r"<li><q dir=.auto.>(.*?)</span></span></li>", page)
        assert re.sub("<[^>]+>", "", first) == (
            "&lt;0&gt; less pleasant (pleasant \N{MINUS SIGN}0.06, lively +0.01)"
        )
        assert "more pleasant and quieter" in second
        unmoved = SongEmotionFactory(lyric_lines=lines[2:]).song
        assert "Lines that count most" not in text(client.get(f"/songs/{unmoved.pk}"))

    def test_sound_and_lyrics_alone(self, client: Client) -> None:
        bright, dark = {"valence": 0.8, "arousal": 0.7}, {"valence": 0.2, "arousal": 0.3}

        def page(**alone: dict[str, float]) -> str:
            song = SongEmotionFactory(valence=0.2, arousal=0.2, alone=alone).song
            return text(client.get(f"/songs/{song.pk}"))

        apart = page(audio=bright, lyrics=dark)
        assert "By its sound alone it would be happy, by its lyrics alone sad." in apart
        others = page(audio=bright, lyrics=bright)
        assert "By its sound alone it would be happy, by its lyrics alone happy." in others
        alike = page(audio=dark, lyrics=dark)
        assert "Sound and lyrics agree." in alike
        assert "alone" not in alike
        assert "alone" not in page(audio=dark, context=dark)

    def test_what_listeners_would_feel(self, client: Client) -> None:
        felt = dict.fromkeys(GEMS, 0.02) | {"nostalgia": 0.42, "joyful_activation": 0.31}
        song = SongEmotionFactory(felt=felt, kinds={"band": 0.1, "solo piano": 0.9}).song
        page = text(client.get(f"/songs/{song.pk}"))
        after = page.partition("What listeners would feel")[2].partition("</section>")[0]
        labels = re.findall(r"<dt>(.*?)</dt>", after)
        assert labels[:2] == ["nostalgia", "joy"]
        assert len(labels) == 9
        assert re.findall(r">(\d+)\N{NO-BREAK SPACE}?%<", after)[:2] == ["42", "31"]
        assert "Kind of music: solo piano (90%)." in page

    def test_what_the_model_does_not_predict_is_not_shown(self, client: Client) -> None:
        page = text(client.get(f"/songs/{SongEmotionFactory().song.pk}"))
        for words in ("would feel", "Kind of music", "uncertain", "nine songs"):
            assert words not in page

    def test_an_unfamiliar_song_is_a_guess_until_staff_place_it(self, client: Client) -> None:
        guess = "uncertain: the model learned from little music like this"
        song = SongEmotionFactory(novelty=UNFAMILIAR_FROM).song
        page = text(client.get(f"/songs/{song.pk}"))
        assert page.count(guess) == 1
        assert "perhaps " in page
        known = SongEmotionFactory(novelty=UNFAMILIAR_FROM - 0.01).song
        assert guess not in text(client.get(f"/songs/{known.pk}"))
        emotion_correct(song_id=song.pk, valence=0.2, arousal=0.3, by=UserFactory())
        assert guess not in text(client.get(f"/songs/{song.pk}"))

    def test_intervals_are_lines_on_the_map(self, client: Client) -> None:
        song = SongEmotionFactory(
            valence=0.4, arousal=0.7, valence_interval=[0.1, 0.6], arousal_interval=[0.5, 0.95]
        ).song
        page = text(client.get(f"/songs/{song.pk}"))
        assert '<path class="reach" d="M10.0 30.0h50.0M40.0 5.0v45.0"/>' in page
        assert "Pleasant 0.40 (0.10 to 0.60)," in page
        assert "lively 0.70 (0.50 to 0.95)" in page

    def test_withheld_lyrics(self, client: Client) -> None:
        note = "Lyrics in German were not used: the model was trained on English lyrics."
        said = {"lyrics_language": "de", "are_lyrics_withheld": True}
        gates = {"audio": 0.6, "lyrics": 0.0, "context": 0.4}
        song = SongEmotionFactory(**said, gates=gates, song__lyrics="Ich steh am Fenster").song
        assert note in text(client.get(f"/songs/{song.pk}"))
        song.forget_lyrics()
        assert note not in text(client.get(f"/songs/{song.pk}"))
        mixed = SongEmotionFactory(**said, song__lyrics="Ich steh hier\nand I love you").song
        page = text(client.get(f"/songs/{mixed.pk}"))
        assert "Lines of the lyrics in German were not used" in page

    def test_song_without_emotion(self, client: Client) -> None:
        waiting = SongFactory(status="pending")
        assert "waiting to be analysed" in text(client.get(f"/songs/{waiting.pk}"))
        failed = SongFactory(
            status="failed", failure_code="AUDIO_SILENT", failure_message="all is silent"
        )
        page = text(client.get(f"/songs/{failed.pk}"))
        assert "all is silent" in page
        assert "AUDIO_SILENT" in page

    def test_unknown_song(self, client: Client) -> None:
        response = client.get("/songs/99")
        assert response.status_code == 404
        assert "Not found" in text(response)


FOUR = "mood=calm&seed=1&count=4&min_match=0"


class TestPlaylist:
    def test_address_gets_a_seed_and_brings_the_same_list_back(
        self, client: Client, songs: list[Song]
    ) -> None:
        response = client.get("/playlist?mood=calm&count=6&min_match=0")
        assert response.status_code == 302
        query = parse_qs(urlsplit(response["Location"]).query)
        assert query["mood"] == ["calm"]
        first, second = client.get(response["Location"]), client.get(response["Location"])
        assert len(entry_ids(first)) == 6
        assert entry_ids(first) == entry_ids(second)

    @pytest.mark.parametrize(
        "query",
        ["mood=calm&mood=joy", "valence=0.1&arousal=0.9", "mood=calm&genre=rock&diversity=1"],
    )
    def test_ways_to_ask(self, client: Client, songs: list[Song], query: str) -> None:
        response = client.get(f"/playlist?{query}&seed=3&min_match=0")
        assert response.status_code == 200
        assert entry_ids(response)

    def test_weaker_matches_are_offered(self, client: Client, songs: list[Song]) -> None:
        page = text(client.get("/playlist?mood=calm&seed=3"))
        assert "weaker matches are left out." in page
        offered = re.search(r'href="(/playlist\?[^"]*)">Show (?:it|them)<', page)
        assert offered
        more = client.get(offered[1].replace("&amp;", "&"))
        assert len(entry_ids(more)) == len(songs)
        assert "weaker match" not in text(more)
        assert "<dt>Match</dt>" in text(more)

    def test_a_journey_of_the_home_page(self, client: Client, songs: list[Song]) -> None:
        home = text(client.get("/"))
        assert home.count('name="journey"') == 2
        assert all(f'<option value="{shape}">' in home for shape in SHAPES)
        address = "/playlist?journey=angry&journey=calm&journey_shape=iso&minutes=9&seed=3"
        page = client.get(f"{address}&min_match=0")
        assert "From angry to calm" in text(page)
        assert len(entry_ids(page)) == 3

    def test_like_a_song(self, client: Client, songs: list[Song]) -> None:
        response = client.get(f"/playlist?like={songs[2].pk}&seed=3&min_match=0")
        assert songs[2].title in text(response)
        assert entry_ids(response)

    @pytest.mark.parametrize(
        ("query", "status", "words"),
        [
            ("", 400, "give one"),
            ("valence=0.5", 400, "valence and arousal together"),
            ("valence=2&arousal=0", 400, "valence"),
            ("mood=calm&count=many", 400, "count"),
            ("mood=calm&genre=polka", 409, "No song is left"),
            ("like=999999", 404, "999999"),
            ("like=x", 400, "song_ids"),
            ("history=true", 409, "No playlist this time"),
            ("mood=calm&seed=x", 400, "seed"),
        ],
    )
    def test_what_cannot_be_met_is_explained(
        self, client: Client, songs: list[Song], query: str, status: int, words: str
    ) -> None:
        response = client.get(f"/playlist?seed=1&{query}")
        assert response.status_code == status
        assert words in text(response)

    def test_few_queries(
        self,
        client: Client,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        client.get("/playlist?mood=calm&seed=1")  # the first call reads the catalogue
        with django_assert_max_num_queries(9):
            client.get("/playlist?mood=calm&seed=1")

    def test_export(self, client: Client, songs: list[Song]) -> None:
        query = "mood=calm&seed=1&count=4&min_match=0"
        shown = entry_ids(client.get(f"/playlist?{query}"))
        response = client.get(f"/playlist.m3u8?{query}")
        assert response["Content-Type"].startswith("audio/x-mpegurl")
        assert [line for line in text(response).splitlines() if not line.startswith("#")] == [
            f"http://testserver{reverse('song-audio', args=[pk])}" for pk in shown
        ]
        assert client.get("/playlist.m3u8?seed=1").status_code == 400

    def test_save_rename_delete(self, client: Client, user: User, songs: list[Song]) -> None:
        query = "mood=calm&seed=1&count=4&min_match=0"
        shown = entry_ids(client.get(f"/playlist?{query}"))
        save = {"query": query, "name": "Evening"}
        assert client.post("/playlists/save", save)["Location"].startswith("/login")

        client.force_login(user)
        response = client.post("/playlists/save", save)
        kept = Playlist.objects.get()
        url = f"/playlists/{kept.pk}"
        assert response["Location"] == url
        assert entry_ids(client.get(url)) == shown
        assert "Evening" in text(client.get("/playlists"))
        client.post(f"{url}/rename", {"name": "Night"})
        assert "Night" in text(client.get(url))
        client.post(f"{url}/rename", {"name": ""})
        kept.refresh_from_db()
        assert kept.name == "Night"

        client.force_login(UserFactory())
        assert client.get(url).status_code == 404
        assert client.post(f"{url}/rename", {"name": "Stolen"}).status_code == 404
        assert client.post(f"{url}/delete").status_code == 404
        assert client.get(f"{url}/delete").status_code == 405

        client.force_login(user)
        assert client.post(f"{url}/delete")["Location"] == "/playlists"
        assert not Playlist.objects.exists()

    def test_saved_list_outlives_a_song(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        client.force_login(user)
        client.post("/playlists/save", {"query": FOUR, "name": "X"})
        kept = Playlist.objects.get()
        Song.objects.filter(pk=kept.entries.first().song_id).update(is_available=False)
        assert len(entry_ids(client.get(f"/playlists/{kept.pk}"))) == 3

    @pytest.mark.parametrize("request_", [{}, {"moods": ["calm"], "gone": 1}, {"count": 10**6}])
    def test_saved_list_outlives_its_request(
        self, client: Client, user: User, songs: list[Song], request_: dict[str, object]
    ) -> None:
        client.force_login(user)
        client.post("/playlists/save", {"query": FOUR, "name": "X"})
        Playlist.objects.update(request=request_)
        response = client.get(f"/playlists/{Playlist.objects.get().pk}")
        assert len(entry_ids(response)) == 4
        assert "Export" in text(response)
        assert "Different songs" not in text(response)
        assert "Adjust" not in text(response)

    def test_saved_list_gets_different_songs_but_for_pinned_ones(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        client.force_login(user)
        client.post("/playlists/save", {"query": FOUR, "name": "X"})
        kept = Playlist.objects.get()
        address = f"/playlists/{kept.pk}"
        before = entry_ids(client.get(address))
        client.post(f"{address}/edit", {"edit": f"pin.{before[2]}"})
        page = text(client.get(address))
        assert page.count('aria-label="Pinned"') == 1
        assert f'value="unpin.{before[2]}"' in page
        song_ban(user=user, song_id=before[0])  # so that the new list is another one
        client.post(f"{address}/edit", {"edit": "again"})
        after = entry_ids(client.get(address))
        assert after != before
        assert after[2] == before[2]
        seed = kept.seed
        kept.refresh_from_db()
        assert kept.seed != seed
        client.post(f"{address}/edit", {"edit": "undo"})
        kept.refresh_from_db()
        assert (entry_ids(client.get(address)), kept.seed) == (before, seed)
        client.post(f"{address}/edit", {"edit": f"unpin.{before[2]}"})
        assert 'aria-label="Pinned"' not in text(client.get(address))

    def test_a_list_made_by_hand_cannot_be_made_again(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        client.force_login(user)
        kept = playlist_by_hand(user=user, name="Mine", song_ids=[songs[0].pk])
        assert client.post(f"/playlists/{kept.pk}/edit", {"edit": "again"}).status_code == 400

    def test_saved_list_can_be_drawn_again(
        self, client: Client, user: User, songs: list[Song]
    ) -> None:
        client.force_login(user)
        client.post(
            "/playlists/save",
            {"query": "valence=0.3&arousal=0.7&seed=1&count=4&genre=rock", "name": "X"},
        )
        page = text(client.get(f"/playlists/{Playlist.objects.get().pk}"))
        assert '<button form="edit-form" name="edit" value="again">Different songs<' in page
        again = re.search(r'<input type="hidden" name="query" value="([^"]*)">', page)
        assert again
        query = parse_qs(again[1].replace("&amp;", "&"))
        assert query == {
            "valence": ["0.3"],
            "arousal": ["0.7"],
            "count": ["4"],
            "genre": ["rock"],
        }


def test_request_query_round_trip() -> None:
    plain = {
        "moods": ["calm", {"name": "joy", "weight": 0.1}, {"name": "a:2", "weight": 1.0}],
        "point": {"valence": 0.25, "arousal": 0.5},
        "song_ids": [3, 4],
        "history": True,
        "count": 7,
        "max_per_artist": 1,
        "exclude_heard_days": 2,
        "genre": "rock",
    }
    request = PlaylistRequest.from_json(plain)
    query = request_query(PlaylistRequest.from_json({**plain, "seed": 9}))
    assert query.getlist("mood") == ["calm", "joy:0.1", "a:2:1.0"]
    assert query_request(query) == request


def test_a_mood_has_its_weight(client: Client, songs: list[Song]) -> None:
    six = "count=6&diversity=0&seed=1&min_match=0"
    alone = client.get(f"/playlist?mood=calm&mood=angry:0.01&{six}")
    calm = client.get(f"/playlist?mood=calm:2&{six}")
    angry = client.get(f"/playlist?mood=calm:0.01&mood=angry:9&{six}")
    assert set(entry_ids(alone)) == set(entry_ids(calm)) != set(entry_ids(angry))
    page = client.get("/playlist?mood=calm:much&seed=1")
    assert page.status_code == 400
    assert "no weight" in text(page)


def test_a_long_text_of_any_script_can_be_kept(
    client: Client, user: User, songs: list[Song], fake_pipeline: FakePipeline
) -> None:
    client.force_login(user)
    query = urlencode({"text": "愛" * 500, "seed": 1})
    assert client.post("/playlists/save", {"query": query, "name": "X"}).status_code == 302
    assert Playlist.objects.count() == 1


class TestAccounts:
    def test_signup_logs_in(self, client: Client) -> None:
        form = {"username": "grace", "password1": "hopper-1906", "password2": "hopper-1906"}
        assert client.post("/signup", form)["Location"] == "/"
        assert "Log out" in text(client.get("/"))

    def test_signup_explains_itself(self, client: Client, user: User) -> None:
        form = {"username": "ada", "password1": "123", "password2": "1234"}
        page = text(client.post("/signup", form))
        assert "already exists" in page
        assert "match" in page

    def test_login_returns_to_where_one_was(self, client: Client, user: User) -> None:
        form = {"username": "ada", "password": "pass-word-1", "next": "/history"}
        assert client.post("/login", form)["Location"] == "/history"
        form["next"] = "https://elsewhere.example/"
        client.post("/logout")
        assert client.post("/login", form)["Location"] == "/"

    def test_names_and_passwords_are_tried_so_often_only(self, client: Client, user: User) -> None:
        wrong = {"username": "ada", "password": "wrong"}
        addresses = ["/login", "/signup", "/admin/login/", "/api/v1/auth/login/"]
        for number in range(20):
            another = {"username": f"user{number}", "password": "wrong"}
            assert client.post(addresses[number % 4], another).status_code in {200, 401, 415}
        for address in addresses:
            response = client.post(address, wrong)
            assert response.status_code == 429
            assert 0 <= int(response["Retry-After"]) <= 60
        assert "Try again in" in text(client.post("/login", wrong))
        assert client.get("/login").status_code == 200

    def test_without_signup_the_admin_makes_accounts(
        self, client: Client, settings: SettingsWrapper
    ) -> None:
        assert "/signup" in text(client.get("/"))
        assert "/signup" in text(client.get("/login"))
        settings.AFFETTI_SIGNUP = False
        assert "/signup" not in text(client.get("/"))
        assert "/signup" not in text(client.get("/login"))
        form = {"username": "grace", "password1": "hopper-1906", "password2": "hopper-1906"}
        assert client.get("/signup").status_code == 404
        assert client.post("/signup", form).status_code == 404
        assert not User.objects.exists()

    def test_history_is_ones_own(
        self,
        client: Client,
        user: User,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        assert client.get("/history").status_code == 302
        client.force_login(user)
        for song in songs[:3]:
            client.post("/api/v1/listens/", {"song_id": song.pk}, "application/json")
        with django_assert_max_num_queries(6):
            page = text(client.get("/history"))
        assert songs[0].title in page
        client.force_login(UserFactory())
        assert "You have not listened to a song yet" in text(client.get("/history"))
        assert Listen.objects.count() == 3


def test_server_error_page_needs_neither_session_nor_database(
    client: Client, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise DatabaseError("away")

    monkeypatch.setattr("recommender.selectors.songs_are_analysed", fail)
    client.raise_request_exception = False
    client.force_login(user)
    response = client.get("/")
    assert response.status_code == 500
    assert "Something broke" in text(response)
    assert "away" not in text(response)


def test_a_page_that_needs_an_absent_model_says_so(
    client: Client, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(text: str, version: str) -> None:
        raise CheckpointError("/models/affetti.safetensors is not there")

    monkeypatch.setattr("catalog.analysis.text_analyse", fail)
    response = client.get("/playlist", {"text": "a walk in the rain", "seed": 1})
    assert response.status_code == 503
    assert "Not available now" in text(response)
    assert "/models" not in text(response)
    assert response["Retry-After"] == "10"
