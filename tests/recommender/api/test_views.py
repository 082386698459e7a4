from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from catalog.models import BackgroundJob, IngestFailure, Library, Song, StageTiming
from mer.affect import EMOTIONS, GEMS
from recommender.models import Listen, Playlist
from recommender.moods import MOODS
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


class TestSongs:
    def test_list_in_few_queries(
        self,
        api: APIClient,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        with django_assert_max_num_queries(2):  # keys and page
            body = api.get("/api/v1/songs/").json()
        assert body["count"] == 12
        first = body["results"][0]
        assert first["audio_url"] == f"http://testserver/songs/{first['id']}/audio"
        assert set(first["emotion"]["emotions"]) == set(EMOTIONS)

    def test_another_models_emotion_is_not_shown(self, api: APIClient) -> None:
        song = SongFactory()
        SongEmotionFactory(song=song, model_version="affetti-11111111")
        body = api.get("/api/v1/songs/").json()
        assert [row["emotion"] for row in body["results"]] == [None]

    def test_songs_without_files_are_hidden(self, api: APIClient, songs: list[Song]) -> None:
        Song.objects.filter(pk=songs[0].pk).update(is_available=False)
        assert api.get("/api/v1/songs/").json()["count"] == 11
        assert api.get(f"/api/v1/songs/{songs[0].pk}/").status_code == 404

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("artist=artist 3", {3}),
            ("status=pending", set()),
            ("quadrant=Q1", {6, 7, 10, 11}),
            ("quadrant=Q3&artist=Artist 0", {0}),
        ],
    )
    def test_filters(
        self, api: APIClient, songs: list[Song], query: str, expected: set[int]
    ) -> None:
        body = api.get(f"/api/v1/songs/?{query}").json()
        assert {row["id"] for row in body["results"]} == {songs[n].pk for n in expected}

    def test_genre_filter(self, api: APIClient, songs: list[Song]) -> None:
        body = api.get("/api/v1/songs/?genre=ROCK").json()
        assert body["count"] == 4

    def test_order_by_valence_pages_without_repeats(
        self, api: APIClient, songs: list[Song]
    ) -> None:
        seen: list[dict[str, Any]] = []
        for page in (1, 2, 3, 4):
            body = api.get(f"/api/v1/songs/?ordering=-valence&page_size=3&page={page}").json()
            seen += body["results"]
        valences = [row["emotion"]["valence"] for row in seen]
        assert valences == sorted(valences, reverse=True)
        assert len({row["id"] for row in seen}) == 12

    def test_detail(self, api: APIClient) -> None:
        song = SongEmotionFactory(song=SongFactory(lyrics="la la")).song
        body = api.get(f"/api/v1/songs/{song.pk}/").json()
        assert body["lyrics"] == "la la"
        assert set(body["emotion"]["gates"]) == {"audio", "lyrics", "context"}
        assert set(body["emotion"]["timeline"][0]) == {"start_seconds", "valence", "arousal"}
        assert (body["emotion"]["valence_spread"], body["emotion"]["arousal_spread"]) == (
            0.12,
            0.08,
        )
        assert body["emotion"]["ambiguous"] is False
        assert body["emotion"]["lyric_lines"] == []
        assert "fused_embedding" not in body["emotion"]

    def test_detail_tells_what_moved_an_ambiguous_song(self, api: APIClient) -> None:
        line = {"line": 3, "text": "la la", "valence": -0.03, "arousal": 0.04, "shift": 0.05}
        song = SongEmotionFactory(confidence=0.49, lyric_lines=[line]).song
        emotion = api.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]
        assert emotion["ambiguous"] is True
        assert emotion["lyric_lines"] == [line]

    def test_detail_tells_what_each_part_alone_says(self, api: APIClient) -> None:
        alone = {"audio": {"valence": 0.8, "arousal": 0.7}}
        song = SongEmotionFactory(alone=alone).song
        assert api.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]["alone"] == alone

    def test_detail_tells_what_listeners_feel_and_how_sure_it_is(self, api: APIClient) -> None:
        felt = dict.fromkeys(GEMS, 0.1) | {"power": 0.7}
        told = {"kinds": {"band": 1.0}, "novelty": 0.75, "valence_interval": [0.1, 0.6]}
        song = SongEmotionFactory(felt=felt, **told).song
        emotion = api.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]
        assert emotion["felt"] == felt
        assert {name: emotion[name] for name in told} == told
        assert emotion["unfamiliar"] is True
        assert emotion["arousal_interval"] is None

    def test_detail_tells_of_withheld_lyrics(self, api: APIClient) -> None:
        gates = {"audio": 1.0, "lyrics": 0.0, "context": 0.0}
        song = SongEmotionFactory(
            lyrics_language="de", are_lyrics_withheld=True, gates=gates
        ).song  # fmt: skip
        emotion = api.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]
        assert (emotion["lyrics_language"], emotion["lyrics_withheld"]) == ("de", True)
        note = "Lyrics in German were not used: the model was trained on English lyrics."
        assert emotion["withheld_note"] == note

    def test_what_a_model_does_not_predict_is_null_or_empty(self, api: APIClient) -> None:
        song = SongEmotionFactory().song
        emotion = api.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]
        nothing = {
            "felt": None, "kinds": {}, "novelty": None, "unfamiliar": False,
            "valence_interval": None, "arousal_interval": None, "lyrics_language": "",
            "lyrics_withheld": False, "withheld_note": "",
        }  # fmt: skip
        assert {name: emotion[name] for name in nothing} == nothing

    def test_what_an_older_model_did_not_tell_is_null(self, api: APIClient) -> None:
        song = SongEmotionFactory(valence_spread=None, arousal_spread=None).song
        emotion = api.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]
        assert (emotion["valence_spread"], emotion["arousal_spread"]) == (None, None)

    def test_similar(
        self,
        api: APIClient,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        api.get(f"/api/v1/songs/{songs[0].pk}/similar/")  # the first call reads the catalogue
        with django_assert_max_num_queries(9):
            body = api.get(f"/api/v1/songs/{songs[0].pk}/similar/?count=5").json()
        assert len(body) == 5
        similarities = [row["similarity"] for row in body]
        assert similarities == sorted(similarities, reverse=True)
        assert songs[0].pk not in {row["song"]["id"] for row in body}

    def test_songs_by_their_ids(
        self,
        api: APIClient,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        wanted = [songs[3].pk, songs[7].pk]
        with django_assert_max_num_queries(2):
            body = api.get(f"/api/v1/songs/?ids={wanted[0]},{wanted[1]},999999").json()
        assert sorted(row["id"] for row in body["results"]) == sorted(wanted)
        for bad in ("x", "1,", "-1", "1.5", "9" * 30, "1 2"):
            response = api.get(f"/api/v1/songs/?ids={bad}")
            assert response.status_code == 400, bad
            assert set(response.json()["details"]) == {"ids"}


def test_facets(api: APIClient) -> None:
    for genre, year in [("Rock; Indie", 1999), ("INDIE", 1991), ("indie", None), ("", 2004)]:
        SongEmotionFactory(song__genre=genre, song__year=year)
    SongEmotionFactory(song__genre="Gone", song__is_available=False)
    body = api.get("/api/v1/facets/").json()
    assert {facet["value"].casefold(): facet["songs"] for facet in body["genres"]} == {
        "indie": 3,
        "rock": 1,
    }
    assert body["decades"] == [{"value": "1990", "songs": 2}, {"value": "2000", "songs": 1}]


def test_moods(api: APIClient) -> None:
    body = api.get("/api/v1/moods/").json()
    assert [mood["name"] for mood in body] == list(MOODS)
    assert all(0 <= mood["valence"] <= 1 and 0 <= mood["arousal"] <= 1 for mood in body)


class TestPlaylists:
    URL = "/api/v1/playlists/"

    def test_anonymous_list_is_not_kept(self, api: APIClient, songs: list[Song]) -> None:
        response = api.post(
            self.URL, {"moods": ["calm"], "count": 5, "seed": 7, "min_match": 0}, format="json"
        )
        assert response.status_code == 200
        body = response.json()
        assert body["id"] is None
        assert body["seed"] == 7
        assert [entry["position"] for entry in body["entries"]] == [0, 1, 2, 3, 4]
        assert all(entry["reason"]["sentence"] for entry in body["entries"])
        assert all(0 <= entry["score"] <= 1 for entry in body["entries"])
        assert not Playlist.objects.exists()

    def test_same_request_same_list(self, api: APIClient, songs: list[Song]) -> None:
        first = api.post(self.URL, {"point": {"valence": 0.2, "arousal": 0.8}}, format="json")
        again = {**first.json()["request"], "seed": first.json()["seed"]}
        second = api.post(self.URL, again, format="json")
        assert [e["song"]["id"] for e in second.json()["entries"]] == [
            e["song"]["id"] for e in first.json()["entries"]
        ]

    def test_weighted_moods(self, api: APIClient, songs: list[Song]) -> None:
        body = {"moods": ["calm", {"name": "joy", "weight": 2}]}
        answer = api.post(self.URL, body, format="json").json()
        assert answer["request"]["moods"] == [
            {"name": "calm", "weight": 1.0},
            {"name": "joy", "weight": 2.0},
        ]

    def test_kept_list_is_ones_own(self, api: APIClient, user: User, songs: list[Song]) -> None:
        api.force_authenticate(user)
        response = api.post(
            self.URL, {"song_ids": [songs[0].pk], "count": 4, "name": "Mine"}, format="json"
        )
        assert response.status_code == 201
        made = response.json()
        url = f"{self.URL}{made['id']}/"
        assert [row["id"] for row in api.get(self.URL).json()["results"]] == [made["id"]]
        detail = api.get(url).json()
        assert detail["name"] == "Mine"
        assert detail["entries"] == made["entries"]

        api.force_authenticate(UserFactory())
        assert api.get(self.URL).json()["count"] == 0
        assert api.get(url).status_code == 404
        assert api.get(f"{url}export.m3u8").status_code == 404
        assert api.delete(url).status_code == 404

        api.force_authenticate(user)
        assert api.delete(url).status_code == 204
        assert not Playlist.objects.exists()

    def test_save_false_and_save_without_login(
        self, api: APIClient, user: User, songs: list[Song]
    ) -> None:
        body = {"moods": ["calm"], "save": True}
        assert api.post(self.URL, body, format="json").status_code == 401
        api.force_authenticate(user)
        body["save"] = False
        assert api.post(self.URL, body, format="json").status_code == 200
        assert not Playlist.objects.exists()

    def test_list_and_detail_in_few_queries(
        self,
        api: APIClient,
        user: User,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        api.force_authenticate(user)
        for _ in range(3):
            made = api.post(self.URL, {"moods": ["joy"]}, format="json").json()
        with django_assert_max_num_queries(2):
            assert api.get(self.URL).json()["results"][0]["entry_count"] > 0
        with django_assert_max_num_queries(4):  # the list, its entries, songs, what is said of them
            api.get(f"{self.URL}{made['id']}/")

    def test_export(self, api: APIClient, user: User, songs: list[Song]) -> None:
        api.force_authenticate(user)
        made = api.post(self.URL, {"moods": ["joy"], "name": "Joy"}, format="json").json()
        response = api.get(f"{self.URL}{made['id']}/export.m3u8")
        assert response["Content-Type"].startswith("audio/x-mpegurl")
        lines = response.content.decode().splitlines()
        assert lines[:2] == ["#EXTM3U", "#PLAYLIST:Joy"]
        assert [line for line in lines if not line.startswith("#")] == [
            entry["song"]["audio_url"] for entry in made["entries"]
        ]

    @pytest.mark.parametrize("gone", [1, 4])
    def test_page_count_list_and_export_agree_while_files_are_gone(
        self, api: APIClient, client: Client, user: User, songs: list[Song], gone: int
    ) -> None:
        api.force_authenticate(user)
        client.force_login(user)
        body = {"moods": ["joy"], "count": 4, "max_per_artist": 4, "min_match": 0}
        made = api.post(self.URL, body, format="json").json()
        ids = [entry["song"]["id"] for entry in made["entries"]]
        Song.objects.filter(pk__in=ids[:gone]).update(is_available=False)
        note = "are left out" if gone > 1 else "is left out"

        assert api.get(self.URL).json()["results"][0]["entry_count"] == 4 - gone
        detail = api.get(f"{self.URL}{made['id']}/").json()
        assert [entry["song"]["id"] for entry in detail["entries"]] == ids[gone:]
        assert note in detail["notes"][-1]
        lines = api.get(f"{self.URL}{made['id']}/export.m3u8").content.decode().splitlines()
        assert len([line for line in lines if not line.startswith("#")]) == 4 - gone
        assert [line for line in lines if line.startswith("# ")] == [f"# {detail['notes'][-1]}"]
        page = client.get(f"/playlists/{made['id']}").content.decode()
        assert page.count("data-entry") == 4 - gone
        assert detail["notes"][-1] in page
        count = f'number">{4 - gone} song{"" if gone == 3 else "s"}'
        assert count in client.get("/playlists").content.decode()


class TestListens:
    URL = "/api/v1/listens/"

    def test_own_listens_only(
        self,
        api: APIClient,
        user: User,
        songs: list[Song],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        api.force_authenticate(user)
        for song in songs[:3]:
            response = api.post(self.URL, {"song_id": song.pk, "seconds_played": 31}, format="json")
            assert response.status_code == 201
        with django_assert_max_num_queries(2):
            rows = api.get(self.URL).json()["results"]
        assert {row["song"]["title"] for row in rows} == {song.title for song in songs[:3]}
        api.force_authenticate(UserFactory())
        assert api.get(self.URL).json()["count"] == 0

    def test_bad_listens(self, api: APIClient, user: User, songs: list[Song]) -> None:
        api.force_authenticate(user)
        future = (timezone.now() + timedelta(days=1)).isoformat()
        for body, status in [
            ({"song_id": 10**9}, 404),
            ({"song_id": songs[0].pk, "seconds_played": -1}, 400),
            ({"song_id": songs[0].pk, "listened_at": future}, 400),
            ({}, 400),
        ]:
            assert api.post(self.URL, body, format="json").status_code == status, body
        assert not Listen.objects.exists()


class TestJobs:
    def test_ingest_is_accepted_and_followed(
        self, api: APIClient, staff: User, music_dir: Path
    ) -> None:
        api.force_authenticate(staff)
        response = api.post("/api/v1/ingest-jobs/", {"path": str(music_dir)}, format="json")
        assert response.status_code == 202
        job = response.json()
        assert job["status"] == "pending"
        assert response["Location"] == job["url"]
        detail = api.get(job["url"]).json()
        assert detail["job"]["id"] == job["id"]
        assert detail["progress"]["done"] == 0
        assert detail["failures"] == []

    @pytest.mark.parametrize("accept_empty", [True, False])
    def test_that_files_are_gone_is_confirmed(
        self, api: APIClient, staff: User, music_dir: Path, accept_empty: bool
    ) -> None:
        api.force_authenticate(staff)
        body = {"path": str(music_dir), "accept_empty": accept_empty}
        response = api.post("/api/v1/ingest-jobs/", body, format="json")
        assert response.status_code == 202
        assert response.json()["arguments"]["accept_empty"] is accept_empty

    def test_what_is_not_read_is_told(self, api: APIClient, staff: User, music_dir: Path) -> None:
        result = {"unread": 1, "unread_suffixes": {".mid": 1}, "unread_files": ["a.mid"]}
        result["notes"] = ["disk: is a link"]
        job = BackgroundJob.objects.create(
            kind="ingest", arguments={"path": str(music_dir)}, result=result
        )
        api.force_authenticate(staff)
        body = api.get(f"/api/v1/jobs/{job.pk}/").json()
        assert (body["unread_count"], body["unread_suffixes"]) == (1, {".mid": 1})
        assert body["unread_files"] == ["a.mid"]
        assert body["notes"] == ["disk: is a link"]

    def test_failures_are_told(self, api: APIClient, staff: User, music_dir: Path) -> None:
        library = LibraryFactory(root=str(music_dir))
        IngestFailure.objects.create(
            library=library,
            relative_path="bad.mp3",
            file_size_bytes=0,
            file_mtime_ns=0,
            code="AUDIO_EMPTY",
            message="no bytes",
        )
        job = BackgroundJob.objects.create(
            kind="ingest", status="started", arguments={"path": str(music_dir)}
        )
        api.force_authenticate(staff)
        body = api.get(f"/api/v1/jobs/{job.pk}/").json()
        assert body["failures"] == [
            {"path": f"{music_dir}/bad.mp3", "code": "AUDIO_EMPTY", "message": "no bytes"}
        ]
        assert body["failure_count"] == 1

    def test_the_speed_of_the_stages(self, api: APIClient, staff: User, music_dir: Path) -> None:
        StageTiming.objects.create(stage="predict", items=30, seconds=15)
        StageTiming.objects.create(stage="read", items=100, seconds=4)
        StageTiming.objects.create(stage="index")  # nothing of it yet
        job = BackgroundJob.objects.create(kind="ingest", arguments={"path": str(music_dir)})
        api.force_authenticate(staff)
        stages = api.get(f"/api/v1/jobs/{job.pk}/").json()["stages"]
        assert [one["stage"] for one in stages] == ["read", "predict"]
        assert stages[1] == {
            "stage": "predict",
            "items": 30,
            "seconds": 15.0,
            "items_per_second": 2.0,
        }

    def test_other_kinds_and_filter(
        self,
        api: APIClient,
        staff: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        job = BackgroundJob.objects.create(kind="of_later", status="succeeded")
        BackgroundJob.objects.create(kind="ingest", arguments={"path": "/x"})
        api.force_authenticate(staff)
        with django_assert_max_num_queries(4):  # count, page, permissions of user and groups
            body = api.get("/api/v1/jobs/?status=succeeded").json()
        assert [row["id"] for row in body["results"]] == [str(job.pk)]
        assert api.get(f"/api/v1/jobs/{job.pk}/").json()["progress"] is None
        assert api.get(f"/api/v1/jobs/{uuid.UUID(int=9)}/").status_code == 404
        assert api.post(f"/api/v1/jobs/{job.pk}/cancel/").status_code == 404

    def test_priority(self, api: APIClient, staff: User, music_dir: Path) -> None:
        api.force_authenticate(staff)
        body = {"path": str(music_dir), "priority": "high"}
        job = api.post("/api/v1/ingest-jobs/", body, format="json").json()
        assert job["priority"] == "high"
        url = f"{job['url']}priority/"
        moved = api.post(url, {"priority": "next"}, format="json")
        assert (moved.status_code, moved.json()["priority"]) == (200, "next")
        assert api.post(url, {"priority": "soon"}, format="json").status_code == 400
        api.post(f"{job['url']}cancel/")
        assert api.post(url, {"priority": "low"}, format="json").status_code == 409

    def test_pause_resume_cancel_and_retry(
        self, api: APIClient, staff: User, music_dir: Path
    ) -> None:
        api.force_authenticate(staff)
        url = api.post("/api/v1/ingest-jobs/", {"path": str(music_dir)}, format="json").json()[
            "url"
        ]
        for act, status in (("pause", "paused"), ("resume", "pending"), ("cancel", "revoked")):
            response = api.post(f"{url}{act}/")
            assert (response.status_code, response.json()["status"]) == (200, status)
            assert api.get(url).json()["job"]["status"] == status
        for act in ("pause", "resume", "cancel"):
            response = api.post(f"{url}{act}/")
            assert (response.status_code, response.json()["code"]) == (409, "JOB_STATE_INVALID")

        library = Library.objects.get()
        for name in ("a.mp3", "b.mp3"):
            IngestFailure.objects.create(
                library=library,
                relative_path=name,
                file_size_bytes=0,
                file_mtime_ns=0,
                code="AUDIO_EMPTY",
            )
            (music_dir / name).touch()
        one = api.post(f"{url}retry/", {"path": f"{music_dir}/a.mp3"}, format="json")
        assert one.status_code == 202
        assert one["Location"] == one.json()["url"] != url
        assert one.json()["arguments"]["path"] == f"{music_dir}/a.mp3"
        assert [failure.relative_path for failure in IngestFailure.objects.all()] == ["b.mp3"]
        assert api.post(f"{url}retry/").status_code == 202
        assert not IngestFailure.objects.exists()
        response = api.post(f"{url}retry/")
        assert (response.status_code, response.json()["code"]) == (400, "PATH_INVALID")
        response = api.post(f"{one.json()['url']}retry/")
        assert (response.status_code, response.json()["code"]) == (409, "JOB_STATE_INVALID")
        response = api.post(f"{url}retry/", {"file": "x"}, format="json")
        assert (response.status_code, response.json()["code"]) == (400, "REQUEST_INVALID")


def test_token_lives_from_login_to_logout(api: APIClient, user: User) -> None:
    credentials = {"username": "ada", "password": "pass-word-1"}
    response = api.post("/api/v1/auth/login/", credentials, format="json")
    assert response.status_code == 201
    token = response.json()["token"]
    user.refresh_from_db()
    assert user.last_login is not None
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert api.get("/api/v1/playlists/").status_code == 200
    assert api.post("/api/v1/auth/logout/").status_code == 204
    assert api.get("/api/v1/playlists/").status_code == 401


def test_inactive_user_gets_no_token(api: APIClient) -> None:
    UserFactory(username="gone", is_active=False)
    credentials = {"username": "gone", "password": "pass-word-1"}
    assert api.post("/api/v1/auth/login/", credentials, format="json").status_code == 401
