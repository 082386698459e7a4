"""Acoustic fingerprints by Chromaprint's program `fpcalc`, where it is installed.

References
----------
Lalinsky (2011), "How does Chromaprint work?"; Haitsma and Kalker (2002), "A highly robust audio
fingerprinting system", ISMIR, for the comparison by the rate of equal bits.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import numpy as np

from mer.audio.child import run_in_child
from mer.errors import AudioError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SECONDS: Final = 120
"""So much of the beginning of a song is in its fingerprint."""
SAME_BITS: Final = 0.75
"""Fingerprints of one recording have at least this share of equal bits."""
_TIMEOUT_SECONDS: Final = 45.0
_MOST_SHIFT: Final = 64
"""Eight seconds, by which one file may begin later than the other."""
_LEAST_ITEMS: Final = 40
"""Five seconds; a shorter overlap proves nothing."""


def is_fingerprinting_there() -> bool:
    """Return whether fingerprints can be made on this machine."""
    return shutil.which("fpcalc") is not None


def fingerprint(path: Path) -> bytes:
    """Return the fingerprint of a file as little-endian uint32, empty if there is none."""
    if not is_fingerprinting_there():
        return b""
    try:
        return run_in_child(_fpcalc, path)
    except (AudioError, OSError):
        return b""


def is_same_sound(first: bytes, second: bytes) -> bool:
    """Return whether two fingerprints, neither empty, are of the same recording."""
    one, two = (np.frombuffer(data, "<u4") for data in (first, second))
    shifts = range(-_MOST_SHIFT, _MOST_SHIFT + 1)
    return max(_equal_bits(one, two, shift) for shift in shifts) >= SAME_BITS


def _equal_bits(one: NDArray[np.uint32], two: NDArray[np.uint32], shift: int) -> float:
    """Return the share of equal bits if `two` begins `shift` items later; 0 if they are short."""
    one, two = one[max(0, -shift) :], two[max(0, shift) :]
    length = min(len(one), len(two))
    if length < _LEAST_ITEMS:
        return 0.0
    other = np.bitwise_count(one[:length] ^ two[:length])
    return 1.0 - float(other.mean()) / 32


def _fpcalc(path: Path) -> bytes:
    """Run in a child process, whose limits the program inherits."""
    command = ["fpcalc", "-raw", "-json", "-length", str(SECONDS), str(path)]
    try:
        # Some versions exit with 3 at the end of a song that is shorter than `SECONDS`.
        made = subprocess.run(  # noqa: S603  # the path is one argument, and absolute
            command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False
        )
        items = json.loads(made.stdout)["fingerprint"]
    except (subprocess.SubprocessError, ValueError, KeyError):
        return b""
    return np.array(items, "<u4").tobytes()
