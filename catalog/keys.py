"""Musical keys as they are written: A minor, F#m, Bb major, cis-Moll, 8A of the Camelot wheel."""

from __future__ import annotations

import re
from typing import Final

from mer.prediction import KEYS

_FIFTH: Final = 7
"""Semitones; the wheel has keys a fifth apart side by side."""
_C_MAJOR: Final = 8
_STEPS: Final = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_GERMAN: Final = _STEPS | {"h": 11, "b": 10}
_RAISED: Final = {"#": 1, "sharp": 1, "is": 1, "b": -1, "flat": -1, "es": -1, "s": -1, "": 0}
MINOR: Final = frozenset(["minor", "min", "m", "moll", "mineur", "menor", "minore", "mineure"])
MAJOR: Final = frozenset(["major", "maj", "dur", "majeur", "mayor", "maggiore", "maior", "majeure"])
_KEY: Final = re.compile(r"([a-h])\s*-?(#|sharp|is|b|flat|es|s|)[\s-]*([a-z]+)")
_CAMELOT: Final = re.compile(r"(1[0-2]|[1-9])\s*([ab])")


def key_find(text: str) -> int | None:
    """Return the position in `mer.prediction.KEYS` of a key that is written; None if it is none.

    With Moll or Dur the names are German: H is B, and B is Bb.
    """
    plain = text.strip().casefold().replace("\u266f", "#").replace("\u266d", "b")
    if found := _CAMELOT.fullmatch(plain):
        major = (int(found[1]) - _C_MAJOR) * _FIFTH % 12
        return major if found[2] == "b" else 12 + (major - 3) % 12
    if not (found := _KEY.fullmatch(plain)) or found[3] not in MINOR | MAJOR:
        return None
    steps = _GERMAN if found[3] in {"moll", "dur"} else _STEPS
    if found[1] not in steps:
        return None
    return (steps[found[1]] + _RAISED[found[2]]) % 12 + 12 * (found[3] in MINOR)


def key_name(code: int) -> str:
    """Return the name of the key at a position of `mer.prediction.KEYS`, such as A minor."""
    return " ".join(KEYS[code])


def camelot(code: int) -> str:
    """Return the place of a key on the Camelot wheel, such as 8A."""
    major = code if code < 12 else (code + 3) % 12
    return f"{(major * _FIFTH + _C_MAJOR - 1) % 12 + 1}{'B' if code < 12 else 'A'}"
