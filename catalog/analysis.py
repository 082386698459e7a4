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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import Expression, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from catalog.errors import (
    FileUnusableError,
    ModelAwayError,
    PathError,
    TransientError,
    machine_errors_raise,
)
from catalog.models import ModelVersion, Song, SongEmotion
from catalog.paths import holds_anything
from catalog.selectors import song_path
from catalog.storable import not_finite, storable_text
from catalog.versions import version_register, version_serving
from catalog.work.queue import (
    APART_FROM,
    leases_release,
    song_died,
    songs_abandon,
    songs_blame,
    songs_claim,
    songs_held,
    songs_postpone,
    songs_waiting,
)
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
from mer.prediction import EMBEDDING_DIM, SongInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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


@dataclass(slots=True)
class AnalysisReport:
    """Numbers of songs analysed, failed, and skipped (done before, gone, or leased elsewhere)."""

    analysed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(slots=True)
class _Batch:
    """The songs of one claim, by stage."""

    worker: str
    known: list[Song] = field(default_factory=list)
    gone: list[Song] = field(default_factory=list)
    away: list[Song] = field(default_factory=list)
    failed: list[tuple[Song, str, str]] = field(default_factory=list)
    blamed: list[tuple[Song, Exception]] = field(default_factory=list)
    prepared: list[tuple[Song, PreparedSong, float]] = field(default_factory=list)
    rows: list[SongEmotion] = field(default_factory=list)


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


def pipeline() -> EmotionPipeline:
    """Return the process's pipeline, loaded on first use and again for a new model version."""
    with _loading:
        return _load(model_version())


@functools.lru_cache(maxsize=1)
def _load(version: str) -> EmotionPipeline:
    # The web process must not load torch.
    from mer.pipeline import EmotionPipeline  # noqa: PLC0415

    logger.info("Loading %s", version)
    return EmotionPipeline.from_pretrained(
        settings.AFFETTI_CHECKPOINT, device=settings.AFFETTI_DEVICE
    )


def text_analyse(*, text: str, version: str) -> EmotionPrediction:
    """Predict the emotion of a sentence or lyrics by one model version.

    Raises `ModelAwayError` if the files of that version are not here, InputError for a blank text.
    """
    return _pipeline_of(version).predict_text(text)


def is_model_here(version: str) -> bool:
    """Return whether the files of a version are here; it does not read them."""
    checkpoint = _checkpoint_of(version)
    return bool(checkpoint) and (
        not checkpoint.endswith(".safetensors") or Path(checkpoint).is_file()
    )


def _pipeline_of(version: str) -> EmotionPipeline:
    checkpoint = _checkpoint_of(version)
    if checkpoint == settings.AFFETTI_CHECKPOINT:
        return pipeline()
    if not checkpoint:
        raise ModelAwayError(version)
    try:
        with _loading:
            return _load_former(version, checkpoint)
    except CheckpointError as error:
        raise ModelAwayError(version) from error


def _checkpoint_of(version: str) -> str:
    """Return the checkpoint that gives a version, the configured one or where it once was."""
    with contextlib.suppress(CheckpointError):
        if model_version() == version:
            return str(settings.AFFETTI_CHECKPOINT)
    known = ModelVersion.objects.filter(name=version).first()
    with contextlib.suppress(CheckpointError):
        if known is not None and _version_of(known.checkpoint) == version:
            return known.checkpoint
    return ""


@functools.lru_cache(maxsize=1)
def _load_former(version: str, checkpoint: str) -> EmotionPipeline:
    """Load a version that serves but is no longer the configured one, from where it was."""
    from mer.pipeline import EmotionPipeline  # noqa: PLC0415  # must not load torch at start

    logger.info("Loading %s, which still serves", version)
    return EmotionPipeline.from_pretrained(checkpoint, device=settings.AFFETTI_DEVICE)


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
            if len(songs) == 1 and songs[0].attempts >= APART_FROM:
                report = _analyse_apart(songs[0], worker)
            else:
                report = held_songs_analyse(songs=songs, worker=worker)
        except SoftTimeLimitExceeded as error:
            # Some song takes too long: each is tried alone, and then it counts against that one.
            _store_together(_Batch(worker, blamed=[(song, error) for song in songs]), [])
            raise
    report.skipped = len(song_ids) - report.analysed - report.failed
    return report


def held_songs_analyse(*, songs: Sequence[Song], worker: str) -> AnalysisReport:
    """Analyse songs that `worker` holds; as `songs_analyse`, which claims them first."""
    batch = _Batch(worker)
    _prepare(batch, songs)
    _predict(batch)
    report = _store(batch)
    songs_postpone(song_ids=[song.pk for song in batch.away], worker=worker)
    return report


