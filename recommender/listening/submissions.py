"""Listens that programs submit as they do to ListenBrainz."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from recommender.errors import FileRefusedError
from recommender.feedback import feedback_revise
from recommender.history import is_play
from recommender.listening.formats import heard_of_payload
from recommender.listening.heard import Unreadable, Why, why_in_words
from recommender.listening.matching import SongMatcher
from recommender.models import Listen

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from recommender.listening.heard import Heard

MOST_SUBMITTED: Final = 1000
_SINGLE: Final = ("single", "playing_now")


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
