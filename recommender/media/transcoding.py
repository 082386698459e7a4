"""A song in a format that every browser plays, by ffmpeg where it is installed.

ffmpeg gets the open file, never a path or a word of a client. It may open nothing else: no
protocol of the network, no playlist, no picture. It is ended when it takes too long, writes too
much, or when nobody waits for its result any more. Results are kept on disk up to a size.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import resource
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.selectors import song_open
from mer.audio.pyav import DEMUXERS
from recommender.errors import MediaBusyError, SongUnplayableError, TranscodingOffError
from recommender.media.cache import DiskCache
from recommender.media.turns import OneByOne, Pauses, Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.models import Song


@dataclass(frozen=True, slots=True)
class Target:
    """A format that songs are converted to; `options` are ffmpeg's."""

    media_type: str
    options: tuple[str, ...]


# A constant bit rate, because a place in the file is then exact without a table in its header,
# which ffmpeg cannot write into a pipe.
TARGETS: Final = {
    "mp3": Target(
        "audio/mpeg",
        ("-c:a", "libmp3lame", "-b:a", "192k", "-ac", "2", "-write_xing", "0", "-f", "mp3"),
    ),
    "opus": Target(
        'audio/ogg; codecs="opus"', ("-c:a", "libopus", "-b:a", "128k", "-ac", "2", "-f", "ogg")
    ),
}
DEADLINE_SECONDS: Final = 90.0
"""A conversion takes a few seconds; one that takes longer than this is ended."""
MOST_BYTES: Final = 1024**3
_BUSY: Final = _("Too many songs are being converted now; try again in some seconds.")
_WAIT_SECONDS: Final = 20.0  # for a turn
_LEAST_PLACES: Final = 3
"""Requests that convert or wait, for all songs together; each holds one of the server's threads."""
_MEMORY_BYTES: Final = 2 * 1024**3
_OPEN_FILES: Final = 64
_POLL_SECONDS: Final = 0.1
_PLAYED_EVERYWHERE: Final = ("audio/mpeg", "audio/wav", "audio/flac", "audio/aac")


def can_transcode() -> bool:
    """Return whether songs can be converted here."""
    return settings.AFFETTI_TRANSCODES > 0 and bool(_ffmpeg(settings.AFFETTI_FFMPEG))


def is_transcoding_offered(media_type: str) -> bool:
    """Return whether some browser may need a song of this type in another format."""
    is_aac = media_type.startswith("audio/mp4") and "mp4a" in media_type
    return not (is_aac or media_type.startswith(_PLAYED_EVERYWHERE)) and can_transcode()


def song_transcoded(*, song: Song, target: str, is_wanted: Callable[[], bool]) -> Path:
    """Return the file of a song in the format `target`, one of `TARGETS`; it may take seconds.

    `song` is one of `selectors.song_files`. `is_wanted` is asked while ffmpeg works: whether
    somebody still waits. Several requests for one file wait for the same ffmpeg.

    Raises PathError if the song's file is not there, TranscodingOffError if nothing is converted
    here, SongUnplayableError if ffmpeg cannot read it, MediaBusyError if too much is converted or
    ffmpeg was ended. A song that failed is not tried again for a while.
    """
    cache = transcoded_cache()
    name = _name(song, target)
    if found := _known(cache, name):
        return found
    at_once = settings.AFFETTI_TRANSCODES
    with _places(at_once).taken(wait_seconds=0), _songs.alone(name) as work:
        if found := _known(cache, name):
            return found
        with _turns(at_once).taken(wait_seconds=_WAIT_SECONDS):
            _try(name, song, TARGETS[target], cache, lambda: work.is_shared or is_wanted())
    if found := cache.find(name):
        return found
    raise MediaBusyError(
        gettext("The converted song was deleted at once: the cache is too small for it.")
    )


def song_transcoded_already(*, song: Song, target: str) -> Path | None:
    """Return the file of a song in the format `target`; None if it is not converted yet.

    Nothing is converted. Raises what `song_transcoded` would raise now, as far as that is known.
    """
    if found := _known(transcoded_cache(), _name(song, target)):
        return found
    with song_open(song), _turns(settings.AFFETTI_TRANSCODES).taken(wait_seconds=0):
        return None


def _name(song: Song, target: str) -> str:
    return f"{song.sound_sha256}.{target}"


