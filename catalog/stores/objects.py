"""What a store holds: listings, single objects, their bytes. Only this module knows fsspec.

An object is told from a changed one by its size and by a mark: the second of its last change, with
a hash of its entity tag in the place of the nanoseconds. So the mark is a time, and differs if the
store says that the bytes differ.
"""

from __future__ import annotations

import copy
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

from catalog.errors import (
    FileUnusableError,
    StoreAwayError,
    StoreRefusedError,
    machine_errors_raise,
)
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
AWAY_SECONDS: Final = 30.0
"""A store that did not answer is not asked for so long, so that nobody waits for it again."""
_S3_TRIES: Final = 2
_S3_OPTIONS: Final[dict[str, Any]] = {"max_concurrency": 1}
"""Parts of 50 MiB at once would take memory of a worker."""
_S3_CONFIG: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "read_timeout": 15,
    "retries": {"mode": "standard", "total_max_attempts": _S3_TRIES},
}
_S3: Final = frozenset({"s3", "s3a"})
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
_away: dict[Path, tuple[float, str]] = {}
"""The stores that did not answer this process a short while ago: when, and why."""


def listings_forget() -> None:
    """Forget the listings of this process: what is asked for next, the store says anew."""
    _listings.forget()
    _away.clear()


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
        names: dict[str, Entry] = {}
        for info in found:
            parts = _parts_below(name, info["name"])
            if parts and len(parts) == 1 and is_usable(parts[0]):
                entry = _entry(info)
                if entry.is_folder or parts[0] not in names:
                    names[parts[0]] = entry
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
            found = _all_below(system, name, top)
        except FileNotFoundError as error:
            _bucket_check(error, top)
            found = {}
        folders: dict[Path, dict[str, Entry]] = {top: {}}
        for key, info in found.items():
            # Consoles and rclone make empty objects with a "/" at the end, which mark folders.
            parts = [] if key.endswith("/") else _parts_below(name, key)
            if parts and all(map(is_usable, parts)):
                _put(folders, top, parts, _entry(info))
    _listings.fill(folders, top, at)


