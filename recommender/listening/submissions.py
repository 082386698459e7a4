"""Listens that programs submit together: our own, or as they do to ListenBrainz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from catalog.models import Song
from recommender.errors import FileRefusedError
from recommender.feedback import feedback_revise
from recommender.history import is_play, listen_check
from recommender.listening.formats import heard_of_payload
from recommender.listening.heard import Unreadable, Why, why_in_words
from recommender.listening.matching import SongMatcher
from recommender.models import Listen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import User

    from recommender.listening.heard import Heard

MOST_SUBMITTED: Final = 1000
"""At once."""
_SINGLE: Final = ("single", "playing_now")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of several listens: new ones, those that were there, and unknown songs."""

    recorded: int
    known: int
    unknown_song_ids: list[int]


def listens_record(*, user: User, listens: Sequence[Mapping[str, Any]]) -> Recorded:
    """Record several listens, each as `listen_record`, in a fixed number of queries.

    Each has the arguments of `listen_record`. Those of songs that do not exist are left out; a
    moment in the future or negative seconds refuse all. A listen that is there keeps its time.
    """
    now = timezone.now()
    for one in listens:
        listen_check(one.get("listened_at") or now, one.get("seconds_played"), now)
    wanted = {
        (one["song_id"], one.get("listened_at") or now): one.get("seconds_played")
        for one in listens
    }
    with transaction.atomic():
        song_ids = {pk for pk, _ in wanted}
        there = set(Song.objects.filter(pk__in=song_ids).order_by().values_list("pk", flat=True))
        own = Listen.objects.filter(user=user, listened_at__in={moment for _, moment in wanted})
        known = wanted.keys() & set(own.values_list("song_id", "listened_at"))
        rows = [
            Listen(user=user, song_id=pk, listened_at=moment, seconds_played=seconds)
            for (pk, moment), seconds in wanted.items()
            if pk in there and (pk, moment) not in known
        ]
        Listen.objects.bulk_create(rows, ignore_conflicts=True)
        if rows:
            feedback_revise(user)
    return Recorded(len(rows), len(known), sorted(song_ids - there))


def listens_submit(*, user: User, submission: Any) -> int:
    """Store the listens of songs that are here; return their number. All are taken, or none.

    What is playing now is checked and not stored. Raises `FileRefusedError`.
    """
    kind, payload = _parts(submission)
    listens = [_heard(one, number, kind) for number, one in enumerate(payload, start=1)]
    if kind == "playing_now":
        return 0
    matcher = SongMatcher()
    matcher.learn(listens)
    found = [
        (song, one)
        for one in listens
        if (song := matcher.match(one)) is not None
        and is_play(one.seconds_played, matcher.duration_of(song))
    ]
    with transaction.atomic():
        Listen.objects.bulk_create(
            (
                Listen(
                    user_id=user.pk,
                    song_id=song,
                    listened_at=one.moment,
                    seconds_played=one.seconds_played,
                )
                for song, one in found
            ),
            ignore_conflicts=True,
        )
        if found:
            feedback_revise(user)
    return len(found)


def _parts(submission: Any) -> tuple[str, list[Any]]:
    given = submission if isinstance(submission, dict) else {}
    kind, payload = given.get("listen_type"), given.get("payload")
    if kind not in (*_SINGLE, "import") or not isinstance(payload, list):
        raise FileRefusedError(
            gettext("Send listen_type (single, playing_now or import) and payload, a list.")
        )
    most = 1 if kind in _SINGLE else MOST_SUBMITTED
    if not 1 <= len(payload) <= most:
        raise FileRefusedError(
            gettext("payload has %(count)s listens; %(kind)s takes 1 to %(most)s.")
            % {"count": len(payload), "kind": kind, "most": most}
        )
    return kind, payload


def _heard(value: Any, number: int, kind: str) -> Heard:
    try:
        if not isinstance(value, dict):
            raise Unreadable(Why.NO_LISTEN)
        return heard_of_payload(value, timezone.now() if kind == "playing_now" else None)
    except Unreadable as error:
        raise FileRefusedError(why_in_words(error.why, name="payload", entry=number)) from error
