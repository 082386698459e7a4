"""What an analysis found, and how it is stored: once, whole, and only by who holds the song."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from catalog.corrections import corrections_apply
from catalog.errors import machine_errors_raise
from catalog.estimates import estimates_store
from catalog.models import Song, SongEmotion
from catalog.storable import not_finite
from catalog.versions import version_register
from catalog.work.queue import songs_blame
from mer.errors import InputError
from mer.prediction import EMBEDDING_DIM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mer.prediction import EmotionPrediction, TempoAndKey

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class AnalysisReport:
    """Numbers of songs analysed, failed, and skipped (done before, gone, or leased elsewhere)."""

    analysed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(slots=True)
class Batch:
    """The songs of one claim, by stage."""

    worker: str
    version: str
    """The version that has to have an emotion of a song before it counts as analysed."""
    known: list[Song] = field(default_factory=list)
    gone: list[Song] = field(default_factory=list)
    away: list[Song] = field(default_factory=list)
    failed: list[tuple[Song, str, str]] = field(default_factory=list)
    blamed: list[tuple[Song, Exception]] = field(default_factory=list)
    rows: list[SongEmotion] = field(default_factory=list)
    """Results, at most one a song and version; those of `version` come first."""

    estimates: dict[int, TempoAndKey] = field(default_factory=dict)
    """Tempo and key, by song id."""

    def blame(self, song: Song, error: Exception) -> None:
        """Count an unexpected error against a song."""
        machine_errors_raise(error)
        logger.error("%s: an unexpected error during its analysis", song.path, exc_info=error)
        self.blamed.append((song, error))


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


def emotion_of(song: Song, prediction: EmotionPrediction, seconds: float) -> SongEmotion:
    """Return the row, not saved, of a prediction that took `seconds`."""
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
        alone={
            name: {"valence": valence, "arousal": arousal}
            for name, (valence, arousal) in prediction.alone.items()
        },
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
        felt=dict(prediction.felt),
        kinds=dict(prediction.kinds),
        novelty=prediction.novelty,
        valence_interval=_listed(prediction.valence_interval),
        arousal_interval=_listed(prediction.arousal_interval),
        lyrics_language=prediction.lyrics_language or "",
        are_lyrics_withheld=prediction.are_lyrics_withheld,
        fused_embedding=embedding_to_bytes(prediction.fused_embedding),
        input_sha256=song.input_sha256,
        analysis_seconds=seconds,
    )


def _listed(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


_UPDATED_FIELDS: Final = [
    name
    for name in (f.name for f in SongEmotion._meta.concrete_fields)
    if name not in {"id", "song", "model_version", "created_at"}
]


def batch_store(batch: Batch) -> AnalysisReport:
    """Write the results of a claim; a row that the database refuses counts against its song."""
    finite = [row for row in batch.rows if not _fail_if_not_finite(batch, row)]
    try:
        return batch_store_together(batch, finite)
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError, TypeError):
        logger.exception("The results of %d songs cannot be stored together", len(finite))
    report = batch_store_together(batch, [])
    for song in {row.song for row in finite}:
        alone = Batch(batch.worker, batch.version, estimates=batch.estimates)
        try:
            rows = [row for row in finite if row.song_id == song.pk]
            report.analysed += batch_store_together(alone, rows).analysed
        except (OperationalError, InterfaceError):
            raise
        except (DatabaseError, ValueError, TypeError) as error:
            alone.blame(song, error)
            report.failed += batch_store_together(alone, []).failed
    return report


def _fail_if_not_finite(batch: Batch, row: SongEmotion) -> bool:
    """Fail the song of a row with a number that is NaN or infinite; return whether it has one."""
    values = {name: getattr(row, name) for name in _UPDATED_FIELDS}
    values["fused_embedding"] = embedding_from_bytes(row.fused_embedding).tolist()
    name = not_finite(values)
    if name:
        reason = f"its {name} is not a finite number; a damaged file may be the cause: convert it"
        batch.failed.append((row.song, "ANALYSIS_NOT_FINITE", reason))
    return bool(name)


@transaction.atomic
def batch_store_together(batch: Batch, rows: Sequence[SongEmotion]) -> AnalysisReport:
    """Write results in one transaction, for the songs that the worker still holds."""
    report = AnalysisReport()
    # During the analysis the lease may have expired, or the song been deleted or changed.
    mine = Song.objects.select_for_update().filter(
        leased_by=batch.worker, status=Song.Status.PENDING
    )
    ours = set(mine.values_list("pk", flat=True))
    kept = [row for row in rows if row.song_id in ours]
    done = {row.song_id for row in kept if row.model_version == batch.version}
    corrections_apply(kept)
    SongEmotion.objects.bulk_create(
        kept,
        update_conflicts=True,
        unique_fields=["song", "model_version"],
        update_fields=_UPDATED_FIELDS,
    )
    estimates_store({pk: found for pk, found in batch.estimates.items() if pk in done})
    if done:
        version_register(batch.version, checkpoint=settings.AFFETTI_CHECKPOINT)
    _outdated_delete(kept)
    done |= {song.pk for song in batch.known}
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
    own = {row.song_id: row for row in rows if not row.song.keeps_emotion}
    former = SongEmotion.objects.filter(song__in=own).values_list(
        "pk", "song_id", "model_version", "input_sha256"
    )
    outdated = [
        pk
        for pk, song_id, version, inputs in former
        if version != own[song_id].model_version and inputs not in {"", own[song_id].input_sha256}
    ]
    if outdated:
        SongEmotion.objects.filter(pk__in=outdated).delete()


def _settle(song_ids: set[int], **fields: Any) -> int:
    return Song.objects.filter(pk__in=song_ids).update(
        leased_by="", leased_at=None, updated_at=timezone.now(), deaths=0, errors=0, **fields
    )
