"""The only bridge from the catalogue to the networks of `mer`; it loads torch on first use."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import Expression, Subquery, Value
from django.db.models.functions import Coalesce

from catalog.errors import (
    STORE_ERRORS,
    FileUnusableError,
    ModelAwayError,
    PathError,
    TransientError,
    machine_errors_raise,
)
from catalog.models import ModelVersion, Song, SongEmotion
from catalog.paths import can_be_seen, disk_stamp, holds_anything, is_gone
from catalog.results import (
    AnalysisReport,
    Batch,
    batch_store,
    batch_store_together,
    emotion_of,
)
from catalog.selectors import song_file
from catalog.storable import storable_text
from catalog.stores.addresses import in_store
from catalog.versions import checkpoint_keep, kept_checkpoint, version_serving
from catalog.work.queue import (
    APART_FROM,
    leases_release,
    song_err,
    songs_abandon,
    songs_claim,
    songs_held,
    songs_postpone,
    songs_suspect,
    songs_waiting,
)
from catalog.work.timings import Stage, timed
from mer.checkpoint import check, packaged_path, packaged_version
from mer.errors import (
    AudioCrashError,
    AudioError,
    CheckpointError,
    EncoderMissingError,
    InputError,
    LyricsError,
    PackageMissingError,
)
from mer.files import encoder_files_check
from mer.prediction import SongInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mer.pipeline import EmotionPipeline, PreparedSong
    from mer.prediction import EmotionPrediction

logger = logging.getLogger(__name__)

# Errors that name the song as their cause: it fails at once.
_SONG_ERRORS: Final = (AudioError, LyricsError, InputError, PathError, FileUnusableError)
# Errors of the installation: they are raised, and count against no song.
_INSTALLATION_ERRORS: Final = (
    CheckpointError,
    EncoderMissingError,
    PackageMissingError,
    TransientError,
    OperationalError,
    InterfaceError,
    SoftTimeLimitExceeded,
)
_loading = threading.Lock()
_unloadable: set[str] = set()
"""Checkpoints of former versions that this process could not load."""

if TYPE_CHECKING:
    _Prepared = tuple[Song, PreparedSong, float]
    """A song, the inputs of the networks, and the seconds that they took."""


def model_version() -> str:
    """Return the version that songs are analysed with, the configured one, without loading it.

    Raises CheckpointError if there is none.
    """
    return _version_of(settings.AFFETTI_CHECKPOINT)


def serving_version() -> str:
    """Return the version whose emotions lists and pages show.

    After an upgrade it is the former one, until the new one has analysed enough songs.
    """
    serving = version_serving()
    return model_version() if serving is None else serving.name


def serving_version_in_sql() -> Expression:
    """Return `serving_version` as a part of a query, which then costs no query of its own."""
    serving = ModelVersion.objects.filter(is_serving=True).values("name")[:1]
    try:
        return Coalesce(Subquery(serving), Value(model_version()))
    except CheckpointError:
        # Lists do without the checkpoint, if they know which version serves.
        return Value(serving_version())


def _version_of(checkpoint: str) -> str:
    if checkpoint.endswith(".safetensors"):
        return Path(checkpoint).stem
    return packaged_version(checkpoint)


def model_files_check() -> str:
    """Return the model version if all its files are here and whole, without loading them.

    Otherwise raises CheckpointError or EncoderMissingError.
    """
    checkpoint = settings.AFFETTI_CHECKPOINT
    is_path = checkpoint.endswith(".safetensors")
    check(Path(checkpoint) if is_path else packaged_path(checkpoint))
    encoder_files_check()
    return model_version()


def has_gpu() -> bool:
    """Return whether the networks find a GPU here."""
    # The web process must not load torch.
    from mer.pipeline import has_gpu as find  # noqa: PLC0415

    return find()


def gpu_memory_bytes() -> dict[str, int]:
    """Return the GPU memory ``total``, ``used`` and at its ``peak``; empty if this uses no GPU."""
    if "torch" not in sys.modules:  # a process that has no networks must not load it
        return {}
    from mer.pipeline import gpu_memory_bytes as find  # noqa: PLC0415

    return find()


def pipeline() -> EmotionPipeline:
    """Return the process's pipeline, loaded on first use and again for a new model version."""
    with _loading:
        return _load(model_version())


