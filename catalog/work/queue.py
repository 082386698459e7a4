"""The songs that wait for analysis, the messages sent for them, and the leases on them.

The database holds the queue. A song waits while it is pending, its file is available and no worker
holds an unexpired lease on it. Messages only wake workers, so they may be lost or arrive twice. At
most `WINDOW_BATCHES` batches are under way at once, and a finished batch releases the next one. So
a large catalogue never floods the broker.

Songs are analysed in the order of `Song.queue_rank`, then of their ids. The rank follows from the
priority of the ingest (`RANKS`). Songs that only a new model version analyses again are in lists
meanwhile, so they come after new songs of the same priority (`_LATER`). A message may be older than
a song with a smaller rank; `batch_first` gives the worker that song in its place.

A song counts two things apart, by the rule of decision 15. `Song.deaths`: a claim of the song alone
adds one, and every end of it that is no death takes it back. Deaths may come from outside, so they
never fail a song. `Song.errors` are the song's own: `MAX_ERRORS` of them fail it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Exists, F, Min, OuterRef, PositiveIntegerField, Q, Value, When
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext_noop

from catalog.models import NORMAL_RANK, BackgroundJob, Song, SongEmotion
from catalog.retold import kept
from catalog.selectors import scopes_paused
from catalog.storable import storable_text
from catalog.work.messages import message_send
from catalog.work.threads import repeated, until_done
from catalog.work.workers import workers_gone
from mer.errors import MerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import QuerySet

WINDOW_BATCHES: Final = 64
"""Batches under way at once; more than the expected number of workers."""
STALE_SECONDS: Final = 60
"""A message without effect for this long counts as lost, and its songs are sent again."""
MAX_ERRORS: Final = 3
"""A song fails when this many tries ended with an unexpected error or the death of its child."""
APART_FROM: Final = 6
"""After so many deaths alone a song is analysed in a child process, whose deaths are errors."""

RANKS: Final[dict[str, int]] = {
    BackgroundJob.Priority.NEXT: 0,
    BackgroundJob.Priority.HIGH: 10,
    BackgroundJob.Priority.NORMAL: NORMAL_RANK,
    BackgroundJob.Priority.LOW: 30,
}
"""`Song.queue_rank` of the songs of an ingest by its priority."""
_LATER: Final = 15
"""Added to the rank of songs whose former emotion still holds."""
_ASKED_AGAIN: Final = 25
"""The rank of analysed songs that somebody has analysed again: between normal and low."""

PENDING_AGAIN: Final[dict[str, Any]] = {
    "status": Song.Status.PENDING,
    "failure_code": "",
    "failure_message": "",
    "queued_at": None,
    "leased_by": "",
    "leased_at": None,
    "deaths": 0,
    "errors": 0,
    "keeps_emotion": False,
    "queue_rank": NORMAL_RANK,
}
"""The values of a song that waits for analysis."""
_ABANDONED: Final = kept(
    gettext_noop(
        "its analysis ended the process each time, alone too. Check the worker's memory and log; "
        "convert the file to another format, or ask for it again"
    )
)
_IDS_AT_ONCE: Final = 5000
"""Ids in one statement; PostgreSQL takes 65,535 and SQLite may take 32,766."""
_ALIVE: Final[dict[str, Any]] = {
    "leased_by": "",
    "leased_at": None,
    "queued_at": None,
    "deaths": Case(When(deaths__gt=0, then=F("deaths") - 1), default=0),
}
"""The values of a song whose worker gives it back, so that its claim was no death."""
_losing: Final = threading.Lock()
_lost: Final[set[int]] = set()
"""The songs whose messages count as lost, until the database knows it."""
_EVER: Final = datetime(1900, 1, 1, tzinfo=UTC)
"""No lease is older."""
_SUSPECT: Final = Greatest("deaths", Value(1), output_field=PositiveIntegerField())
"""`deaths` of a song that has to be tried alone."""


def songs_waiting() -> QuerySet[Song]:
    """Return the songs that a worker can claim now; those of a paused job are none."""
    pending = Song.objects.filter(status=Song.Status.PENDING, is_available=True)
    waiting = pending.filter(Q(leased_at=None) | _is_expired())
    for scope in scopes_paused():
        waiting = waiting.exclude(scope.inside())
    return waiting


def _is_expired() -> Q:
    """Return the condition of a lease that has ended; one far in the future is of a wrong clock."""
    now, lease = timezone.now(), timedelta(seconds=settings.AFFETTI_ANALYSIS_LEASE_SECONDS)
    return Q(leased_at__lt=now - lease) | Q(leased_at__gt=now + lease)


@transaction.atomic
def songs_claim(*, song_ids: Sequence[int], worker: str) -> list[Song]:
    """Lease waiting ones of the songs to `worker` alone, and return them.

    A song with failed tries is claimed only alone. The claim of one song counts as a death, until
    the worker says how it ended.
    """
    now = timezone.now()
    everything = songs_waiting()  # it asks for the paused jobs
    waiting = everything.filter(pk__in=song_ids).order_by("pk")
    fresh = list(waiting.filter(deaths=0, errors=0, leased_by="").values_list("pk", flat=True))
    ids = fresh or list(waiting.values_list("pk", flat=True)[:1])
    everything.filter(pk__in=ids).update(
        leased_by=worker, leased_at=now, deaths=F("deaths") + int(len(ids) == 1)
    )
    mine = Song.objects.filter(pk__in=ids, leased_by=worker, leased_at=now)
    return list(mine.select_related("library").order_by("pk"))


@contextmanager
def songs_held(*, song_ids: Sequence[int], worker: str) -> Iterator[None]:
    """Renew the leases of claimed songs while the block runs, then release those still held.

    If the database is unavailable at the end, they are released when it is back.
    """

    def renew() -> None:
        held = Song.objects.filter(pk__in=song_ids, leased_by=worker)
        held.filter(status=Song.Status.PENDING).update(leased_at=timezone.now())

    try:
        with repeated(renew, every_seconds=settings.AFFETTI_ANALYSIS_LEASE_SECONDS / 4):
            yield
    finally:
        until_done(
            lambda: songs_release(song_ids=song_ids, worker=worker),
            what=f"release of {len(song_ids)} songs",
        )


def songs_release(*, song_ids: Sequence[int], worker: str) -> int:
    """Give back the songs that `worker` still holds; nothing counts against them."""
    return _held(song_ids, worker).update(**_ALIVE)


def songs_suspect(*, song_ids: Sequence[int], worker: str) -> int:
    """Give back songs of which one, unknown, has a fault: each is tried alone from now on."""
    return _held(song_ids, worker).update(**{**_ALIVE, "deaths": _SUSPECT})


def _held(song_ids: Iterable[int], worker: str) -> QuerySet[Song]:
    return Song.objects.filter(pk__in=list(song_ids), leased_by=worker, status=Song.Status.PENDING)


def songs_postpone(*, song_ids: Sequence[int], worker: str) -> int:
    """Give back songs that cannot be analysed now; their next message is sent in a while."""
    songs_release(song_ids=song_ids, worker=worker)
    waiting = songs_waiting().filter(pk__in=song_ids)
    return waiting.update(queued_at=timezone.now())


def songs_blame(
    *, errors: Iterable[tuple[Song, Exception]], worker: str
) -> list[tuple[Song, str, str]]:
    """Count unexpected errors against songs that `worker` holds.

    The songs wait again, to be tried alone. Those that had `MAX_ERRORS` errors are returned, each
    with a code and a reason, for the caller to fail them.
    """
    exhausted = []
    for song, error in errors:
        if song.errors + 1 >= MAX_ERRORS:
            reason = storable_text(f"{type(error).__name__}: {error}")
            reason = reason.replace(str(song.path), song.path.name)
            message = (
                f"its analysis failed {MAX_ERRORS} times ({reason}); the file is probably "
                "damaged: convert it to another format, then ingest its folder again"
            )
            code = error.code if isinstance(error, MerError) else "ANALYSIS_FAILED"
            exhausted.append((song, code, message))
        else:
            song_err(song=song, worker=worker)
    return exhausted


def song_err(*, song: Song, worker: str) -> None:
    """Count an error, or the death of its child process, against a song; its worker lives."""
    _held([song.pk], worker).update(**{**_ALIVE, "errors": F("errors") + 1})


def leases_release(*, restarted_node: str = "") -> int:
    """Free the songs of dead workers of this host and of expired leases; return their number.

    The songs are tried alone from now on.
    """
    # A range, because SQLite finds "is not null" in no index, and would read all that waits.
    leased = Song.objects.filter(status=Song.Status.PENDING, leased_at__gte=_EVER)
    held = leased.exclude(leased_by="")
    names = held.order_by().values_list("leased_by", flat=True).distinct()
    gone = workers_gone(names, restarted_node=restarted_node)
    return held.filter(Q(leased_by__in=gone) | _is_expired()).update(
        leased_by="",
        leased_at=None,
        queued_at=None,
        deaths=_SUSPECT,  # one alone was counted by the claim
    )


def messages_forget() -> int:
    """Treat every message under way as lost; return the number of songs.

    A killed worker loses the messages that it had received and not begun, and no record of them
    exists. A superfluous message costs one query.
    """
    waiting = songs_waiting().exclude(queued_at=None)
    return waiting.update(queued_at=None)


def messages_lost(*, song_ids: Iterable[int]) -> None:
    """Treat the messages of these songs as lost, as soon as the database takes it.

    After an outage nobody knows whether the broker has taken the message of the next try: on a full
    disk it takes none. Without this the songs would wait for `STALE_SECONDS`.
    """
    with _losing:
        is_first = not _lost
        _lost.update(song_ids)
    if not is_first:  # a thread is at it
        return
    try:
        until_done(_lost_forget, what="messages for songs")
    except BaseException:  # the time limit of the task, say: the next call begins anew
        with _losing:
            _lost.clear()
        raise


def _lost_forget() -> None:
    while True:
        with _losing:
            ids = list(_lost)[:_IDS_AT_ONCE]
        if not ids:
            return
        Song.objects.filter(pk__in=ids, status=Song.Status.PENDING).update(queued_at=None)
        with _losing:
            _lost.difference_update(ids)


def batches_next(*, songs: QuerySet[Song], limit: int) -> list[list[int]]:
    """Cut up to `limit` waiting songs into batches for analysis, in the order of the queue.

    A song with failed tries gets a batch of its own: if it is the cause, no other song fails with
    it.
    """
    rows = list(
        songs.order_by("queue_rank", "pk").values_list("pk", F("deaths") + F("errors"))[:limit]
    )
    fresh = [pk for pk, failures in rows if failures == 0]
    size = settings.AFFETTI_ANALYSIS_BATCH_SIZE
    batches = [fresh[start : start + size] for start in range(0, len(fresh), size)]
    suspects = sorted((failures, pk) for pk, failures in rows if failures > 0)
    return batches + [[pk] for _, pk in suspects]


def batch_first(song_ids: Sequence[int]) -> list[int]:
    """Return the songs to analyse in place of those of a message: waiting ones of a smaller rank.

    There may be none: then the songs of the message are returned. Otherwise those get another
    message. The broker delivers in the order of sending, so a new song would wait for up to
    `WINDOW_BATCHES` batches of songs that are analysed again.
    """
    waiting = songs_waiting()
    ranks = waiting.filter(pk__in=song_ids).aggregate(first=Min("queue_rank"))
    if ranks["first"] is None:
        return list(song_ids)
    before = waiting.filter(queue_rank__lt=ranks["first"], deaths=0, errors=0)
    size = settings.AFFETTI_ANALYSIS_BATCH_SIZE
    first = list(before.order_by("queue_rank", "pk").values_list("pk", flat=True)[:size])
    if first:
        waiting.filter(pk__in=song_ids).update(queued_at=None)
    return first or list(song_ids)


def songs_rank(*, songs: QuerySet[Song], priority: str) -> int:
    """Give waiting songs their place in the queue by a priority; return their number."""
    rank = RANKS[priority]
    place = Case(When(keeps_emotion=True, then=rank + _LATER), default=rank)
    return songs.filter(status=Song.Status.PENDING).order_by().update(queue_rank=place)


def songs_dispatch() -> int:
    """Send messages for the waiting songs that fit the window; return the number of songs."""
    waiting = songs_waiting()
    _abandon(waiting)
    now = timezone.now()
    # A time in the future is of a clock that was set back since, and counts as none.
    fresh = Q(queued_at__gte=now - timedelta(seconds=STALE_SECONDS), queued_at__lte=now)
    with transaction.atomic():
        under_way = waiting.filter(fresh).count()
        room = WINDOW_BATCHES * settings.AFFETTI_ANALYSIS_BATCH_SIZE - under_way
        if room <= 0:
            return 0
        unsent = waiting.filter(Q(queued_at=None) | ~fresh).select_for_update(skip_locked=True)
        batches = batches_next(songs=unsent, limit=room)
        for batch in batches:
            Song.objects.filter(pk__in=batch).update(queued_at=now)
            message_send("catalog.analyse_songs", batch)
    return sum(map(len, batches))


def songs_abandon() -> int:
    """Fail the waiting songs whose analysis ends every process; see `MAX_ERRORS`."""
    return _abandon(songs_waiting())


def _abandon(waiting: QuerySet[Song]) -> int:
    return waiting.filter(errors__gte=MAX_ERRORS).update(
        status=Song.Status.FAILED,
        failure_code="ANALYSIS_ABANDONED",
        failure_message=_ABANDONED,
        leased_by="",
        leased_at=None,
        updated_at=timezone.now(),
    )


def songs_analyse_again(*, song_ids: Iterable[int]) -> int:
    """Queue songs for a new analysis; until then they are shown, but not recommended."""
    ids, count = list(song_ids), 0
    for first in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[first : first + _IDS_AT_ONCE]
        SongEmotion.objects.filter(song__in=some).update(input_sha256="")
        songs = Song.objects.filter(pk__in=some)
        # A song that failed is in no list, as a new one is not.
        rank = Case(When(status=Song.Status.FAILED, then=NORMAL_RANK), default=_ASKED_AGAIN)
        values = {**PENDING_AGAIN, "queue_rank": rank}
        count += songs.update(**values, updated_at=timezone.now())
    songs_dispatch()
    return count


def songs_requeue_for_model(*, model_version: str) -> int:
    """Queue every analysed song that has no emotion by `model_version`; return the number.

    Meanwhile the songs are recommended by the emotions they have.
    """
    known = SongEmotion.objects.filter(song=OuterRef("pk"), model_version=model_version)
    analysed = Song.objects.filter(status=Song.Status.ANALYSED, is_available=True)
    return analysed.filter(~Exists(known)).update(
        **{**PENDING_AGAIN, "keeps_emotion": True, "queue_rank": NORMAL_RANK + _LATER},
        updated_at=timezone.now(),
    )
