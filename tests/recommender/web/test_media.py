from __future__ import annotations

import gc
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from catalog.paths import to_stored
from mer.audio.decoding import SUPPORTED_SUFFIXES
from recommender.media.answers import CONTENT_TYPES, RangeNotSatisfiableError, range_parse
from tests.factories import LibraryFactory, SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from catalog.models import Song


def body(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def url(song: Song) -> str:
    return reverse("song-audio", args=[song.pk])


def test_every_format_that_is_read_has_a_type_that_players_know() -> None:
    assert CONTENT_TYPES.keys() == SUPPORTED_SUFFIXES


def test_whole_file(client: Client, wav_song: Song) -> None:
    response = client.get(url(wav_song))
    assert response.status_code == 200
    assert response["Content-Type"] == "audio/wav"
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"] == f'"{wav_song.content_sha256}"'
    assert body(response) == wav_song.path.read_bytes()
    assert response["Content-Length"] == str(wav_song.file_size_bytes)


def test_the_media_type_is_that_of_the_content(client: Client, wav_song: Song) -> None:
    wav_song.media_type = 'audio/mp4; codecs="alac"'
    wav_song.save()
    assert client.head(url(wav_song))["Content-Type"] == wav_song.media_type
    page = client.get(reverse("song", args=[wav_song.pk])).content.decode()
    assert 'data-media-type="audio/mp4; codecs=&quot;alac&quot;"' in page


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=64000-", 64000, 64044),
        ("bytes=-44", 64000, 64044),
        ("bytes=-999999", 0, 64044),
        ("bytes=64000-999999", 64000, 64044),
        ("BYTES = 5 - 9", 5, 10),
    ],
)
def test_part_of_the_file(
    client: Client, wav_song: Song, header: str, start: int, stop: int
) -> None:
    response = client.get(url(wav_song), headers={"Range": header})
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {start}-{stop - 1}/64044"
    assert response["Content-Length"] == str(stop - start)
    assert body(response) == wav_song.path.read_bytes()[start:stop]


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,5-6", "items=0-1", "bytes=9-5", "bytes=", "bytes=-", "bytes=a-b", "bytes=٣-٤"],
)
def test_ranges_that_are_answered_whole(client: Client, wav_song: Song, header: str) -> None:
    response = client.get(url(wav_song), headers={"Range": header})
    assert response.status_code == 200
    assert len(body(response)) == 64044


@pytest.mark.parametrize("header", ["bytes=64044-", "bytes=70000-80000", "bytes=-0"])
def test_ranges_past_the_end(client: Client, wav_song: Song, header: str) -> None:
    response = client.get(url(wav_song), headers={"Range": header})
    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */64044"
    assert body(response) == b""


def test_if_range(client: Client, wav_song: Song) -> None:
    for condition, status in [
        (f'"{wav_song.content_sha256}"', 206),
        ('"another"', 200),
        (f'W/"{wav_song.content_sha256}"', 200),  # If-Range compares strongly
        ("Wed, 21 Oct 2015 07:28:00 GMT", 200),
    ]:
        headers = {"Range": "bytes=0-9", "If-Range": condition}
        response = client.get(url(wav_song), headers=headers)
        assert response.status_code == status, condition
        response.close()


def test_not_modified(client: Client, wav_song: Song) -> None:
    tag = f'"{wav_song.content_sha256}"'
    for known in (tag, f'W/{tag}, "x"', "*"):
        response = client.get(url(wav_song), headers={"If-None-Match": known})
        assert response.status_code == 304, known
        assert response["ETag"] == tag


def test_head_has_headers_and_no_body(client: Client, wav_song: Song) -> None:
    response = client.head(url(wav_song), headers={"Range": "bytes=0-9"})
    assert response.status_code == 200  # ranges are defined for GET alone
    assert response["Content-Length"] == "64044"
    assert body(response) == b""


def test_a_changed_file_has_another_tag(client: Client, wav_song: Song) -> None:
    os.utime(wav_song.path, ns=(1, 1))
    response = client.get(url(wav_song))
    assert wav_song.content_sha256 not in response["ETag"]
    response.close()