def _all_below(system: Any, name: str, top: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return all objects below a name by their names."""
    if _has_own_find(system):
        found: Mapping[str, Mapping[str, Any]] = system.find(name, detail=True)
        return found
    return _walked(system, name, top)


def _walked(system: Any, name: str, top: Path) -> Mapping[str, Mapping[str, Any]]:
    """Do the same by a request for each folder.

    What file systems inherit for it takes a folder that cannot be listed for an empty one.
    """
    found, waiting = {}, [name]
    while waiting:
        folder = waiting.pop()
        try:
            told = system.ls(folder, detail=True)
        except FileNotFoundError as error:
            _bucket_check(error, top)
            continue
        for info in told:
            key = info["name"]
            if info.get("type") != "directory":
                found[key] = info
            elif _parts_below(folder, key):
                waiting.append(key.rstrip("/"))
    return found


def _has_own_find(system: Any) -> bool:
    from fsspec.asyn import AsyncFileSystem  # noqa: PLC0415  # an extra
    from fsspec.spec import AbstractFileSystem  # noqa: PLC0415

    if isinstance(system, AsyncFileSystem):
        return type(system)._find is not AsyncFileSystem._find
    return type(system).find is not AbstractFileSystem.find


def _put(folders: dict[Path, dict[str, Entry]], top: Path, parts: list[str], entry: Entry) -> None:
    """Add an object and the folders that it is in; a folder hides an object of its name."""
    folder = top
    for part in parts[:-1]:
        folders[folder][part] = Entry(is_folder=True)
        folder = folder / part
        folders.setdefault(folder, {})
    if folder / parts[-1] not in folders:
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
    """Return what the store says of an object at this moment.

    FileNotFoundError if it is gone, FileUnusableError if the store refuses it alone.
    """
    with _refusal_told(path), _answering(path):
        system, name = _system_of(path)
        try:
            return _entry(system.info(name))
        except FileNotFoundError as error:
            _bucket_check(error, path)
            raise


def download(path: Path, target: Path) -> None:
    """Write an object to a file, which may come short; raises what `entry_now` does."""
    with _refusal_told(path), _answering(path, is_one=True):
        system, name = _system_of(path)
        try:
            system.get_file(name, str(target))
        except FileNotFoundError as error:
            _bucket_check(error, path)
            raise


def opened(path: Path) -> Opened:
    """Open an object, whose bytes come as they are read; raises what `entry_now` does."""
    entry = entry_now(path)
    with _refusal_told(path), _answering(path, is_one=True):
        system, name = _system_of(path)
        return Opened(system.open(name, "rb", block_size=_READ_AHEAD), entry)


@contextmanager
def _refusal_told(path: Path) -> Iterator[None]:
    """Raise FileUnusableError for an object that is refused if the store lists its folder."""
    try:
        yield
    except StoreRefusedError as error:
        listing(path.parent, max_age=0.0)  # raises if the whole store refuses
        cause = _reason(error.__cause__) if error.__cause__ else ""
        raise FileUnusableError(
            "FILE_UNREADABLE",
            f"the store refuses this object alone ({cause}); allow reading it, or take it out of "
            "the archive",
        ) from error


@contextmanager
def _answering(path: Path, *, is_one: bool = False) -> Iterator[None]:
    """Turn the errors of a store into ours, apart from FileNotFoundError.

    A store that does not answer is left alone for a while, unless the failure may be of `is_one`
    object only.
    """
    at, reason = _away.get(_root_of(path), (float("-inf"), ""))
    if time.monotonic() - at < AWAY_SECONDS:
        raise _away_error(path, reason)
    try:
        yield
    except (FileNotFoundError, StoreAwayError, StoreRefusedError):
        raise
    # Each protocol has errors of its own, from packages that may not be installed.
    except Exception as error:
        from celery.exceptions import SoftTimeLimitExceeded  # noqa: PLC0415  # not in readers

        if isinstance(error, SoftTimeLimitExceeded):
            raise
        machine_errors_raise(error)  # of this machine, not of the store
        reason = _reason(error)  # the text of the error may hold credentials
        logger.warning("%s: %s", address_of(path), reason)
        told = _told(error, path)
        if isinstance(told, StoreAwayError) and not is_one:
            _away[_root_of(path)] = (time.monotonic(), reason)
        raise told from error


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
    return _away_error(path, values["reason"])


def _away_error(path: Path, reason: str) -> StoreAwayError:
    words = gettext(
        "%(path)s: the store does not answer (%(reason)s); check the network and the address of "
        "the store; it is tried again"
    )
    return StoreAwayError(words % {"path": address_of(path), "reason": reason})


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
    root = _root_of(path)
    options = settings.AFFETTI_STORE_OPTIONS.get(address_of(root), {})
    system = _system(root.relative_to(settings.AFFETTI_STORE_DIR).parts[0], _Options(options))
    return system, system._strip_protocol(address_of(path))


def _root_of(path: Path) -> Path:
    """Return the path of the store that a path is in; StoreRefusedError if it is in none."""
    roots = [root for root in store_roots() if path == root or root in path.parents]
    if not roots:
        words = gettext("%(path)s: is in no store of the settings; add its store to AFFETTI_STORES")
        raise StoreRefusedError(words % {"path": address_of(path)})
    return max(roots, key=lambda root: len(root.parts))


class _Options(dict[str, Any]):
    """Options of a file system, as a key of a cache."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((os.getpid(), repr(sorted(self.items()))))


@functools.lru_cache(maxsize=16)
def _system(protocol: str, options: _Options) -> Any:
    import fsspec  # noqa: PLC0415  # an extra

    # A child of a fork gets one of its own: connections cannot be shared.
    given: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True, **options}
    if protocol not in _S3:
        return fsspec.filesystem(protocol, **given)
    config = copy.deepcopy({**_S3_CONFIG, **given.get("config_kwargs", {})})  # boto changes it
    system = fsspec.filesystem(protocol, **{**_S3_OPTIONS, **given, "config_kwargs": config})
    system.retries = _S3_TRIES  # five, each with those of boto, take minutes
    return system


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
