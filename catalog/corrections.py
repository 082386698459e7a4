"""What staff correct of the emotions of songs, for everybody and for every model version.

The place of `SongEmotion` is the one in force. Where staff corrected it, the row keeps what its
model predicted in `predicted`. The table of corrections is the record of who changed what: its rows
are ended, and never changed otherwise or deleted while the song is there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils import timezone

from catalog.models import EmotionCorrection, Song, SongEmotion
from mer.affect import AffectPoint, Quadrant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

CORRECTION_SPREAD: Final = 0.1
"""The expected error of a corrected place: about that of the mean of four listeners' ratings."""
EMOTION_QUADRANTS: Final[Mapping[str, Quadrant]] = {
    "anger": Quadrant.Q2,
    "joy": Quadrant.Q1,
    "sadness": Quadrant.Q3,
    "fear": Quadrant.Q2,
    "calmness": Quadrant.Q4,
    "excitement": Quadrant.Q1,
    "disgust": Quadrant.Q2,
    "anticipation": Quadrant.Q1,
}
"""The quadrant of each emotion."""
_CORRECTED: Final = (
    *("valence", "arousal", "valence_spread", "arousal_spread"),
    *("valence_interval", "arousal_interval"),
    *("quadrant", "quadrants", "emotions", "confidence"),
)
_LEAST: Final = 1e-6


@transaction.atomic
def emotion_correct(
    *, song_id: int, valence: float, arousal: float, by: User, note: str = ""
) -> None:
    """Put a song, with all files of its recording, at a place in [0, 1] for everybody.

    It holds for every model version, present and future, until it is undone. Raises InputError for
    a place off the plane, and Song.DoesNotExist.
    """
    AffectPoint(valence, arousal)
    for song in corrections_lock(song_id):
        _end(song, by)
        said = _said(song)
        correction = EmotionCorrection.objects.create(
            song=song,
            valence=valence,
            arousal=arousal,
            said_valence=said.valence if said else None,
            said_arousal=said.arousal if said else None,
            said_version=said.model_version if said else "",
            note=note,
            corrected_by=by,
            corrected_by_name=by.get_username(),
        )
        for row in song.emotions.all():
            _restore(row)
            _correct(row, correction)
            row.save(update_fields=[*_CORRECTED, "predicted", "updated_at"])


@transaction.atomic
def emotion_correction_undo(*, song_id: int, by: User) -> None:
    """Give a song, with all files of its recording, back the places that the models predicted."""
    for song in corrections_lock(song_id):
        _end(song, by)
        for row in song.emotions.exclude(predicted=None):
            _restore(row)
            row.save(update_fields=[*_CORRECTED, "predicted", "updated_at"])


def corrections_of(song_id: int) -> QuerySet[EmotionCorrection]:
    """Return every correction of a song, the newest first."""
    return EmotionCorrection.objects.filter(song=song_id).order_by("-corrected_at", "-pk")


def corrections_apply(rows: Sequence[SongEmotion]) -> None:
    """Correct rows that are not saved yet, as staff decided of their songs.

    Call it in the transaction that saves them and locks their songs.
    """
    standing = EmotionCorrection.objects.filter(
        song__in={row.song_id for row in rows}, ended_at=None
    )
    by_song = {correction.song_id: correction for correction in standing}
    for row in rows:
        if row.song_id in by_song:
            _correct(row, by_song[row.song_id])


def corrections_lock(song_id: int) -> list[Song]:
    """Return the files of a song's recording, which this transaction alone may change.

    No analysis of them is stored meanwhile, and nobody else corrects them. Raises
    Song.DoesNotExist.
    """
    song = Song.objects.only("recording_id").get(pk=song_id)
    files = Song.objects.filter(pk=song.pk)
    if song.recording_id is not None:
        files = Song.objects.filter(recording=song.recording_id)
    return list(files.select_for_update().only("pk").order_by("pk"))


def _end(song: Song, by: User) -> None:
    EmotionCorrection.objects.filter(song=song, ended_at=None).update(
        ended_at=timezone.now(), ended_by=by, ended_by_name=by.get_username()
    )


def _said(song: Song) -> SongEmotion | None:
    """Return the newest emotion of a song: the one that is corrected, or was before."""
    return song.emotions.order_by("-updated_at", "-pk").first()


def _restore(row: SongEmotion) -> None:
    for name, value in (row.predicted or {}).items():
        setattr(row, name, value)
    row.predicted = None


def _correct(row: SongEmotion, correction: EmotionCorrection) -> None:
    """Set a row to a corrected place, and keep what the model predicted."""
    row.predicted = {name: getattr(row, name) for name in _CORRECTED}
    quadrants = quadrants_at(correction.valence, correction.arousal)
    row.emotions = _emotions_moved(row.emotions, row.quadrants, quadrants)
    row.quadrants = quadrants
    row.valence, row.arousal = correction.valence, correction.arousal
    row.valence_spread = row.arousal_spread = CORRECTION_SPREAD
    row.valence_interval = row.arousal_interval = None
    row.quadrant = str(AffectPoint(row.valence, row.arousal).quadrant)
    row.confidence = quadrants[row.quadrant]


def quadrants_at(valence: float, arousal: float) -> dict[str, float]:
    """Return the probability of each quadrant for a place with the error of a correction."""
    right, up = _above_half(valence), _above_half(arousal)
    return {
        str(Quadrant.Q1): right * up,
        str(Quadrant.Q2): (1 - right) * up,
        str(Quadrant.Q3): (1 - right) * (1 - up),
        str(Quadrant.Q4): right * (1 - up),
    }


def _above_half(value: float) -> float:
    """Return the probability that a normal variable with this mean is above 0.5."""
    return 0.5 * (1 + math.erf((value - 0.5) / (CORRECTION_SPREAD * math.sqrt(2))))


def _emotions_moved(
    emotions: Mapping[str, float], before: Mapping[str, Any], after: Mapping[str, float]
) -> dict[str, float]:
    """Return probabilities of emotions of the same sum, moved with those of their quadrants."""
    moved = {
        name: value * after[quadrant] / max(float(before.get(quadrant) or 0.0), _LEAST)
        for name, value, quadrant in _with_quadrants(emotions)
    }
    total = sum(moved.values())
    scale = sum(emotions.values()) / total if total else 0.0
    return {name: value * scale for name, value in moved.items()}


def _with_quadrants(emotions: Mapping[str, float]) -> Iterable[tuple[str, float, str]]:
    for name, value in emotions.items():
        yield name, value, str(EMOTION_QUADRANTS[name])
