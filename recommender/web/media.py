"""Streaming a song's file, whole or in part (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from django.http import FileResponse, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.utils.http import parse_etags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

CONTENT_TYPES: Final = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
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


class _FileSlice:
    """Blocks of a part of a file; `close` closes the file even if nothing was read."""

    def __init__(self, file: IO[bytes], part: ByteRange) -> None:
        self._file = file
        self._left = part.stop - part.start
        file.seek(part.start)

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0 and (block := self._file.read(min(_BLOCK_BYTES, self._left))):
            self._left -= len(block)
            yield block

    def close(self) -> None:
        self._file.close()


def audio_response(request: HttpRequest, path: Path, etag: str) -> HttpResponseBase:
    """Answer with the file or the requested part of it; the response closes the file.

    `etag` is the quoted entity tag of the file's current bytes.
    """
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, max-age=3600",
    }
    content_type = CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream")
    if _is_cached(request, etag):
        return HttpResponseNotModified(headers={"ETag": etag})
    size = path.stat().st_size
    try:
        part = range_parse(_range_header(request, etag), size)
    except RangeNotSatisfiableError:
        headers["Content-Range"] = f"bytes */{size}"
        return HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    if part is None:
        status, part, is_whole = HTTPStatus.OK, ByteRange(0, size), True
    else:
        status, is_whole = HTTPStatus.PARTIAL_CONTENT, False
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    headers["Content-Length"] = str(part.stop - part.start)
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers, content_type=content_type)
    if is_whole:
        return FileResponse(path.open("rb"), headers=headers, content_type=content_type)
    return StreamingHttpResponse(
        _FileSlice(path.open("rb"), part),
        status=status,
        headers=headers,
        content_type=content_type,
    )


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