@functools.lru_cache(maxsize=1)
def _load(version: str) -> EmotionPipeline:
    # The web process must not load torch.
    from mer.pipeline import EmotionPipeline  # noqa: PLC0415

    logger.info("Loading %s", version)
    loaded = EmotionPipeline.from_pretrained(
        settings.AFFETTI_CHECKPOINT, device=settings.AFFETTI_DEVICE
    ).share_out(_cores())
    checkpoint_keep(settings.AFFETTI_CHECKPOINT)
    return loaded


def text_analyse(*, text: str, version: str) -> EmotionPrediction:
    """Predict the emotion of a sentence or lyrics by one model version.

    Raises `ModelAwayError` if the files of that version are not here, InputError for a blank text.
    """
    return _pipeline_of(version).predict_text(text)


def is_model_here(version: str) -> bool:
    """Return whether the files of a version are here; it does not read them.

    Those that this process could not load, because they are damaged or of another network, count
    as absent.
    """
    checkpoint = _checkpoint_of(version)
    if not checkpoint or checkpoint in _unloadable:
        return False
    return not checkpoint.endswith(".safetensors") or Path(checkpoint).is_file()


def _pipeline_of(version: str) -> EmotionPipeline:
    checkpoint = _checkpoint_of(version)
    if checkpoint == settings.AFFETTI_CHECKPOINT:
        return pipeline()
    if not checkpoint or checkpoint in _unloadable:
        raise ModelAwayError(version)
    try:
        with _loading:
            return _load_former(version, checkpoint)
    except CheckpointError as error:
        logger.warning("%s cannot be loaded, and is not tried again: %s", checkpoint, error)
        _unloadable.add(checkpoint)
        raise ModelAwayError(version) from error


def _checkpoint_of(version: str) -> str:
    """Return the checkpoint that gives a version: the configured one, a former one, or its copy."""
    with contextlib.suppress(CheckpointError):
        if model_version() == version:
            return str(settings.AFFETTI_CHECKPOINT)
    known = ModelVersion.objects.filter(name=version).first()
    with contextlib.suppress(CheckpointError):
        if known is not None and _version_of(known.checkpoint) == version:
            return known.checkpoint
    kept = kept_checkpoint(version)
    return str(kept) if kept.is_file() else ""


@functools.lru_cache(maxsize=1)
def _load_former(version: str, checkpoint: str) -> EmotionPipeline:
    """Load a version that serves but is no longer the configured one, from where it was."""
    from mer.pipeline import EmotionPipeline  # noqa: PLC0415  # must not load torch at start

    logger.info("Loading %s, which still serves", version)
    former = EmotionPipeline.from_pretrained(checkpoint, device=settings.AFFETTI_DEVICE)
    return former.share_out(_cores())


def songs_analyse(*, song_ids: Sequence[int], worker: str) -> AnalysisReport:
    """Analyse the waiting ones of the songs; repeated and concurrent calls analyse each once.

    A song that cannot be analysed fails alone, with a code. An unexpected error counts against its
    song, which is then tried alone, a limited number of times; so does the time limit of a task. If
    the model cannot be loaded, the error is raised and the songs keep waiting.
    """
    leases_release()
    if not songs_waiting().filter(pk__in=song_ids).exists():
        return AnalysisReport(skipped=len(song_ids))
    pipeline()  # loading takes seconds; a worker that dies meanwhile must hold no song
    songs = songs_claim(song_ids=song_ids, worker=worker)
    with songs_held(song_ids=[song.pk for song in songs], worker=worker):
        try:
            if len(songs) == 1 and songs[0].deaths > APART_FROM:  # this claim counts until its end
                report = _analyse_apart(songs[0], worker)
            else:
                report = held_songs_analyse(songs=songs, worker=worker)
        except SoftTimeLimitExceeded as error:
            if len(songs) > 1:  # some song takes too long
                songs_suspect(song_ids=[song.pk for song in songs], worker=worker)
            else:
                batch_store_together(Batch(worker, model_version(), blamed=[(songs[0], error)]), [])
            raise
    report.skipped = len(song_ids) - report.analysed - report.failed
    return report