def test_file_is_closed_even_if_nobody_reads(client: Client, wav_song: Song) -> None:
    for headers in ({}, {"Range": "bytes=0-9"}):
        response = client.get(url(wav_song), headers=headers)
        response.close()
        del response
        gc.collect()  # an open file would warn here, and warnings are errors


def test_missing_file(client: Client, wav_song: Song) -> None:
    wav_song.path.unlink()
    assert client.get(url(wav_song)).status_code == 404


def test_a_file_that_cannot_be_opened(
    client: Client, wav_song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("catalog.paths.os.open", refuse)
    assert client.get(url(wav_song)).status_code == 404


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root makes devices")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, _device, _socket, Path.mkdir])
@pytest.mark.parametrize("method", ["get", "head"])
def test_only_a_regular_file_is_played(
    client: Client, wav_song: Song, make: Callable[[Path], None], method: str
) -> None:
    wav_song.path.unlink()
    make(wav_song.path)
    for headers in ({}, {"Range": "bytes=0-9"}):
        assert getattr(client, method)(url(wav_song), headers=headers).status_code == 404


def test_a_link_swapped_in_is_not_followed(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    """Between the check of a path and its opening, its folder or itself becomes a link."""
    root, outside = tmp_path / "library", tmp_path / "outside"
    for folder in (root / "album", outside):
        folder.mkdir(parents=True)
        (folder / "one.wav").write_bytes(b"secret")
    inside = root / "album" / "one.wav"
    song = SongFactory(library=LibraryFactory(root=str(root)), relative_path="album/one.wav")
    monkeypatch.setattr("catalog.paths.resolve_inside", lambda *_: inside)
    assert client.head(url(song)).status_code == 200
    inside.unlink()
    inside.symlink_to(outside / "one.wav")
    assert client.get(url(song)).status_code == 404
    inside.unlink()
    inside.parent.rmdir()
    inside.parent.symlink_to(outside)
    assert client.get(url(song)).status_code == 404


@pytest.mark.parametrize("name", [b"\xe9t\xe9.wav", b"\\x41.wav", b"new\nline.wav", b'a"b\xff.wav'])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}])
def test_every_file_name_streams(
    client: Client, wav_song: Song, name: bytes, headers: dict[str, str]
) -> None:
    path = wav_song.path.with_name(os.fsdecode(name))
    wav_song.path.rename(path)
    wav_song.relative_path = to_stored(Path(path.name))
    wav_song.save()
    for method in (client.get, client.head):
        response = method(url(wav_song), headers=headers)
        assert response.status_code in {200, 206}
        assert "Content-Disposition" not in response
        response.close()


@pytest.mark.parametrize(("header", "start", "length"), [("", 0, 64_044), ("bytes=9-99", 9, 91)])
def test_the_server_can_send_the_file_by_itself(
    header: str, start: int, length: int, client: Client, wav_song: Song
) -> None:
    """`wsgi.file_wrapper` gets the open file at the first byte; the header says how much of it."""
    response = client.get(url(wav_song), headers={"Range": header} if header else {})
    assert response.file_to_stream.tell() == start
    assert response["Content-Length"] == str(length)
    response.close()
    assert response.file_to_stream.closed


def test_unavailable_song(client: Client, wav_song: Song) -> None:
    wav_song.is_available = False
    wav_song.save()
    assert client.get(url(wav_song)).status_code == 404


@pytest.mark.django_db
def test_no_way_out_of_the_library(client: Client, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"secret")
    root = tmp_path / "library"
    root.mkdir()
    (root / "link.wav").symlink_to(secret)
    library = LibraryFactory(root=str(root))
    for relative in ("../secret.wav", "link.wav", str(secret)):
        song = SongFactory(library=library, relative_path=relative)
        assert client.get(url(song)).status_code == 404, relative


@given(
    first=st.none() | st.integers(0, 200),
    last=st.none() | st.integers(0, 200),
    size=st.integers(0, 150),
)
def test_a_range_is_inside_the_file(first: int | None, last: int | None, size: int) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        part = range_parse(header, size)
    except RangeNotSatisfiableError:
        assert size == 0 or last == 0 or (first is not None and first >= size)
        return
    if part is not None:
        assert 0 <= part.start < part.stop <= size
        if first is not None:
            assert part.start == first
