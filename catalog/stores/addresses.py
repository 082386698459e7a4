"""Addresses of object stores, and the paths that stand for them.

What is at ``s3://music/albums/a.mp3`` has the path ``s3/music/albums/a.mp3`` below
AFFETTI_STORE_DIR: the one at which a local copy of it lies. So names, parents and nesting are those
of paths. Only the database and people see addresses. Whether something is at such a path says the
store, never the disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.utils.translation import gettext

from catalog.errors import PathError

if TYPE_CHECKING:
    from collections.abc import Iterable

_ADDRESS: Final = re.compile(r"([a-z][a-z0-9+.-]{0,30})://(.+)", re.DOTALL)
PROTOCOLS: Final = frozenset(
    {
        *("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "obs", "oci", "tos"),
        *("swift", "lakefs", "hdfs", "webhdfs", "http", "https", "webdav", "ftp", "sftp", "ssh"),
        *("smb", "box", "dropbox", "gdrive", "hf", "memory"),
    }
)
"""Protocols that may be stores. Others reach the own disk, as file, dir, zip and reference do."""


def is_address(text: str) -> bool:
    """Return whether a text is the address of something in a store, by its form."""
    return _ADDRESS.fullmatch(text) is not None


def path_named(text: str) -> Path:
    """Return the path that people mean by an address or a path; PathError if it cannot be one."""
    return path_of(text) if is_address(text) else Path(text)


def path_of(address: str) -> Path:
    """Return the path that stands for an address; PathError if it cannot be one."""
    match = _ADDRESS.fullmatch(address)
    parts = match[2].rstrip("/").split("/") if match else []
    if match is not None and match[1] not in PROTOCOLS:
        wrong = gettext(
            "%(protocol)s: is no address of a store by its protocol; those of stores are %(known)s"
        )
        raise PathError(wrong % {"protocol": match[1], "known": ", ".join(sorted(PROTOCOLS))})
    if match is not None and "@" in parts[0]:
        raise PathError(
            gettext(
                "%(protocol)s: is no address of a store, because it holds a user or a password, "
                "which people would see; write them in AFFETTI_STORE_OPTIONS"
            )
            % {"protocol": match[1]}
        )
    if match is None or not parts or not all(map(is_usable, parts)):
        raise PathError(
            gettext(
                "%(path)s: is no address of a store; write one as s3://bucket/folder, without "
                "empty names, . or .."
            )
            % {"path": address[:300].replace("\x00", "\\x00")}
        )
    return Path(settings.AFFETTI_STORE_DIR, match[1], *parts)


def is_usable(name: str) -> bool:
    """Return whether a name in a store can be a name of a path."""
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        return False
    return name not in {"", ".", ".."} and "/" not in name and "\x00" not in name and size <= 255


def address_of(path: Path) -> str:
    """Return the address that a path stands for; it is one of `in_store`."""
    scheme, *parts = path.relative_to(settings.AFFETTI_STORE_DIR).parts
    return f"{scheme}://{'/'.join(parts)}"


def in_store(path: Path) -> bool:
    """Return whether a path stands for something in a store."""
    return str(path).startswith(f"{settings.AFFETTI_STORE_DIR}{os.sep}")


def store_roots() -> list[Path]:
    """Return the paths that stand for the stores of the settings."""
    return [path_of(address) for address in settings.AFFETTI_STORES]


def addresses_check(addresses: Iterable[str]) -> list[str]:
    """Return those of the addresses that cannot be stores."""
    wrong = []
    for address in addresses:
        try:
            path_of(address)
        except PathError:
            wrong.append(address)
    return wrong
