"""Answers to requests that a client marked with a key, so that it may send them again.

A request with a key takes effect once at most. If the process dies meanwhile, or fails after it has
changed something, nobody knows how much was done: the key then stays as it is, and the client must
look.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, Sum
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from recommender.errors import IdempotencyError, IdempotencyErrorCode
from recommender.models import KeyedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.contrib.auth.models import User

KEPT: Final = timedelta(hours=24)
MOST_KEYS: Final = 5_000
"""Of one account; older ones are forgotten before their time."""
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of the compressed answers of one account; older ones are forgotten before their time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request with a key was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def keyed_begin(*, user: User, key: str, content: tuple[str, ...], body: bytes) -> UUID | Answer:
    """Return the id of a request that begins now, or the answer that it got before.

    `content` and `body` are what the request says: a key is good for the same request alone.
    Raises IdempotencyError if the key is of another request, or of one that has not ended.
    """
    digest = _digest(content, body)
    rows = KeyedRequest.objects.filter(user=user, key=_hashed(key))
    rows.filter(created_at__lt=timezone.now() - KEPT).delete()
    row, is_new = KeyedRequest.objects.get_or_create(
        user=user, key=_hashed(key), defaults={"digest": digest}
    )
    if is_new:
        _trim(user.pk)
        return row.pk
    if row.digest != digest:
        raise IdempotencyError(
            IdempotencyErrorCode.KEY_REUSED,
            gettext("This Idempotency-Key was sent with another request. Use another key."),
        )
    if row.status is None:
        raise IdempotencyError(
            IdempotencyErrorCode.IN_FLIGHT,
            gettext(
                "A request with this Idempotency-Key has begun and not ended. Wait for it; if it "
                "was broken off, look whether it took effect before you use another key."
            ),
            {"began_at": row.created_at.isoformat()},
        )
    return Answer(row.status, row.headers, zlib.decompress(bytes(row.body)))


def keyed_end(request_id: UUID, answer: Answer) -> None:
    """Store what a request was answered."""
    KeyedRequest.objects.filter(pk=request_id).update(
        status=answer.status, headers=dict(answer.headers), body=zlib.compress(answer.body)
    )


def keyed_forget(request_id: UUID) -> None:
    """Forget a request that took no effect: it may be mended and sent again."""
    KeyedRequest.objects.filter(pk=request_id).delete()


def keyed_sweep() -> int:
    """Delete what is older than `KEPT`, or more than an account may have; return how many."""
    deleted = KeyedRequest.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
    users = KeyedRequest.objects.order_by().values_list("user_id", flat=True).distinct()
    return deleted + sum(_trim(user_id) for user_id in users)


def _trim(user_id: Any) -> int:
    """Delete the oldest rows of an account beyond `MOST_KEYS` and `MOST_BYTES`; return how many."""
    rows = KeyedRequest.objects.filter(user_id=user_id)
    held = rows.aggregate(rows=Count("pk"), size=Sum(Length("body")))
    if held["rows"] <= MOST_KEYS and (held["size"] or 0) <= MOST_BYTES:
        return 0
    gone, size = [], 0
    newest = rows.order_by("-created_at", "-pk").values_list("pk", Length("body"))
    for place, (pk, length) in enumerate(newest):
        size += length
        if place >= MOST_KEYS or size > MOST_BYTES:
            gone.append(pk)
    return rows.filter(pk__in=gone).delete()[0]


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _digest(content: tuple[str, ...], body: bytes) -> str:
    """Return a mark of a request, from which nobody without the server's secret key guesses it."""
    made = salted_hmac("recommender.replays", repr(content), algorithm="sha256")
    made.update(body)
    return made.hexdigest()
