"""Which files an ingest takes that nobody asked for: those that have stopped changing."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.utils import timezone

from catalog.errors import PathError
from catalog.files.scan import Found, Kind
from catalog.models import Library
from catalog.paths import stamp_of, to_stored
from catalog.stores.addresses import in_store

RESCAN_SOON: Final = timedelta(minutes=5)
"""After so long a scan begins that found a file still being written, or had to wait."""

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from catalog.ingest.state import IngestState
    from catalog.models import BackgroundJob
    from catalog.paths import FileStamp


def found_to_take(job: BackgroundJob, found: Iterator[Found]) -> Iterator[Found]:
    """Yield what an ingest looks at: all that was found, if somebody asked for it."""
    unasked = job.arguments.get("unasked")
    if unasked is None:
        yield from found
        return
    leave = frozenset(unasked.get("leave", ()))
    for one in found:
        if one.kind is Kind.LINKED or (leave and _is_left(one, leave)):
            continue
        yield one


def _is_left(found: Found, leave: frozenset[str]) -> bool:
    try:
        return not leave.isdisjoint(_stored_with_parents(found))
    except PathError:  # it cannot be stored, which the scan notes
        return False


def _stored_with_parents(found: Found) -> list[str]:
    """Return the stored names of what was found and of the folders above it."""
    text = to_stored(found.relative)
    ends = [at for at, letter in enumerate(text) if letter == "/"]
    return [text, *(text[:at] for at in ends)]


def batch_settled(
    job: BackgroundJob, library: Library, batch: Sequence[tuple[str, Found]], state: IngestState
) -> list[tuple[str, Found]]:
    """Return the files of a batch that may be read; the others are noted.

    A file that was written, or got its name, a moment ago is looked at twice. If some are still
    being written, a library that is scanned at set times is scanned again soon.
    """
    root = library.path
    unasked = job.arguments.get("unasked")
    if unasked is None:
        return list(batch)
    seconds = unasked["settle_seconds"]
    first = {name: _fresh_stamp(root / found.relative, seconds) for name, found in batch}
    if not any(first.values()):
        return list(batch)
    time.sleep(seconds)
    taken = []
    for name, found in batch:
        if first[name] is None or first[name] == _stamp(root / found.relative):
            taken.append((name, found))
        else:
            state.note(f"{name}: is still being written; taken when it has stopped changing")
    if len(taken) < len(batch):
        _rescan_soon(library)
    return taken


def _rescan_soon(library: Library) -> None:
    """Bring the next scheduled scan of a library forward; one that is watched needs none."""
    soon = timezone.now() + RESCAN_SOON
    unwatched = Library.objects.filter(pk=library.pk, watch=Library.Watch.OFF, is_going=False)
    unwatched.filter(rescan_hours__isnull=False, rescan_at__gt=soon).update(rescan_at=soon)


def _fresh_stamp(path: Path, seconds: float) -> FileStamp | None:
    """Return the stamp of a file that changed less than `seconds` ago, or None.

    A time as near in the future counts, too: the clock of a file server differs from ours.
    """
    if in_store(path):  # an object appears when all of it is written
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    age = time.time() - max(status.st_mtime, status.st_ctime)
    return _stamp(path) if abs(age) < seconds else None


def _stamp(path: Path) -> FileStamp | None:
    try:
        return stamp_of(path)
    except OSError:
        return None
