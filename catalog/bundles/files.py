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
import zlib
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
_LEAST_LIMIT: Final = 16 * 1024**2


class BundleWriter:
    """Writes a bundle; `close` signs it, and without that it cannot be read."""

    def __init__(self, file: BinaryIO, *, model_version: str) -> None:
        # Neither a name nor a time, so that equal bundles are equal files.
        self._packed = gzip.GzipFile("", "wb", 6, file, mtime=0)
        self._signature = _hmac()
        self.add({"format": FORMAT, "version": FORMAT_VERSION, "model_version": model_version})

    def add(self, entry: Mapping[str, Any]) -> None:
        """Write an analysis."""
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._signature.update(line)
        self._packed.write(line)

    def close(self) -> None:
        """Write the signature, and end the file."""
        signature = {"signature": self._signature.hexdigest(), "key": key_name()}
        self._packed.write(json.dumps(signature).encode() + b"\n")
        self._packed.close()


class BundleReader:
    """A bundle that was read once as a whole; `is_signed` says whether by a key of ours.

    Raises BundleError if the file is no bundle, larger than the limits, or cut short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries, self.is_signed, self.key = 0, False, ""
        signature = _hmac()
        before = b""
        try:
            self.size = path.stat().st_size
            for line in self._lines():
                signature.update(before)
                self.entries += bool(before)
                before = line
        except OSError as error:
            raise _unreadable(str(error.strerror or error)) from error
        last = _object(before)
        told = last.get("signature")
        if self.entries < 1 or not isinstance(told, str):
            raise _unreadable(gettext("its end is missing"))
        self.entries -= 1  # the first line is none
        self.key = str(last.get("key", ""))[:16]
        self.digest = signature.hexdigest()
        self.is_signed = hmac.compare_digest(told.encode(), self.digest.encode())
        self.model_version = self._head()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each analysis; BundleError if the file is another one than before."""
        signature = _hmac()
        for count, line in enumerate(self._lines()):
            if count > self.entries:
                break
            signature.update(line)
            if count:
                yield _object(line)
        if signature.hexdigest() != self.digest:
            raise _unreadable(gettext("it was changed meanwhile"))

    def _lines(self) -> Iterator[bytes]:
        most, total = max(_LEAST_LIMIT, min(MOST_BYTES, self.size * MOST_RATIO)), 0
        try:
            with gzip.open(self._path, "rb") as lines:
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
        return str(head.get("model_version", ""))[:100]


def key_name() -> str:
    """Return a name of the key of this installation, which tells nothing of it."""
    return hmac.new(_key(), b"name of the key", hashlib.sha256).hexdigest()[:16]


def _key() -> bytes:
    """Return the key: AFFETTI_BUNDLE_KEY, or one that follows from the secret key."""
    secret = settings.AFFETTI_BUNDLE_KEY or settings.SECRET_KEY
    return hmac.new(secret.encode(), b"bundles of analyses", hashlib.sha256).digest()


def _hmac() -> hmac.HMAC:
    return hmac.new(_key(), b"", hashlib.sha256)


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
