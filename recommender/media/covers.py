"""The cover of a song as a picture: from its file or folder, made once and kept on disk."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from catalog.errors import STORE_ERRORS, FileUnusableError, PathError
from catalog.files.pictures import SIZES, ReaderKilledError, cover_of, folder_picture
from catalog.paths import stamp_of
from catalog.selectors import song_file, song_path
from catalog.stores.addresses import in_store
from recommender.errors import MediaBusyError
from recommender.media.cache import DiskCache
from recommender.media.turns import OneByOne, Pauses, Turns

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.models import Song

_VERSION: Final = 1
"""Of the pictures that are made; covers of another one are made again."""
_WAIT_SECONDS: Final = 2.0
_turns = Turns(
    _("Too many covers are being made now; try again in some seconds."), at_once=2, waiting=4
)
_store_turns = Turns(
    _("Too many covers are being made now; try again in some seconds."), at_once=2, waiting=4
)
"""Apart from the others, because a store may let them wait."""
_songs = OneByOne()
_pauses = Pauses()


class Cover(NamedTuple):
    """A cover: its JPEG file, None if the song has no picture, and whether that is known for sure.

    `name` is another one for another picture. One that is not sure may be another picture soon.
    """

    name: str
    path: Path | None
    is_sure: bool = True


@functools.lru_cache(maxsize=1)
def _cache(folder: Path, most_bytes: int) -> DiskCache:
    return DiskCache(folder, most_bytes)


def cover_cache() -> DiskCache:
    """Return the covers that are kept on disk."""
    return _cache(settings.AFFETTI_MEDIA_DIR / "covers", settings.AFFETTI_COVER_CACHE_BYTES)


def song_cover(*, song: Song, size: str) -> Cover:
    """Return the cover of a song in one of `SIZES`; it is made if it was not yet.

    `song` is one of `selectors.song_files`. If too many covers are being made, or the reader of
    this one was killed, it is not sure yet; it does not wait long.
    """
    try:
        path = song_path(song)
        key = _key(song, path)
    except STORE_ERRORS:
        return Cover("", None, is_sure=False)
    except PathError:
        return Cover("", None)
    cache = cover_cache()
    found = cache.find(_name(key, size))
    if found is None and not _pauses.holds(key):
        try:
            turns = _store_turns if in_store(path) else _turns
            with turns.taken(wait_seconds=_WAIT_SECONDS), _songs.alone(key):
                _make(cache, key, song)
        except (MediaBusyError, OSError, FileUnusableError, *STORE_ERRORS):
            return Cover("", None, is_sure=False)
        except ReaderKilledError as error:
            _pauses.begin(key)
            if error.instead:
                _write(cache, _unsure(key), error.instead)
        else:
            _pauses.end(key)
        found = cache.find(_name(key, size))
    if found is None:  # killed, or deleted meanwhile
        name = _name(_unsure(key), size)
        return Cover(name, cache.find(name), is_sure=False)
    return Cover(_name(key, size), found if found.stat().st_size else None)


def _make(cache: DiskCache, key: str, song: Song) -> None:
    """Write every size; an empty file says that the song has no picture."""
    if all(cache.find(_name(key, size)) for size in SIZES):
        return
    with song_file(song) as path:
        covers = cover_of(path=path, root=song.library.path)
    _write(cache, key, covers or dict.fromkeys(SIZES, b""))


def _write(cache: DiskCache, key: str, covers: dict[str, bytes]) -> None:
    for size, data in covers.items():
        with cache.written(_name(key, size)) as part:
            part.write_bytes(data)


def _name(key: str, size: str) -> str:
    return f"{key}-{size}.jpg"


def _unsure(key: str) -> str:
    """Return the key of the picture that stands for one that is not read yet."""
    return f"{key}-unsure"


def _key(song: Song, path: Path) -> str:
    """Return what stands for the picture: the song's bytes, and the picture in its folder."""
    beside = folder_picture(path)
    stamp: tuple[object, ...] = ()
    if beside is not None:
        try:
            known = stamp_of(beside)
        except OSError:
            pass
        else:
            stamp = (beside.name, known.size_bytes, known.mtime_ns)
    parts = repr((_VERSION, song.content_sha256, str(path.parent) if stamp else "", stamp))
    return hashlib.sha256(parts.encode("utf-8", "surrogateescape")).hexdigest()[:32]
