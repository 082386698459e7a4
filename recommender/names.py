"""User names that cannot be mistaken for another's."""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING, Final

from confusable_homoglyphs import categories
from confusable_homoglyphs.confusables import confusables_data
from django.contrib.auth import get_user_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RESERVED: Final = frozenset(
    (
        *("admin", "administrator", "affetti", "anonymous", "guest", "help", "info", "mod"),
        *("moderator", "none", "null", "official", "owner", "postmaster", "root", "security"),
        *("staff", "superuser", "support", "sysadmin", "system", "undefined", "webmaster"),
    )
)
_TOGETHER: Final = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "HANGUL"},
    {"LATIN", "HAN", "BOPOMOFO"},
)
"""Scripts that are written together (Unicode Technical Standard 39, "highly restrictive")."""
_PAIRS: Final = (("rn", "m"), ("vv", "w"))
"""Two letters that look like one."""


def name_problem(name: str, *, may_be_reserved: bool = False) -> str:
    """Return why nobody may take `name` now; empty if it may be taken."""
    scripts = categories.unique_aliases(name) - {"COMMON", "INHERITED"}
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        return "Letters of different alphabets are mixed. Use one alphabet."
    looks = _looks(name)
    if not may_be_reserved and any(looks & _looks(reserved) for reserved in RESERVED):
        return "This name is reserved. Choose another."
    taken = get_user_model().objects.values_list("username", flat=True)
    if any(looks & _looks(other) for other in taken.iterator()):
        return "This name is taken, or looks like one that is. Choose another."
    return ""


def _looks(name: str) -> set[tuple[str, str]]:
    """Return how a name looks as written, in small and in large letters; look-alikes share one."""
    normal = unicodedata.normalize("NFKC", name)
    return {
        ("written", _skeleton(normal).casefold()),
        ("small", _skeleton(normal.casefold()).casefold()),
        ("large", _skeleton(normal.upper())),
    }


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
