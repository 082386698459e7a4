"""Saved stations: versions in place, by a schedule, none doubled; an empty list changes nothing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from catalog.models import Song
from recommender import stations
from recommender.accounts import account_delete, account_export
from recommender.errors import IndexMissingError, PlaylistErrorCode, PlaylistRequestError
from recommender.models import Playlist, Station
from recommender.playlists import PlaylistRequest, last_target
from recommender.stations import (
    KEPT_VERSIONS,
    MAX_STATIONS,
    current_version,
    next_time,
    station_create,
    station_refresh,
    station_restore,
    stations_refresh_due,
)
from recommender.tasks import refresh_stations
from tests.factories import SongEmotionFactory, UserFactory, token_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db
CALM = PlaylistRequest(moods=(("calm", 1.0),), count=3, min_match=0.0)


def made(user: User, request: PlaylistRequest = CALM, **fields: Any) -> Station:
    return station_create(user=user, request=request, **{"name": "Calm mornings", **fields})


def songs_of(station: Station) -> list[int]:
    playlist = current_version(station)
    assert playlist is not None
    return list(playlist.entries.order_by("position").values_list("song_id", flat=True))


@pytest.fixture(autouse=True)
def catalogue() -> None:
    SongEmotionFactory.create_batch(12)


class TestTimes:
    AFTER = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)  # a Friday

    @pytest.mark.parametrize(
        ("fields", "wanted"),
        [
            ({"schedule": "by_hand"}, None),
            ({"schedule": "daily", "hour": 13}, datetime(2026, 3, 27, 13, tzinfo=UTC)),
            ({"schedule": "daily", "hour": 12}, datetime(2026, 3, 28, 12, tzinfo=UTC)),
            (
                {"schedule": "daily", "hour": 7, "time_zone": "Asia/Tokyo"},
                datetime(2026, 3, 27, 22, tzinfo=UTC),
            ),
            # Summer time begins on 29 March in Rome.
            (
                {"schedule": "weekly", "weekday": 0, "hour": 7, "time_zone": "Europe/Rome"},
                datetime(2026, 3, 30, 5, tzinfo=UTC),
            ),
            (
                {"schedule": "weekly", "weekday": 4, "hour": 7, "time_zone": "Europe/Rome"},
                datetime(2026, 4, 3, 5, tzinfo=UTC),
            ),
        ],
    )
    def test_next(self, fields: dict[str, Any], wanted: datetime | None) -> None:
        assert next_time(Station(**fields), self.AFTER) == wanted


class TestVersions:
    def test_each_is_another_list_and_the_last_ten_stay(self, user: User) -> None:
        station = made(user)
        assert current_version(station) is None
        for number in range(1, KEPT_VERSIONS + 3):
            assert station_refresh(station=station)
            assert station.version == station.current == number
        kept = station.versions.order_by("station_version")
        assert [one.station_version for one in kept] == list(range(3, KEPT_VERSIONS + 3))
        assert all(one.user == user and one.name == "Calm mornings" for one in kept)
        assert len({one.seed for one in kept}) > 1
        assert last_target(user) is None  # none was made by the listener

    def test_fresh_songs_are_none_of_the_last_versions(self, user: User) -> None:
        station = made(user, fresh_versions=2)
        lists = []
        for _ in range(3):
            assert station_refresh(station=station)
            lists.append({*songs_of(station)})
        assert not lists[0] & lists[1]
        assert not lists[2] & (lists[0] | lists[1])
        assert station.request == CALM.to_json()

    def test_an_empty_list_keeps_the_old_one(self, user: User) -> None:
        station = made(user, fresh_versions=9, schedule="daily")
        while station_refresh(station=station):
            assert station.version < 9
        version, songs = station.version, songs_of(station)
        assert station.notes
        assert station.notes[0].startswith("No new version")
        Song.objects.update(is_available=False)
        assert not station_refresh(station=station)
        assert (station.version, songs_of(station)) == (version, songs)
        assert station.next_at is not None
        Song.objects.update(is_available=True)
        station.fresh_versions = 0
        station.save()
        assert station_refresh(station=station)
        assert station.notes == []

    def test_restored(self, user: User) -> None:
        station = made(user)
        for _ in range(3):
            station_refresh(station=station)
        assert station_restore(station=station, version=1)
        found = current_version(station)
        assert found is not None
        assert found.station_version == 1
        assert not station_restore(station=station, version=77)
        found.delete()
        newest = current_version(station)
        assert newest is not None
        assert newest.station_version == 3
        station_refresh(station=station)
        assert station.current == 4

    def test_a_change_undoes_no_version_that_was_made_meanwhile(self, user: User) -> None:
        station = made(user)
        same = Station.objects.get(pk=station.pk)
        assert station_refresh(station=station)
        stations.station_change(station=same, fields={"name": "Dawn"})
        station.refresh_from_db()
        assert (station.name, station.version, station.current) == ("Dawn", 1, 1)
        assert station_refresh(station=station)

    def test_what_was_deleted_meanwhile_stays_deleted(self, user: User) -> None:
        station = made(user)
        station_refresh(station=station)
        same = Station.objects.get(pk=station.pk)
        station.delete()
        stations.station_change(station=same, fields={"name": "Dawn"})
        assert not station_restore(station=same, version=1)
        assert not station_refresh(station=same)
        assert not Station.objects.exists()

    def test_one_list_a_version(self, user: User) -> None:
        station = made(user)
        station_refresh(station=station)
        with pytest.raises(IntegrityError):
            Playlist.objects.create(
                user=user, name="x", request={}, seed=1, station=station, station_version=1
            )


class TestSchedule:
    def due(self, user: User, **fields: Any) -> Station:
        station = made(user, schedule="daily", **fields)
        station.next_at = timezone.now() - timedelta(hours=30)
        station.save()
        return station

    def test_due_ones_are_made_once(self, user: User) -> None:
        station, by_hand = self.due(user), made(user)
        assert refresh_stations() == {"versions": 1}
        assert refresh_stations() == {"versions": 0}
        station.refresh_from_db()
        assert station.version == 1
        assert station.next_at is not None
        assert timezone.now() < station.next_at <= timezone.now() + timedelta(days=1)
        by_hand.refresh_from_db()
        assert by_hand.version == 0

    def test_a_new_name_leaves_a_due_one_due(self, user: User) -> None:
        station = self.due(user)
        stations.station_change(station=station, fields={"name": "Dawn", "hour": station.hour})
        assert stations_refresh_due() == 1
        station = self.due(user)
        stations.station_change(station=station, fields={"hour": station.hour - 1})
        assert stations_refresh_due() == 0

    def test_two_processes_make_one_version(self, user: User) -> None:
        station = self.due(user)
        other = Station.objects.get(pk=station.pk)
        assert station_refresh(station=station, due_at=station.next_at)
        assert not station_refresh(station=other, due_at=other.next_at)
        assert Playlist.objects.filter(station=station).count() == 1

    def test_a_process_that_dies_half_way_leaves_nothing(
        self, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        station = self.due(user)

        def killed(_: Station) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(stations, "_old_versions_delete", killed)
            with pytest.raises(KeyboardInterrupt):
                stations_refresh_due()
        assert not Playlist.objects.exists()
        assert stations_refresh_due() == 0  # it is put off, so that others come first
        station.refresh_from_db()
        assert station.next_at is not None
        assert timezone.now() < station.next_at <= timezone.now() + stations.RETRY
        Station.objects.update(next_at=timezone.now())
        assert stations_refresh_due() == 1
        assert Playlist.objects.get().station_version == 1
        station.refresh_from_db()
        assert station.version == 1

    def test_one_that_ends_its_process_keeps_none_waiting(
        self, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = self.due(user, name="bad"), self.due(user)
        Station.objects.filter(pk=bad.pk).update(next_at=bad.next_at - timedelta(days=1))
        save = stations.playlist_save

        def deadly(**arguments: Any) -> Any:
            if arguments["name"] == "bad":
                raise KeyboardInterrupt
            return save(**arguments)

        monkeypatch.setattr(stations, "playlist_save", deadly)
        with pytest.raises(KeyboardInterrupt):
            stations_refresh_due()
        assert stations_refresh_due() == 1
        good.refresh_from_db()
        assert good.version == 1

    def test_many_are_made_in_the_time_of_a_call(
        self, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(25):
            self.due(user)
        with monkeypatch.context() as patch:
            patch.setattr(stations, "WORKING_SECONDS", 0.0)
            patch.setattr(stations, "monotonic", itertools.count().__next__)
            assert stations_refresh_due() == 0
        assert stations_refresh_due() == 25

    def test_one_that_cannot_be_made_now_keeps_none_waiting(
        self, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = self.due(user, name="bad"), self.due(user)
        Station.objects.filter(pk=bad.pk).update(next_at=bad.next_at - timedelta(days=1))
        generate = stations.playlist_generate

        def failing(**arguments: Any) -> Any:
            if not failed:
                failed.append(1)
                raise IndexMissingError("away")
            return generate(**arguments)

        failed: list[int] = []
        monkeypatch.setattr(stations, "playlist_generate", failing)
        assert stations_refresh_due() == 1
        bad.refresh_from_db()
        good.refresh_from_db()
        assert (bad.version, good.version) == (0, 1)
        assert bad.next_at is not None
        assert timezone.now() < bad.next_at < timezone.now() + timedelta(minutes=11)

    def test_what_the_server_lacks_is_tried_again_soon(
        self, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        station = self.due(user)

        def failing(**_: Any) -> Any:
            raise PlaylistRequestError(PlaylistErrorCode.WORDS_UNAVAILABLE, "The model is away")

        with monkeypatch.context() as patch:
            patch.setattr(stations, "playlist_generate", failing)
            assert stations_refresh_due() == 0
        station.refresh_from_db()
        assert station.notes == ["No new version: The model is away"]
        assert station.next_at is not None
        assert timezone.now() < station.next_at <= timezone.now() + stations.RETRY

    def test_nothing_is_made_for_an_account_that_is_off(self, user: User) -> None:
        station = self.due(user)
        user.is_active = False
        user.save()
        assert stations_refresh_due() == 0
        user.is_active = True
        user.save()
        assert stations_refresh_due() == 1
        assert station.versions.count() == 1

    def test_one_with_a_fault_of_ours_keeps_none_waiting(
        self, user: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        bad, good = self.due(user, name="bad"), self.due(user)
        Station.objects.filter(pk=bad.pk).update(next_at=bad.next_at - timedelta(days=1))
        save = stations.playlist_save

        def failing(**arguments: Any) -> Any:
            if arguments["name"] == "bad":
                raise KeyError("a fault")
            return save(**arguments)

        monkeypatch.setattr(stations, "playlist_save", failing)
        assert stations_refresh_due() == 1
        bad.refresh_from_db()
        good.refresh_from_db()
        assert (bad.version, good.version) == (0, 1)
        assert bad.next_at is not None
        assert timezone.now() < bad.next_at < timezone.now() + timedelta(minutes=11)
        assert "a fault" in caplog.text

    def test_a_time_zone_that_is_gone_is_taken_for_utc(self, user: User) -> None:
        station = self.due(user)
        Station.objects.update(time_zone="Gone/Zone")
        assert stations_refresh_due() == 1
        station.refresh_from_db()
        assert station.next_at is not None
        assert station.next_at.hour == station.hour

    def test_a_station_of_no_song_says_so(self, user: User) -> None:
        station = self.due(user, request=PlaylistRequest(artists=("Nobody",)))
        assert stations_refresh_due() == 0
        station.refresh_from_db()
        assert "Nobody" in station.notes[0]


class TestAccount:
    def test_export_and_deletion_cover_stations(self, user: User) -> None:
        UserFactory(is_superuser=True)
        station = made(user, schedule="weekly")
        station_refresh(station=station)
        data = account_export(user=user)
        assert data["stations"][0]["name"] == "Calm mornings"
        assert data["stations"][0]["request"] == CALM.to_json()
        assert data["playlists"][0]["station_id"] == station.pk
        assert data["playlists"][0]["station_version"] == 1
        account_delete(user=user)
        assert not Station.objects.exists()
        assert not Playlist.objects.exists()


class TestAPI:
    @pytest.fixture
    def api(self, api: APIClient, user: User) -> APIClient:
        api.credentials(HTTP_AUTHORIZATION=f"Token {token_secret(user)}")
        return api

    def test_the_whole_life(self, api: APIClient) -> None:
        body = {"name": "Mornings", "request": {"moods": ["calm"], "count": 3, "min_match": 0}}
        body |= {"schedule": "daily", "hour": 6, "time_zone": "Europe/Rome"}
        answer = api.post("/api/v1/stations/", body, format="json")
        assert answer.status_code == 201, answer.data
        assert answer.data["version"] is None
        assert answer.data["next_at"]
        url = f"/api/v1/stations/{answer.data['id']}/"
        for number in (1, 2):
            answer = api.post(f"{url}refresh/")
            assert answer.data["version"] == number
        playlist = api.get(f"/api/v1/playlists/{answer.data['playlist_id']}/").data
        assert len(playlist["entries"]) == 3
        assert api.get("/api/v1/playlists/").data["count"] == 0
        versions = api.get(f"{url}versions/").data
        assert [one["version"] for one in versions] == [2, 1]
        assert versions[0]["entry_count"] == 3
        assert api.post(f"{url}restore/", {"version": 1}, format="json").data["version"] == 1
        assert api.post(f"{url}restore/", {"version": 9}, format="json").status_code == 404
        answer = api.patch(url, {"name": "Dawn", "schedule": "by_hand"}, format="json")
        assert (answer.data["name"], answer.data["next_at"]) == ("Dawn", None)
        assert api.get("/api/v1/stations/").data["results"][0]["name"] == "Dawn"
        assert api.delete(url).status_code == 204
        assert not Playlist.objects.exists()

    def test_a_list_costs_no_query_for_each(
        self, api: APIClient, user: User, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(8):
            station_refresh(station=made(user))
        with django_assert_max_num_queries(8):
            found = api.get("/api/v1/stations/").data["results"]
        assert [one["version"] for one in found] == [1] * 8
        assert len({one["playlist_id"] for one in found}) == 8

    def test_a_request_that_is_no_longer_valid_is_noted(self, api: APIClient, user: User) -> None:
        station = made(user)
        Station.objects.update(request={"former_field": 1})
        answer = api.post(f"/api/v1/stations/{station.pk}/refresh/")
        assert answer.status_code == 200
        assert "former_field" in answer.data["notes"][0]

    @pytest.mark.parametrize(
        "change",
        [
            {"time_zone": "Mars/Olympus"},
            {"hour": 24},
            {"weekday": 7},
            {"schedule": "hourly"},
            {"fresh_versions": 11},
            {"name": ""},
            {"nonsense": 1},
        ],
    )
    def test_what_is_wrong_is_said(self, api: APIClient, user: User, change: Any) -> None:
        station = made(user)
        answer = api.patch(f"/api/v1/stations/{station.pk}/", change, format="json")
        assert answer.status_code == 400
        assert next(iter(change)) in str(answer.json())
        body = {"name": "x", "request": {"moods": ["calm"]}} | change
        assert api.post("/api/v1/stations/", body, format="json").status_code == 400

    def test_a_wrong_request_and_one_too_many(self, api: APIClient, user: User) -> None:
        body = {"name": "x", "request": {"count": 3}}
        assert api.post("/api/v1/stations/", body, format="json").status_code == 400
        Station.objects.bulk_create(
            Station(user=user, name="x", request={}) for _ in range(MAX_STATIONS)
        )
        body = {"name": "x", "request": {"moods": ["calm"]}}
        answer = api.post("/api/v1/stations/", body, format="json")
        assert answer.status_code == 400
        assert str(MAX_STATIONS) in str(answer.json())


def test_pages(client: Client, user: User) -> None:
    client.force_login(user)
    saved = {"query": "mood=calm&count=3&min_match=0&seed=4", "name": "Evenings"}
    answer = client.post("/stations/save", saved, follow=True)
    station = Station.objects.get()
    assert station.version == 1
    assert "Version 1 is made." in answer.content.decode()
    url = f"/stations/{station.pk}"
    assert "Evenings" in client.get("/stations").content.decode()
    assert "Evenings" not in client.get("/playlists").content.decode()
    client.post(f"{url}/refresh")
    page = client.post(f"{url}/restore", {"version": 1}, follow=True).content.decode()
    assert "Version 1 is the current one." in page
    fields = {"name": "Nights", "schedule": "weekly", "weekday": 6, "hour": 22}
    fields |= {"time_zone": "Asia/Tokyo", "fresh_versions": 2}
    page = client.post(f"{url}/change", fields, follow=True).content.decode()
    assert "Changed." in page
    station.refresh_from_db()
    assert (station.name, station.hour, station.weekday) == ("Nights", 22, 6)
    page = client.post(f"{url}/change", {**fields, "time_zone": "?"}, follow=True).content.decode()
    assert "is not known" in page
    client.post(f"{url}/delete")
    assert not Station.objects.exists()
