"""Listening history from a file: read, matched, stored; and taken back."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.utils.translation import gettext

from catalog.errors import JobStateError, PermanentError
from catalog.models import BackgroundJob
from catalog.work.jobs import job_advance, job_held, job_revoke, job_succeed
from recommender.errors import FileRefusedError
from recommender.feedback import feedback_revise
from recommender.history import is_play
from recommender.listening.formats import listens_of
from recommender.listening.heard import Heard, Place, Why, why_in_words
from recommender.listening.matching import SongMatcher
from recommender.listening.pieces import kept_file
from recommender.models import Listen, ListenImport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.db.models import Q, QuerySet

    from recommender.listening.formats import Row

MOST_LISTENS: Final = 1_000_000
MOST_NAMED: Final = 500
"""Unmatched songs, and listens that are left out, that the result names."""
_PORTION: Final = 2000


@dataclass(slots=True)
class _Tally:
    """What came of the listens that were read so far."""

    read: int = 0
    matched: int = 0
    skipped: int = 0
    unmatched: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)

    def leave_out(self, place: Place, why: Why) -> None:
        self.left_out += 1
        if len(self.faults) < MOST_NAMED:
            where = {"name": place.name, "line": place.line, "entry": place.entry}
            self.faults.append({"why": str(why), **where})

    def result(self, added: int) -> dict[str, Any]:
        most_played = sorted(self.unmatched.items(), key=lambda item: (-item[1], item[0]))
        return {
            "read": self.read,
            "added": added,
            "known": self.matched - added,
            "skipped": self.skipped,
            "unmatched": self.unmatched.total(),
            "unmatched_songs": len(self.unmatched),
            "left_out": self.left_out,
            "most_unmatched": [
                {"artist": artist, "title": title, "count": count}
                for (artist, title), count in most_played[:MOST_NAMED]
            ],
            "faults": self.faults,
        }


def imports_list(user: Any) -> QuerySet[ListenImport]:
    """Return the user's own imports, newest first, with their jobs."""
    own = ListenImport.objects.select_related("job")
    return own.filter(user_id=user.pk).order_by("-created_at", "id")


def import_state(listens: ListenImport) -> str:
    """Return waiting, reading, done or failed."""
    if listens.is_done:
        return "failed" if listens.failure else "done"
    status = listens.job.status if listens.job else ""
    return {"pending": "waiting", "started": "reading"}.get(status, "failed")


def import_failure(listens: ListenImport) -> str:
    """Return why an import failed, in the language of the reader; empty if it did not."""
    if listens.failure:
        return why_in_words(**listens.failure)
    if import_state(listens) != "failed":
        return ""
    return gettext("%(name)s: it could not be read to its end. Import it again.") % {
        "name": listens.file_name
    }


def import_faults(listens: ListenImport) -> list[str]:
    """Return the listens that were left out, with file and line, in the reader's language."""
    return [why_in_words(**fault) for fault in listens.result.get("faults", ())]


def import_read(
    *, listens: ListenImport, path: Path, advance: Callable[[int], object] = lambda _: None
) -> dict[str, Any]:
    """Store the listens of a file that the catalogue has the songs of; return what came of it.

    A second call with the same file adds nothing. `advance` is called with the number of listens
    that were read. Raises `FileRefusedError`, after what was added is taken back.
    """
    try:
        return _read_whole(listens, path, advance)
    except FileRefusedError as error:
        with transaction.atomic():
            _take_back(listens)
            ListenImport.objects.filter(pk=listens.pk).update(failure=error.details, is_done=True)
        raise


def _read_whole(
    listens: ListenImport, path: Path, advance: Callable[[int], object]
) -> dict[str, Any]:
    tally, matcher = _Tally(), SongMatcher(has_time=True)
    rows = listens_of(path, listens.file_name)
    try:
        while portion := list(itertools.islice(rows, _PORTION)):
            tally.read += len(portion)
            if tally.read > MOST_LISTENS:
                raise Place(listens.file_name).refused(Why.TOO_MANY)
            found = _matched(portion, tally, matcher)
            with transaction.atomic():
                advance(tally.read)
                _store(listens, found)
        result = tally.result(listens.listens.count())
        with transaction.atomic():
            feedback_revise(listens.user)  # what is learned of a listener is learned anew
            ListenImport.objects.filter(pk=listens.pk).update(result=result, is_done=True)
    except SoftTimeLimitExceeded:
        if not connection.in_atomic_block:
            connection.close()  # the signal may have come in a query, whose connection is lost
        raise Place(listens.file_name).refused(Why.TOO_SLOW) from None
    return result


def _matched(
    portion: Sequence[Row], tally: _Tally, matcher: SongMatcher
) -> list[tuple[int, Heard]]:
    matcher.learn(one for _, one in portion if isinstance(one, Heard))
    found = []
    for place, one in portion:
        if not isinstance(one, Heard):
            tally.leave_out(place, one)
            continue
        song = matcher.match(one)
        duration = one.duration_seconds if song is None else matcher.duration_of(song)
        if not is_play(one.seconds_played, duration):
            tally.skipped += 1
        elif song is None:
            tally.unmatched[one.artist, one.title] += 1
        else:
            tally.matched += 1
            found.append((song, one))
    return found


def _store(listens: ListenImport, found: Sequence[tuple[int, Heard]]) -> None:
    Listen.objects.bulk_create(
        (
            Listen(
                user_id=listens.user_id,
                song_id=song,
                listened_at=one.moment,
                seconds_played=one.seconds_played,
                imported_by=listens,
            )
            for song, one in found
        ),
        ignore_conflicts=True,
    )


def import_run(*, job: BackgroundJob) -> None:
    """Read the file of a started job, and end the job.

    `PermanentError` if the file is refused, `JobStateError` if the import was taken back.
    """
    listens = ListenImport.objects.select_related("user").filter(job=job).first()
    if listens is None:
        raise JobStateError("the import was taken back")
    path = kept_file(listens.pk)
    if not path.exists():
        raise HistoryError("FILE_GONE", "The file is gone. Import it again")
    with job_held(job=job):
        try:
            result = import_read(
                listens=listens,
                path=path,
                advance=lambda read: job_advance(job=job, done=read, total=0),
            )
        except FileRefusedError as error:
            path.unlink(missing_ok=True)
            raise HistoryError(error.code, str(error)) from error
    counts = {name: count for name, count in result.items() if isinstance(count, int)}
    job_succeed(job=job, result=counts)
    path.unlink(missing_ok=True)


class HistoryError(PermanentError):
    """A file of listening history cannot be read; `code` is the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@transaction.atomic
def import_undo(*, listens: ListenImport) -> int:
    """Delete the listens that an import added, and the import; return their number.

    One that goes on ends.
    """
    if listens.job is not None and listens.job.status in BackgroundJob.Status.open():
        job_revoke(job=listens.job)
    count = _take_back(listens)
    feedback_revise(listens.user)
    path = kept_file(listens.pk)
    listens.delete()
    transaction.on_commit(lambda: path.unlink(missing_ok=True))
    return count


def _take_back(listens: ListenImport) -> int:
    return Listen.objects.filter(imported_by=listens).delete()[0]


@transaction.atomic
def listens_delete(*, user: User, which: Q) -> int:
    """Delete the listens of `user` that meet a condition; return their number."""
    count = Listen.objects.filter(which, user_id=user.pk).delete()[0]
    if count:
        feedback_revise(user)
    return count
