"""Answers with a song's file or cover, whole or in part (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from django.http import HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.urls import reverse
from django.utils.http import parse_etags

from catalog.files.pictures import SIZES
from catalog.paths import FileStamp
from catalog.selectors import song_stream
from recommender import selectors
from recommender.media.covers import Cover, song_cover
from recommender.media.drawn import drawn_cover, painted_cover
from recommender.media.transcoding import (
    TARGETS,
    is_transcoding_offered,
    song_transcoded,
    song_transcoded_already,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from catalog.models import Song

_SUFFIXES: Final = {
    "audio/aac": ".aac .adts",
    "audio/ac3": ".ac3",
    "audio/aiff": ".aif .aifc .aiff",
    "audio/basic": ".au .snd",
    "audio/eac3": ".eac3",
    "audio/flac": ".flac",
    "audio/mp4": ".alac .m4a .m4b .m4r .mp4",
    "audio/mpeg": ".mp1 .mp2 .mp3 .mpa .mpga",
    "audio/ogg": ".oga .ogg .opus .spx",
    "audio/vnd.dts": ".dts",
    "audio/wav": ".rf64 .wav .wave",
    "audio/webm": ".weba .webm",
    "audio/x-ape": ".ape",
    "audio/x-caf": ".caf",
    "audio/x-dff": ".dff",
    "audio/x-dsf": ".dsf",
    "audio/x-matroska": ".mka",
    "audio/x-ms-wma": ".wma",
    "audio/x-musepack": ".mp+ .mpc .mpp",
    "audio/x-tak": ".tak",
    "audio/x-tta": ".tta",
    "audio/x-w64": ".w64",
    "audio/x-wavpack": ".wv",
}
# Browsers play no file of an unknown type, because pages forbid them to guess.
CONTENT_TYPES: Final = {
    suffix: content_type for content_type, text in _SUFFIXES.items() for suffix in text.split()
}
BROWSERS_TARGET: Final = "mp3"
"""Of `TARGETS`, the one that every browser plays."""
_HOUR: Final = "private, max-age=3600"
_BLOCK_BYTES: Final = 64 * 1024
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE | re.ASCII)


class ByteRange(NamedTuple):
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


class RangeNotSatisfiableError(Exception):
    """The requested range holds no byte of the file."""


def range_parse(header: str, size: int) -> ByteRange | None:
    """Return the requested bytes of a file of `size` bytes; None means the whole file.

    Several ranges, units other than bytes and malformed headers mean the whole file, as the
    standard allows. Raises RangeNotSatisfiableError if the range lies past the end.
    """
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:  # the last `last` bytes
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise RangeNotSatisfiableError
    return ByteRange(start, stop)


class FilePartResponse(StreamingHttpResponse):
    """Part of a file, which the server sends by itself where it can.

    It cannot if the file is in a store. `file_to_stream` is what Django hands to the server's
    `wsgi.file_wrapper`: a file at the part's first byte. The header Content-Length tells the
    server where the part ends.
    """

    block_size = _BLOCK_BYTES

    def __init__(self, file: BinaryIO, part: ByteRange, **kwargs: Any) -> None:
        file.seek(part.start)
        super().__init__(_blocks(file, part.stop - part.start), **kwargs)
        if isinstance(file, io.BufferedReader):
            self.file_to_stream = file
        self._resource_closers.append(file.close)  # type: ignore[attr-defined]
        self.headers["Content-Length"] = str(part.stop - part.start)


def _blocks(file: BinaryIO, left: int) -> Iterator[bytes]:
    while left > 0 and (block := file.read(min(_BLOCK_BYTES, left))):
        left -= len(block)
        yield block


def media_type(song: Song) -> str:
    """Return the media type by the content of the song's file, or by its suffix if unknown."""
    suffix = PurePosixPath(song.relative_path).suffix.lower()
    return song.media_type or CONTENT_TYPES.get(suffix, "application/octet-stream")


def transcoded_url(song: Song) -> str:
    """Return the address of the song in a format that every browser plays; empty if not offered."""
    if not is_transcoding_offered(media_type(song)):
        return ""
    return f"{reverse('song-audio', args=[song.pk])}?as={BROWSERS_TARGET}"


def audio_response(request: HttpRequest, song: Song) -> HttpResponseBase:
    """Answer with the song's file or the requested part of it; the response closes the file.

    `song` is one of `selectors.song_files`. Raises PathError if its file cannot be opened.
    """
    file, stamp = song_stream(song)
    sent = _Sent(file, stamp.size_bytes, _etag(song, stamp), media_type(song), _HOUR)
    return _file_response(request, sent)


