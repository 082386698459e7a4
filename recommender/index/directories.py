"""Immutable directories of files with a manifest: written aside, verified, never changed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from recommender.errors import (
    DiskShortError,
    IndexCorruptError,
    IndexMissingError,
    IndexUnreadableError,
    IndexVersionError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT_VERSION: Final = 6
PART_SUFFIX: Final = ".part"
"""Ending of the folder that a build is written in."""
_MANIFEST: Final = "manifest.json"
_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STEP_BYTES: Final = 4 * 1024**2
_READ_ONLY: Final = 0o400


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """The content of a build's `manifest.json`, but for its own checksum."""

    format_version: int
    model_version: str
    row_count: int
    embedding_dim: int
    affect_dim: int
    index_type: str
    nprobe: int
    """Cells that a search visits; 0 for an exact index."""
    trained_rows: int
    """Songs at the time when the cells were chosen; 0 for an exact index."""
    recall_at_20: float
    """Measured while building, against an exact scan."""
    position: str
    """In the change log (`catalog.changes`); what changed before it is in the build."""
    files: dict[str, tuple[int, str]]
    """Size and SHA-256 of each file."""

    def to_bytes(self) -> bytes:
        """Return the bytes of `manifest.json`; the same manifest always gives the same bytes."""
        plain = asdict(self)
        digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
        return json.dumps({**plain, "sha256": digest}, sort_keys=True, indent=1).encode()

    @property
    def sha256(self) -> str:
        """Checksum of `manifest.json`, which holds the checksums of all other files."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def manifest_write(directory: Path, manifest: IndexManifest) -> None:
    """Write `manifest.json`."""
    (directory / _MANIFEST).write_bytes(manifest.to_bytes())


def manifest_read(directory: Path) -> IndexManifest:
    """Return the manifest of a build, after a look at the size of every file.

    Raises
    ------
    IndexMissingError
        If the directory or a file is absent.
    IndexVersionError
        If the build has another format.
    IndexCorruptError
        If the manifest or the size of a file has changed since the build was written.
    IndexUnreadableError
        If this process cannot read it now: no file can be opened, or permission lacks.
    """
    path = directory / _MANIFEST
    raw = _read(path)
    try:
        plain = json.loads(raw)
        version = plain["format_version"]
        if version != FORMAT_VERSION:
            raise IndexVersionError(
                f"{path} has format {version}, not {FORMAT_VERSION}; build the index again"
            )
        plain.pop("sha256")
        plain["files"] = {name: (size, digest) for name, (size, digest) in plain["files"].items()}
        manifest = IndexManifest(**plain)
        is_whole = manifest.to_bytes() == raw
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IndexCorruptError(f"{path} is damaged; build the index again") from error
    if not is_whole:
        raise IndexCorruptError(f"{path} is damaged; build the index again")
    for name, (size, _) in manifest.files.items():
        if _size(directory / name) != size:
            raise IndexCorruptError(f"{directory / name} is damaged; build the index again")
    return manifest


def checksums_check(directory: Path, manifest: IndexManifest) -> Iterator[None]:
    """Compare every byte with the manifest, a few milliseconds a step; `IndexCorruptError`.

    A directory that was deleted meanwhile counts as whole: a newer build took its place.
    """
    for name, (_, wanted) in manifest.files.items():
        digest = hashlib.sha256()
        try:
            with (directory / name).open("rb") as file:
                while block := file.read(_STEP_BYTES):
                    digest.update(block)
                    yield
        except FileNotFoundError as error:
            if directory.exists():
                raise IndexMissingError(
                    f"{directory / name} is missing; build the index again"
                ) from error
            return
        except OSError as error:
            raise IndexUnreadableError(f"{directory / name} cannot be read: {error}") from error
        if digest.hexdigest() != wanted:
            raise IndexCorruptError(f"{directory / name} is damaged; build the index again")


def files_of(directory: Path) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of each file of a directory."""
    return {path.name: (path.stat().st_size, _sha256(path)) for path in sorted(directory.iterdir())}


@contextmanager
def written_aside(directory: Path) -> Iterator[Path]:
    """Like `mer.files.written_aside`, for a whole directory.

    Raises
    ------
    FileExistsError
        If `directory` exists; builds are never changed.
    DiskShortError
        If the disk is full before the build is complete.
    """
    if directory.exists():
        raise FileExistsError(f"{directory} exists; a build is never written over")
    aside = directory.with_name(f"{directory.name}{PART_SUFFIX}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        for path in aside.iterdir():
            # A mapped file that is truncated kills its readers.
            path.chmod(_READ_ONLY)
            _fsync(path)
        _fsync(aside)
        aside.rename(directory)
        _fsync(directory.parent)
    except OSError as error:
        # A write of NumPy that was cut short has no error number.
        if error.errno is None or error.errno in _DISK_FULL:
            raise DiskShortError(f"{directory} cannot be written: {error}") from error
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IndexMissingError(f"{path} is missing; build the index again") from error
    except OSError as error:
        raise IndexUnreadableError(f"{path} cannot be read now: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise IndexMissingError(f"{path} is missing; build the index again") from error
    except OSError as error:
        raise IndexUnreadableError(f"{path} cannot be read now: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
