"""From one model to the next: lists are never empty, and never mix two versions."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from catalog import analysis
from catalog.analysis import songs_analyse
from catalog.errors import ModelAwayError
from catalog.models import ModelVersion, Song, SongEmotion
from catalog.tasks import reconcile
from catalog.versions import (
    checkpoint_keep,
    kept_checkpoint,
    version_delete,
    version_register,
    version_switch,
)
from catalog.work import messages
from catalog.work.queue import PENDING_AGAIN, songs_requeue_for_model
from mer.checkpoint import packaged_version
from mer.errors import AudioDecodeError, CheckpointCorruptError
from mer.files import written_aside
from recommender import tasks
from recommender.errors import IndexBusyError, PlaylistRequestError
from recommender.index import index_build, index_snapshot, index_status, transition
from recommender.models import IndexBuild
from recommender.operations import operation_warnings
from recommender.playlists import PlaylistRequest, playlist_generate, playlist_listed
from recommender.playlists.comparison import versions_compare
from recommender.playlists.similar import SimilarSong, similar_listed, songs_similar
from recommender.selectors import current_emotion, song_list
from recommender.web.views import music
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory, UserFactory
from tests.fakes import FakePipeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django import DjangoCaptureOnCommitCallbacks
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

OLD, NEW = "affetti-00000001", "affetti-00000002"
SONGS = 40
CALM = PlaylistRequest(moods=(("calm", 1.0),), count=10, seed=3, min_match=0.0)


class Upgrade:
    """An installation whose configured model can be changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, music: Path) -> None:
        self._patch, self._music = monkeypatch, music
        self.library = LibraryFactory(root=str(music))
        self.count = 0

    def configure(self, version: str) -> None:
        self.pipeline = FakePipeline(version)
        self._patch.setattr(analysis, "model_version", lambda: version)
        self._patch.setattr(analysis, "pipeline", lambda: self.pipeline)

    def add(self, count: int) -> None:
        for _ in range(count):
            path = self._music / f"{self.count:03d}.wav"
            self.count += 1
            path.write_bytes(b"x" * self.count)
            status = path.stat()
            SongFactory(
                library=self.library,
                relative_path=path.name,
                file_size_bytes=status.st_size,
                file_mtime_ns=status.st_mtime_ns,
                status=Song.Status.PENDING,
            )

    def work(self, songs: Iterable[int] | None = None) -> None:
        """Do what the scheduler and one worker do, for all waiting songs or some."""
        songs_requeue_for_model(model_version=analysis.model_version())
        waiting = Song.objects.filter(status=Song.Status.PENDING)
        if songs is not None:
            waiting = waiting.filter(pk__in=list(songs))
        songs_analyse(song_ids=list(waiting.values_list("pk", flat=True)), worker="w")
        tasks.build_index_if_stale()

    def check(self, version: str, count: int) -> None:
        """Every face of the catalogue shows `count` songs, by one version."""
        snapshot = index_snapshot()
        assert (snapshot.model_version, snapshot.song_count) == (version, count)
        made = playlist_generate(request=CALM)
        assert made.model_version == version
        assert len(made.entries) == min(count, 10)
        shown = [current_emotion(entry.song) for entry in playlist_listed(made)]
        assert {emotion.model_version for emotion in shown if emotion} == {version}
        assert len(songs_similar(song_id=made.entries[0].song_id, k=5)) == 5
        listed = [current_emotion(song) for song in song_list()]
        assert {emotion.model_version for emotion in listed if emotion} == {version}


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch, music_dir: Path) -> Upgrade:
    """Forty songs that the old model has analysed, and the new one configured."""
    upgrade = Upgrade(monkeypatch, music_dir)
    upgrade.configure(OLD)
    upgrade.add(SONGS)
    upgrade.work()
    upgrade.check(OLD, SONGS)
    upgrade.configure(NEW)
    return upgrade


