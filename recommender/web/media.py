"""Streaming a song's file, whole or in part (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import contextlib
import os
import re
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from django.http import HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.utils.http import parse_etags

from catalog.selectors import song_open

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

    `file_to_stream` is what Django hands to the server's `wsgi.file_wrapper`: a file at the part's
    first byte. The header Content-Length tells the server where the part ends.
    """

    block_size = _BLOCK_BYTES

    def __init__(self, file: BinaryIO, part: ByteRange, **kwargs: Any) -> None:
        file.seek(part.start)
        super().__init__(_blocks(file, part.stop - part.start), **kwargs)
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


def audio_response(request: HttpRequest, song: Song) -> HttpResponseBase:
    """Answer with the song's file or the requested part of it; the response closes the file.

    `song` is one of `selectors.song_files`. Raises PathError if its file cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(song_open(song))
        file_status = os.fstat(file.fileno())
        etag = _etag(song, file_status)
        if _is_cached(request, etag):
            return HttpResponseNotModified(headers={"ETag": etag})
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": etag,
            "Cache-Control": "private, max-age=3600",
        }
        content_type = media_type(song)
        size = file_status.st_size
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


def _etag(song: Song, status: os.stat_result) -> str:
    """Return the quoted entity tag of the file's current bytes."""
    known = (song.file_size_bytes, song.file_mtime_ns)
    if (status.st_size, status.st_mtime_ns) == known:
        return f'"{song.content_sha256}"'
    return f'"{status.st_size}-{status.st_mtime_ns}"'


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
