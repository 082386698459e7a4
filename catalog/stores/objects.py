"""What a store holds: listings, single objects, their bytes. Only this module knows fsspec.

An object is told from a changed one by its size and by a mark: the second of its last change, with
a hash of its entity tag in the place of the nanoseconds. So the mark is a time, and differs if the
store says that the bytes differ.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.conf import settings
from django.utils.translation import gettext

from catalog.errors import StoreAwayError, StoreRefusedError
from catalog.stores.addresses import address_of, is_usable, store_roots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

logger = logging.getLogger(__name__)

KEPT_SECONDS: Final = 600.0
"""A listing is believed for so long, if it names what is looked for."""
SURE_SECONDS: Final = 5.0
"""A listing is believed for so long that something is not there."""
MOST_KEPT: Final = 200_000
"""So many names are kept in memory."""
_TIMES: Final = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
_TAGS: Final = ("ETag", "etag", "md5", "sha256", "checksum", "VersionId")
_SECOND: Final = 1_000_000_000
_READ_AHEAD: Final = 1024 * 1024
"""Bytes that a request for a part fetches; the default of S3 is fifty times as much."""
_REFUSALS: Final = frozenset(
    {
        *("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"),
        *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
        *("ClientAuthenticationError", "ProfileNotFound", "403", "401"),
    }
)
_NO_STORE: Final = frozenset({"NoSuchBucket", "NoSuchContainer"})


class Entry(NamedTuple):
    """A name in a store; a folder has neither size nor mark."""

    is_folder: bool
    size_bytes: int = 0
    mark: int = 0


class Opened(NamedTuple):
    """An object that is read from the store as it is needed."""

    file: BinaryIO
    entry: Entry


class _Listings:
    """The listings that this process has, by the folder; the oldest go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[float, Mapping[str, Entry]]] = OrderedDict()
        self._names = 0
        self._filled: dict[Path, float] = {}

    def find(self, folder: Path, max_age: float) -> Mapping[str, Entry] | None:
        with self._lock:
            at, names = self._kept.get(folder, (float("-inf"), {}))
        return names if time.monotonic() - at <= max_age else None

    def time(self, folder: Path) -> float:
        with self._lock:
            return self._kept.get(folder, (0.0, {}))[0]

    def keep(self, folders: Mapping[Path, Mapping[str, Entry]], at: float) -> None:
        with self._lock:
            for folder, names in folders.items():
                self._names += len(names) - len(self._kept.pop(folder, (0.0, {}))[1])
                self._kept[folder] = (at, names)
            while self._names > MOST_KEPT and len(self._kept) > 1:
                self._names -= len(self._kept.popitem(last=False)[1][1])

    def is_filled(self, top: Path) -> bool:
        """Return whether all below a folder was listed at once a short while ago."""
        at = self._filled.get(top, float("-inf"))
        return time.monotonic() - at <= KEPT_SECONDS and self.find(top, KEPT_SECONDS) is not None

    def fill(self, folders: Mapping[Path, Mapping[str, Entry]], top: Path, at: float) -> None:
        self.keep(folders, at)
        self._filled = {one: then for one, then in self._filled.items() if at - then < KEPT_SECONDS}
        self._filled[top] = at

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()
            self._filled = {}
            self._names = 0


_listings = _Listings()


def listings_forget() -> None:
    """Forget the listings of this process: what is asked for next, the store says anew."""
    _listings.forget()


def listing(folder: Path, *, max_age: float = KEPT_SECONDS) -> Mapping[str, Entry]:
    """Return what is directly in a folder of a store, by name; empty if there is no such folder.

    Names that no path can have are not in it. Raises StoreAwayError or StoreRefusedError.
    """
    known = _listings.find(folder, max_age)
    if known is not None:
        return known
    at = time.monotonic()
    with _answering(folder):
        system, name = _system_of(folder)
        try:
            found = system.ls(name, detail=True)
        except FileNotFoundError as error:
            _bucket_check(error, folder)
            found = []
        names = {}
        for info in found:
            parts = _parts_below(name, info["name"])
            if parts and len(parts) == 1 and is_usable(parts[0]):
                names[parts[0]] = _entry(info)
    _listings.keep({folder: names}, at)
    return names


