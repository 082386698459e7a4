"""Addresses of stores, and the paths that stand for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import PathError
from catalog.paths import from_stored, ingest_root_check, shown, to_stored
from catalog.stores.addresses import in_store, is_address, is_usable, path_named, path_of

NAMES = st.text(min_size=1, max_size=20).filter(is_usable)


@given(parts=st.lists(NAMES, min_size=1, max_size=5).filter(lambda parts: "@" not in parts[0]))
def test_an_address_comes_back_from_its_path_and_from_the_database(parts: list[str]) -> None:
    address = "s3://" + "/".join(parts)

    path = path_of(address)

    assert in_store(path)
    assert len(path.parts) - len(path_of("s3://x").parts) == len(parts) - 1
    assert from_stored(to_stored(path)) == path
    assert shown(path) == address.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@pytest.mark.parametrize(
    "address",
    [
        *("s3://", "s3:///", "s3://b//a", "s3://b/../../etc", "s3://b/.", "s3://b/a\x00b"),
        *("file:///etc", "local://etc", "memory:///x", f"s3://b/{'x' * 300}", "s3://b/\ud800"),
    ],
)
def test_what_is_no_address_of_a_store_is_refused(address: str) -> None:
    with pytest.raises(PathError, match="is no address of a store"):
        path_of(address)


def test_a_path_of_the_disk_stays_one() -> None:
    assert path_named("/music/a b") == Path("/music/a b")
    assert not is_address("simplecache::s3://bucket/a")
    assert not in_store(path_named("simplecache::s3://bucket/a"))


def test_staff_add_only_stores_that_the_settings_name(settings: object) -> None:
    roots = [path_of("s3://bucket/music")]

    for outside in ("s3://bucket", "s3://bucket/musical", "s3://other/music", "gs://bucket/music"):
        with pytest.raises(PathError, match="not inside a catalogue root"):
            ingest_root_check(path_of(outside), roots)


@pytest.mark.parametrize(
    "address",
    [
        *("dir://x/etc", "zip://x/a.mp3", "tar://x/a", "git://x/a", "reference://x/a"),
        *("simplecache://x/a", "filecache://x/a", "local://x", "data://x/a", "jupyter://x/a"),
    ],
)
def test_protocols_that_may_reach_the_own_disk_are_refused(address: str) -> None:
    with pytest.raises(PathError, match=r"by its protocol; those of stores are .*\bs3\b"):
        path_of(address)


def test_no_address_holds_credentials() -> None:
    with pytest.raises(PathError, match="user or a password") as raised:
        path_of("ftp://me:SECRET@host/music")
    assert "SECRET" not in str(raised.value)
    assert path_of("s3://bucket/a@b.mp3").name == "a@b.mp3"
