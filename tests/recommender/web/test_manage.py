"""The pages of staff: overview, jobs, adding music, the library, models and the index."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from filelock import FileLock

from catalog.models import BackgroundJob, IngestFailure, Library, Song, StageTiming
from catalog.paths import to_stored
from catalog.work.messages import broker
from recommender import selectors
from recommender.models import IndexBuild
from recommender.web.managing import left_words, speed_words, time_words
from tests.factories import LibraryFactory, SongFactory, UserFactory

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.http import HttpResponse
    from django.test import Client
    from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, SettingsWrapper

pytestmark = pytest.mark.django_db


def text(response: HttpResponse) -> str:
    """Return a page without the random tokens of its forms, in which any letters may stand."""
    return re.sub(r'(csrfmiddlewaretoken" value=")[^"]*', r"\1", response.content.decode())


@pytest.fixture
def admin(client: Client) -> User:
    admin = UserFactory(username="boss", is_staff=True, is_superuser=True)
    client.force_login(admin)
    return admin


def job_of(path: Path, **values: object) -> BackgroundJob:
    return BackgroundJob.objects.create(
        kind="ingest", arguments={"path": to_stored(path)}, **values
    )


class TestJobs:
    def test_staff_only(self, client: Client, user: User) -> None:
        assert client.get("/manage/add")["Location"].startswith("/login")
        client.force_login(user)
        assert client.get("/manage/add").status_code == 403
        assert client.post("/manage/add", {"path": "/"}).status_code == 403
        assert not BackgroundJob.objects.exists()

    def test_job_is_started_and_shown(self, client: Client, staff: User, music_dir: Path) -> None:
        client.force_login(staff)
        assert str(music_dir) in text(client.get("/manage/add"))
        response = client.post("/manage/add", {"path": str(music_dir)})
        job = BackgroundJob.objects.get()
        assert response["Location"] == f"/manage/jobs/{job.pk}"
        library, _ = LibraryFactory._meta.model.objects.get_or_create(
            root=str(music_dir), defaults={"name": "Music"}
        )
        IngestFailure.objects.create(
            library=library,
            relative_path="bad.mp3",
            file_size_bytes=0,
            file_mtime_ns=0,
            code="AUDIO_EMPTY",
            message="no bytes; replace the file",
        )
        page = text(client.get(f"/manage/jobs/{job.pk}"))
        assert "data-live-open" in page
        assert "AUDIO_EMPTY" in page
        assert "no bytes; replace the file" in page
        assert "The first" not in page

    def test_of_many_failures_the_first_are_shown(
        self, client: Client, staff: User, music_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors, "FAILURES_SHOWN", 2)
        library = LibraryFactory(root=str(music_dir))
        for name in ("a", "b", "c"):
            IngestFailure.objects.create(
                library=library,
                relative_path=f"{name}.mp3",
                file_size_bytes=0,
                file_mtime_ns=0,
                code="AUDIO_EMPTY",
                message="no bytes",
            )
        job = BackgroundJob.objects.create(kind="ingest", arguments={"path": str(music_dir)})
        client.force_login(staff)
        page = text(client.get(f"/manage/jobs/{job.pk}"))
        assert page.count("AUDIO_EMPTY") == 2
        assert "The first 2 of 3" in page
        IngestFailure.objects.filter(relative_path="b.mp3").update(code="AUDIO_BROKEN")
        assert "failure-kinds" not in text(client.get(f"/manage/jobs/{job.pk}"))
        monkeypatch.setattr(selectors, "FAILURES_SHOWN", 3)
        assert "failure-kinds" in text(client.get(f"/manage/jobs/{job.pk}"))

    @pytest.mark.parametrize("status", ["succeeded", "failed", "revoked"])
    def test_every_file_was_read_only_where_the_job_succeeded(
        self, client: Client, staff: User, music_dir: Path, status: str
    ) -> None:
        job = BackgroundJob.objects.create(
            kind="ingest",
            arguments={"path": str(music_dir)},
            status=status,
            finished_at=timezone.now(),
        )
        client.force_login(staff)
        page = text(client.get(f"/manage/jobs/{job.pk}"))
        assert ("Every file was read and analysed." in page) == (status == "succeeded")
        assert ('class="stages"' in page) == (status != "succeeded")  # done is said once

    def test_what_is_not_read_is_shown(self, client: Client, staff: User, music_dir: Path) -> None:
        result = {
            "unread": 3,
            "unread_suffixes": {".mid": 2, ".xm": 1},
            "unread_files": ["a.mid", "b.mid"],
            "left_out": 2,
            "tags_unread": 1,
            "notes": ["album.cue: cue sheets are not read"],
        }
        job = BackgroundJob.objects.create(
            kind="ingest", arguments={"path": str(music_dir)}, result=result
        )
        client.force_login(staff)
        page = text(client.get(f"/manage/jobs/{job.pk}"))
        assert "3 files of formats that are not read: 2 <code>.mid</code>, 1" in page
        assert "The first 2" in page
        assert '<li dir="auto">b.mid</li>' in page
        assert "2 files or folders left out" in page
        assert "The tags of 1 file could not be read now" in page
        assert "album.cue: cue sheets are not read" in page

    def test_files_that_are_gone_for_good_are_confirmed(
        self, client: Client, staff: User, music_dir: Path
    ) -> None:
        job = BackgroundJob.objects.create(
            kind="ingest",
            status="failed",
            arguments={"path": str(music_dir)},
            error_code="FILES_VANISHED",
            error_message="5 of 5 songs are gone at once",
        )
        client.force_login(staff)
        assert 'name="accept_empty"' in text(client.get(f"/manage/jobs/{job.pk}"))
        client.post("/manage/add", {"path": str(music_dir), "accept_empty": "on"})
        assert BackgroundJob.objects.get(status="pending").arguments["accept_empty"] is True

    def test_path_outside_the_roots(self, client: Client, staff: User) -> None:
        client.force_login(staff)
        response = client.post("/manage/add", {"path": "/etc"})
        assert response.status_code == 200
        assert "not inside a catalogue root" in text(response)
        assert not BackgroundJob.objects.exists()

    def test_jobs_under_way_come_before_a_table_of_those_that_ended(
        self, client: Client, staff: User, music_dir: Path
    ) -> None:
        client.force_login(staff)
        now = timezone.now()
        job_of(
            music_dir / "old",
            status="succeeded",
            created_by=staff,
            progress_done=1204,
            progress_total=1204,
            result={"failed": 2},
            started_at=now - timedelta(minutes=17),
            finished_at=now,
        )
        job_of(music_dir / "new", status="started", progress_done=2, progress_total=5)
        page = text(client.get("/manage/jobs"))
        under_way, _, ended = page.partition("<table")
        assert "<bdi>new</bdi>" in under_way
        assert "<bdi>old</bdi>" not in under_way
        row = ended.partition("<tbody>")[2]
        for words in ("<bdi>old</bdi>", ">Done<", ">1,204<", ">2<", "17\N{NO-BREAK SPACE}min"):
            assert words in row
        assert "new" not in re.findall("<bdi>(.*?)</bdi>", row)


class TestActs:
    def test_pause_resume_cancel(self, client: Client, staff: User, music_dir: Path) -> None:
        client.force_login(staff)
        job = job_of(music_dir)
        address = f"/manage/jobs/{job.pk}"
        for act, status in (("pause", "paused"), ("resume", "pending"), ("cancel", "revoked")):
            response = client.post(f"{address}/{act}")
            assert response["Location"] == address
            job.refresh_from_db()
            assert job.status == status
        page = text(client.post(f"{address}/pause", follow=True))
        assert "The job is in another state meanwhile: Cancelled." in page
        assert "Cancelled" in page

    def test_priority(self, client: Client, staff: User, music_dir: Path) -> None:
        client.force_login(staff)
        job = job_of(music_dir)
        page = text(client.get(f"/manage/jobs/{job.pk}"))
        assert '<option value="normal" selected>' in page
        url = f"/manage/jobs/{job.pk}/priority"
        assert "another place" in text(client.post(url, {"priority": "next"}, follow=True))
        job.refresh_from_db()
        assert job.priority == "next"
        assert "from the list" in text(client.post(url, {"priority": "x"}, follow=True))
        client.post(f"/manage/jobs/{job.pk}/cancel")
        ended = text(client.post(url, {"priority": "low"}, follow=True))
        assert "has ended" in ended
        assert "<option" not in ended

    def test_who_may_only_look(self, client: Client, music_dir: Path) -> None:
        looker = UserFactory(is_staff=True)
        looker.user_permissions.set(Permission.objects.filter(codename="view_backgroundjob"))
        client.force_login(looker)
        job = job_of(music_dir)
        for act in ("pause", "resume", "cancel", "retry"):
            assert client.post(f"/manage/jobs/{job.pk}/{act}").status_code == 403
        job.refresh_from_db()
        assert job.status == "pending"
        page = text(client.get(f"/manage/jobs/{job.pk}"))
        assert "/pause" not in page
        assert "Only staff who may add" in text(client.get("/manage/add"))
        assert client.post("/manage/upload").status_code == 403

    def test_retry(self, client: Client, staff: User, music_dir: Path) -> None:
        client.force_login(staff)
        library = LibraryFactory(root=str(music_dir))
        (music_dir / "a.mp3").write_bytes(b"x")
        SongFactory(library=library, relative_path="a.mp3", status="failed", failure_code="X")
        job = job_of(music_dir, status="succeeded", finished_at=timezone.now())
        page = text(client.get(f"/manage/jobs/{job.pk}"))
        assert ">Try again</button>" in page
        assert f'name="path" value="{music_dir}/a.mp3"' in page
        response = client.post(f"/manage/jobs/{job.pk}/retry", {"path": f"{music_dir}/a.mp3"})
        again = BackgroundJob.objects.exclude(pk=job.pk).get()
        assert response["Location"] == f"/manage/jobs/{again.pk}"
        assert Song.objects.get().status == "pending"
        page = text(client.post(f"/manage/jobs/{job.pk}/retry", follow=True))
        assert "nothing failed there any more" in page

    def test_parts_that_are_asked_for_again(
        self, client: Client, staff: User, music_dir: Path
    ) -> None:
        client.force_login(staff)
        job = job_of(music_dir, status="started", progress_done=2, progress_total=5)
        for path in ("/manage", "/manage/jobs", f"/manage/jobs/{job.pk}"):
            whole, part = text(client.get(path)), text(client.get(f"{path}?live=1"))
            assert "<html" in whole
            assert "data-live=" in whole
            assert "<html" not in part
            assert "data-live-open" in part
            assert "2</strong> of 5" in part or "2 of 5" in part
        BackgroundJob.objects.update(status="paused")
        assert "data-live-open" not in text(client.get("/manage?live=1"))

    def test_the_speed_of_the_stages(self, client: Client, staff: User, music_dir: Path) -> None:
        client.force_login(staff)
        job = job_of(music_dir, status="started")
        assert "stage-speeds" not in text(client.get(f"/manage/jobs/{job.pk}"))
        StageTiming.objects.create(stage="read", items=100, seconds=4)
        StageTiming.objects.create(stage="predict", items=2, seconds=3)
        page = text(client.get(f"/manage/jobs/{job.pk}?live=1"))
        assert 'Read tags <strong class="number nowrap">25 a second</strong>' in page
        assert 'Predict <strong class="number nowrap">1.5 s each</strong>' in page


def test_words_of_speed_and_time() -> None:
    assert [speed_words(x) for x in (0, 0.4, 12.2, 174)] == [
        "",
        "1 song a minute",
        "12 songs a minute",
        "2.9 songs a second",
    ]
    assert [
        time_words(x).replace("\N{NO-BREAK SPACE}", " ") for x in (0.2, 59, 59.7, 61, 3900)
    ] == [
        "1 s",
        "59 s",
        "1 min",
        "1 min",
        "1 h 5 min",
    ]
    assert [left_words(x) for x in (None, float("inf"), 20, 61, 5400)] == [
        "",
        "",
        "less than a minute left",
        "about 2 min left",
        "about 1.5 h left",
    ]


class TestAddMusic:
    def test_folders_are_browsed_inside_the_roots(
        self, client: Client, staff: User, music_dir: Path, tmp_path: Path
    ) -> None:
        client.force_login(staff)
        (music_dir / "Jazz" / "Live").mkdir(parents=True)
        (music_dir / ".hidden").mkdir()
        (music_dir / "a.mp3").touch()
        (music_dir / "away").symlink_to(tmp_path)
        page = text(client.get("/manage/add"))
        assert "Jazz" in page
        assert "1 audio file here, and what is in its folders" in page
        assert ".hidden" not in page
        assert "away" not in page
        below = text(client.get("/manage/add", {"folder": str(music_dir / "Jazz")}))
        assert "Live" in below
        assert f'value="{music_dir}/Jazz"' in below
        for outside in (tmp_path, tmp_path / "nothing", music_dir / "away", "x" * 3000, "\0"):
            page = text(client.get("/manage/add", {"folder": str(outside)}))
            assert "not inside a catalogue root" in page

    def test_a_library_from_the_shell_may_be_read_again(
        self, client: Client, staff: User, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        client.force_login(staff)
        assert "not inside" in text(client.post("/manage/add", {"folder": str(other)}))
        LibraryFactory(root=str(other))
        assert str(other) in text(client.get("/manage/add?folder="))
        assert client.post("/manage/add", {"folder": str(other)}).status_code == 302

    def test_a_folder_whose_name_is_no_text(
        self, client: Client, staff: User, music_dir: Path
    ) -> None:
        odd = music_dir / "caf\udce9"
        odd.mkdir()
        client.force_login(staff)
        assert "caf\\xe9" in text(client.get("/manage/add"))
        client.post("/manage/add", {"folder": to_stored(odd)})
        assert BackgroundJob.objects.get().arguments["path"] == to_stored(odd)

    def test_nothing_chosen(self, client: Client, staff: User) -> None:
        client.force_login(staff)
        assert "Choose a folder, or enter its path." in text(client.post("/manage/add"))
        page = text(client.get("/manage/add"))
        assert "No music folder is there yet" in page
        assert '<details class="disclosure" open><summary>Enter a path' in page

    def test_a_folder_of_a_library_is_scanned_again(
        self, client: Client, staff: User, music_dir: Path
    ) -> None:
        client.force_login(staff)
        (music_dir / "Jazz").mkdir()
        page = text(client.get("/manage/add"))
        assert "Add this folder" in page
        assert "Already added" not in page
        library = LibraryFactory(root=to_stored(music_dir / "Jazz"))
        page = text(client.get("/manage/add"))
        assert "Add this folder" in page  # the folder above it is none
        assert "Added</span>" in page
        page = text(client.get("/manage/add", {"folder": str(music_dir / "Jazz")}))
        assert "Already added" in page
        assert "Scan again" in page
        assert "No audio files and no subfolders" in page
        assert "Add this folder" not in page
        Library.objects.filter(pk=library.pk).update(is_going=True)
        page = text(client.get("/manage/add", {"folder": str(music_dir / "Jazz")}))
        assert "is being removed" in page
        assert "Scan again" not in page

    def test_a_new_library_is_watched_and_scanned_as_chosen(
        self, client: Client, staff: User, music_dir: Path
    ) -> None:
        client.force_login(staff)
        assert 'id="folder_watch"' in text(client.get("/manage/add"))
        chosen = {"watch": "events", "rescan_hours": "24"}
        client.post("/manage/add", {"folder": to_stored(music_dir), **chosen})
        library = Library.objects.get()
        assert (library.watch, library.rescan_hours) == ("events", 24)
        assert library.rescan_at is not None
        page = text(client.get("/manage/add"))
        assert "How that is watched and scanned is set under" in page
        assert 'id="folder_watch"' not in page

    def test_a_library_that_is_there_stays_as_it_is(
        self, client: Client, staff: User, music_dir: Path
    ) -> None:
        client.force_login(staff)
        LibraryFactory(name="Shelf", root=to_stored(music_dir), watch="polling")
        inside = music_dir / "Jazz"
        inside.mkdir()
        page = text(client.post("/manage/add", {"path": inside, "watch": "events"}, follow=True))
        assert "It is in the library Shelf, which is watched and scanned as before." in page
        assert Library.objects.get().watch == "polling"
        assert "Shelf" not in text(client.post("/manage/add", {"path": inside}, follow=True))
        response = client.post("/manage/add", {"path": inside, "watch": "always"})
        assert "Select a valid choice" in text(response)

    def test_the_first_run_goes_on_to_the_job(
        self, client: Client, staff: User, music_dir: Path
    ) -> None:
        client.force_login(staff)
        welcome = text(client.get("/manage/add?welcome"))
        assert "Choose your music" in welcome
        assert 'name="watch"' not in welcome
        assert 'name="accept_empty"' not in welcome
        assert 'class="tabs"' not in welcome  # one way on, not eight
        assert 'class="tabs"' in text(client.get("/manage/add"))
        response = client.post("/manage/add?welcome", {"folder": str(music_dir)})
        job = BackgroundJob.objects.get()
        assert response["Location"] == f"/manage/jobs/{job.pk}?welcome"
        assert "Listen" in text(client.get(response["Location"]))


class TestUpload:
    @pytest.fixture(autouse=True)
    def logged_in(self, client: Client, staff: User, settings: SettingsWrapper) -> None:
        settings.AFFETTI_DISK_FREE_BYTES = 0
        client.force_login(staff)

    def send(self, client: Client, body: bytes = b"", **query: object) -> HttpResponse:
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return client.post(f"/manage/upload?{words}", body, content_type="application/octet-stream")

    def test_pieces(self, client: Client, settings: SettingsWrapper) -> None:
        upload = uuid4()
        of = {"upload": upload, "name": "a.wav", "size": 6}
        assert self.send(client, b"abc", **of, offset=0).status_code == 204
        response = self.send(client, b"f", **of, offset=5)
        assert response.status_code == 409
        assert response.json()["details"] == {"offset": 3}
        response = self.send(client, b"def", **of, offset=3)
        assert (response.status_code, response.json()) == (201, {"name": "a.wav"})
        assert (settings.AFFETTI_UPLOAD_DIR / "a.wav").read_bytes() == b"abcdef"

    def test_pieces_have_a_rate_of_their_own(
        self, client: Client, settings: SettingsWrapper
    ) -> None:
        rates = {"uploads": "2/min", "user": "1/min"}
        settings.AFFETTI_THROTTLE_RATES = settings.AFFETTI_THROTTLE_RATES | rates
        of = {"upload": uuid4(), "name": "a.wav", "size": 6}
        answers = [self.send(client, b"a", **of, offset=offset) for offset in range(3)]
        assert [answer.status_code for answer in answers] == [204, 204, 429]
        assert int(answers[2]["Retry-After"]) > 0

    def test_busy(
        self, client: Client, settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("catalog.ingest.uploads.BUSY_SECONDS", 0.05)
        of = {"upload": uuid4(), "name": "a.wav", "size": 3, "offset": 0}
        settings.AFFETTI_UPLOAD_MEMORY_DIR.mkdir()
        with FileLock(settings.AFFETTI_UPLOAD_MEMORY_DIR / f"{of['upload'].hex}.lock"):
            response = self.send(client, b"abc", **of)
        assert (response.status_code, response["Retry-After"]) == (503, "10")
        assert self.send(client, b"abc", **of).status_code == 201

    def test_stopped(self, client: Client, settings: SettingsWrapper) -> None:
        upload = uuid4()
        self.send(client, b"abc", upload=upload, name="a.wav", size=6, offset=0)
        assert client.delete(f"/manage/upload?upload={upload}").status_code == 204
        assert list(settings.AFFETTI_UPLOAD_DIR.iterdir()) == []

    def test_refused(self, client: Client) -> None:
        response = self.send(client, b"x", upload=uuid4(), name="a.exe", size=1)
        assert (response.status_code, response.json()["code"]) == (400, "UPLOAD_TYPE")
        response = self.send(client, b"x", upload="x", name="a.wav", size=1)
        assert (response.status_code, response.json()["code"]) == (400, "REQUEST_INVALID")
        response = self.send(client, b"x" * 1_000_001, upload=uuid4(), name="a.wav", size=9)
        assert response.status_code == 413

    def test_switched_off(self, client: Client, settings: SettingsWrapper) -> None:
        settings.AFFETTI_UPLOAD_MAX_BYTES = 0
        assert "Uploads are switched off" in text(client.get("/manage/add"))
        response = self.send(client, b"x", upload=uuid4(), name="a.wav", size=1)
        assert response.json()["code"] == "UPLOAD_TOO_LARGE"


class TestLibrary:
    @pytest.fixture
    def three(self) -> list[Song]:
        library = LibraryFactory(name="Shelf")
        return [SongFactory(library=library, title=f"S{n}", genre="pop") for n in range(3)]

    def test_songs_are_listed_and_filtered(
        self, client: Client, admin: User, three: list[Song]
    ) -> None:
        page = text(client.get("/manage/songs"))
        assert all(song.title in page for song in three)
        assert "3 songs" in page
        assert "Ready" in page
        Song.objects.update(year=None)
        assert "without-years" in text(client.get("/manage/songs"))
        Song.objects.filter(pk=three[0].pk).update(year=1999)
        assert "without-years" not in text(client.get("/manage/songs"))
        page = text(client.get("/manage/songs", {"q": "s1", "genre": "pop"}))
        assert "S2" not in page
        assert 'value="s1"' in page
        page = text(client.get("/manage/songs", {"q": "nothing like it"}))
        assert "No song matches. Take a filter away" in page
        assert "<html" not in text(client.get("/manage/songs?rows=1"))

    def test_an_empty_library_says_what_to_do(self, client: Client, admin: User) -> None:
        assert 'href="/manage/add">Add music' in text(client.get("/manage/songs"))
        assert 'href="/manage/add">Add music' in text(client.get("/manage"))
        assert "Nothing has been added yet." in text(client.get("/manage/jobs"))

    def test_selected_songs_are_corrected(
        self, client: Client, admin: User, three: list[Song]
    ) -> None:
        sent = {"song": [three[0].pk, three[1].pk], "new-genre": "jazz", "q": "s", "sort": "added"}
        response = client.post("/manage/songs/edit", sent)
        assert response["Location"] == "/manage/songs?q=s&sort=added"
        assert Song.objects.filter(genre="jazz").count() == 2
        client.post("/manage/songs/edit", {"song": [three[0].pk], "new-no_year": "on"})
        assert Song.objects.get(pk=three[0].pk).year is None
        page = text(client.post("/manage/songs/edit", {"new-genre": "x"}, follow=True))
        assert "Select songs first" in page
        page = text(client.post("/manage/songs/edit", {"song": "1", "new-year": "x"}, follow=True))
        assert "Nothing was changed. Year: Enter a whole number." in page

    def test_all_songs_of_a_list(self, client: Client, admin: User, three: list[Song]) -> None:
        client.post("/manage/songs/remove", {"all": "on", "q": "s1"})
        assert Song.objects.filter(is_available=False).get() == three[1]
        assert "S1" in text(client.get("/manage/songs?state=removed"))
        client.post("/manage/songs/analyse", {"all": "on"})
        assert Song.objects.filter(status="pending").count() == 2

    def test_too_many_at_once(
        self, client: Client, admin: User, three: list[Song], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recommender.web.views.manage.library.MOST_AT_ONCE", 2)
        page = text(client.post("/manage/songs/remove", {"all": "on"}, follow=True))
        assert "Narrow the list to 2 songs" in page
        assert not Song.objects.filter(is_available=False).exists()


class TestIndex:
    def test_build_now(
        self,
        client: Client,
        admin: User,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sent: list[str] = []
        monkeypatch.setattr(broker, "send", lambda task, _: sent.append(task))
        with django_capture_on_commit_callbacks(execute=True):
            client.post("/manage/index/build")
        assert sent == ["recommender.build_index"]

    def test_builds_are_listed(self, client: Client, admin: User, songs: list[Song]) -> None:
        assert "There is no index yet" in text(client.get("/manage/models"))
        IndexBuild.objects.create(
            model_version=songs[0].emotions.get().model_version,
            directory="d",
            row_count=7,
            manifest_sha256="0" * 64,
            position="0",
            is_active=True,
        )
        page = text(client.get("/manage/models"))
        assert "7 of 12 songs are in the index" in page
        assert "in use" in page