def listing_stamp(folder: Path) -> int:
    """Return a number that is another one for each new listing of a folder."""
    return int(_listings.time(folder) * _SECOND) if listing(folder) else 0


def listings_fill(top: Path) -> None:
    """Get the listings of a folder and of all below it, by few requests; none if they are here."""
    if _listings.is_filled(top):
        return
    at = time.monotonic()
    with _answering(top):
        system, name = _system_of(top)
        try:
            found = system.find(name, detail=True)
        except FileNotFoundError as error:
            _bucket_check(error, top)
            found = {}
        folders: dict[Path, dict[str, Entry]] = {top: {}}
        for key, info in found.items():
            parts = _parts_below(name, key)
            if parts and all(map(is_usable, parts)):
                _put(folders, top, parts, _entry(info))
    _listings.fill(folders, top, at)


def _put(folders: dict[Path, dict[str, Entry]], top: Path, parts: list[str], entry: Entry) -> None:
    folder = top
    for part in parts[:-1]:
        folders[folder].setdefault(part, Entry(is_folder=True))
        folder = folder / part
        folders.setdefault(folder, {})
    folders[folder][parts[-1]] = entry


def entry_of(path: Path, *, is_sure: bool = True) -> Entry | None:
    """Return what is at a path in a store by a recent listing; None if nothing is.

    If it `is_sure`, only a listing of this moment says that nothing is there.
    """
    if path in store_roots():
        return Entry(is_folder=True) if listing(path, max_age=SURE_SECONDS) else None
    found = listing(path.parent).get(path.name)
    if found is None and is_sure:
        return listing(path.parent, max_age=SURE_SECONDS).get(path.name)
    return found


def entry_now(path: Path) -> Entry:
    """Return what the store says of an object at this moment; FileNotFoundError if it is gone."""
    with _answering(path):
        system, name = _system_of(path)
        try:
            return _entry(system.info(name))
        except FileNotFoundError as error:
            _bucket_check(error, path)
            raise


def download(path: Path, target: Path) -> None:
    """Write an object to a file; FileNotFoundError if it is gone. It may come short."""
    with _answering(path):
        system, name = _system_of(path)
        try:
            system.get_file(name, str(target))
        except FileNotFoundError as error:
            _bucket_check(error, path)
            raise


def opened(path: Path) -> Opened:
    """Open an object, whose bytes come as they are read; FileNotFoundError if it is gone."""
    entry = entry_now(path)
    with _answering(path):
        system, name = _system_of(path)
        return Opened(system.open(name, "rb", block_size=_READ_AHEAD), entry)


@contextmanager
def _answering(path: Path) -> Iterator[None]:
    """Turn the errors of a store into ours, apart from FileNotFoundError."""
    try:
        yield
    except (FileNotFoundError, StoreAwayError, StoreRefusedError):
        raise
    # Each protocol has errors of its own, from packages that may not be installed.
    except Exception as error:
        from celery.exceptions import SoftTimeLimitExceeded  # noqa: PLC0415  # not in readers

        if isinstance(error, SoftTimeLimitExceeded):
            raise
        logger.warning("%s: %s", address_of(path), error)
        raise _told(error, path) from error


def _told(error: Exception, path: Path) -> StoreAwayError | StoreRefusedError:
    values = {"path": address_of(path), "reason": _reason(error)}
    if isinstance(error, ImportError) or "Protocol not known" in str(error):
        words = gettext(
            "%(path)s: what reads such stores is not installed; run pip install --constraint "
            "constraints.txt --editable '.[store]', or install the package of fsspec for this "
            "protocol"
        )
        return StoreRefusedError(words % values)
    if isinstance(error, PermissionError) or not _REFUSALS.isdisjoint(values["reason"].split()):
        words = gettext(
            "%(path)s: the store refuses it (%(reason)s); check the credentials in "
            "AFFETTI_STORE_OPTIONS or in the environment, and that they may list and read"
        )
        return StoreRefusedError(words % values)
    words = gettext(
        "%(path)s: the store does not answer (%(reason)s); check the network and the address of "
        "the store; it is tried again"
    )
    return StoreAwayError(words % values)