def transcoded_response(request: HttpRequest, song: Song, target: str) -> HttpResponseBase:
    """Answer as `audio_response`, in the format `target`; raises what `song_transcoded` does.

    A HEAD request converts nothing. If nobody knows yet whether the song can be converted, the
    answer is that of one that can, without a length.
    """
    content_type = TARGETS[target].media_type
    if request.method == "HEAD":
        known = song_transcoded_already(song=song, target=target)
        if known is None:
            # A stream, because Django writes a length of 0 for any other empty response.
            headers = {"Cache-Control": "no-store"}
            return StreamingHttpResponse((), headers=headers, content_type=content_type)
        path = known
    else:
        has_left = request.META.get("waitress.client_disconnected", lambda: False)
        path = song_transcoded(song=song, target=target, is_wanted=lambda: not has_left())
    return _file_response(request, _sent(path.open("rb"), path.name, content_type, _HOUR))


def cover_response(
    request: HttpRequest, song: Song, size: str, *, is_painted: bool = False
) -> HttpResponseBase:
    """Answer with the cover of a song, one of `selectors.song_files`; drawn if it has no picture.

    The drawing is of the mood that the song has now: SVG, or JPEG if it is to be painted.
    """
    cover = song_cover(song=song, size=size)
    if cover.path is not None:
        caching = "private, max-age=604800" if cover.is_sure else "no-store"
        try:
            file = cover.path.open("rb")
        except OSError:  # deleted from the cache at this moment
            cover = Cover(cover.name, None, is_sure=False)
        else:
            return _file_response(request, _sent(file, cover.name, "image/jpeg", caching))
    seed, place = _cover_seed(song), selectors.song_place(song.pk)
    kind = "image/jpeg" if is_painted else "image/svg+xml"
    if is_painted:
        drawing = painted_cover(seed=seed, place=place, side=SIZES[size])
    else:
        drawing = drawn_cover(seed=seed, place=place).encode()
    etag = f'"{hashlib.sha256(drawing).hexdigest()[:32]}"'
    caching = "private, max-age=3600" if cover.is_sure else "no-store"
    headers = {"ETag": etag, "Cache-Control": caching}
    if _is_cached(request, etag):
        return HttpResponseNotModified(headers=headers)
    return HttpResponse(drawing, headers=headers, content_type=kind)


def _cover_seed(song: Song) -> str:
    """Return what a drawing is made of: its names, so that it is the same in every installation."""
    names = "\0".join((song.artist, song.title)).casefold()
    return names if names != "\0" else song.content_sha256


class _Sent(NamedTuple):
    """A file to be sent, with what the headers say of it."""

    file: BinaryIO
    size: int
    etag: str
    content_type: str
    caching: str


def _sent(file: BinaryIO, name: str, content_type: str, caching: str) -> _Sent:
    """Return a file of a cache, whose name is another one for other bytes."""
    return _Sent(file, os.fstat(file.fileno()).st_size, f'"{name}"', content_type, caching)


def _file_response(request: HttpRequest, sent: _Sent) -> HttpResponseBase:
    """Answer with a file or the requested part of it; the response closes it."""
    file, size, etag, content_type, caching = sent
    with contextlib.ExitStack() as stack:
        stack.enter_context(file)
        headers = {"Accept-Ranges": "bytes", "ETag": etag, "Cache-Control": caching}
        if _is_cached(request, etag):
            del headers["Accept-Ranges"]
            return HttpResponseNotModified(headers=headers)
        try:
            part = range_parse(_range_header(request, etag), size)
        except RangeNotSatisfiableError:
            headers["Content-Range"] = f"bytes */{size}"
            return HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
        if part is None:
            status, part = HTTPStatus.OK, ByteRange(0, size)
        else:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        if request.method == "HEAD":
            headers["Content-Length"] = str(part.stop - part.start)
            return HttpResponse(status=status, headers=headers, content_type=content_type)
        stack.pop_all()  # the response closes the file
        return FilePartResponse(
            file, part, status=status, headers=headers, content_type=content_type
        )


def _etag(song: Song, stamp: FileStamp) -> str:
    """Return the quoted entity tag of the file's current bytes."""
    if stamp == FileStamp(song.file_size_bytes, song.file_mtime_ns):
        return f'"{song.content_sha256}"'
    return f'"{stamp.size_bytes}-{stamp.mtime_ns}"'


def _is_cached(request: HttpRequest, etag: str) -> bool:
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or etag in {tag.removeprefix("W/") for tag in known}


def _range_header(request: HttpRequest, etag: str) -> str:
    """Return the Range header; empty if it must be ignored."""
    if request.method != "GET":  # the standard defines ranges for GET alone
        return ""
    condition = request.headers.get("If-Range")
    if condition is not None and condition.strip() != etag:
        return ""  # the client's part is of another version of the file
    return request.headers.get("Range", "")
