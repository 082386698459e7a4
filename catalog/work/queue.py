"""The songs that wait for analysis, the messages sent for them, and the leases on them.

The database holds the queue. A song waits while it is pending, its file is available and no worker
holds an unexpired lease on it. Messages only wake workers, so they may be lost or arrive twice. At
most `WINDOW_BATCHES` batches are under way at once, and a finished batch releases the next one. So
a large catalogue never floods the broker.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.utils import timezone

from catalog.models import Song, SongEmotion
from catalog.work.messages import message_send
from catalog.work.workers import workers_gone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

WINDOW_BATCHES: Final = 64
"""Batches under way at once; more than the expected number of workers."""
STALE_SECONDS: Final = 60
"""A message without effect for this long counts as lost, and its songs are sent again."""
MAX_ATTEMPTS: Final = 3
"""A song fails after its analysis has killed this many workers."""

PENDING_AGAIN: Final[dict[str, Any]] = {
    "status": Song.Status.PENDING,
    "failure_code": "",
    "failure_message": "",
    "queued_at": None,
    "leased_by": "",
    "leased_at": None,
    "attempts": 0,
}
"""The values of a song that waits for analysis."""


def songs_waiting() -> QuerySet[Song]:
    """Return the songs that a worker can claim now."""
    expired = timezone.now() - timedelta(seconds=settings.AFFETTI_ANALYSIS_LEASE_SECONDS)
    pending = Song.objects.filter(status=Song.Status.PENDING, is_available=True)
    return pending.filter(Q(leased_at=None) | Q(leased_at__lt=expired))


def songs_claim(*, song_ids: Sequence[int], worker: str) -> list[Song]:
    """Lease the waiting ones of the songs to `worker` alone, and return them."""
    now = timezone.now()
    songs_waiting().filter(pk__in=song_ids).update(
        leased_by=worker, leased_at=now, attempts=F("attempts") + 1
    )
    mine = Song.objects.filter(pk__in=song_ids, leased_by=worker, leased_at=now)
    return list(mine.select_related("library").order_by("pk"))


def songs_release(*, song_ids: Sequence[int], worker: str) -> int:
    """Give back the songs that `worker` still holds; the claim does not count as an attempt."""
    held = Song.objects.filter(pk__in=song_ids, leased_by=worker, status=Song.Status.PENDING)
    return held.update(
        leased_by="",
        leased_at=None,
        queued_at=None,
        attempts=Case(When(attempts__gt=0, then=F("attempts") - 1), default=0),
    )


def leases_release(*, restarted_node: str = "") -> int:
    """Free the songs held by dead workers of this host; return the number of songs."""
    held = Song.objects.filter(status=Song.Status.PENDING).exclude(leased_by="")
    names = held.order_by().values_list("leased_by", flat=True).distinct()
    gone = workers_gone(names, restarted_node=restarted_node)
    return held.filter(leased_by__in=gone).update(leased_by="", leased_at=None, queued_at=None)


def messages_forget() -> int:
    """Treat every message under way as lost; return the number of songs.

    A killed worker loses the messages that it had received and not begun, and no record of them
    exists. A superfluous message costs one query.
    """
    waiting = songs_waiting().exclude(queued_at=None)
    return waiting.update(queued_at=None)


def batches_next(*, songs: QuerySet[Song], limit: int) -> list[list[int]]:
    """Cut up to `limit` waiting songs into batches for analysis.

    A song whose worker died gets a batch of its own: if it is the cause, no other song fails with
    it.
    """
    rows = songs.order_by("pk").values_list("pk", "attempts")[:limit]
    fresh = [pk for pk, attempts in rows if attempts == 0]
    size = settings.AFFETTI_ANALYSIS_BATCH_SIZE
    batches = [fresh[start : start + size] for start in range(0, len(fresh), size)]
    return batches + [[pk] for pk, attempts in rows if attempts > 0]


def songs_dispatch() -> int:
    """Send messages for the waiting songs that fit the window; return the number of songs."""
    songs_abandon()
    now = timezone.now()
    fresh = Q(queued_at__gte=now - timedelta(seconds=STALE_SECONDS))
    with transaction.atomic():
        under_way = songs_waiting().filter(fresh).count()
        room = WINDOW_BATCHES * settings.AFFETTI_ANALYSIS_BATCH_SIZE - under_way
        if room <= 0:
            return 0
        unsent = songs_waiting().exclude(fresh).select_for_update(skip_locked=True)
        batches = batches_next(songs=unsent, limit=room)
        for batch in batches:
            Song.objects.filter(pk__in=batch).update(queued_at=now)
            message_send("catalog.analyse_songs", batch)
    return sum(map(len, batches))


def songs_abandon() -> int:
    """Fail the waiting songs whose analysis killed `MAX_ATTEMPTS` workers."""
    return (
        songs_waiting()
        .filter(attempts__gte=MAX_ATTEMPTS)
        .update(
            status=Song.Status.FAILED,
            failure_code="ANALYSIS_ABANDONED",
            failure_message=f"Its analysis took the worker down {MAX_ATTEMPTS} times. Check the "
            "worker's memory and log; convert the file to another format, or ask for it again",
            leased_by="",
            leased_at=None,
            updated_at=timezone.now(),
        )
    )


def songs_analyse_again(*, song_ids: Iterable[int]) -> int:
    """Queue songs for a new analysis; until then they are shown, but not recommended."""
    ids = list(song_ids)
    SongEmotion.objects.filter(song__in=ids).update(input_sha256="")
    songs = Song.objects.filter(pk__in=ids)
    count = songs.update(**PENDING_AGAIN, updated_at=timezone.now())
    songs_dispatch()
    return count


def songs_requeue_for_model(*, model_version: str) -> int:
    """Queue every analysed song that has no emotion by `model_version`; return the number."""
    known = SongEmotion.objects.filter(song=OuterRef("pk"), model_version=model_version)
    analysed = Song.objects.filter(status=Song.Status.ANALYSED, is_available=True)
    return analysed.filter(~Exists(known)).update(**PENDING_AGAIN, updated_at=timezone.now())