def _analyse_apart(song: Song, worker: str) -> AnalysisReport:
    """Analyse a song in a child process: if that dies and the worker lives, it is the song."""
    command = [sys.executable, "-m", "django", "analyse_apart", str(song.pk), worker]
    # S603: the arguments are a number and a name of our own.
    child = subprocess.run(command, check=False, timeout=settings.CELERY_TASK_TIME_LIMIT)  # noqa: S603
    if child.returncode < 0:
        logger.error("%s: its analysis ended a process (signal %d)", song.path, -child.returncode)
        song_died(song=song, worker=worker)
        songs_abandon()
    elif child.returncode:
        raise TransientError(f"the analysis apart of song {song.pk} ended with an error; see above")
    song.refresh_from_db(fields=["status"])
    return AnalysisReport(
        analysed=int(song.status == Song.Status.ANALYSED),
        failed=int(song.status == Song.Status.FAILED),
    )


def embedding_to_bytes(embedding: NDArray[np.float32]) -> bytes:
    """Return a (256,) embedding in the form of `SongEmotion.fused_embedding`."""
    if embedding.shape != (EMBEDDING_DIM,):
        raise InputError(f"an embedding has shape ({EMBEDDING_DIM},), not {embedding.shape}")
    return embedding.astype("<f4").tobytes()


def embedding_from_bytes(data: bytes | memoryview) -> NDArray[np.float32]:
    """Return `SongEmotion.fused_embedding`, from SQLite or PostgreSQL, as a (256,) array."""
    embedding = np.frombuffer(data, dtype="<f4").astype(np.float32)
    if embedding.shape != (EMBEDDING_DIM,):
        raise InputError(f"an embedding has {EMBEDDING_DIM * 4} bytes, not {len(bytes(data))}")
    return embedding


def _prepare(batch: _Batch, songs: Sequence[Song]) -> None:
    model = pipeline()
    emotions = SongEmotion.objects.filter(song__in=songs, model_version=model.model_version)
    known = dict(emotions.values_list("song_id", "input_sha256"))
    for song in songs:
        if known.get(song.pk) == song.input_sha256:
            batch.known.append(song)
            continue
        if not os.path.lexists(song.path):
            (batch.gone if holds_anything(song.library.path) else batch.away).append(song)
            continue
        start = time.perf_counter()
        try:
            prepared = model.prepare(_song_input(song))
        except AudioCrashError as error:
            _blame(batch, song, error)  # a child may have been killed from outside
        except _SONG_ERRORS as error:
            machine_errors_raise(error)
            reason = storable_text(str(getattr(error, "reason", error)))
            batch.failed.append((song, error.code, reason))
        except _INSTALLATION_ERRORS:
            raise
        except Exception as error:  # the edge of one song: no song may stop the others
            _blame(batch, song, error)
        else:
            batch.prepared.append((song, prepared, time.perf_counter() - start))


def _blame(batch: _Batch, song: Song, error: Exception) -> None:
    """Count an unexpected error against a song."""
    machine_errors_raise(error)
    logger.error("%s: an unexpected error during its analysis", song.path, exc_info=error)
    batch.blamed.append((song, error))


def _song_input(song: Song) -> SongInput:
    path = song_path(song)
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) != (song.file_size_bytes, song.file_mtime_ns):
        raise FileUnusableError(
            "FILE_CHANGED", "the file has changed since it was catalogued; ingest its folder again"
        )
    return SongInput(path, song.lyrics or None, song.model_title or None, song.model_artist or None)


def _predict(batch: _Batch) -> None:
    """Predict the prepared songs together; if that fails, each of them alone."""
    if not batch.prepared:
        return
    try:
        _predict_together(batch, batch.prepared)
    except _INSTALLATION_ERRORS:
        raise
    except Exception:
        logger.exception("A batch of %d songs failed; each is tried alone", len(batch.prepared))
        batch.rows.clear()
        for one in batch.prepared:
            try:
                _predict_together(batch, [one])
            except _INSTALLATION_ERRORS:
                raise
            except Exception as error:  # the edge of one song
                _blame(batch, one[0], error)


def _predict_together(batch: _Batch, prepared: Sequence[tuple[Song, PreparedSong, float]]) -> None:
    start = time.perf_counter()
    predictions = pipeline().predict_prepared([inputs for _, inputs, _ in prepared])
    share = (time.perf_counter() - start) / len(prepared)
    for (song, _, seconds), prediction in zip(prepared, predictions, strict=True):
        batch.rows.append(_row(song, prediction, seconds + share))