def held_songs_analyse(*, songs: Sequence[Song], worker: str) -> AnalysisReport:
    """Analyse songs that `worker` holds; as `songs_analyse`, which claims them first."""
    batch = Batch(worker, model_version())
    with timed(Stage.PREPARE, len(songs)):
        prepared = _prepare(batch, songs)
    with timed(Stage.PREDICT, len(prepared)):
        _predict(batch, prepared)
    _analyse_for_lists(batch, songs)
    with timed(Stage.STORE, len(batch.rows)):
        report = batch_store(batch)
    songs_postpone(song_ids=[song.pk for song in batch.away], worker=worker)
    return report


def _analyse_apart(song: Song, worker: str) -> AnalysisReport:
    """Analyse a song in a child process: if that dies and the worker lives, it is the song."""
    command = [sys.executable, "-m", "django", "analyse_apart", str(song.pk), worker]
    # S603: the arguments are a number and a name of our own.
    child = subprocess.run(command, check=False, timeout=settings.CELERY_TASK_TIME_LIMIT)  # noqa: S603
    if child.returncode < 0:
        logger.error("%s: its analysis ended a process (signal %d)", song.path, -child.returncode)
        song_err(song=song, worker=worker)
        songs_abandon()
    elif child.returncode:
        raise TransientError(f"the analysis apart of song {song.pk} ended with an error; see above")
    song.refresh_from_db(fields=["status"])
    return AnalysisReport(
        analysed=int(song.status == Song.Status.ANALYSED),
        failed=int(song.status == Song.Status.FAILED),
    )


def _prepare(batch: Batch, songs: Sequence[Song]) -> list[_Prepared]:
    """Sort out the songs that need no analysis or can have none, and prepare the others.

    As many are prepared at once as there are cores: children decode them.
    """
    model = pipeline()
    known = _known(songs, model.model_version)
    prepared = []
    threads = ThreadPoolExecutor(_cores(), thread_name_prefix="preparation")
    try:
        running = []
        for song in songs:
            if known.get(song.pk) == song.input_sha256:
                batch.known.append(song)
            elif song.has_audio and _is_gone(song):
                (batch.gone if holds_anything(song.library.path) else batch.away).append(song)
            else:
                running.append((song, threads.submit(_timed, model, song)))
        for song, result in running:
            with _edge_of(song, batch):
                prepared.append((song, *result.result()))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)  # the time limit does not wait for them
    return prepared


def _is_gone(song: Song) -> bool:
    """Return whether the file of a song is not there; a store that is away does not say so."""
    return is_gone(song.path) or not (in_store(song.path) or can_be_seen(song.path))


def _cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _timed(model: EmotionPipeline, song: Song) -> tuple[PreparedSong, float]:
    """Prepare a song; return also the seconds that it took."""
    start = time.perf_counter()
    with _sound_of(song) as path:
        prepared = model.prepare(_song_input(song, path))
    return prepared, time.perf_counter() - start


@contextlib.contextmanager
def _sound_of(song: Song) -> Iterator[Path | None]:
    """Yield the file of a song until the block ends; None if it has no audio."""
    if not song.has_audio:
        yield None
        return
    with song_file(song) as path:
        yield path


