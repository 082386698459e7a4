"""How user names look, so that names that could be mistaken for each other share a look."""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from typing import TYPE_CHECKING, Final

from confusable_homoglyphs.confusables import confusables_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PAIRS: Final = (("rn", "m"), ("vv", "w"))
"""Two letters that look like one."""


def name_looks(name: str) -> frozenset[str]:
    """Return how a name looks as written, in small and in large letters, each as 64 hex digits."""
    normal = unicodedata.normalize("NFKC", name)
    looks = {
        "written": _skeleton(normal).casefold(),
        "small": _skeleton(normal.casefold()).casefold(),
        "large": _skeleton(normal.upper()),
    }
    return frozenset(
        hashlib.sha256(f"{how} {look}".encode("utf-8", "replace")).hexdigest()
        for how, look in looks.items()
    )


def _skeleton(text: str) -> str:
    look = text.translate(_prototypes())
    for two, one in _PAIRS:
        look = look.replace(two, one)
    return look


@functools.cache
def _prototypes() -> Mapping[int, str]:
    """Return one character for each set of characters that look alike."""
    groups: dict[str, set[str]] = {}
    for character, alike in confusables_data.items():
        members = {character, *(each["c"] for each in alike)}
        for member in members & groups.keys():
            members |= groups[member]
        members = {member for member in members if len(member) == 1}
        groups.update(dict.fromkeys(members, members))
    firsts = {id(group): _first(group) for group in groups.values()}
    return {
        ord(character): firsts[id(group)]
        for character, group in groups.items()
        if len(character) == 1
    }


def _first(group: Iterable[str]) -> str:
    return min(
        group, key=lambda each: (not each.isascii(), not each.isalpha(), each.isupper(), each)
    )
