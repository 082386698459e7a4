"""The file of a backup: a zip archive with a manifest and a copy of the database.

Members are read by the names below and by no other. Nothing is extracted under a name that the
archive chooses, so an archive cannot write outside the folder that `member_extract` is given.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from mer.files import written_aside
from recommender.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT: Final = "affetti-backup"
FORMAT_VERSION: Final = 1
"""Increased when older code could not read a new archive."""
FORMS: Final = {
    "sqlite": "database.sqlite3",
    "postgresql": "database.pgdump",
    "portable": "database.jsonl",
}
"""The member that holds the database, by the form it is in."""
_MANIFEST: Final = "manifest.json"
_MANIFEST_BYTES: Final = 4 * 1024**2
_CHUNK: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself.

    `migrations` are the applied ones by app; `sha256` and `size` are of the database's member.
    """

    format_version: int
    app_version: str
    created_at: str
    form: str
    sha256: str
    size: int
    migrations: dict[str, list[str]]
    serving_version: str
    settings: dict[str, str]
    counts: dict[str, int]

    def to_bytes(self) -> bytes:
        """Return the bytes of `manifest.json`, with a checksum of their own."""
        plain = {"format": FORMAT, **asdict(self)}
        digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
        return json.dumps({**plain, "manifest_sha256": digest}, indent=1, sort_keys=True).encode()


def archive_write(path: Path, database: Path, facts: Mapping[str, Any]) -> Manifest:
    """Write an archive that only its owner may read; `facts` are the rest of the manifest."""
    digest, size = _digest(database)
    manifest = Manifest(format_version=FORMAT_VERSION, sha256=digest, size=size, **facts)
    with written_aside(path) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(descriptor, "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            archive.writestr(_MANIFEST, manifest.to_bytes())
            archive.write(database, FORMS[manifest.form])
    return manifest


def manifest_read(path: Path) -> Manifest:
    """Return the manifest of an archive of ours; raises `BackupError` for any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [member.filename for member in archive.infolist()]
            if _MANIFEST not in names:
                raise BackupError("BACKUP_FOREIGN", f"{path} is not a backup of Affetti")
            info = archive.getinfo(_MANIFEST)
            if info.file_size > _MANIFEST_BYTES:
                raise BackupError("BACKUP_FOREIGN", f"{path}: its manifest is too long")
            plain = json.loads(archive.read(info))
            manifest = _manifest_of(path, plain)
            _members_check(path, manifest, archive.infolist())
    except FileNotFoundError as error:
        raise BackupError("BACKUP_MISSING", f"{path} is not there") from error
    except OSError as error:
        raise BackupError("BACKUP_UNREADABLE", f"{path} cannot be read: {error}") from error
    except zipfile.BadZipFile as error:
        code = "BACKUP_DAMAGED" if _begins_as_zip(path) else "BACKUP_FOREIGN"
        raise BackupError(code, f"{path} is not a whole backup of Affetti: {error}") from error
    except (zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BackupError("BACKUP_DAMAGED", f"{path}: its manifest is damaged") from error
    return manifest


def member_extract(path: Path, manifest: Manifest, target: Path) -> None:
    """Copy the database out of an archive to `target`, and verify every byte of it."""
    digest, size = hashlib.sha256(), 0
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(FORMS[manifest.form]) as source,
            target.open("xb") as copy,
        ):
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > manifest.size:
                    raise BackupError("BACKUP_DAMAGED", f"{path} is longer than its manifest says")
                digest.update(chunk)
                copy.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise BackupError("BACKUP_DAMAGED", f"{path} is damaged: {error}") from error
    if (digest.hexdigest(), size) != (manifest.sha256, manifest.size):
        raise BackupError("BACKUP_DAMAGED", f"{path}: the copy of the database is damaged")


def _manifest_of(path: Path, plain: Any) -> Manifest:
    if not isinstance(plain, dict) or plain.pop("format", "") != FORMAT:
        raise BackupError("BACKUP_FOREIGN", f"{path} is not a backup of Affetti")
    version = plain.get("format_version")
    if not isinstance(version, int):
        raise BackupError("BACKUP_DAMAGED", f"{path}: its manifest names no format")
    if version > FORMAT_VERSION:
        raise BackupError(
            "BACKUP_NEWER",
            f"{path} has format {version} of Affetti {plain.get('app_version')}; this Affetti "
            f"reads up to {FORMAT_VERSION}. Upgrade it first",
        )
    digest = plain.pop("manifest_sha256", "")
    try:
        manifest = Manifest(**plain)
        is_whole = json.loads(manifest.to_bytes())["manifest_sha256"] == digest
    except TypeError as error:
        raise BackupError("BACKUP_DAMAGED", f"{path}: its manifest is damaged") from error
    if not is_whole or manifest.form not in FORMS:
        raise BackupError("BACKUP_DAMAGED", f"{path}: its manifest is damaged")
    return manifest


def _members_check(path: Path, manifest: Manifest, members: list[zipfile.ZipInfo]) -> None:
    wanted = sorted([_MANIFEST, FORMS[manifest.form]])
    if sorted(member.filename for member in members) != wanted:
        raise BackupError("BACKUP_FOREIGN", f"{path} holds other files than a backup of Affetti")
    if {m.filename: m.file_size for m in members}[FORMS[manifest.form]] != manifest.size:
        raise BackupError("BACKUP_DAMAGED", f"{path}: the copy of the database has another size")


def _begins_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
