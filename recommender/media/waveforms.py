"""The waveform of a song for players: as it is known, else measured now, few at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.waveforms import WaveformUnsureError, waveform_known, waveform_measure
from recommender.errors import SongUnplayableError
from recommender.media.turns import OneByOne, Pauses, Turns
from recommender.terms import told

if TYPE_CHECKING:
    from catalog.models import Song, SongWaveform

_DEADLINE_SECONDS: Final = 20.0
"""A recording of hours takes longer; `manage.py waveforms` measures it without a deadline."""
_WAIT_SECONDS: Final = 5.0
_turns = Turns(
    _("Too many waveforms are being measured now; try again in some seconds."), at_once=2, waiting=2
)
_songs = OneByOne()
_pauses = Pauses()


def song_waveform(*, song: Song) -> SongWaveform:
    """Return the waveform of a song, one of `selectors.song_files`.

    Raises PathError if the file is not there, SongUnplayableError if it cannot be decoded,
    MediaBusyError if too many are being measured, TransientError if it is not known now.
    """
    waveform = waveform_known(song)
    if waveform is None:
        if _pauses.holds(song.sound_sha256):
            raise WaveformUnsureError("the waveform was not measured a short while ago")
        with _turns.taken(wait_seconds=_WAIT_SECONDS), _songs.alone(str(song.pk)):
            waveform = waveform_known(song) or _measured(song)
    if waveform.failure:
        raise SongUnplayableError(
            gettext("The song has no waveform: its file %(failure)s.")
            % {"failure": told(waveform.failure)}
        )
    return waveform


def _measured(song: Song) -> SongWaveform:
    try:
        waveform = waveform_measure(song=song, timeout_seconds=_DEADLINE_SECONDS)
    except WaveformUnsureError:
        _pauses.begin(song.sound_sha256)
        raise
    _pauses.end(song.sound_sha256)
    return waveform
