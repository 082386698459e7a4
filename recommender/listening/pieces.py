"""Files of listening history that come in pieces, because the server takes small bodies alone."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from catalog.models import BackgroundJob
from catalog.work.jobs import job_create
from recommender.errors import DiskShortError, FilePieceError, FileRefusedError
from recommender.listening.heard import text_of
from recommender.models import ListenImport

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User

MOST_BYTES: Final = 256 * 1024**2
"""Of a file; ten years of Spotify in a zip are about 20 MB."""
MOST_OPEN: Final = 3
"""Imports of one user that are not done yet."""
_FORGOTTEN_SECONDS: Final = 24 * 3600


def kept_file(pk: UUID) -> Path:
    """Return where the file of an import lies until it is read."""
    return Path(settings.AFFETTI_IMPORT_DIR) / f"{pk.hex}.history"


def import_piece(
    *, user: User, upload: UUID, name: str, size: int, offset: int, data: bytes
) -> ListenImport | None:
    """Write a piece of a file of `size` bytes; with the last one, return the import that begins.

    `upload` is the sender's own id of this file, and becomes that of the import. A last piece may
    come again. Raises `FileRefusedError`, and `FilePieceError` if the piece is not the next one.
    """
    begun = ListenImport.objects.filter(pk=upload).first()
    if begun is not None:
        if begun.user_id == user.pk:
            return begun
        raise FilePieceError(gettext("This id is taken. Choose another."), 0)
    if not 0 < size <= MOST_BYTES:
        raise FileRefusedError(
            gettext("The file is empty or larger than %(most)s MB. Import its parts one by one.")
            % {"most": MOST_BYTES // 1024**2}
        )
    part = Path(settings.AFFETTI_IMPORT_DIR) / f"{user.pk}-{upload.hex}.part"
    if offset == 0:
        _begin(user, part, size)
    if not _append(part, offset, data, size):
        return None
    part.replace(kept_file(upload))
    return _import_start(user, upload, text_of(name.rpartition("/")[2])[:200] or "history")


def import_abort(*, user: User, upload: UUID) -> None:
    """Delete the pieces of a file that is not whole."""
    (Path(settings.AFFETTI_IMPORT_DIR) / f"{user.pk}-{upload.hex}.part").unlink(missing_ok=True)


@transaction.atomic
def _import_start(user: User, upload: UUID, name: str) -> ListenImport:
    job = job_create(kind=BackgroundJob.Kind.HISTORY, arguments={"import": str(upload)}, user=user)
    return ListenImport.objects.create(pk=upload, user_id=user.pk, job=job, file_name=name)


def _begin(user: User, part: Path, size: int) -> None:
    """Make the file of the pieces; FileRefusedError or DiskShortError if that cannot be."""
    folder = part.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(folder)
    others = sum(1 for one in folder.glob(f"{user.pk}-*.part") if one != part)
    waiting = ListenImport.objects.filter(
        user_id=user.pk, is_done=False, job__status__in=BackgroundJob.Status.open()
    )
    if others + waiting.count() >= MOST_OPEN:
        raise FileRefusedError(
            gettext("%(count)s of your files are still being read. Wait until they are.")
            % {"count": MOST_OPEN}
        )
    if shutil.disk_usage(folder).free - size < settings.AFFETTI_DISK_FREE_BYTES:
        raise DiskShortError(f"{folder}: too little space is left for {size} bytes")
    part.touch(mode=0o600)
    os.truncate(part, 0)


def _append(part: Path, offset: int, data: bytes, size: int) -> bool:
    """Write a piece at its place; return whether it was the last."""
    here = part.stat().st_size if part.exists() else 0
    if offset > here or offset + len(data) > size:
        raise FilePieceError(
            gettext("%(here)s bytes are here; send the piece from there.") % {"here": here}, here
        )
    if not part.exists():
        part.touch(mode=0o600)
    with part.open("r+b") as file:
        file.seek(offset)
        file.write(data)
        file.truncate()
    return offset + len(data) == size


def _sweep(folder: Path) -> None:
    """Delete what nobody goes on with."""
    now = time.time()
    for old in (*folder.glob("*.part"), *folder.glob("*.history")):
        with suppress(OSError):
            if now - old.stat().st_mtime > _FORGOTTEN_SECONDS:
                old.unlink()