def _row(song: Song, prediction: EmotionPrediction, seconds: float) -> SongEmotion:
    return SongEmotion(
        song=song,
        model_version=prediction.model_version,
        valence=prediction.valence,
        arousal=prediction.arousal,
        valence_spread=prediction.valence_spread,
        arousal_spread=prediction.arousal_spread,
        quadrant=str(prediction.quadrant),
        quadrants={str(name): value for name, value in prediction.quadrants.items()},
        emotions=dict(prediction.emotions),
        confidence=prediction.confidence,
        gates=dict(prediction.gates),
        timeline=[
            {"start_seconds": p.start_seconds, "valence": p.valence, "arousal": p.arousal}
            for p in prediction.timeline
        ],
        lyric_lines=[
            {
                "line": line.line,
                "text": line.text,
                "valence": line.valence,
                "arousal": line.arousal,
                "shift": line.shift,
            }
            for line in prediction.lyric_lines
        ],
        fused_embedding=embedding_to_bytes(prediction.fused_embedding),
        input_sha256=song.input_sha256,
        analysis_seconds=seconds,
    )


_UPDATED_FIELDS: Final = [
    name
    for name in (f.name for f in SongEmotion._meta.concrete_fields)
    if name not in {"id", "song", "model_version", "created_at"}
]


def _store(batch: _Batch) -> AnalysisReport:
    """Write the results of a claim; a row that the database refuses counts against its song."""
    finite = [row for row in batch.rows if not _fail_if_not_finite(batch, row)]
    try:
        return _store_together(batch, finite)
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError, TypeError):
        logger.exception("The results of %d songs cannot be stored together", len(finite))
    report = _store_together(batch, [])
    songs = {song.pk: song for song, _, _ in batch.prepared}
    for row in finite:
        alone = _Batch(batch.worker)
        try:
            report.analysed += _store_together(alone, [row]).analysed
        except (OperationalError, InterfaceError):
            raise
        except (DatabaseError, ValueError, TypeError) as error:
            _blame(alone, songs[row.song_id], error)
            report.failed += _store_together(alone, []).failed
    return report


def _fail_if_not_finite(batch: _Batch, row: SongEmotion) -> bool:
    """Fail the song of a row with a number that is NaN or infinite; return whether it has one."""
    values = {name: getattr(row, name) for name in _UPDATED_FIELDS}
    values["fused_embedding"] = embedding_from_bytes(row.fused_embedding).tolist()
    name = not_finite(values)
    if name:
        reason = f"its {name} is not a finite number; a damaged file may be the cause: convert it"
        batch.failed.append((row.song, "ANALYSIS_NOT_FINITE", reason))
    return bool(name)


@transaction.atomic
def _store_together(batch: _Batch, rows: Sequence[SongEmotion]) -> AnalysisReport:
    """Write results in one transaction, for the songs that the worker still holds."""
    report = AnalysisReport()
    # During the analysis the lease may have expired, or the song been deleted or changed.
    mine = Song.objects.select_for_update().filter(
        leased_by=batch.worker, status=Song.Status.PENDING
    )
    ours = set(mine.values_list("pk", flat=True))
    kept = [row for row in rows if row.song_id in ours]
    SongEmotion.objects.bulk_create(
        kept,
        update_conflicts=True,
        unique_fields=["song", "model_version"],
        update_fields=_UPDATED_FIELDS,
    )
    if kept:
        version_register(kept[0].model_version, checkpoint=settings.AFFETTI_CHECKPOINT)
    _outdated_delete(kept)
    done = {row.song_id for row in kept} | {song.pk for song in batch.known}
    report.analysed = _settle(done & ours, status=Song.Status.ANALYSED, keeps_emotion=False)
    _settle({song.pk for song in batch.gone} & ours, is_available=False)
    blamed = [(song, error) for song, error in batch.blamed if song.pk in ours]
    failed = [*batch.failed, *songs_blame(errors=blamed, worker=batch.worker)]
    for song, code, message in failed:
        report.failed += _settle(
            {song.pk} & ours,
            status=Song.Status.FAILED,
            failure_code=code,
            failure_message=message,
        )
    # An earlier prediction was made from other bytes, or from a file that could be read. If only
    # the new model cannot analyse the song, the former model's emotion stays.
    bad = {song.pk for song, _, _ in failed if not song.keeps_emotion}
    SongEmotion.objects.filter(song__in=bad & ours).delete()
    return report


def _outdated_delete(rows: Sequence[SongEmotion]) -> None:
    """Delete what former models said of songs that have changed since."""
    for row in rows:
        if not row.song.keeps_emotion:
            others = SongEmotion.objects.filter(song=row.song_id).exclude(
                model_version=row.model_version
            )
            others.exclude(input_sha256__in=("", row.input_sha256)).delete()


def _settle(song_ids: set[int], **fields: Any) -> int:
    return Song.objects.filter(pk__in=song_ids).update(
        leased_by="", leased_at=None, updated_at=timezone.now(), attempts=0, **fields
    )