def _known(cache: DiskCache, name: str) -> Path | None:
    """Return the converted song if there is one; raise if it cannot be converted now."""
    if not can_transcode():
        raise TranscodingOffError(
            gettext(
                "This server does not convert songs: ffmpeg is not installed, or "
                "AFFETTI_TRANSCODES is 0."
            )
        )
    if found := cache.find(name):
        return found
    if _pauses.holds(name):
        raise MediaBusyError(
            gettext("The conversion of this song was ended a short while ago; try again later.")
        )
    if _unplayable.holds(name):
        raise SongUnplayableError(
            gettext("The file of this song could not be converted a short while ago.")
        )
    return None


@functools.lru_cache(maxsize=1)
def _cache(folder: Path, most_bytes: int) -> DiskCache:
    return DiskCache(folder, most_bytes)


def transcoded_cache() -> DiskCache:
    """Return the converted songs that are kept on disk."""
    return _cache(settings.AFFETTI_MEDIA_DIR / "songs", settings.AFFETTI_TRANSCODED_CACHE_BYTES)


@functools.lru_cache(maxsize=4)
def _ffmpeg(name: str) -> str | None:
    return shutil.which(name) if name else None


@functools.lru_cache(maxsize=1)
def _turns(at_once: int) -> Turns:
    return Turns(_BUSY, at_once=at_once, waiting=at_once)


@functools.lru_cache(maxsize=1)
def _places(at_once: int) -> Turns:
    return Turns(_BUSY, at_once=max(_LEAST_PLACES, at_once), waiting=0)


_songs = OneByOne()
_pauses = Pauses()
"""Of songs whose ffmpeg was ended by somebody else."""
_unplayable = Pauses()
"""Of songs that ffmpeg could not convert."""


def _try(
    name: str, song: Song, target: Target, cache: DiskCache, is_wanted: Callable[[], bool]
) -> None:
    """Convert a song, and remember for a while if that cannot be done."""
    try:
        _convert(name, song, target, cache, is_wanted)
    except SongUnplayableError:
        _unplayable.begin(name)
        raise
    for pauses in (_pauses, _unplayable):
        pauses.end(name)


def _convert(
    name: str, song: Song, target: Target, cache: DiskCache, is_wanted: Callable[[], bool]
) -> None:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(song_open(song))
        part = stack.enter_context(cache.written(name))
        output = stack.enter_context(part.open("wb"))
        process = subprocess.Popen(  # noqa: S603  # no shell, and no argument of a client
            _command(file.fileno(), target),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
            pass_fds=[file.fileno()],
            env={"PATH": os.defpath},
            start_new_session=True,
        )
        try:
            _limit(process.pid)
            _wait(process, is_wanted)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode < 0:
            _pauses.begin(name)
            raise MediaBusyError(
                gettext(
                    "The conversion of this song was ended before it was done; try again later."
                )
            )
        if process.returncode or not part.stat().st_size:
            raise SongUnplayableError(
                gettext("The file of this song cannot be converted: it is damaged.")
            )


def _command(descriptor: int, target: Target) -> list[str]:
    return [
        str(_ffmpeg(settings.AFFETTI_FFMPEG)),
        *("-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"),
        *("-protocol_whitelist", "file,pipe", "-format_whitelist", DEMUXERS),
        *("-i", f"/dev/fd/{descriptor}"),
        *("-map", "0:a:0", "-map_metadata", "-1", "-map_chapters", "-1", "-vn", "-sn", "-dn"),
        *("-threads", "1", *target.options),
        *("-fs", str(MOST_BYTES), "pipe:1"),
    ]


def _limit(process_id: int) -> None:
    """Take memory, files and precedence from ffmpeg, where the system can."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process_id, 10)
    if not hasattr(resource, "prlimit"):  # not Linux
        return
    for kind, limit in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 2 * MOST_BYTES),
        (resource.RLIMIT_CPU, math.ceil(DEADLINE_SECONDS)),  # 0 would end it at its first tick
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(process_id, kind, (limit, limit))


def _wait(process: subprocess.Popen[bytes], is_wanted: Callable[[], bool]) -> None:
    """Wait for ffmpeg until it ends, takes too long, or nobody waits for the song any more."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if not is_wanted():
                raise MediaBusyError(gettext("Nobody waits for this song any more.")) from None
        else:
            return
    raise SongUnplayableError(
        gettext("The file of this song cannot be converted within %(seconds)d seconds.")
        % {"seconds": DEADLINE_SECONDS}
    )
