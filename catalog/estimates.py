"""Tempo and key of songs, estimated from their sound; a tempo in the tags wins over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils import timezone

from catalog.errors import machine_errors_raise
from catalog.models import Library, Song
from catalog.selectors import song_file
from mer.audio.tempo_and_key import tempo_and_key_of
from mer.errors import AudioError
from mer.prediction import MODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet

    from mer.prediction import TempoAndKey

ESTIMATED: Final = ("estimated_bpm", "tempo_confidence", "estimated_key", "key_confidence")
"""The columns of `Song` that are estimates."""


def estimates_store(found: Mapping[int, TempoAndKey]) -> None:
    """Write the estimates of songs, by their ids."""
    for pk, estimate in found.items():
        Song.objects.filter(pk=pk).update(**_columns(estimate))


def estimate_measure(*, song: Song) -> None:
    """Estimate tempo and key of a song from its file, without the networks, and store them.

    Raises PathError if the file is not there now, AudioError if it cannot be used, TransientError
    if the machine lacks something.
    """
    try:
        with song_file(song) as path:
            estimate = tempo_and_key_of(path)
    except AudioError as error:
        machine_errors_raise(error)
        raise
    # Not if the file was ingested anew meanwhile.
    same = Song.objects.filter(pk=song.pk, content_sha256=song.content_sha256)
    same.update(**_columns(estimate), updated_at=timezone.now())


def songs_without_estimate() -> QuerySet[Song]:
    """Return the analysed songs whose tempo and key were not estimated yet."""
    analysed = Song.objects.filter(
        is_available=True, status=Song.Status.ANALYSED, library__kind=Library.Kind.FOLDER
    )
    return analysed.filter(tempo_confidence=None).select_related("library").order_by("pk")


def _columns(estimate: TempoAndKey) -> dict[str, float | int | None]:
    key = None if estimate.tonic is None else estimate.tonic + 12 * MODES.index(estimate.mode)
    values = (estimate.tempo_bpm, estimate.tempo_confidence, key, estimate.key_confidence)
    return dict(zip(ESTIMATED, values, strict=True))
