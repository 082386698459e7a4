"""The moods of what a listener heard: by day, week, month and hour of the day."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from django.utils import timezone

from catalog import analysis
from catalog.models import Song, SongEmotion
from mer.affect import EMOTIONS, AffectPoint
from recommender.feedback import feedback_of
from recommender.history import share_played
from recommender.models import Listen
from recommender.moods import MOODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from django.contrib.auth.models import User

WEEKS: Final = 53
"""The current week and those of a year before it."""
MOST_LISTENS: Final = 50_000
"""Only so many listens are read, the newest first."""


@dataclass(frozen=True, slots=True)
class Span:
    """A day, week or month with listening: how many songs, and their mean place.

    A song counts for the mean by the share of it that was played.
    """

    start: date
    count: int
    valence: float
    arousal: float

    @property
    def quadrant(self) -> str:
        """The quadrant of the mean place."""
        return str(AffectPoint(self.valence, self.arousal).quadrant)


@dataclass(frozen=True, slots=True)
class MoodCount:
    """How many of the songs heard have an emotion as their strongest one."""

    name: str
    quadrant: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class MoodHistory:
    """What was heard from `first` to `today`, in days of the listener's time zone."""

    first: date
    today: date
    days: list[Span] = field(default_factory=list)
    weeks: list[Span] = field(default_factory=list)
    """They start on Mondays."""
    months: list[Span] = field(default_factory=list)
    moods: list[MoodCount] = field(default_factory=list)
    """The most heard first."""
    hours: list[dict[str, int]] = field(default_factory=list)
    """How many songs of each quadrant, for each of the 24 hours of the day."""
    count: int = 0
    unplaced_count: int = 0
    """Listens of songs that are not analysed; they count nowhere else."""
    is_cut: bool = False
    """There were more than `MOST_LISTENS`."""


class _Place(NamedTuple):
    valence: float
    arousal: float
    emotion: str
    duration_seconds: float | None


class _Heard(NamedTuple):
    when: datetime
    share: float
    place: _Place


def mood_history(*, user: User, zone: tzinfo, now: datetime | None = None) -> MoodHistory:
    """Return the moods of what `user` heard in the last `WEEKS` weeks.

    Where the listener corrected a song for himself or herself, that place counts. What was left at
    once, with nothing played, does not count. The number of queries does not depend on the history.
    """
    now = now or timezone.now()
    today = now.astimezone(zone).date()
    first = today - timedelta(weeks=WEEKS - 1, days=today.weekday())
    since = datetime.combine(first, time(), zone)
    listens = Listen.objects.filter(user=user, listened_at__gte=since)
    newest = listens.order_by("-listened_at", "-pk")[: MOST_LISTENS + 1]
    rows = list(newest.values_list("song_id", "listened_at", "seconds_played"))
    places = _places(user, since) if rows else {}
    heard, unplaced = [], 0
    for song_id, moment, seconds in rows[:MOST_LISTENS]:
        place = places.get(song_id)
        if place is None:
            unplaced += 1
        elif share := share_played(seconds, place.duration_seconds):
            heard.append(_Heard(moment.astimezone(zone), share, place))
    return MoodHistory(
        first=first,
        today=today,
        days=_spans(heard, lambda day: day),
        weeks=_spans(heard, lambda day: day - timedelta(days=day.weekday())),
        months=_spans(heard, lambda day: day.replace(day=1)),
        moods=_moods(heard),
        hours=_hours(heard),
        count=len(heard),
        unplaced_count=unplaced,
        is_cut=len(rows) > MOST_LISTENS,
    )


def _places(user: User, since: datetime) -> dict[int, _Place]:
    """Return where the songs lie that `user` heard, by song id."""
    heard = Listen.objects.filter(user=user, listened_at__gte=since)
    rows = (
        SongEmotion.objects.filter(
            model_version=analysis.serving_version_in_sql(), song__in=heard.values("song_id")
        )
        .order_by()
        .values_list(
            *("song_id", "valence", "arousal", "emotions"),
            *("song__duration_seconds", "song__recording_id"),
        )
    )
    own = {one.song_id: (one.valence, one.arousal) for one in feedback_of(user).corrections}
    of_recordings = _of_recordings(own)
    places = {}
    for song_id, valence, arousal, emotions, duration, recording in rows.iterator(2000):
        corrected = own.get(song_id) or of_recordings.get(recording)
        if corrected or not emotions:
            valence, arousal = corrected or (valence, arousal)
            emotion = _nearest_emotion(valence, arousal)
        else:
            emotion = max(emotions, key=emotions.__getitem__)
        places[song_id] = _Place(valence, arousal, emotion, duration)
    return places


def _of_recordings(own: Mapping[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Return the listener's places by recording: they hold for all files of one."""
    if not own:
        return {}
    rows = Song.objects.filter(pk__in=own).exclude(recording=None).order_by()
    return {recording: own[pk] for pk, recording in rows.values_list("pk", "recording_id")}


def _nearest_emotion(valence: float, arousal: float) -> str:
    def distance(name: str) -> float:
        return math.hypot(MOODS[name].valence - valence, MOODS[name].arousal - arousal)

    return min(EMOTIONS, key=distance)


def _spans(heard: Iterable[_Heard], start_of: Callable[[date], date]) -> list[Span]:
    """Return the mean places of what was heard, by the start of its day, week or month."""
    sums: dict[date, list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    for one in heard:
        total = sums[start_of(one.when.date())]
        total[0] += 1
        total[1] += one.share
        total[2] += one.share * one.place.valence
        total[3] += one.share * one.place.arousal
    return [
        Span(start, int(count), valence / weight, arousal / weight)
        for start, (count, weight, valence, arousal) in sorted(sums.items())
    ]


def _moods(heard: Sequence[_Heard]) -> list[MoodCount]:
    counts = Counter(one.place.emotion for one in heard)
    return [
        MoodCount(
            name=name,
            quadrant=str(AffectPoint(MOODS[name].valence, MOODS[name].arousal).quadrant),
            count=count,
            share=count / len(heard),
        )
        for name, count in counts.most_common()
    ]


def _hours(heard: Iterable[_Heard]) -> list[dict[str, int]]:
    hours: list[dict[str, int]] = [{} for _ in range(24)]
    for one in heard:
        quadrant = str(AffectPoint(one.place.valence, one.place.arousal).quadrant)
        of_hour = hours[one.when.hour]
        of_hour[quadrant] = of_hour.get(quadrant, 0) + 1
    return hours
