"""Files that appear whole or not at all, and folders of installed packages."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mer.errors import EncoderMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator


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
