"""The listener's own pages: moods, history, likes and corrections, stations."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.analysis import serving_version
from catalog.models import Song
from recommender.models import Listen, SongFeedback, Station
from recommender.mood_history import MoodHistory, Span
from recommender.web import mood_charts
from tests.factories import SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def shown(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def placed(valence: float, arousal: float) -> Song:
    emotion = SongEmotionFactory(
        model_version=serving_version(), valence=valence, arousal=arousal, emotions={"joy": 1.0}
    )
    return emotion.song


class TestMoods:
    def test_before_any_listening_it_says_what_to_do(self, ada: Client, user: User) -> None:
        page = shown(ada, "/you")
        assert "Play some songs" in page
        assert '<svg class="calendar"' not in page
        Listen.objects.create(user=user, song=SongFactory(), listened_at=timezone.now())
        assert "not analysed yet" in shown(ada, "/you")

    def test_a_day_is_drawn_written_and_linked(self, ada: Client, user: User) -> None:
        song, now = placed(0.9, 0.9), timezone.now()
        for days in (0, 1, 40):
            Listen.objects.create(user=user, song=song, listened_at=now - timedelta(days=days))
        page = shown(ada, "/you")
        assert "3 plays on 3 days. On the whole, the music was happy on each of those days." in page
        assert page.count('tabindex="-1" class="q1"') == 3
        assert f'<a href="/history?day={now:%Y-%m-%d}">' in page
        assert page.count("<table>") == 4
        assert 'href="/playlist?mood=happy"' in page
        assert ">Happy</a>" in page
        assert not re.search(r"\bjoy\b", re.sub(r"<[^>]*>", "", page), re.IGNORECASE)

    def test_days_of_several_moods_are_counted_by_mood(self, ada: Client, user: User) -> None:
        lively, quiet, now = placed(0.9, 0.9), placed(0.9, 0.1), timezone.now()
        for days, song in enumerate((lively, quiet, lively)):
            Listen.objects.create(user=user, song=song, listened_at=now - timedelta(days=days))
        words = (
            "3 plays on 3 days. On the whole, the music was happy on 2 of those days and calm on 1."
        )
        assert words in shown(ada, "/you")

    def test_one_week_is_no_trail(self, ada: Client, user: User) -> None:
        Listen.objects.create(user=user, song=placed(0.5, 0.5), listened_at=timezone.now())
        page = shown(ada, "/you")
        assert "It starts with a second week of listening." in page
        assert "1 play on 1 day. On the whole, the music was happy." in page

    def test_the_time_zone_of_the_browser_counts(self, ada: Client, user: User) -> None:
        Listen.objects.create(
            user=user, song=placed(0.5, 0.5), listened_at=datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
        )
        page = shown(ada, "/history")
        assert "Tuesday 10 March 2026" in page
        assert ">23:30</time>" in page
        ada.cookies["time_zone"] = "Asia/Tokyo"
        page = shown(ada, "/history")
        assert "Wednesday 11 March 2026" in page
        assert ">08:30</time>" in page
        assert 'data-time-zone="Asia/Tokyo"' in shown(ada, "/you")

    @pytest.mark.parametrize("zone", ["", "Mars/Base", "../../etc/passwd", "Europe", "x" * 3000])
    def test_an_unknown_time_zone_is_that_of_the_server(self, ada: Client, zone: str) -> None:
        ada.cookies["time_zone"] = zone
        assert 'data-time-zone="UTC"' in shown(ada, "/you")

    def test_it_is_the_listeners_alone(self, client: Client, user: User) -> None:
        assert client.get("/you")["Location"].startswith("/login")
        Listen.objects.create(user=user, song=placed(0.9, 0.9), listened_at=timezone.now())
        client.force_login(UserFactory())
        assert "Play some songs" in shown(client, "/you")
        response = client.get("/you")
        assert "no-store" in response["Cache-Control"]

    def test_queries_do_not_grow(
        self, ada: Client, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        songs, now = [placed(n / 20, 0.4) for n in range(20)], timezone.now()
        Listen.objects.bulk_create(
            Listen(user=user, song=songs[n % 20], listened_at=now - timedelta(hours=3 * n))
            for n in range(2000)
        )
        with django_assert_max_num_queries(10):
            assert "2,000 plays on " in shown(ada, "/you")


class TestCharts:
    TODAY = date(2026, 3, 12)
    FIRST = date(2025, 3, 10)

    def test_calendar_has_every_day_and_sizes_by_songs(self) -> None:
        days = [
            Span(self.FIRST, 1, 0.9, 0.9),
            Span(self.FIRST + timedelta(days=1), 5, 0.5, 0.5),
            Span(self.TODAY, 40, 0.5, 0.5),
        ]
        drawn = mood_charts.calendar(MoodHistory(self.FIRST, self.TODAY, days=days))
        assert len(drawn.cells) == 368
        first, second, *_, last = drawn.cells
        assert first.side < second.side < last.side
        assert first.opacity == 1.0 > last.opacity
        assert (last.day, last.span) == (self.TODAY, days[-1])
        assert all(cell.x >= 0 and cell.x + cell.side <= drawn.width for cell in drawn.cells)
        assert all(cell.y >= 0 and cell.y + cell.side <= drawn.height for cell in drawn.cells)
        assert [len(part.cells) for part in drawn.parts] == [126, 126, 116]
        assert [day for part in drawn.parts for _, day in part.months] == [
            day for _, day in drawn.months
        ]
        assert [day.month for _, day in drawn.months] == [4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2]

    def test_trails_stay_on_the_plane(self) -> None:
        assert mood_charts.trail([Span(self.FIRST, 1, 0.9, 0.9)]) is None
        for places in (
            [(0.0, 1.0), (1.0, 0.0)],
            [(0.5, 0.5), (0.5, 0.5)],
            [(0.6, 0.5), (0.5, 0.4)],
        ):
            spans = [Span(self.FIRST, 1, *place) for place in places]
            drawn = mood_charts.trail(spans)
            assert drawn is not None
            assert all(0 <= dot.x <= 100 and 0 <= dot.y <= 100 for dot in drawn.dots)
        assert drawn.magnified == pytest.approx(0.5 / 0.12, abs=0.1)
        assert drawn.dots[0].x > 50 > drawn.dots[0].y - 1

    def test_the_line_of_a_trail_goes_through_every_dot(self) -> None:
        zigzag = [Span(self.FIRST + timedelta(n), 3, 0.2 + 0.6 * (n % 2), 0.5) for n in range(8)]
        drawn = mood_charts.trail(zigzag)
        assert drawn is not None
        assert len(drawn.parts) == len(zigzag) - 1
        texts = [point for part in drawn.parts for point in part.points.split()]
        line = [tuple(map(float, text.split(","))) for text in texts]
        places = [(dot.x, dot.y) for dot in drawn.dots]
        for place in places:
            assert min(math.dist(place, point) for point in line) < 0.2
        length = sum(math.dist(a, b) for a, b in pairwise(line))
        assert length < 1.1 * sum(math.dist(a, b) for a, b in pairwise(places))
        widths = [part.width for part in drawn.parts]
        assert widths == sorted(widths)
        assert 1 <= len(drawn.arrows) <= 2
        for arrow in drawn.arrows:
            assert min(math.dist((arrow.x, arrow.y), place) for place in places) >= 5

    def test_names_of_near_ends_of_a_trail_stand_apart(self) -> None:
        spans = [Span(self.FIRST + timedelta(n), 1, x, 0.5) for n, x in enumerate((0.6, 0.9, 0.61))]
        for swapped in (spans, spans[::-1]):
            drawn = mood_charts.trail(swapped)
            assert drawn is not None
            first, last = drawn.dots[0].label, drawn.dots[-1].label
            assert first is not None
            assert last is not None
            assert abs(first.y - last.y) >= 6 or abs(first.x - last.x) >= 23

    def test_a_name_amid_lines_stands_away_from_them_and_is_led_to(self) -> None:
        fence = [(0.2 + 0.05 * n, 0.4 + 0.2 * (n % 2)) for n in range(13)]
        spans = [
            Span(self.FIRST + timedelta(n), 1, *place)
            for n, place in enumerate([(0.5, 0.5), *fence])
        ]
        drawn = mood_charts.trail(spans)
        assert drawn is not None
        first, label = drawn.dots[0], drawn.dots[0].label
        assert label is not None
        assert label.leader.startswith(f"M{first.x} {first.y}L")
        for point in " ".join(part.points for part in drawn.parts).split():
            x, y = map(float, point.split(","))
            assert abs(x - label.x) > 11.5 or abs(y - label.y) > 3

    def test_names_hide_no_dot_and_stay_on_the_plane(self) -> None:
        around = [(0.6 + 0.03 * math.cos(n), 0.6 + 0.03 * math.sin(n)) for n in range(9)]
        for places in (around, [(0.0, 0.0), *around, (1.0, 1.0)], [(0.5, 0.5), (0.5, 0.5)]):
            spans = [Span(self.FIRST + timedelta(n), 1, *one) for n, one in enumerate(places)]
            drawn = mood_charts.trail(spans)
            assert drawn is not None
            assert [dot.label is not None for dot in drawn.dots[1:-1]] == [False] * len(places[2:])
            for label in (drawn.dots[0].label, drawn.dots[-1].label):
                assert label is not None
                assert 11 < label.x < 89
                assert 3 < label.y < 97
                assert not any(
                    abs(dot.x - label.x) < 11 and abs(dot.y - label.y) < 3 for dot in drawn.dots
                )

    def test_a_trail_that_does_not_move_has_no_arrows(self) -> None:
        drawn = mood_charts.trail([Span(self.FIRST + timedelta(n), 2, 0.5, 0.5) for n in range(3)])
        assert drawn is not None
        assert drawn.arrows == []

    def test_hours_are_stacked_to_the_highest(self) -> None:
        hours: list[dict[str, int]] = [{} for _ in range(24)]
        hours[9], hours[21] = {"Q1": 1, "Q3": 3}, {"Q4": 2}
        bars = mood_charts.hour_bars(hours)
        assert bars[9].parts == [("Q1", 75.0, 25.0), ("Q3", 0.0, 75.0)]
        assert (bars[9].most, bars[21].parts) == ("Q3", [("Q4", 50.0, 50.0)])
        assert (bars[0].count, bars[0].most, bars[0].parts) == (0, "", [])
        words = mood_charts.busiest_hours(bars)
        assert words == "You listen most in the morning: 67% of the songs."
        assert mood_charts.busiest_hours(mood_charts.hour_bars([{}] * 24)) == ""

    @pytest.mark.parametrize(
        ("highest", "lines"), [(1, [1]), (4, [1, 2, 3, 4]), (9, [2, 4, 6, 8]), (260, [100, 200])]
    )
    def test_the_hours_have_a_scale_of_round_counts(self, highest: int, lines: list[int]) -> None:
        scale = mood_charts.hour_scale(mood_charts.hour_bars([{"Q1": highest}, {"Q2": 1}]))
        assert [count for _, count in scale] == lines
        assert all(y == pytest.approx(100 * (1 - count / highest), abs=0.1) for y, count in scale)
        assert mood_charts.hour_scale(mood_charts.hour_bars([{}] * 24)) == []


class TestHistory:
    def test_one_day_of_it(self, ada: Client, user: User) -> None:
        early, late = SongFactory(title="Early"), SongFactory(title="Late")
        for song, hour in ((early, 20), (late, 23)):
            Listen.objects.create(
                user=user, song=song, listened_at=datetime(2026, 3, 10, hour, 30, tzinfo=UTC)
            )
        page = shown(ada, "/history?day=2026-03-10")
        assert ("Early" in page, "Late" in page) == (True, True)
        ada.cookies["time_zone"] = "Europe/Rome"
        page = shown(ada, "/history?day=2026-03-10")
        assert ("Early" in page, "Late" in page) == (True, False)
        assert "Nothing on this day" in shown(ada, "/history?day=2026-03-09")

    @pytest.mark.parametrize("day", ["", "soon", "0001-01-01", "9999-12-31", "2026-02-30"])
    def test_no_day_is_every_day(self, ada: Client, user: User, day: str) -> None:
        song = SongFactory(title="Early")
        Listen.objects.create(user=user, song=song, listened_at=timezone.now())
        ada.cookies["time_zone"] = "Pacific/Kiritimati"
        assert "Early" in shown(ada, f"/history?day={day}")

    def test_songs_play_where_their_files_are_there(
        self, ada: Client, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        songs = SongFactory.create_batch(20)
        songs[0].is_available = False
        songs[0].save()
        now = timezone.now()
        for number, song in enumerate(songs):
            Listen.objects.create(user=user, song=song, listened_at=now - timedelta(hours=number))
        with django_assert_max_num_queries(10):
            page = shown(ada, "/history")
        assert len(re.findall("data-play ", page)) == 19
        assert page.count("Its file is gone") == 1
        Song.objects.update(is_available=False, album="Blue", artist="")
        with django_assert_max_num_queries(10):
            page = shown(ada, "/history")
        assert page.count("Its file is gone") == 20


class TestLikesAndCorrections:
    def test_before_and_after_of_a_correction_and_its_undo(self, ada: Client, user: User) -> None:
        song = placed(0.9, 0.9)
        ada.post(f"/songs/{song.pk}/mood", {"valence": "0.20", "arousal": "0.25"})
        page = shown(ada, "/account/feedback")
        assert "It was happy, you say sad" in page
        assert '<line x1="90.0" y1="10.0" x2="20.0" y2="75.0"/>' in page
        assert 'class="now q3" cx="20.0" cy="75.0"' in page
        ada.post(f"/songs/{song.pk}/mood", {"valence": "0.80", "arousal": "0.80"})
        assert "You moved it; it stays happy" in shown(ada, "/account/feedback")
        ada.post(f"/songs/{song.pk}/mood", {"undo": "1"})
        assert "no feedback yet" in shown(ada, "/account/feedback")

    def test_songs_play_and_cost_no_query_each(self, ada: Client) -> None:
        counts = []
        for number in (3, 15):
            for song in SongFactory.create_batch(number):
                ada.post(f"/songs/{song.pk}/like")
            with CaptureQueriesContext(connection) as queries:
                page = shown(ada, "/account/feedback?kind=like")
            counts.append(len(queries))
        assert len(re.findall("data-play ", page)) == 18
        assert "Yes, delete them" in page
        assert 'data-play-all="liked"' in page
        assert 'data-shuffle-all="liked"' in page
        assert counts[1] <= counts[0] <= 20

    def test_what_can_be_played_at_once(self, ada: Client, user: User) -> None:
        rated, banned, gone = SongFactory(), SongFactory(), SongFactory(is_available=False)
        ada.post(f"/songs/{rated.pk}/rating", {"stars": "4"})
        ada.post(f"/songs/{banned.pk}/ban")
        SongFeedback.objects.create(user=user, song=gone, liked_at=timezone.now())
        for kind, button in (("", None), ("like", None), ("ban", None), ("rating", "all")):
            page = shown(ada, f"/account/feedback?kind={kind}")
            assert re.findall(r'data-play-all="(\w*)"', page) == ([button] if button else []), kind
        ada.post(f"/songs/{rated.pk}/ban")
        assert "data-play-all" not in shown(ada, "/account/feedback?kind=rating")

    def test_names_keep_their_direction(self, ada: Client) -> None:
        song = SongFactory(title="أغنية", artist="فيروز")
        ada.post(f"/songs/{song.pk}/like")
        assert "<bdi>أغنية</bdi>" in shown(ada, "/account/feedback")


class TestStations:
    def test_a_new_one_is_in_the_time_zone_of_the_browser(self, ada: Client, user: User) -> None:
        ada.cookies["time_zone"] = "Asia/Tokyo"
        ada.post("/stations/save", {"name": "ערב", "query": "mood=calm"})
        station = Station.objects.get(user=user)
        assert station.time_zone == "Asia/Tokyo"
        assert 'dir="auto">ערב</strong>' in shown(ada, "/stations")
        page = shown(ada, f"/stations/{station.pk}")
        assert "Nobody can bring them back." in page
        assert "This station has no songs yet" in page
        assert "data-play-all" not in page
        ada.post(f"/stations/{station.pk}/delete")
        assert "You have no station yet" in shown(ada, "/stations")

    def test_it_shows_and_plays_the_songs_of_the_version_in_use(
        self, ada: Client, songs: list[Song]
    ) -> None:
        query = "mood=calm&min_match=0&count=3"
        ada.post("/stations/save", {"name": "Evenings", "query": query})
        station = Station.objects.get()
        ada.post(f"/stations/{station.pk}/refresh")
        for version in (1, 2):
            ada.post(f"/stations/{station.pk}/restore", {"version": version})
            kept = station.versions.get(station_version=version)
            page = shown(ada, f"/stations/{station.pk}")
            rows = [int(pk) for pk in re.findall(r'data-entry data-row="(\d+)"', page)]
            assert rows == [entry.song_id for entry in kept.entries.order_by("position")]
            assert len(rows) == 3
            assert "data-play-all" in page

    def test_when_its_songs_change_is_said_plainly(self, ada: Client, songs: list[Song]) -> None:
        query = "mood=calm&min_match=0"
        ada.post("/stations/save", {"name": "Evenings", "query": query})
        station = Station.objects.get()
        for path in ("/stations", f"/stations/{station.pk}"):
            assert "New songs when you ask for them" in shown(ada, path)
            assert "By hand" not in shown(ada, path)
        form = {"name": "Evenings", "weekday": 0, "hour": 6, "time_zone": "UTC"}
        for schedule, words in (("daily", "every day"), ("weekly", "every week")):
            fields = {**form, "schedule": schedule, "fresh_versions": 0}
            ada.post(f"/stations/{station.pk}/change", fields)
            page = shown(ada, f"/stations/{station.pk}")
            assert re.search(rf"New songs {words}, next on \w+day \d+ \w+, 06:00", page)

    def test_its_queries_do_not_grow(self, ada: Client, songs: list[Song]) -> None:
        counts = []
        for count in (1, 4):
            name, query = f"Of {count}", f"mood=calm&min_match=0&count={count}"
            ada.post("/stations/save", {"name": name, "query": query})
            station = Station.objects.get(name=name)
            with CaptureQueriesContext(connection) as queries:
                shown(ada, f"/stations/{station.pk}")
            counts.append(len(queries))
        assert counts[1] <= counts[0]

    def test_a_new_one_is_made_of_moods_words_or_a_title(
        self, ada: Client, songs: list[Song]
    ) -> None:
        def made(**fields: str | list[str]) -> Station:
            answer = ada.post("/stations/new", fields)
            station = Station.objects.order_by("-created_at").first()
            assert station is not None
            assert answer.headers["Location"] == f"/stations/{station.pk}"
            return station

        named = made(mood=["calm", "romantic"], name="Dusk", schedule="daily")
        assert (named.name, named.schedule, named.version) == ("Dusk", "daily", 1)
        assert sorted(mood["name"] for mood in named.request["moods"]) == ["calm", "romantic"]
        assert named.next_at is not None
        worded = made(text="calm")
        assert (worded.request["text"], worded.schedule) == ("calm", "by_hand")
        assert worded.name
        alike = made(text=songs[0].title.upper(), takes_weaker="on")
        assert alike.request["min_match"] == 0
        assert alike.request["song_ids"] == [songs[0].pk]

    def test_one_that_cannot_be_made_is_not_kept(self, ada: Client, songs: list[Song]) -> None:
        page = ada.post("/stations/new", {"name": "Dusk", "schedule": "daily"}).content.decode()
        assert "Choose a mood, or say in words what it should play." in page
        assert 'value="Dusk"' in page
        Song.objects.all().delete()
        page = ada.post("/stations/new", {"mood": "calm"}).content.decode()
        assert 'role="alert"' in page
        assert re.search(r'value="calm" checked', page)
        assert not Station.objects.exists()

    def test_its_form_is_on_the_pages_of_stations(self, ada: Client, songs: list[Song]) -> None:
        assert 'href="/stations/new"' in shown(ada, "/stations")
        ada.post("/stations/save", {"name": "Evenings", "query": "mood=calm&min_match=0"})
        for path in ("/stations", "/"):
            page = shown(ada, path)
            assert 'popovertarget="new-station"' in page
            assert 'action="/stations/new"' in page

    def test_it_takes_weaker_matches_or_only_good_ones(
        self, ada: Client, songs: list[Song]
    ) -> None:
        ada.post("/stations/save", {"name": "Evenings", "query": "mood=calm&min_match=0"})
        station = Station.objects.get()
        path = f"/stations/{station.pk}"
        page = shown(ada, path)
        assert "Weaker matches are included." in page
        assert ">Leave them out</button>" in page
        assert 'popovertarget="delete-box"' in page
        assert "The path on the map" in page
        assert "Songs that feel calm." in page
        ada.post(f"{path}/refresh", {"weaker": "no"})
        station.refresh_from_db()
        assert "min_match" not in station.request
        page = shown(ada, path)
        assert "left out" in page
        assert ">Include weaker matches</button>" in page
        form = {"name": "Dusk", "schedule": "by_hand", "weekday": 0, "hour": 6, "time_zone": "UTC"}
        form |= {"fresh_versions": 0}
        ada.post(f"{path}/change", {**form, "takes_weaker": "on"})
        station.refresh_from_db()
        assert (station.name, station.request["min_match"]) == ("Dusk", 0.0)
        ada.post(f"{path}/change", form)
        station.refresh_from_db()
        assert "min_match" not in station.request

    def test_it_is_the_owners_alone(self, ada: Client, client: Client) -> None:
        ada.post("/stations/save", {"name": "Evenings", "query": "mood=calm"})
        station = Station.objects.get()
        client.force_login(UserFactory())
        assert client.get(f"/stations/{station.pk}").status_code == 404


class TestAccount:
    def test_what_cannot_be_undone_asks_first(self, ada: Client) -> None:
        form = {"name": "Phone", "scopes": ["read"], "expires_at": "9999-12-31"}
        ada.cookies["time_zone"] = "America/Los_Angeles"
        assert "Choose an earlier day." in shown_after(ada, "/account/tokens", form)
        ada.post("/account/tokens", {**form, "expires_at": "2099-12-31"})
        page = shown(ada, "/account")
        assert "until 31 Dec 2099, 23:59" in page
        assert "Yes, revoke it" in page
        assert "Yes, revoke all" not in page  # one can go by itself
        ada.post("/account/tokens", {**form, "expires_at": "2099-12-31"})
        assert "Yes, revoke all" in shown(ada, "/account")


def shown_after(client: Client, path: str, form: dict[str, object]) -> str:
    return client.post(path, form).content.decode()
