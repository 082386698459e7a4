"""Verses in many languages, written for tests; nothing is from a song."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final


def _sections(kind: str) -> dict[str, tuple[str, ...]]:
    """Return the stanzas of each section of a kind, by the rest of its heading."""
    text = Path(__file__).with_name("verses.txt").read_text("utf-8")
    found = re.findall(rf"^## {kind} (.+)\n((?:(?!##).*\n)*)", text, re.MULTILINE)
    return {name: tuple(body.strip().split("\n\n")) for name, body in found}


VERSES: Final = _sections("verse")
"""Code of the language → two stanzas, of which either may be a verse or a chorus."""
ROMANISED: Final = _sections("romanised")
"""Code of a language that has other letters → one stanza in Latin ones."""
ENGLISH: Final = _sections("english")
"""English that is hard to tell, by what is hard about it. None of it may be withheld."""
VOCALISE: Final = _sections("vocalise")["all"]
"""Without words of any language."""
