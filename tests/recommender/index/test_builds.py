from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from catalog.models import Song, SongEmotion
from catalog.results import embedding_from_bytes
from mer.affect import EMOTIONS, QUADRANTS
from recommender import tasks
from recommender.errors import DiskShortError, IndexBusyError, IndexUnreadableError
from recommender.index import (
    IndexSnapshot,
    builds,
    index_build,
    index_snapshot,
    index_status,
    reader,
)
from recommender.index.builds import index_build_lock
from recommender.index.directories import FORMAT_VERSION
from recommender.index.files import EmbeddingIndex
from recommender.index.reader import index_snapshot_forget
from recommender.models import IndexBuild
from recommender.operations import operation_warnings
from recommender.playlists import PlaylistRequest, playlist_generate
from tests.factories import (
    MODEL_VERSION,
    SongEmotionFactory,
    SongFactory,
    random_embedding,
    random_probabilities,
    some_alone,
)

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

ANY = PlaylistRequest(moods=(("calm", 1.0),), count=5, seed=4, min_match=0.0)


def assert_equals_database(held: IndexSnapshot) -> None:
    """The snapshot is the database, row by row, wherever each row is read from."""
    emotions = list(
        SongEmotion.objects.filter(
            model_version=MODEL_VERSION, song__is_available=True, song__status="analysed"
        )
        .select_related("song")
        .order_by("song_id")
    )
    rows = held.rows_of([emotion.song_id for emotion in emotions])
    assert sorted(rows.tolist()) == np.flatnonzero(held.alive).tolist()
    assert held.song_count == len(rows) == len(emotions)
    assert held.song_ids[rows].tolist() == [emotion.song_id for emotion in emotions]
    affect = [[e.valence, e.arousal, *(e.emotions[name] for name in EMOTIONS)] for e in emotions]
    affect = np.array(affect).reshape(-1, 10)
    np.testing.assert_allclose(held.affect[rows], affect, atol=1e-6)
    quadrants = [[e.quadrants[name] for name in QUADRANTS] for e in emotions]
    np.testing.assert_allclose(held.quadrants[rows], np.array(quadrants).reshape(-1, 4), atol=1e-6)
    nowhere = {"valence": np.nan, "arousal": np.nan}
    for column, modality in (("by_sound", "audio"), ("by_words", "lyrics")):
        alone = [e.alone.get(modality, nowhere) for e in emotions]
        places = np.array([[one["valence"], one["arousal"]] for one in alone]).reshape(-1, 2)
        np.testing.assert_allclose(getattr(held, column)[rows], places, atol=1e-6)
    fused = np.array([embedding_from_bytes(e.fused_embedding) for e in emotions])
    fused = fused.reshape(-1, 256)
    np.testing.assert_array_equal(held.fused(rows), fused)
    assert held.years[rows].tolist() == [e.song.year or 0 for e in emotions]
    assert held.libraries[rows].tolist() == [e.song.library_id for e in emotions]
    genres = held.genres[rows].tolist()
    assert [held.genre_names[code] for code in genres] == [e.song.genre for e in emotions]
    by_artist: dict[str, set[int]] = {}
    for emotion, code in zip(emotions, held.artists[rows].tolist(), strict=True):
        key = emotion.song.artist.casefold() or f"\0{emotion.song_id}"
        by_artist.setdefault(key, set()).add(code)
    assert all(len(codes) == 1 for codes in by_artist.values())
    assert len(by_artist) == len(set(held.artists[rows].tolist()))
    if not emotions:
        return
    for dimension in range(10):
        column = held.affect[rows][:, dimension]
        shares = [((column < x).sum() + (column <= x).sum()) / (2 * len(rows)) for x in column]
        np.testing.assert_allclose(held.shares(dimension)[rows], shares, atol=1e-6)
    np.testing.assert_allclose(held.mean_affect, affect.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(held.mean_fused, fused.mean(axis=0), atol=1e-6)
    query = random_embedding(99)
    similarities, found = held.search_fused(query, 5, held.alive)
    scores = fused @ query
    np.testing.assert_allclose(similarities, np.sort(scores)[::-1][:5], atol=1e-5)
    np.testing.assert_allclose(held.fused(found) @ query, similarities, atol=1e-5)
    target, weights = affect[0].astype(np.float32), np.arange(10, dtype=np.float32)
    distances, _ = held.search_affect(target, weights, 5, held.alive)
    brute = np.sqrt(((affect - target) ** 2) @ weights)
    np.testing.assert_allclose(distances, np.sort(brute)[:5], atol=1e-5)
    years = [e.song_id for e in emotions if 1995 <= (e.song.year or 0) <= 2010]
    mask = held.where("years", low=1995, high=2010) & held.alive
    assert sorted(held.song_ids[np.flatnonzero(mask)].tolist()) == years


@pytest.mark.parametrize("step", ["rows_of_songs", "changes_since", "emotions_visible"])
def test_after_an_error_half_way_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    SongEmotionFactory.create_batch(3)
    index_snapshot()
    SongEmotionFactory()

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(reader, step, fail)
        with pytest.raises(OperationalError):
            index_snapshot()
    assert_equals_database(index_snapshot())


class TestBuild:
    def test_build_is_active_and_holds_every_analysed_song(self) -> None:
        SongEmotionFactory.create_batch(7)
        SongEmotionFactory(song__is_available=False)
        SongEmotionFactory(song__status=Song.Status.PENDING)
        SongEmotionFactory(model_version="other-1")
        SongFactory(status=Song.Status.PENDING)
        build = index_build()
        assert (build.row_count, build.is_active) == (7, True)
        opened = EmbeddingIndex.open(Path(settings.AFFETTI_INDEX_DIR) / build.directory)
        assert opened.manifest.sha256 == build.manifest_sha256
        held = index_snapshot()
        assert held.tail_count == 0
        assert_equals_database(held)

    def test_two_newest_are_kept(self) -> None:
        SongEmotionFactory.create_batch(3)
        made = [index_build() for _ in range(4)]
        kept = {build.directory for build in made[-2:]}
        assert {path.name for path in Path(settings.AFFETTI_INDEX_DIR).glob("2*")} == kept
        assert set(IndexBuild.objects.values_list("directory", flat=True)) == kept
        assert IndexBuild.objects.get(is_active=True) == made[-1]

    @pytest.mark.parametrize("step", ["_activate", "rows_in"])
    def test_a_failed_build_leaves_nothing(
        self, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        SongEmotionFactory.create_batch(3)
        first = index_build()

        def fail(*_: object) -> None:
            raise OperationalError("away")

        with monkeypatch.context() as patch:
            patch.setattr(builds, step, fail)
            with pytest.raises(OperationalError):
                index_build(is_full=True)
        folders = [
            path.name for path in Path(settings.AFFETTI_INDEX_DIR).iterdir() if path.is_dir()
        ]
        assert folders == [first.directory]
        assert IndexBuild.objects.get(is_active=True) == first

    def test_what_a_killed_build_left_is_deleted(self) -> None:
        SongEmotionFactory()
        left = Path(settings.AFFETTI_INDEX_DIR) / "20260101-000000-abc.part"
        left.mkdir(parents=True)
        (left / "fused.npy").write_bytes(b"x" * 1000)
        index_build()
        assert not left.exists()

    def test_nothing_is_built_while_the_disk_is_short(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        SongEmotionFactory.create_batch(3)
        first = index_build()
        SongEmotionFactory()
        with monkeypatch.context() as patch:
            patch.setattr(settings, "AFFETTI_DISK_FREE_BYTES", 2**62)
            with pytest.raises(DiskShortError, match="AFFETTI_DISK_FREE_BYTES"):
                index_build()
            assert "INDEX_DISK_SHORT" in {warning.code for warning in operation_warnings()}
            assert tasks.build_index() == {"build": ""}
            assert "the former build stays in use" in caplog.text
            held = index_snapshot()
            assert (len(held), held.tail_count) == (4, 1)
        assert IndexBuild.objects.get() == first
        assert index_build().row_count == 4

    def test_a_folder_that_cannot_be_written_is_said(
        self, settings: SettingsWrapper, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        settings.AFFETTI_INDEX_DIR = tmp_path / "file" / "indexes"
        SongEmotionFactory()
        assert tasks.build_index() == {"build": ""}
        assert "INDEX_UNWRITABLE" in {warning.code for warning in operation_warnings()}

    def test_a_build_that_cannot_be_read_now_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        SongEmotionFactory.create_batch(3)
        index_build()
        assert index_snapshot().tail_count == 0
        SongEmotionFactory()
        second = index_build()

        def hindered(build: IndexBuild) -> None:
            raise IndexUnreadableError("too many open files")

        with monkeypatch.context() as patch:
            patch.setattr(reader, "index_open", hindered)
            held = index_snapshot()
            # The former build still serves what has not changed since.
            assert (len(held), held.tail_count) == (4, 1)
            assert_equals_database(held)
        assert IndexBuild.objects.get(is_active=True) == second
        assert index_snapshot().tail_count == 1  # not tried again at once
        monkeypatch.setattr(reader._process._reader, "_retry_at", 0.0)
        assert index_snapshot().tail_count == 0

    def test_only_one_builds(self) -> None:
        SongEmotionFactory()
        busy: list[bool] = []

        def try_to_build() -> None:
            try:
                with index_build_lock():
                    busy.append(False)
            except IndexBusyError:
                busy.append(True)
            finally:
                connection.close()

        with index_build_lock():
            thread = threading.Thread(target=try_to_build)
            thread.start()
            thread.join()
        thread = threading.Thread(target=try_to_build)
        thread.start()
        thread.join()
        assert busy == [True, False]

    def test_failed_build_leaves_the_former_active(self, monkeypatch: pytest.MonkeyPatch) -> None:
        SongEmotionFactory.create_batch(3)
        former = index_build()
        monkeypatch.setattr(EmbeddingIndex, "open", _fail)
        with pytest.raises(OSError, match="disk"):
            index_build()
        assert IndexBuild.objects.get(is_active=True) == former

    def test_empty_catalogue_builds_an_empty_index(self) -> None:
        assert index_build().row_count == 0
        assert len(index_snapshot()) == 0


class TestSnapshot:
    def test_without_a_build_all_is_tail(self) -> None:
        SongEmotionFactory.create_batch(5)
        held = index_snapshot()
        assert (held.build, held.tail_count) == (None, 5)
        assert_equals_database(held)

    def test_sees_every_kind_of_change(self) -> None:
        songs = [emotion.song for emotion in SongEmotionFactory.create_batch(8)]
        index_build()
        assert_equals_database(index_snapshot())
        SongEmotionFactory(song__artist="")
        assert_equals_database(index_snapshot())
        songs[0].delete()
        assert_equals_database(index_snapshot())
        Song.objects.filter(pk=songs[1].pk).update(is_available=False, updated_at=timezone.now())
        assert_equals_database(index_snapshot())
        Song.objects.filter(pk=songs[1].pk).update(is_available=True, updated_at=timezone.now())
        assert_equals_database(index_snapshot())
        emotion = songs[2].emotions.get()
        emotion.valence, emotion.fused_embedding = 0.987, random_embedding(5000).tobytes()
        emotion.save()
        assert_equals_database(index_snapshot())
        emotion.alone = {"audio": {"valence": 0.25, "arousal": 0.75}}
        emotion.save(update_fields=["alone"])
        assert_equals_database(index_snapshot())
        songs[3].genre, songs[3].artist = "polka", "Someone Else"
        songs[3].save()
        assert_equals_database(index_snapshot())
        songs[4].status = Song.Status.PENDING
        songs[4].save()
        held = index_snapshot()
        assert_equals_database(held)
        assert held.tail_count == 4
        index_build()
        held = index_snapshot()
        assert_equals_database(held)
        assert held.tail_count == 0

    def test_one_hidden_while_another_appears(self) -> None:
        """The count stays the same; the song's own time stamp tells."""
        songs = [emotion.song for emotion in SongEmotionFactory.create_batch(4)]
        index_snapshot()
        songs[0].is_available = False
        songs[0].save()
        SongEmotionFactory()
        assert_equals_database(index_snapshot())

    def test_asks_the_log_alone(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        SongEmotionFactory.create_batch(3)
        held = index_snapshot()
        # Which version serves, which build is active, the position, and what came after it.
        with django_assert_num_queries(4):
            assert index_snapshot() is held

    @pytest.mark.parametrize("file", ["fused.f32", "quadrants.npy"])
    @pytest.mark.parametrize("damage", ["corrupt", "missing", "swapped"])
    def test_damaged_build_is_read_past_and_built_again(self, damage: str, file: str) -> None:
        SongEmotionFactory.create_batch(4)
        former = index_build()
        SongEmotionFactory()
        build = index_build()
        folder = Path(settings.AFFETTI_INDEX_DIR)
        path = folder / build.directory / file
        if damage == "corrupt":
            path.chmod(0o600)
            raw = bytearray(path.read_bytes())
            raw[-7] ^= 1
            path.write_bytes(raw)
        elif damage == "missing":
            path.unlink()
        else:
            (folder / build.directory).rename(folder / "away")
            (folder / former.directory).rename(folder / build.directory)
        held = index_snapshot()
        assert held.tail_count == 5
        assert_equals_database(held)
        assert index_status().is_stale
        assert tasks.build_index_if_stale()["build"]
        held = index_snapshot()
        assert held.tail_count == 0
        assert_equals_database(held)

    def test_build_of_the_former_format_is_read_past_and_built_again(self) -> None:
        SongEmotionFactory.create_batch(5)
        build = index_build()
        as_former_format(build)
        index_snapshot_forget()
        held = index_snapshot()
        assert (held.build, held.tail_count) == (None, 5)
        assert_equals_database(held)
        assert not IndexBuild.objects.filter(is_active=True).exists()
        assert index_status().is_stale
        assert tasks.build_index_if_stale()["build"]
        held = index_snapshot()
        assert held.tail_count == 0
        assert held.build is not None
        assert held.build.manifest.format_version == FORMAT_VERSION
        assert_equals_database(held)

    @hypothesis_settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        steps=st.lists(
            st.tuples(
                st.sampled_from(
                    [
                        *("add", "delete", "hide", "show", "reanalyse", "retag"),
                        *("build", "full build", "killed build", "torn file", "new process"),
                    ]
                ),
                st.integers(0, 1000),
            ),
            max_size=14,
        )
    )
    def test_equals_the_database_after_any_changes(self, steps: list[tuple[str, int]]) -> None:
        Song.objects.all().delete()
        IndexBuild.objects.all().delete()
        index_snapshot_forget()
        for step, number in steps:
            songs = list(Song.objects.order_by("pk"))
            song = songs[number % len(songs)] if songs else None
            if step == "add":
                SongEmotionFactory(seed=number, alone=some_alone(number))
            elif step in {"build", "full build"}:
                index_build(is_full=step == "full build")
            elif step == "killed build":
                _build_killed()
            elif step == "torn file":
                _file_torn(number)
            elif step == "new process":
                index_snapshot_forget()
            elif song is not None:
                _change(song, step, number)
            held, fresh = index_snapshot(), reader.Reader(lambda: MODEL_VERSION).poll()
            assert_equals_database(held)
            assert_equals_database(fresh)
            if held.song_count:
                # However a process came to its snapshot, the same seed gives the same list.
                made, again = (
                    playlist_generate(request=ANY, snapshot=one).entries for one in (held, fresh)
                )
                assert [entry.song_id for entry in made] == [entry.song_id for entry in again]
                np.testing.assert_allclose(
                    [entry.score for entry in made], [entry.score for entry in again], atol=1e-6
                )


class TestStatus:
    def test_empty_catalogue_is_not_stale(self) -> None:
        status = index_status()
        assert (status.build, status.songs, status.is_stale) == (None, 0, False)
        assert tasks.build_index_if_stale() == {"build": ""}

    def test_stale_without_a_build_and_after_many_changes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(builds, "STALE_SONGS", 3)
        SongEmotionFactory.create_batch(10)
        assert index_status().is_stale
        assert tasks.build_index_if_stale()["build"] == index_status().build
        assert not index_status().is_stale
        SongEmotionFactory.create_batch(3)
        status = index_status()
        assert (status.songs, status.built_songs, status.tail) == (13, 10, 3)
        assert not status.is_stale
        SongEmotionFactory()
        assert index_status().is_stale
        assert tasks.build_index()["build"]
        Song.objects.order_by("pk").first().delete()
        assert not index_status().is_stale
        for song in Song.objects.order_by("pk")[:3]:
            song.delete()
        assert index_status().is_stale

    def test_task_leaves_a_running_build_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tasks, "index_build", _busy)
        assert tasks.build_index() == {"build": ""}


def as_former_format(build: IndexBuild) -> None:
    """Turn a build into a whole one of an earlier release."""
    path = Path(settings.AFFETTI_INDEX_DIR) / build.directory / "manifest.json"
    manifest = EmbeddingIndex.open(path.parent).manifest
    former = replace(manifest, format_version=2)
    path.chmod(0o600)
    path.write_bytes(former.to_bytes())
    IndexBuild.objects.filter(pk=build.pk).update(manifest_sha256=former.sha256)


def _build_killed() -> None:
    """Leave what a process leaves that is killed while it builds."""
    left = Path(settings.AFFETTI_INDEX_DIR) / "20260101-000000-abc.part"
    left.mkdir(parents=True, exist_ok=True)
    (left / "fused.f32").write_bytes(b"x" * 1000)


def _file_torn(number: int) -> None:
    """Cut a file of the active build short, and begin anew as after a crash."""
    active = IndexBuild.objects.filter(is_active=True).first()
    if active is not None:
        files = sorted((Path(settings.AFFETTI_INDEX_DIR) / active.directory).iterdir())
        path = files[number % len(files)]
        whole = path.read_bytes()
        # Another file: the former one is mapped here, and would kill this process.
        path.unlink()
        path.write_bytes(whole[: len(whole) // 2])
    index_snapshot_forget()


def _change(song: Song, step: str, number: int) -> None:
    if step == "delete":
        song.delete()
    elif step in {"hide", "show"}:
        song.is_available = step == "show"
        song.save()
    elif step == "retag":
        song.artist, song.genre, song.year = f"New {number % 3}", "tango", 1900 + number % 100
        song.save()
    else:
        emotion = song.emotions.get()
        emotion.arousal = number / 1000
        emotion.alone = some_alone(number + 1)
        emotion.quadrants = random_probabilities(QUADRANTS, number)
        emotion.fused_embedding = random_embedding(number + 9000).tobytes()
        emotion.save()


def _fail(*_: object) -> None:
    raise OSError("disk full")


def _busy() -> None:
    raise IndexBusyError("busy")
