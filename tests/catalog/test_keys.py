"""Keys as they are written."""

from __future__ import annotations

import pytest

from catalog.keys import camelot, key_find, key_name
from mer.prediction import KEYS


@pytest.mark.parametrize("code", range(len(KEYS)))
def test_names_and_places_on_the_wheel_are_read_back(code: int) -> None:
    assert key_find(key_name(code)) == key_find(camelot(code)) == code


@pytest.mark.parametrize(
    ("place", "name"), [("8B", "C major"), ("8A", "A minor"), ("9B", "G major"), ("1A", "G# minor")]
)
def test_the_wheel(place: str, name: str) -> None:
    assert camelot(KEYS.index(tuple(name.split(" ")))) == place  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(("Am", "A minor"), ("F#m", "F# minor"), ("f\u266f minor", "F# minor")),
        *(("B flat major", "Bb major"), ("Bbm", "Bb minor"), ("E\u266d maj", "Eb major")),
        *(("H-Dur", "B major"), ("b-moll", "Bb minor"), ("es-Moll", "Eb minor")),
        ("la mineur", None),
        *((text, None) for text in ("", "A", "13A", "H minor", "X major", "A minor song")),
    ],
)
def test_other_ways_to_write_them(text: str, name: str | None) -> None:
    found = key_find(text)
    assert (None if found is None else key_name(found)) == name
