"""Lyrics from an LRCLIB server for songs that have none; off unless AFFETTI_LRCLIB_URL is set.

Lyrics of the file and of staff always win. What the server said is kept with the date, so that it
is not asked again for a long time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from catalog.files.lyrics import ONLINE, ONLINE_REFUSED
from catalog.lrclib import LyricsAnswerError, LyricsServer, Question
from catalog.models import LyricsLookup, Song
from catalog.work.queue import songs_analyse_again, songs_waiting
from mer.lyrics import lyrics_judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from catalog.lrclib import Answer

ASK_AGAIN_AFTER: Final = timedelta(days=90)
AFTER_ERROR: Final = timedelta(days=1)
"""A song whose question the server answers with nonsense waits so long, and no other does."""
PORTION_SECONDS: Final = 15.0
"""A periodic portion is short: in the embedded mode one worker does everything."""
_INSTRUMENTAL: Final = "instrumental"


@dataclass(slots=True)
class LyricsReport:
    """Numbers of songs by what the server had of them."""

    found: int = 0
    instrumental: int = 0
    refused: int = 0
    absent: int = 0


def songs_to_ask() -> QuerySet[Song]:
    """Return the songs without lyrics that the server was not asked for lately."""
    lately = timezone.now() - ASK_AGAIN_AFTER
    is_marked = Q(genre__icontains=_INSTRUMENTAL) | Q(lyrics_note__icontains=_INSTRUMENTAL)
    return (
        Song.objects.filter(
            is_available=True, lyrics="", duration_seconds__gt=0, is_title_from_name=False
        )
        .exclude(Q(title="") | Q(artist="") | Q(lyrics_source="admin") | is_marked)
        .exclude(lyrics_lookup__asked_at__gte=lately)
        .order_by("pk")
    )


def lyrics_portion() -> LyricsReport:
    """Ask for some songs, for at most about `PORTION_SECONDS`; nothing while songs are analysed.

    Raises LyricsServerError if the server cannot be asked now.
    """
    if not settings.AFFETTI_LRCLIB_URL or songs_waiting().exists():
        return LyricsReport()
    until = time.monotonic() + PORTION_SECONDS
    songs = list(songs_to_ask()[:100])
    with LyricsServer(settings.AFFETTI_LRCLIB_URL) as server:
        return lyrics_ask(songs=songs, server=server, is_over=lambda: time.monotonic() > until)


def lyrics_ask(
    *,
    songs: list[Song],
    server: LyricsServer,
    is_over: Callable[[], bool] = lambda: False,
    told: Callable[[], object] = lambda: None,
) -> LyricsReport:
    """Ask for the lyrics of songs, one after the other, and store what comes.

    `told` is called after each song. Raises LyricsServerError if the server cannot be asked now;
    what was found until then is stored.
    """
    report = LyricsReport()
    for song in songs:
        if is_over():
            break
        if song.model_title and song.model_artist:
            question = _question(song)
            try:
                answer = server.find(question)
            except LyricsAnswerError:
                # The next time another song is first.
                _remember(song, "", LyricsLookup.Outcome.ABSENT, again_after=AFTER_ERROR)
                raise
            outcome = _store(song, question, answer)
            setattr(report, outcome, getattr(report, outcome) + 1)
        else:  # a stand-in such as "Track 01"
            _remember(song, "", LyricsLookup.Outcome.ABSENT)
            report.absent += 1
        told()
    return report


def _question(song: Song) -> Question:
    return Question(song.title, song.artist, song.album, song.duration_seconds or 0.0)


@transaction.atomic
def _store(song: Song, question: Question, answer: Answer | None) -> str:
    """Store an answer, unless the song has got lyrics or other names meanwhile."""
    text, reason = lyrics_judge(answer.text) if answer else ("", "")
    if text:
        outcome = LyricsLookup.Outcome.FOUND
    elif reason:
        outcome = LyricsLookup.Outcome.REFUSED
    elif answer and answer.is_instrumental:
        outcome = LyricsLookup.Outcome.INSTRUMENTAL
    else:
        outcome = LyricsLookup.Outcome.ABSENT
    locked = Song.objects.select_for_update().filter(pk=song.pk).first()
    if locked is None or (locked.title, locked.artist) != (question.title, question.artist):
        return str(outcome)
    if locked.lyrics or locked.lyrics_source == "admin":
        return str(outcome)
    _remember(locked, reason, outcome)
    if text:
        locked.lyrics, locked.lyrics_source, locked.lyrics_note = text, ONLINE, ""
        locked.save(update_fields=["lyrics", "lyrics_source", "lyrics_note", "updated_at"])
        locked.forget_lyrics()
        songs_analyse_again(song_ids=[locked.pk])
    elif reason:
        locked.lyrics_note = ONLINE_REFUSED + reason
        locked.save(update_fields=["lyrics_note", "updated_at"])
    return str(outcome)


def _remember(
    song: Song,
    reason: str,
    outcome: LyricsLookup.Outcome,
    *,
    again_after: timedelta = ASK_AGAIN_AFTER,
) -> None:
    asked_at = timezone.now() - (ASK_AGAIN_AFTER - again_after)
    LyricsLookup.objects.update_or_create(
        song=song, defaults={"outcome": outcome, "reason": reason, "asked_at": asked_at}
    )
