"""The waveforms of songs: measured once, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.errors import TransientError, machine_errors_raise
from catalog.models import Library, Song, SongWaveform
from catalog.selectors import song_file
from catalog.storable import storable_text
from mer.audio.peaks import waveform_of
from mer.errors import AudioCrashError, AudioError, AudioMemoryError, AudioTimeoutError

if TYPE_CHECKING:
    from django.db.models import QuerySet


class WaveformUnsureError(TransientError):
    """The reader of a file was ended; whether there is a waveform is not known."""


def waveform_known(song: Song) -> SongWaveform | None:
    """Return the waveform of the song's present sound, or why it has none; None if not measured."""
    known = SongWaveform.objects.filter(song=song, sound_sha256=song.sound_sha256)
    return known.first()


def waveform_measure(*, song: Song, timeout_seconds: float | None = None) -> SongWaveform:
    """Measure the waveform of a song and keep it, also if it turns out that there can be none.

    Raises PathError if the file is not there now, TransientError if the machine lacks something.
    Raises WaveformUnsureError if its reader was killed, or did not end within `timeout_seconds`: on
    a busy machine that is no fault of the file.
    """
    values: dict[str, object] = {"sound_sha256": song.sound_sha256}
    try:
        with song_file(song) as path:
            waveform = waveform_of(path, timeout_seconds=timeout_seconds)
    except AudioError as error:
        machine_errors_raise(error)
        is_late = timeout_seconds is not None and isinstance(error, AudioTimeoutError)
        if is_late or isinstance(error, AudioCrashError | AudioMemoryError):
            raise WaveformUnsureError(f"the waveform was not measured: {_reason(error)}") from error
        values |= {"peaks": b"", "failure": _reason(error), "duration_seconds": None}
    else:
        seconds = waveform.duration_seconds
        values |= {"peaks": waveform.peaks, "failure": "", "duration_seconds": seconds}
    return SongWaveform.objects.update_or_create(song=song, defaults=values)[0]


def _reason(error: AudioError) -> str:
    """Return why a file has no waveform; listeners read it, so it names no folder."""
    reason = storable_text(error.reason)
    return "cannot be decoded" if "/" in reason or "\\" in reason else reason


def songs_without_waveform() -> QuerySet[Song]:
    """Return the songs whose files are there and whose waveform is unknown or could not be had."""
    known = SongWaveform.objects.exclude(peaks=b"").values("song_id")
    return (
        Song.objects.filter(is_available=True, library__kind=Library.Kind.FOLDER)
        .exclude(pk__in=known)
        .select_related("library")
        .order_by("pk")
    )