def _reason(error: BaseException) -> str:
    """Return the names of an error and of its causes, which hold no secret of a request."""
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) < 4:
        code = _code(cause)
        names += [type(cause).__name__, *([code] if code else [])]
        cause = cause.__cause__
    return " ".join(dict.fromkeys(names))


def _code(error: BaseException | None) -> str:
    """Return the code of an error of S3; empty if it is none."""
    response = getattr(error, "response", None)
    told = response.get("Error", {}) if isinstance(response, dict) else {}
    return "".join(letter for letter in str(told.get("Code", ""))[:50] if letter.isalnum())


def _bucket_check(error: FileNotFoundError, path: Path) -> None:
    """Raise StoreRefusedError if not the object is absent, but all of the store."""
    if _code(error.__cause__) in _NO_STORE:
        words = gettext(
            "%(path)s: there is no such bucket; correct AFFETTI_STORES, or make the bucket"
        )
        raise StoreRefusedError(words % {"path": address_of(path)}) from error


def _system_of(path: Path) -> tuple[Any, str]:
    """Return the file system of the store that a path is in, and the name that it has there."""
    roots = [root for root in store_roots() if path == root or root in path.parents]
    if not roots:
        words = gettext("%(path)s: is in no store of the settings; add its store to AFFETTI_STORES")
        raise StoreRefusedError(words % {"path": address_of(path)})
    root = max(roots, key=lambda root: len(root.parts))
    options = settings.AFFETTI_STORE_OPTIONS.get(address_of(root), {})
    system = _system(root.relative_to(settings.AFFETTI_STORE_DIR).parts[0], _Options(options))
    return system, system._strip_protocol(address_of(path))


class _Options(dict[str, Any]):
    """Options of a file system, as a key of a cache."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((os.getpid(), repr(sorted(self.items()))))


@functools.lru_cache(maxsize=16)
def _system(protocol: str, options: _Options) -> Any:
    import fsspec  # noqa: PLC0415  # an extra

    # A child of a fork gets one of its own: connections cannot be shared.
    return fsspec.filesystem(
        protocol, **{"use_listings_cache": False, "skip_instance_cache": True, **options}
    )


def _parts_below(folder: str, name: str) -> list[str] | None:
    """Return the names on the way from a folder to a name; None if it is not below."""
    top = folder.rstrip("/") + "/"
    below = name.rstrip("/")
    return below.removeprefix(top).split("/") if below.startswith(top) else None


def _entry(info: Mapping[str, Any]) -> Entry:
    if info.get("type") == "directory":
        return Entry(is_folder=True)
    told = next((info[name] for name in _TAGS if info.get(name)), "")
    changed = next((_time_ns(info[name]) for name in _TIMES if info.get(name)), 0)
    if told:
        tag = int.from_bytes(hashlib.sha256(str(told).encode()).digest()[:8])
        changed += tag % _SECOND - changed % _SECOND
    return Entry(False, int(info.get("size") or 0), changed)  # noqa: FBT003


def _time_ns(told: Any) -> int:
    if isinstance(told, str):
        try:
            told = datetime.datetime.fromisoformat(told)
        except ValueError:
            return 0
    if isinstance(told, datetime.datetime):
        seconds, rest = int(told.timestamp()), told.microsecond * 1000
    else:
        # As exact as a datetime: some stores tell one here and the other there.
        seconds, rest = int(told), round(float(told) % 1 * 1_000_000) % 1_000_000 * 1000
    # What a column and a disk can hold.
    return max(0, min(seconds, 2**33 - 1)) * _SECOND + rest