@contextlib.contextmanager
def _edge_of(song: Song, batch: Batch) -> Iterator[None]:
    """Keep the errors of one song from the others."""
    try:
        yield
    except STORE_ERRORS as error:
        logger.warning("song %d waits: %s", song.pk, error)
        batch.away.append(song)
    except AudioCrashError as error:
        batch.blame(song, error)  # a child may have been killed from outside
    except _SONG_ERRORS as error:
        machine_errors_raise(error)
        reason = storable_text(str(getattr(error, "reason", error)))
        batch.failed.append((song, error.code, reason))
    except _INSTALLATION_ERRORS:
        raise
    except Exception as error:
        batch.blame(song, error)


def _known(songs: Sequence[Song], version: str) -> dict[int, str]:
    """Return the `input_sha256` of the emotions that a version has of the songs, by song id."""
    emotions = SongEmotion.objects.filter(song__in=songs, model_version=version)
    return dict(emotions.values_list("song_id", "input_sha256"))


def _song_input(song: Song, path: Path | None) -> SongInput:
    texts = (song.lyrics or None, song.model_title or None, song.model_artist or None)
    if path is None:
        return SongInput(None, *texts)
    stamp = disk_stamp(path)
    if (stamp.size_bytes, stamp.mtime_ns) != (song.file_size_bytes, song.file_mtime_ns):
        raise FileUnusableError(
            "FILE_CHANGED", "the file has changed since it was catalogued; ingest its folder again"
        )
    return SongInput(path, *texts)


def _predict(batch: Batch, prepared: Sequence[_Prepared]) -> None:
    """Predict the prepared songs together; if that fails, each of them alone."""
    if not prepared:
        return
    try:
        _predict_together(batch, pipeline(), prepared)
    except _INSTALLATION_ERRORS:
        raise
    except Exception:
        logger.exception("A batch of %d songs failed; each is tried alone", len(prepared))
        for one in prepared:
            try:
                _predict_together(batch, pipeline(), [one])
            except _INSTALLATION_ERRORS:
                raise
            except Exception as error:  # the edge of one song
                batch.blame(one[0], error)


def _predict_together(batch: Batch, model: EmotionPipeline, prepared: Sequence[_Prepared]) -> None:
    """Predict prepared songs, and put what was found into the batch."""
    start = time.perf_counter()
    predictions = model.predict_prepared([inputs for _, inputs, _ in prepared])
    share = (time.perf_counter() - start) / len(prepared)
    for (song, _, seconds), prediction in zip(prepared, predictions, strict=True):
        batch.rows.append(emotion_of(song, prediction, seconds + share))
        if prediction.tempo_and_key is not None:
            batch.estimates[song.pk] = prediction.tempo_and_key


def _analyse_for_lists(batch: Batch, songs: Sequence[Song]) -> None:
    """Analyse new and changed songs also by the version that serves, if that is another one.

    Otherwise they would be in no list until the switch. Songs whose former emotion still holds need
    no second analysis. An error of the former version fails no song.
    """
    serving = version_serving()
    if serving is None or serving.name == batch.version:
        return
    known = _known(songs, serving.name)
    good = {row.song_id for row in batch.rows} | {song.pk for song in batch.known}
    held = {
        song.pk
        for song in songs
        if song.pk in known and (song.keeps_emotion or known[song.pk] == song.input_sha256)
    }
    lacking = [song for song in songs if song.pk in good - held]
    if not lacking:
        return
    try:
        model = _pipeline_of(serving.name)
    except ModelAwayError as error:
        logger.info("%d songs are in lists only after the switch: %s", len(lacking), error)
        return
    for song in lacking:
        start = time.perf_counter()
        try:
            with _sound_of(song) as path:
                inputs = model.prepare(_song_input(song, path))
            _predict_together(batch, model, [(song, inputs, time.perf_counter() - start)])
        except (TransientError, OperationalError, InterfaceError, SoftTimeLimitExceeded):
            raise
        except Exception as error:  # the edge of one song, which the other version has analysed
            machine_errors_raise(error)
            logger.exception("%s: %s, which serves, cannot analyse it", song.path, serving.name)