@pytest.fixture
def former(upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakePipeline:
    """The files of the old model are still there."""
    former = FakePipeline(OLD)
    monkeypatch.setattr(analysis, "_load_former", lambda version, checkpoint: former)
    path = tmp_path / f"{OLD}.safetensors"
    with written_aside(path) as part:
        part.write_bytes(b"")
    ModelVersion.objects.filter(name=OLD).update(checkpoint=str(path))
    return former


def ids() -> list[int]:
    return list(Song.objects.order_by("pk").values_list("pk", flat=True))


def command(*words: str) -> str:
    out = StringIO()
    call_command("models", *words, stdout=out)
    return out.getvalue()


def test_the_old_model_serves_until_the_new_one_covers_enough(upgrade: Upgrade) -> None:
    upgrade.work([])
    assert not Song.objects.filter(status=Song.Status.ANALYSED).exists()
    upgrade.check(OLD, SONGS)
    for end in (8, 16, 24, 32, 37):
        upgrade.work(ids()[:end])
        upgrade.check(OLD, SONGS)
    upgrade.work(ids()[:38])  # 95 %
    assert IndexBuild.objects.filter(model_version=NEW, is_active=True).exists()
    assert index_status().tail == 0
    upgrade.check(NEW, 38)
    upgrade.work()
    upgrade.check(NEW, SONGS)
    assert SongEmotion.objects.filter(model_version=OLD).count() == SONGS
    # The index of the old one is kept for the way back.
    assert IndexBuild.objects.filter(model_version=OLD, is_active=True).exists()


def test_an_installation_from_before_the_table_goes_on(upgrade: Upgrade) -> None:
    """The migration enters the version that has analysed most songs."""
    from importlib import import_module  # noqa: PLC0415  # a migration's name is no identifier

    from django.apps import apps  # noqa: PLC0415

    ModelVersion.objects.all().delete()
    name = "catalog.migrations.0004_model_versions"
    import_module(name).version_in_use(apps, None)
    upgrade.work([])
    upgrade.check(OLD, SONGS)


def test_a_database_that_does_not_say_which_version_serves(upgrade: Upgrade) -> None:
    ModelVersion.objects.all().delete()
    reconcile()
    upgrade.check(OLD, SONGS)
    upgrade.work(ids()[:5])
    upgrade.check(OLD, SONGS)
    upgrade.work()
    upgrade.check(NEW, SONGS)


def test_an_upgrade_before_the_first_song_needs_no_switch(upgrade: Upgrade) -> None:
    """Without a scheduler, too: `ingest --wait` analyses the songs itself."""
    SongEmotion.objects.all().delete()
    Song.objects.update(status=Song.Status.PENDING, keeps_emotion=False)
    upgrade.configure(NEW)
    songs_analyse(song_ids=ids(), worker="w")
    upgrade.check(NEW, SONGS)


def test_songs_may_come_change_and_go_meanwhile(upgrade: Upgrade) -> None:
    every = ids()
    upgrade.work(every[:10])
    upgrade.add(5)
    new = sorted(set(ids()) - set(every))
    upgrade.work(new)
    upgrade.check(OLD, SONGS)  # added songs come with the new model
    Song.objects.filter(pk__in=every[:2]).delete()
    upgrade.check(OLD, SONGS - 2)
    # New lyrics: the old model's words about it no longer hold.
    changed = Song.objects.get(pk=every[5])
    Song.objects.filter(pk=changed.pk).update(lyrics="new words", **PENDING_AGAIN)
    changed.refresh_from_db()
    changed.save()
    upgrade.check(OLD, SONGS - 3)
    upgrade.work([changed.pk])
    upgrade.check(OLD, SONGS - 3)
    assert changed.emotions.get().model_version == NEW
    upgrade.work()
    upgrade.check(NEW, SONGS - 2 + 5)


def test_songs_that_come_or_change_meanwhile_are_in_lists_at_once(
    upgrade: Upgrade, former: FakePipeline
) -> None:
    """Both versions analyse them; all other songs are analysed once."""
    every = ids()
    upgrade.add(5)
    new = sorted(set(ids()) - set(every))
    changed = Song.objects.get(pk=every[5])
    Song.objects.filter(pk=changed.pk).update(lyrics="new words", **PENDING_AGAIN)
    Song.objects.get(pk=changed.pk).save()
    upgrade.check(OLD, SONGS - 1)
    upgrade.work([*new, changed.pk, *every[:3]])
    upgrade.check(OLD, SONGS + 5)
    assert len(former.seen) == 6
    assert {song.lyrics for song in former.seen} == {None, "new words"}
    upgrade.work()
    upgrade.check(NEW, SONGS + 5)
    assert len(former.seen) == 6
    assert len(upgrade.pipeline.seen) == SONGS + 5
    upgrade.add(1)
    upgrade.work()
    upgrade.check(NEW, SONGS + 6)
    assert len(former.seen) == 6
    # After a way back the new songs are in the lists of the version that serves again, too.
    command("rollback")
    upgrade.check(OLD, SONGS + 5)
    upgrade.add(1)
    upgrade.work()
    assert len(former.seen) == 8
    assert len(upgrade.pipeline.seen) == SONGS + 7
    upgrade.check(OLD, SONGS + 7)


def test_a_former_model_that_cannot_analyse_a_song_fails_none(
    upgrade: Upgrade, former: FakePipeline
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("made for other inputs")

    former.before_predict = fail
    every = ids()
    upgrade.add(2)
    upgrade.work(set(ids()) - set(every))
    assert Song.objects.filter(status=Song.Status.ANALYSED).count() == 2
    upgrade.check(OLD, SONGS)
    upgrade.work()
    upgrade.check(NEW, SONGS + 2)


def test_a_song_that_only_the_new_model_cannot_analyse_stays(upgrade: Upgrade) -> None:
    bad = ids()[0]

    def prepare(song: object) -> object:
        if str(getattr(song, "path", "")).endswith("000.wav"):
            raise AudioDecodeError(Path("000.wav"), "broken")
        return song

    upgrade.pipeline.prepare = prepare  # type: ignore[assignment, method-assign]
    upgrade.work(ids()[:20])
    assert Song.objects.get(pk=bad).status == Song.Status.FAILED
    upgrade.check(OLD, SONGS)
    upgrade.work()
    upgrade.check(NEW, SONGS - 1)
    command("rollback")
    upgrade.check(OLD, SONGS)


def test_staff_switch_early_and_go_back(upgrade: Upgrade) -> None:
    with pytest.raises(CommandError, match="VERSION_UNKNOWN"):
        command("switch", NEW)
    with pytest.raises(CommandError, match="VERSION_NO_FORMER"):
        command("rollback")
    tasks.build_index_if_stale()
    with pytest.raises(CommandError, match="VERSION_EMPTY"):
        command("switch", NEW)
    upgrade.work(ids()[:20])
    assert f"{NEW}  20 songs, 50.0%" in command("list")
    assert f"{NEW} serves now" in command("switch", NEW)
    upgrade.check(NEW, 20)
    assert f"{OLD} serves now" in command("rollback")
    upgrade.check(OLD, SONGS)
    upgrade.work()  # full coverage, but staff went back
    upgrade.check(OLD, SONGS)
    assert "held" in command("list")
    command("switch", NEW)
    upgrade.check(NEW, SONGS)
    assert "1 of" not in command("delete", OLD)
    assert not SongEmotion.objects.filter(model_version=OLD).exists()
    with pytest.raises(CommandError, match="VERSION_SERVES"):
        command("delete", NEW)


def test_the_command_waits_for_a_build_under_way(
    upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade.work(ids()[:20])
    tries: list[str] = []

    def build(*, model_version: str) -> IndexBuild:
        tries.append(model_version)
        if len(tries) < 3:
            raise IndexBusyError("another process builds")
        return index_build(model_version=model_version)

    monkeypatch.setattr(transition, "index_build", build)
    monkeypatch.setattr(transition, "BUSY_SECONDS", 0.0)
    assert f"{NEW} serves now" in command("switch", NEW)
    assert tries == [NEW] * 3
    upgrade.check(NEW, 20)


def test_a_switch_waits_for_room_on_the_disk(upgrade: Upgrade, settings: SettingsWrapper) -> None:
    upgrade.work(ids()[:20])
    settings.AFFETTI_DISK_FREE_BYTES = 2**62
    with pytest.raises(CommandError, match="The switch waits"):
        command("switch", NEW)
    upgrade.work([])
    upgrade.check(OLD, SONGS)
    settings.AFFETTI_DISK_FREE_BYTES = 0
    upgrade.work([])
    upgrade.check(NEW, 20)


def test_a_version_whose_songs_go_before_the_switch_is_wanted_no_more(upgrade: Upgrade) -> None:
    upgrade.work(ids()[:2])
    transition.model_request(NEW)
    SongEmotion.objects.filter(model_version=NEW).delete()
    upgrade.work([])
    upgrade.check(OLD, SONGS)
    assert "serves soon" not in command("list")


def test_the_former_checkpoint_configured_again_serves_again(upgrade: Upgrade) -> None:
    upgrade.work()
    upgrade.check(NEW, SONGS)
    upgrade.configure(OLD)
    upgrade.work()
    upgrade.check(OLD, SONGS)


def test_only_staff_switch_above_one(upgrade: Upgrade, settings: SettingsWrapper) -> None:
    settings.AFFETTI_MODEL_SWITCH_COVERAGE = 1.1
    upgrade.work()
    upgrade.check(OLD, SONGS)
    assert "MODEL_CHANGING" in {warning.code for warning in operation_warnings()}
    command("switch", NEW)
    assert "MODEL_CHANGING" not in {warning.code for warning in operation_warnings()}


def test_words_need_the_files_of_the_model_that_serves(
    upgrade: Upgrade, request: pytest.FixtureRequest
) -> None:
    words = PlaylistRequest(text="a quiet evening", count=5, seed=1)
    with pytest.raises(PlaylistRequestError) as caught:
        playlist_generate(request=words)
    assert caught.value.code == "WORDS_UNAVAILABLE"
    assert len(playlist_generate(request=CALM).entries) == 10
    assert "lists from words wait" in str(operation_warnings())
    request.getfixturevalue("former")
    assert playlist_generate(request=words).model_version == OLD
    assert "lists from words wait" not in str(operation_warnings())


def test_the_index_of_a_former_model_goes_after_the_window(
    upgrade: Upgrade, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_MODEL_ROLLBACK_DAYS = 0
    upgrade.work()
    index_build()
    assert not IndexBuild.objects.filter(model_version=OLD, is_active=True).exists()
    command("rollback")
    upgrade.check(OLD, SONGS)


def test_versions_are_compared(upgrade: Upgrade) -> None:
    upgrade.work()
    SongEmotion.objects.filter(model_version=NEW).update(valence=0.75, updated_at=timezone.now())
    same = versions_compare(OLD, OLD)
    assert (same.songs, same.valence_shift, same.quadrant_changed) == (SONGS, 0.0, 0.0)
    assert same.mean_overlap == 1.0
    # The fake pipeline says the same of a song whatever its version.
    found = versions_compare(OLD, NEW)
    old = SongEmotion.objects.filter(model_version=OLD).values_list("valence", flat=True)
    assert found.valence_shift == pytest.approx(0.75 - sum(old) / SONGS, abs=1e-6)
    assert found.arousal_distance == 0.0
    assert "quadrant changed for 0.0%" in command("compare", OLD, NEW)
    with pytest.raises(CommandError, match="VERSION_UNKNOWN"):
        command("compare", OLD, "affetti-99999999")


class TestPage:
    def test_staff_with_the_permission_switch(
        self, upgrade: Upgrade, client: Client, admin_user: User
    ) -> None:
        upgrade.work(ids()[:20])
        client.force_login(admin_user)
        page = client.get(reverse("models"), {"compare": NEW}).content.decode()
        assert OLD in page
        assert "20 songs that both have analysed" in page
        client.post(reverse("model-switch"), {"name": NEW})
        upgrade.work([])
        upgrade.check(NEW, 20)
        client.post(reverse("model-switch"))
        upgrade.work([])
        upgrade.check(OLD, SONGS)
        answer = client.post(reverse("model-switch"), {"name": "nothing"}, follow=True)
        assert "VERSION_UNKNOWN" in answer.content.decode()

    def test_a_switch_waits_for_its_index_outside_the_request(
        self,
        upgrade: Upgrade,
        client: Client,
        admin_user: User,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        upgrade.work(ids()[:20])
        client.force_login(admin_user)
        builds, sent = IndexBuild.objects.count(), []
        monkeypatch.setattr(messages.broker, "send", lambda task, _: sent.append(task))
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(reverse("model-switch"), {"name": NEW}, follow=True)
        assert sent == ["recommender.build_index_if_stale"]
        assert IndexBuild.objects.count() == builds
        assert f"{NEW} serves as soon as" in answer.content.decode()
        assert "its index is being built" in answer.content.decode()
        upgrade.check(OLD, SONGS)
        assert "serves soon" in command("list")
        # Staff may think better of it.
        answer = client.post(reverse("model-switch"), {"name": OLD}, follow=True)
        assert f"{OLD} goes on serving" in answer.content.decode()
        assert "its index is being built" not in answer.content.decode()
        upgrade.work()  # full coverage, but staff want the former one
        upgrade.check(OLD, SONGS)
        client.post(reverse("model-switch"), {"name": NEW})
        upgrade.work([])
        assert IndexBuild.objects.filter(model_version=NEW, is_active=True).exists()
        upgrade.check(NEW, SONGS)
        assert "serves soon" not in command("list")

    def test_the_page_of_a_song_shows_one_version(
        self, upgrade: Upgrade, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The switch comes between the search for similar songs and the rest of the page."""
        upgrade.work(ids()[:20])
        old = songs_similar(song_id=ids()[0], k=5)
        found = music.songs_similar

        def then_switch(**arguments: int) -> list[SimilarSong]:
            answer = found(**arguments)
            command("switch", NEW)
            return answer

        monkeypatch.setattr(music, "songs_similar", then_switch)
        page = client.get(reverse("song", args=[ids()[0]])).context
        shown = [page["emotion"], *(current_emotion(song) for song in page["similar"])]
        assert {emotion.model_version for emotion in shown} == {OLD}
        assert len(shown) == 7
        # The same for the API, which shows only the similar songs.
        listed = [current_emotion(song) for _, song in similar_listed(old)]
        assert {emotion.model_version for emotion in listed if emotion} == {OLD}
        assert len(listed) == 5

    def test_nobody_else(self, upgrade: Upgrade, client: Client) -> None:
        assert client.get(reverse("models")).status_code == 302
        for user in (UserFactory(), UserFactory(is_staff=True)):
            client.force_login(user)
            assert client.get(reverse("models")).status_code == 403
            assert client.post(reverse("model-switch"), {"name": NEW}).status_code == 403


def test_a_release_that_replaces_the_checkpoint_takes_no_words_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    former = packaged_version()
    version_register(former, checkpoint="affetti")
    checkpoint_keep("affetti")
    checkpoint_keep("affetti")  # again, as every worker does
    monkeypatch.setattr(analysis, "packaged_version", lambda _name: NEW)
    SongEmotionFactory(model_version=NEW, song__status=Song.Status.ANALYSED)

    assert analysis.is_model_here(former)
    assert analysis.text_analyse(text="a calm evening", version=former).arousal < 0.5

    version_register(NEW, checkpoint="affetti")
    version_switch(NEW)
    version_delete(former)
    assert not analysis.is_model_here(former)
    assert not any(kept_checkpoint(former).parent.iterdir())


def test_a_former_model_that_does_not_load_is_tried_once(
    upgrade: Upgrade, former: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def load(version: str, checkpoint: str) -> FakePipeline:
        tried.append(checkpoint)
        raise CheckpointCorruptError(f"{checkpoint} is of another network")

    monkeypatch.setattr(analysis, "_load_former", load)
    monkeypatch.setattr(analysis, "_unloadable", set())
    assert analysis.is_model_here(OLD)
    for _ in range(2):
        with pytest.raises(ModelAwayError):
            analysis.text_analyse(text="a calm evening", version=OLD)
    assert len(tried) == 1
    assert not analysis.is_model_here(OLD)
