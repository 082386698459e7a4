"""What was read of a file, written to the database."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.db import DataError, IntegrityError, transaction

from catalog.ingest.reading import Reading
from catalog.ingest.upsert import Outcome, copy_upsert, failure_upsert, song_keep, song_upsert
from catalog.models import KnownCopy
from catalog.storable import storable_text

if TYPE_CHECKING:
    from catalog.models import Library

logger = logging.getLogger(__name__)

# What a database raises for the values of one file; other errors are the database's own.
_VALUE_ERRORS: Final = (DataError, IntegrityError, ValueError, TypeError, OverflowError)


def file_write(library: Library, reading: Reading) -> Outcome:
    """Write one file; if its values cannot be stored, write that as its failure."""
    for is_last in (False, True):
        try:
            with transaction.atomic():
                return _write_one(library, reading)
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
    return _write_one(library, failed)


def _write_one(library: Library, reading: Reading) -> Outcome:
    if reading.is_copy:
        return Outcome.DUPLICATE
    outcome = _write_changed(library, reading)
    if outcome is Outcome.DUPLICATE and reading.facts:
        copy_upsert(library=library, relative_path=reading.name, facts=reading.facts)
    elif reading.known.copy:
        KnownCopy.objects.filter(pk=reading.known.copy.pk).delete()
    return outcome


def _write_changed(library: Library, reading: Reading) -> Outcome:
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
            library=library, relative_path=reading.name, facts=reading.facts, lost=reading.lost
        )
    code, message = reading.failure or ("", "")
    return failure_upsert(
        library=library,
        relative_path=reading.name,
        stamp=reading.stamp,
        code=code,
        message=message,
    )
