"""The file of a bundle: lines of JSON, packed, with a signature as the last line.

The first line says the format, its version and the version of the model; each further one is an
analysis. The last one is an HMAC-SHA-256 of all bytes before it. Whoever knows the key can sign, so
it says that the bundle is from one of one's own machines, which share the key.

A bundle may come from anywhere: no line and no whole may be larger than the limits, unpacked.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import stat
import tempfile
import weakref
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.utils.translation import gettext

from catalog.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

FORMAT: Final = "affetti-analysis"
FORMAT_VERSION: Final = 1
MOST_LINE_BYTES: Final = 8 * 1024**2
MOST_BYTES: Final = 32 * 1024**3
MOST_RATIO: Final = 200
"""A file of JSON shrinks to a tenth; one that unpacks to so many times its size is a trap."""
_COPIED_AT_ONCE: Final = 1024**2
_LEAST_LIMIT: Final = 16 * 1024**2


class BundleWriter:
    """Writes a bundle; `close` signs it, and without that it cannot be read."""

    def __init__(self, file: BinaryIO, *, model_version: str) -> None:
        # Neither a name nor a time, so that equal bundles are equal files.
        self._packed = gzip.GzipFile("", "wb", 6, file, mtime=0)
        self._signature = _hmac(_keys()[0])
        self.add({"format": FORMAT, "version": FORMAT_VERSION, "model_version": model_version})

    def add(self, entry: Mapping[str, Any]) -> None:
        """Write an analysis."""
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._signature.update(line)
        self._packed.write(line)

    def close(self) -> None:
        """Write the signature, and end the file."""
        signature = {"signature": self._signature.hexdigest(), "key": key_names()[0]}
        self._packed.write(json.dumps(signature).encode() + b"\n")
        self._packed.close()


class BundleReader:
    """A bundle that was read once as a whole; `is_signed` says whether by a key of ours.

    It is a copy on this disk, which nobody else can change between the check and the import. Raises
    BundleError if the file is no bundle, larger than the limits, or cut short.
    """

    def __init__(self, path: Path) -> None:
        self._packed = tempfile.TemporaryFile(dir=settings.VAR_DIR)  # noqa: SIM115
        weakref.finalize(self, self._packed.close)
        self.entries, self.is_signed, self.key = 0, False, ""
        signatures = [_hmac(key) for key in _keys()]
        before = b""
        try:
            self.size = _copy(path, self._packed)
            for line in self._lines():
                for signature in signatures:
                    signature.update(before)
                self.entries += bool(before)
                before = line
        except OSError as error:
            raise _unreadable(str(error.strerror or error)) from error
        last = _object(before)
        if self.entries < 1 or not isinstance(last.get("signature"), str):
            raise _unreadable(gettext("its end is missing"))
        self.entries -= 1  # the first line is none
        self.key = _text(last, "key")[:16]
        told = _text(last, "signature").encode()
        self.is_signed = any(
            hmac.compare_digest(told, one.hexdigest().encode()) for one in signatures
        )
        self.model_version = self._head()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each analysis; one loop at a time."""
        for batch in self.batches(1):
            yield from batch

    def batches(
        self, most: int, most_bytes: int = MOST_LINE_BYTES
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the analyses, so many at once, or fewer if these are large; one loop at a time."""
        batch: list[dict[str, Any]] = []
        size = 0
        for line in islice(self._lines(), 1, self.entries + 1):
            if batch and (len(batch) >= most or size + len(line) > most_bytes):
                yield batch
                batch, size = [], 0
            batch.append(_object(line))
            size += len(line)
        if batch:
            yield batch

    def _lines(self) -> Iterator[bytes]:
        most, total = max(_LEAST_LIMIT, min(MOST_BYTES, self.size * MOST_RATIO)), 0
        try:
            self._packed.seek(0)
            with gzip.open(self._packed, "rb") as lines:
                while line := lines.readline(MOST_LINE_BYTES + 1):
                    total += len(line)
                    if len(line) > MOST_LINE_BYTES or total > most:
                        raise _unreadable(gettext("it unpacks to more than a bundle has"))
                    yield line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _unreadable(str(error)) from error

    def _head(self) -> str:
        head = _object(next(self._lines()))
        if head.get("format") != FORMAT:
            raise _unreadable(gettext("it is no bundle of analyses"))
        if head.get("version") != FORMAT_VERSION:
            raise BundleError(
                "BUNDLE_VERSION",
                gettext("The bundle has another format than this release reads. Export it anew."),
            )
        return _text(head, "model_version")[:100]


def key_names() -> list[str]:
    """Return a name of each key of this installation, which tells nothing of the key."""
    return [hmac.digest(key, b"name of the key", "sha256").hex()[:16] for key in _keys()]


def _copy(path: Path, target: BinaryIO) -> int:
    """Copy a file, and return its size; BundleError if it has none, such as a pipe, or grows."""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise _unreadable(gettext("it is no regular file"))
    with path.open("rb") as source:
        left = state.st_size + 1
        while left and (part := source.read(min(left, _COPIED_AT_ONCE))):
            target.write(part)
            left -= len(part)
    if not left:
        raise _unreadable(gettext("it was changed meanwhile"))
    return state.st_size


def _text(line: Mapping[str, Any], name: str) -> str:
    """Return a text of a line, without half surrogate pairs, which cannot be shown."""
    return str(line.get(name, "")).encode("utf-8", "replace").decode()


def _keys() -> list[bytes]:
    """Return the keys: that of AFFETTI_BUNDLE_KEY, or those of the secret key and its former ones.

    The first one signs. A signature by any of them is good.
    """
    own = settings.AFFETTI_BUNDLE_KEY
    secrets = [own] if own else [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [hmac.digest(one.encode(), b"bundles of analyses", "sha256") for one in secrets]


def _hmac(key: bytes) -> hmac.HMAC:
    return hmac.new(key, b"", hashlib.sha256)


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _unreadable(gettext("a line is no JSON")) from error
    if not isinstance(value, dict):
        raise _unreadable(gettext("a line is no object"))
    return value


def _unreadable(reason: str) -> BundleError:
    return BundleError(
        "BUNDLE_UNREADABLE",
        gettext("The bundle cannot be read (%(reason)s). Export it again.") % {"reason": reason},
    )
