from __future__ import annotations

import errno
import os
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.management import call_command
from django.db import connection

from catalog import analysis
from catalog.analysis import (
    songs_analyse,
    text_analyse,
)
from catalog.errors import TransientError
from catalog.models import Song, SongEmotion
from catalog.results import AnalysisReport, embedding_from_bytes, embedding_to_bytes
from catalog.work.queue import APART_FROM, MAX_ERRORS
from mer.errors import AudioCrashError, CheckpointCorruptError, InputError
from tests.catalog.conftest import write_tone
from tests.factories import random_embedding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from catalog.models import BackgroundJob
    from mer.prediction import EmotionPrediction, SongInput
    from tests.fakes import FakePipeline

    Ingest = Callable[..., BackgroundJob]

pytestmark = pytest.mark.django_db


@pytest.fixture
def song_ids(music_dir: Path, ingest: Ingest) -> list[int]:
    for number in range(4):
        write_tone(music_dir / f"Artist - {number}.wav", hz=200 + 10 * number)
    ingest()
    return list(Song.objects.order_by("pk").values_list("pk", flat=True))


def analyse(song_ids: list[int], worker: str = "w") -> AnalysisReport:
    return songs_analyse(song_ids=song_ids, worker=worker)


def test_songs_become_emotions_in_one_batch(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    assert analyse(song_ids) == AnalysisReport(analysed=4)

    assert [len(batch) for batch in fake_pipeline.batches] == [4]
    assert fake_pipeline.seen[0].title == "0"
    song = Song.objects.get(pk=song_ids[0])
    assert (song.status, song.leased_by, song.leased_at) == (Song.Status.ANALYSED, "", None)
    emotion = song.emotions.get()
    assert emotion.model_version == fake_pipeline.model_version
    assert sum(emotion.quadrants.values()) == pytest.approx(1.0)
    assert emotion.timeline[0]["start_seconds"] == 0.0
    assert (emotion.valence_spread, emotion.arousal_spread) == (0.12, 0.08)
    assert emotion.lyric_lines == []
    (said,) = fake_pipeline.predict_prepared(fake_pipeline.seen[:1])
    assert (emotion.felt, emotion.kinds, emotion.novelty) == (said.felt, said.kinds, said.novelty)
    assert emotion.valence_interval == list(said.valence_interval or ())
    assert emotion.arousal_interval == list(said.arousal_interval or ())
    assert (emotion.lyrics_language, emotion.are_lyrics_withheld) == ("", False)
    assert np.linalg.norm(embedding_from_bytes(emotion.fused_embedding)) == pytest.approx(1.0)
    assert emotion.analysis_seconds > 0


def test_asked_twice_it_is_done_once(song_ids: list[int], fake_pipeline: FakePipeline) -> None:
    analyse(song_ids)

    assert analyse(song_ids) == AnalysisReport(skipped=4)
    assert len(fake_pipeline.seen) == 4


def test_what_the_model_has_judged_already_is_not_judged_again(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    analyse(song_ids)
    before = SongEmotion.objects.get(song=song_ids[0])
    # The worker died between two transactions of an older version, say.
    Song.objects.update(status=Song.Status.PENDING)
    Song.objects.filter(pk=song_ids[1]).update(lyrics="new words")

    assert analyse(song_ids) == AnalysisReport(analysed=4)

    assert len(fake_pipeline.seen) == 5
    assert fake_pipeline.seen[-1].lyrics == "new words"
    assert SongEmotion.objects.get(song=song_ids[0]).updated_at == before.updated_at
    assert SongEmotion.objects.count() == 4


def test_the_lines_that_moved_a_song_go_with_the_words(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    Song.objects.filter(pk=song_ids[0]).update(lyrics="first\n\nsecond")
    analyse(song_ids[:1])
    assert SongEmotion.objects.get().lyric_lines == [
        {"line": 0, "text": "first", "valence": 0.03, "arousal": -0.04, "shift": 0.05},
        {"line": 1, "text": "second", "valence": 0.03, "arousal": -0.04, "shift": 0.05},
    ]

    Song.objects.update(status=Song.Status.PENDING, lyrics="")
    analyse(song_ids[:1])
    assert SongEmotion.objects.get().lyric_lines == []


def test_a_new_analysis_overwrites_the_row_and_its_time(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    analyse(song_ids[:1])
    before = SongEmotion.objects.get()
    Song.objects.filter(pk=song_ids[0]).update(status=Song.Status.PENDING, title="Other")

    analyse(song_ids[:1])

    after = SongEmotion.objects.get()
    assert after.pk == before.pk
    assert after.created_at == before.created_at
    assert after.updated_at > before.updated_at
    assert (after.valence, after.arousal) != (before.valence, before.arousal)


def test_a_bad_song_fails_alone_and_loses_what_was_said_before(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    analyse(song_ids)
    Song.objects.update(status=Song.Status.PENDING)
    SongEmotion.objects.update(input_sha256="")
    fake_pipeline.is_listening = True
    bad = Song.objects.get(pk=song_ids[2])
    bad.path.write_bytes(b"\0" * bad.file_size_bytes)
    os.utime(bad.path, ns=(bad.file_mtime_ns, bad.file_mtime_ns))

    assert analyse(song_ids) == AnalysisReport(analysed=3, failed=1)

    bad.refresh_from_db()
    assert (bad.status, bad.failure_code) == (Song.Status.FAILED, "AUDIO_CORRUPT")
    assert str(bad.path) not in bad.failure_message
    assert not bad.emotions.exists()


def test_a_file_that_changed_or_went_since_the_scan_is_not_judged(
    song_ids: list[int], fake_pipeline: FakePipeline, ingest: Ingest
) -> None:
    changed, gone = Song.objects.filter(pk__in=song_ids[:2]).order_by("pk")
    write_tone(changed.path, hz=999)
    gone.path.unlink()

    assert analyse(song_ids) == AnalysisReport(analysed=2, failed=1, skipped=1)

    changed.refresh_from_db()
    gone.refresh_from_db()
    assert changed.failure_code == "FILE_CHANGED"
    assert not gone.is_available
    ingest()
    changed.refresh_from_db()
    assert changed.status == Song.Status.PENDING


def test_a_song_that_leads_out_of_its_library_is_not_opened(
    song_ids: list[int], fake_pipeline: FakePipeline, tmp_path: Path
) -> None:
    song = Song.objects.get(pk=song_ids[0])
    song.path.rename(tmp_path / "secret.wav")
    song.path.symlink_to(tmp_path / "secret.wav")

    analyse(song_ids[:1])

    song.refresh_from_db()
    assert song.failure_code == "PATH_INVALID"
    assert fake_pipeline.seen == []


def test_a_model_that_cannot_be_loaded_fails_no_song(
    song_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise CheckpointCorruptError("bad checkpoint")

    monkeypatch.setattr("catalog.analysis.pipeline", refuse)

    for _ in range(5):
        with pytest.raises(CheckpointCorruptError):
            analyse(song_ids)

    waiting = Song.objects.filter(status=Song.Status.PENDING, leased_by="", deaths=0, errors=0)
    assert waiting.count() == 4


def spoil(pipeline: FakePipeline, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the preparation of one file raise an error that nobody expected."""
    prepare = pipeline.prepare

    def spoilt(song: SongInput) -> SongInput:
        if song.path == path:
            raise ValueError(f"{path}: can't sync to MPEG frame")
        return prepare(song)

    monkeypatch.setattr(pipeline, "prepare", spoilt)


def test_an_unexpected_error_of_one_song_stops_no_other_and_has_a_limit(
    song_ids: list[int], fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Song.objects.get(pk=song_ids[1])
    spoil(fake_pipeline, bad.path, monkeypatch)

    assert analyse(song_ids) == AnalysisReport(analysed=3, skipped=1)
    for tries in range(1, MAX_ERRORS):
        bad.refresh_from_db()
        assert (bad.status, bad.leased_by, bad.errors) == (Song.Status.PENDING, "", tries)
        analyse(song_ids)

    bad.refresh_from_db()
    assert (bad.status, bad.failure_code) == (Song.Status.FAILED, "ANALYSIS_FAILED")
    assert "can't sync to MPEG frame" in bad.failure_message
    assert str(bad.path) not in bad.failure_message
    assert bad.leased_by == ""


@pytest.mark.parametrize(
    ("code", "status", "deaths", "errors"),
    [
        (0, "analysed", 0, 0),
        (-9, "pending", APART_FROM, 1),
        (1, "pending", APART_FROM, 0),
    ],
)
def test_a_song_at_which_workers_died_is_analysed_in_a_process_of_its_own(
    song_ids: list[int],
    fake_pipeline: FakePipeline,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    status: str,
    deaths: int,
    errors: int,
) -> None:
    Song.objects.filter(pk=song_ids[0]).update(deaths=APART_FROM)

    def run(command: list[str], **_: object) -> SimpleNamespace:
        assert command[2:4] == ["django", "analyse_apart"]
        if code == 0:
            call_command(*command[3:])
        return SimpleNamespace(returncode=code)

    monkeypatch.setattr(analysis.subprocess, "run", run)
    with nullcontext() if code < 1 else pytest.raises(TransientError):
        analyse(song_ids[:1])

    song = Song.objects.get(pk=song_ids[0])
    assert (song.status, song.deaths, song.errors) == (status, deaths, errors)
    assert song.leased_by == ""


def test_a_decoder_that_dies_is_given_more_tries(
    song_ids: list[int], fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = []

    def die(song: SongInput) -> SongInput:
        deaths.append(song)
        raise AudioCrashError(song.path or "", "a decoder crashed (SIGKILL)")

    monkeypatch.setattr(fake_pipeline, "prepare", die)
    for _ in range(MAX_ERRORS):
        assert Song.objects.get(pk=song_ids[0]).status == Song.Status.PENDING
        analyse(song_ids[:1])

    song = Song.objects.get(pk=song_ids[0])
    assert (song.status, song.failure_code) == (Song.Status.FAILED, "AUDIO_DECODER_CRASHED")
    assert len(deaths) == MAX_ERRORS


def test_songs_of_a_batch_are_prepared_at_once(
    song_ids: list[int], fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=30)

    def prepare(song: SongInput) -> SongInput:
        both.wait()
        return song

    monkeypatch.setattr(fake_pipeline, "prepare", prepare)
    monkeypatch.setattr("catalog.analysis._cores", lambda: 2)
    assert analyse(song_ids) == AnalysisReport(analysed=4)


def test_a_batch_that_fails_is_tried_song_by_song(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    bad = Song.objects.get(pk=song_ids[2])

    def explode(songs: Sequence[SongInput]) -> None:
        if any(song.path == bad.path for song in songs):
            raise RuntimeError("shapes do not match")

    fake_pipeline.before_predict = explode

    assert analyse(song_ids) == AnalysisReport(analysed=3, skipped=1)
    analyse(song_ids)
    analyse(song_ids)

    bad.refresh_from_db()
    assert (bad.status, bad.failure_code) == (Song.Status.FAILED, "ANALYSIS_FAILED")


def test_a_song_that_takes_longer_than_a_task_may_stops_no_other_and_has_a_limit(
    song_ids: list[int], fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Song.objects.get(pk=song_ids[1])
    prepare, path = fake_pipeline.prepare, slow.path

    def hang(song: SongInput) -> SongInput:
        if song.path == path:
            raise SoftTimeLimitExceeded
        return prepare(song)

    monkeypatch.setattr(fake_pipeline, "prepare", hang)
    with pytest.raises(SoftTimeLimitExceeded):
        analyse(song_ids)
    states = Song.objects.values_list("deaths", "errors", "leased_by", "status")
    assert set(states) == {(1, 0, "", "pending")}

    for song_id in song_ids:
        with pytest.raises(SoftTimeLimitExceeded) if song_id == slow.pk else nullcontext():
            analyse([song_id])
    for _ in range(MAX_ERRORS - 1):
        with pytest.raises(SoftTimeLimitExceeded):
            analyse([slow.pk])

    slow.refresh_from_db()
    assert (slow.status, slow.failure_code) == (Song.Status.FAILED, "ANALYSIS_FAILED")
    assert "TimeLimit" in slow.failure_message
    assert Song.objects.filter(status=Song.Status.ANALYSED).count() == 3


@pytest.mark.parametrize("field", ["valence", "fused_embedding", "gates", "quadrants"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nothing_that_is_not_finite_is_stored(
    song_ids: list[int],
    monkeypatch: pytest.MonkeyPatch,
    fake_pipeline: FakePipeline,
    field: str,
    bad: float,
) -> None:
    predict = fake_pipeline._predict
    path = Song.objects.get(pk=song_ids[0]).path

    def spoilt(song: SongInput) -> EmotionPrediction:
        prediction = predict(song)
        if song.path != path:
            return prediction
        value = getattr(prediction, field)
        if isinstance(value, np.ndarray):
            value = np.full_like(value, bad)
        elif not isinstance(value, float):
            value = dict.fromkeys(value, bad)
        else:
            value = bad
        object.__setattr__(prediction, field, value)
        return prediction

    monkeypatch.setattr(fake_pipeline, "_predict", spoilt)

    assert analyse(song_ids) == AnalysisReport(analysed=3, failed=1)

    song = Song.objects.get(pk=song_ids[0])
    assert (song.status, song.failure_code) == (Song.Status.FAILED, "ANALYSIS_NOT_FINITE")
    assert field in song.failure_message
    assert SongEmotion.objects.count() == 3


def test_a_row_that_the_database_refuses_costs_only_its_song(
    song_ids: list[int], monkeypatch: pytest.MonkeyPatch, fake_pipeline: FakePipeline
) -> None:
    predict = fake_pipeline._predict
    path = Song.objects.get(pk=song_ids[0]).path

    def spoilt(song: SongInput) -> EmotionPrediction:
        prediction = predict(song)
        if song.path == path:
            object.__setattr__(prediction, "valence", "no number")
        return prediction

    monkeypatch.setattr(fake_pipeline, "_predict", spoilt)

    assert analyse(song_ids).analysed == 3
    analyse(song_ids)
    analyse(song_ids)

    song = Song.objects.get(pk=song_ids[0])
    assert (song.status, song.failure_code) == (Song.Status.FAILED, "ANALYSIS_FAILED")


def test_what_the_machine_lacks_counts_against_no_song(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    def run_out(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    fake_pipeline.before_predict = run_out
    for _ in range(2 * MAX_ERRORS):
        with pytest.raises(TransientError, match="open files"):
            analyse(song_ids)

    waiting = Song.objects.filter(status=Song.Status.PENDING, leased_by="", deaths=0, errors=0)
    assert waiting.count() == 4


def test_a_lost_mount_during_the_analysis_marks_nothing_as_gone(
    song_ids: list[int], fake_pipeline: FakePipeline, music_dir: Path
) -> None:
    for path in music_dir.iterdir():
        path.unlink()

    assert analyse(song_ids) == AnalysisReport(skipped=4)

    waiting = Song.objects.filter(is_available=True, status=Song.Status.PENDING, leased_by="")
    assert waiting.exclude(queued_at=None).count() == 4, "their next message waits a while"


def test_a_worker_whose_lease_ran_out_does_not_overwrite_the_next_one(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    fake_pipeline.before_predict = lambda _: Song.objects.filter(pk=song_ids[0]).update(
        leased_by="other"
    )

    assert analyse(song_ids[:2], "slow") == AnalysisReport(analysed=1, skipped=1)

    assert Song.objects.get(pk=song_ids[0]).leased_by == "other"
    assert not SongEmotion.objects.filter(song=song_ids[0]).exists()


def test_a_song_deleted_meanwhile_is_let_go(
    song_ids: list[int], fake_pipeline: FakePipeline
) -> None:
    fake_pipeline.before_predict = lambda _: Song.objects.filter(pk=song_ids[0]).delete()

    assert analyse(song_ids) == AnalysisReport(analysed=3, skipped=1)


def test_a_song_changed_meanwhile_waits_again(
    song_ids: list[int], fake_pipeline: FakePipeline, ingest: Ingest
) -> None:
    song = Song.objects.get(pk=song_ids[0])

    def change(_: object) -> None:
        song.path.with_suffix(".txt").write_text("words")
        ingest()

    fake_pipeline.before_predict = change

    assert analyse(song_ids[:1]) == AnalysisReport(skipped=1)
    song.refresh_from_db()
    assert (song.status, song.lyrics) == (Song.Status.PENDING, "words")


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="threads cannot wait for each other in memory"
)
@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_songs(song_ids: list[int], fake_pipeline: FakePipeline) -> None:
    reports: list[AnalysisReport] = []

    def work(name: str) -> None:
        try:
            for song_id in song_ids:
                reports.append(analyse([song_id], name))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(reports) == 8
    assert sum(report.analysed for report in reports) == 4
    assert len(fake_pipeline.seen) == 4
    assert SongEmotion.objects.count() == 4


def test_words_go_to_the_model(fake_pipeline: FakePipeline) -> None:
    version = fake_pipeline.model_version
    assert text_analyse(text="a quiet evening", version=version).model_version == version


def test_embeddings_are_little_endian_and_of_one_length() -> None:
    vector = random_embedding(7)

    data = embedding_to_bytes(vector)

    assert data == vector.astype("<f4").tobytes()
    np.testing.assert_array_equal(embedding_from_bytes(memoryview(data)), vector)
    with pytest.raises(InputError, match="1024 bytes, not 4"):
        embedding_from_bytes(b"\0" * 4)
    with pytest.raises(InputError):
        embedding_to_bytes(vector[:3])
