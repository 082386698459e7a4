from __future__ import annotations

import math

import pytest

from catalog.files.scan import FileStamp
from catalog.storable import MAX_MESSAGE_CHARS, not_finite, storable_text


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"a": 1.0, "b": [0.0, math.nan]}, "b.1"),
        ({"timeline": [{"valence": -math.inf}]}, "timeline.0.valence"),
        (math.inf, "value"),
        ({"a": 1, "b": "nan", "c": None, "d": b"\x00", "e": True}, ""),
        (FileStamp(1, 2), ""),
        ([], ""),
    ],
)
def test_the_first_number_that_is_not_finite_is_named(value: object, name: str) -> None:
    assert not_finite(value) == name


def test_text_for_every_database_has_neither_nul_nor_lone_surrogates() -> None:
    assert storable_text("a\x00b\udcffc") == "a\\x00b\\udcffc"
    assert len(storable_text("x" * 5000)) == MAX_MESSAGE_CHARS
