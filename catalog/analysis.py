"""The only bridge from the catalogue to the networks of `mer`; it loads torch on first use."""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from catalog.errors import FileUnusableError, PathError
from catalog.models import Song, SongEmotion
from catalog.selectors import song_path
from catalog.work.queue import leases_release, songs_claim, songs_release
from mer.checkpoint import packaged_version
from mer.errors import AudioError, InputError, LyricsError
from mer.prediction import EMBEDDING_DIM, SongInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mer.pipeline import EmotionPipeline, PreparedSong
    from mer.prediction import EmotionPrediction

logger = logging.getLogger(__name__)

# Errors of the song itself. Any other error is one of the installation, and fails no song.
_SONG_ERRORS: Final = (AudioError, LyricsError, InputError, PathError, FileUnusableError)
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
    failed: list[tuple[Song, str, str]] = field(default_factory=list)
    prepared: list[tuple[Song, PreparedSong, float]] = field(default_factory=list)
    rows: list[SongEmotion] = field(default_factory=list)


def model_version() -> str:
    """Return the configured model version without loading it; CheckpointError if there is none."""
    checkpoint = settings.AFFETTI_CHECKPOINT
    if checkpoint.endswith(".safetensors"):
        return Path(checkpoint).stem
    return packaged_version(checkpoint)


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


def text_analyse(*, text: str) -> EmotionPrediction:
    """Predict the emotion of a sentence or lyrics; InputError if the text is blank."""
    return pipeline().predict_text(text)


def songs_analyse(*, song_ids: Sequence[int], worker: str) -> AnalysisReport:
    """Analyse the waiting ones of the songs; repeated and concurrent calls analyse each once.

    A song that cannot be analysed fails alone, with a code. If the model cannot be loaded, the
    error is raised and the songs keep waiting.
    """
    leases_release()
    songs = songs_claim(song_ids=song_ids, worker=worker)
    if not songs:
        return AnalysisReport(skipped=len(song_ids))
    try:
        batch = _Batch(worker)
        _prepare(batch, songs)
        _predict(batch)
        report = _store(batch)
    finally:
        songs_release(song_ids=[song.pk for song in songs], worker=worker)
    report.skipped = len(song_ids) - report.analysed - report.failed
    return report


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
            batch.gone.append(song)
            continue
        start = time.perf_counter()
        try:
            prepared = model.prepare(_song_input(song))
        except _SONG_ERRORS as error:
            batch.failed.append((song, error.code, str(getattr(error, "reason", error))))
        else:
            batch.prepared.append((song, prepared, time.perf_counter() - start))


def _song_input(song: Song) -> SongInput:
    path = song_path(song)
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) != (song.file_size_bytes, song.file_mtime_ns):
        raise FileUnusableError(
            "FILE_CHANGED", "the file has changed since it was catalogued; ingest its folder again"
        )
    return SongInput(path, song.lyrics or None, song.title or None, song.artist or None)


def _predict(batch: _Batch) -> None:
    if not batch.prepared:
        return
    start = time.perf_counter()
    predictions = pipeline().predict_prepared([prepared for _, prepared, _ in batch.prepared])
    share = (time.perf_counter() - start) / len(batch.prepared)
    for (song, _, seconds), prediction in zip(batch.prepared, predictions, strict=True):
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
    """Write the results of a claim in one transaction, for the songs that it still holds."""
    report = AnalysisReport()
    with transaction.atomic():
        # During the analysis the lease may have expired, or the song been deleted or changed.
        mine = Song.objects.select_for_update().filter(
            leased_by=batch.worker, status=Song.Status.PENDING
        )
        ours = set(mine.values_list("pk", flat=True))
        rows = [row for row in batch.rows if row.song_id in ours]
        SongEmotion.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["song", "model_version"],
            update_fields=_UPDATED_FIELDS,
        )
        done = {row.song_id for row in rows} | {song.pk for song in batch.known}
        report.analysed = _settle(done & ours, status=Song.Status.ANALYSED)
        _settle({song.pk for song in batch.gone} & ours, is_available=False)
        for song, code, message in batch.failed:
            report.failed += _settle(
                {song.pk} & ours,
                status=Song.Status.FAILED,
                failure_code=code,
                failure_message=message,
            )
        # An earlier prediction was made from other bytes, or from a file that could be read.
        SongEmotion.objects.filter(
            song__in={song.pk for song, _, _ in batch.failed} & ours
        ).delete()
    return report


def _settle(song_ids: set[int], **fields: Any) -> int:
    return Song.objects.filter(pk__in=song_ids).update(
        leased_by="", leased_at=None, updated_at=timezone.now(), attempts=0, **fields
    )
