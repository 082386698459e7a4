"""What was read of files, written to the database."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.db import DataError, IntegrityError, transaction

from catalog.ingest.reading import Reading
from catalog.ingest.songtags import Names
from catalog.ingest.upsert import (
    Outcome,
    copy_upsert,
    failure_upsert,
    failures_forget,
    song_keep,
    song_upsert,
)
from catalog.models import KnownCopy
from catalog.storable import storable_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.models import Library

logger = logging.getLogger(__name__)

# What a database raises for the values of one file; other errors are the database's own.
_VALUE_ERRORS: Final = (DataError, IntegrityError, ValueError, TypeError, OverflowError)


def files_write(library: Library, readings: Sequence[Reading]) -> list[Outcome]:
    """Write files; one whose values cannot be stored gets that as its failure.

    They are written together. Only if that fails, each has a transaction of its own inside this
    one, so a batch of good files costs few statements.
    """
    try:
        with transaction.atomic():
            names = Names()
            outcomes = [_write_one(library, reading, names) for reading in readings]
    except _VALUE_ERRORS:
        outcomes = [_write_alone(library, reading) for reading in readings]
    failures_forget(
        library=library,
        relative_paths=[
            reading.name
            for reading, outcome in zip(readings, outcomes, strict=True)
            if reading.facts and outcome not in {Outcome.REMOVED, Outcome.FAILED}
        ],
    )
    return outcomes


def _write_alone(library: Library, reading: Reading) -> Outcome:
    for is_last in (False, True):
        if reading.kept:  # an attempt has changed the object, and no row
            reading.kept.song.refresh_from_db()
        try:
            with transaction.atomic():
                return _write_one(library, reading, Names())
        except _VALUE_ERRORS as error:
            # Another process may have stored the same content just now; once more, it is found.
            if isinstance(error, IntegrityError) and not is_last:
                continue
            logger.exception("%s: its values cannot be stored", library.path / reading.name)
            reason = storable_text(
                f"the database refuses its tags, lyrics or length ({error}); write its tags again"
            )
            break
    failed = Reading(
        reading.name, reading.stamp, reading.known, failure=("FILE_NOT_STORED", reason)
    )
    return _write_one(library, failed, Names())


def _write_one(library: Library, reading: Reading, names: Names) -> Outcome:
    if reading.is_copy:
        return Outcome.DUPLICATE
    outcome = _write_changed(library, reading, names)
    if outcome is Outcome.DUPLICATE and reading.facts:
        copy_upsert(library=library, relative_path=reading.name, facts=reading.facts)
    elif reading.known.copy:
        KnownCopy.objects.filter(pk=reading.known.copy.pk).delete()
    return outcome


def _write_changed(library: Library, reading: Reading, names: Names) -> Outcome:
    if reading.kept:
        kept = reading.kept
        return song_keep(
            song=kept.song,
            lyrics=kept.lyrics,
            audio_sha256=kept.audio_sha256,
            tags=kept.tags,
            media_type=kept.media_type,
        )
    if reading.facts:
        return song_upsert(
            library=library,
            relative_path=reading.name,
            facts=reading.facts,
            alike=reading.alike,
            names=names,
        )
    code, message = reading.failure or ("", "")
    return failure_upsert(
        library=library,
        relative_path=reading.name,
        stamp=reading.stamp,
        code=code,
        message=message,
    )
