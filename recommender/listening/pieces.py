"""Files of listening history that come in pieces, because the server takes small bodies alone."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.translation import gettext

from catalog.models import BackgroundJob
from catalog.work.jobs import job_create
from recommender.errors import DiskShortError, FilePieceError, FileRefusedError
from recommender.listening.heard import text_of
from recommender.models import ListenImport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User

MOST_BYTES: Final = 256 * 1024**2
"""Of a file; ten years of Spotify in a zip are about 20 MB."""
MOST_OPEN: Final = 3
"""Imports of one user that are not done yet."""
_ID_LETTERS: Final = 32
_FORGOTTEN_SECONDS: Final = 24 * 3600
_COMING_SECONDS: Final = 3600
"""An upload that got no piece for this long counts no more among the open ones."""
_BEGUN_SECONDS: Final = 60
"""A whole file may lie here for this long before its import is stored."""


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


def import_abort(*, user: User, upload: UUID) -> bool:
    """Delete the pieces of a file that is not whole; return whether there were any."""
    try:
        (Path(settings.AFFETTI_IMPORT_DIR) / f"{user.pk}-{upload.hex}.part").unlink()
    except FileNotFoundError:
        return False
    return True


def imports_sweep() -> int:
    """Delete the files that nobody goes on with, or whose owner is gone; return their number.

    A file whose job is open stays, however long it waits.
    """
    folder = Path(settings.AFFETTI_IMPORT_DIR)
    return sum(
        _is_deleted(old, seconds)
        for files in (_parts_left(folder), _files_left(folder))
        for old, seconds in files
    )


def _parts_left(folder: Path) -> Iterator[tuple[Path, float]]:
    """Return the files that are not whole, and after how long each is deleted."""
    owners = {part: part.name.partition("-")[0] for part in folder.glob("*.part")}
    ids = {int(owner) for owner in owners.values() if owner.isdecimal()}
    here = set(get_user_model().objects.filter(pk__in=ids).values_list("pk", flat=True))
    for part, owner in owners.items():
        is_here = owner.isdecimal() and int(owner) in here
        yield part, _FORGOTTEN_SECONDS if is_here else 0


def _files_left(folder: Path) -> Iterator[tuple[Path, float]]:
    """Return the whole files that no job waits for, and after how long each is deleted."""
    files = {file.stem: file for file in folder.glob("*.history")}
    listens = ListenImport.objects.filter(pk__in=[UUID(stem) for stem in files if _is_id(stem)])
    is_open = {
        pk.hex: job in BackgroundJob.Status.open()
        for pk, job in listens.values_list("pk", "job__status")
    }
    for stem, file in files.items():
        if not is_open.get(stem):
            yield file, _FORGOTTEN_SECONDS if stem in is_open else _BEGUN_SECONDS


def _is_id(stem: str) -> bool:
    return len(stem) == _ID_LETTERS and set(stem) <= set("0123456789abcdef")


def _is_deleted(old: Path, seconds: float) -> bool:
    """Delete a file that got no piece for so long; return whether it was."""
    with suppress(OSError):
        if time.time() - old.stat().st_mtime >= seconds:
            old.unlink()
            return True
    return False


@transaction.atomic
def _import_start(user: User, upload: UUID, name: str) -> ListenImport:
    job = job_create(kind=BackgroundJob.Kind.HISTORY, arguments={"import": str(upload)}, user=user)
    return ListenImport.objects.create(pk=upload, user_id=user.pk, job=job, file_name=name)


def _begin(user: User, part: Path, size: int) -> None:
    """Make the file of the pieces; FileRefusedError or DiskShortError if that cannot be."""
    folder = part.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    imports_sweep()
    waiting = _waiting(user, part)
    if len(waiting) >= MOST_OPEN:
        raise FileRefusedError(
            gettext("Your last files are not read yet: %(names)s. Wait until one of them is.")
            % {"names": ", ".join(waiting)}
        )
    if shutil.disk_usage(folder).free - size < settings.AFFETTI_DISK_FREE_BYTES:
        raise DiskShortError(f"{folder}: too little space is left for {size} bytes")
    part.touch(mode=0o600)
    os.truncate(part, 0)


def _waiting(user: User, part: Path) -> list[str]:
    """Return the names of the user's open files; one that is not whole has none yet."""
    listens = ListenImport.objects.filter(
        user_id=user.pk, is_done=False, job__status__in=BackgroundJob.Status.open()
    )
    names = list(listens.order_by("created_at").values_list("file_name", flat=True))
    for one in part.parent.glob(f"{user.pk}-*.part"):
        with suppress(OSError):
            if one != part and time.time() - one.stat().st_mtime < _COMING_SECONDS:
                names.append(gettext("an upload that has not ended"))
    return names


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
