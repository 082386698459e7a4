"""Artists of a song, in order and with roles, from what its tags say.

Sure separators are several values of a tag, ``;``, a slash between spaces, and a featured artist
after ``feat.``, ``ft.``, ``featuring``, ``w/`` or ``duet with``, or, in brackets, after ``with`` in
several languages. ``(With Me)`` and ``(Con il nastro rosa)`` are parts of titles.
``&``, ``,``, ``and``, ``x``,
``vs``, ``+``, an outer ``with`` and a slash without spaces also stand in names, such as Earth,
Wind & Fire. They separate only if

- the tags have as many MusicBrainz ids of artists as parts, or a tag ARTISTS with the parts; or
- every part is known as an artist of its own; or
- there are two parts and the first one is known (A & D by A), unless the second one begins like
  the rest of a band's name (& The Wailers).

Names in `_WHOLE` are never split.
"""

# ruff: noqa: RUF001 (letters of other scripts)

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from catalog.files.names import folded, is_no_artist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAIN: Final = "main"
FEATURED: Final = "featured"
MOST_CREDITS: Final = 50

# Words that follow "with" in titles, in the languages of `_WITH`.
_NO_NAME: Final = (
    r"(?!(?:me|you|u|ya|him|her|us|them|it|my|your|our|his|their|an?(?=\s)|no|or|and|out|love|this|that"
    r"|these|those|all|every\w*|some\w*|any\w*"
    r"|moi|toi|lui|elle|nous|vous|eux|une?|mon|ma|mes|ton|ta|tes|ce|cette|le|la|les|l['’]\w+"
    r"|mir|dir|ihm|ihr|ihnen|uns|euch|dem|einem|einer|deinem|deiner|meinem|meiner"
    r"|te|ti|mí|mi|él|ella|lei|noi|voi|tu|un|una|il|lo|gli|su"
    r"|mig|meg|dig|deg|oss|jer|dere|en|ett?|min|din)(?=[\s\])])[^\])&,]*[\])])"
)
_ALWAYS: Final = r"feat(?:uring)?\b\.?|ft\b\.?|w/(?!o\b)|при уч\w*\.?"
_WITH: Final = (
    rf"(?:with|avec|mit|med|con|duett?o?\s+(?:with|mit|med|con)|duo\s+avec)\s+{_NO_NAME}"
    r"|part\.(?!\s*(?:\d|[ivx]+\b))|f/|совместно с\s"
)
_FEATURED: Final = re.compile(
    rf"\s*[\[(]\s*(?:{_ALWAYS}|{_WITH})\s*([^\])]+)[\])]"
    rf"|[\s,;]+(?:{_ALWAYS}|duet\s+with\s)\s*(.+)$",
    re.IGNORECASE,
)
_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SURE: Final = re.compile(r"\s*[;\x00]\s*|\s+[/|]\s+|\s*[／；、]\s*")
_MAYBE: Final = re.compile(
    r"\s*,\s+(?:and|&)\s+|\s+(?:&|and|und|et|y|e|och|og|и|x|×|vs\.?|\+|with|meets|presents"
    r"|pres\.)\s+"
    r"|\s*,\s+|/",
    re.IGNORECASE,
)
_REST_OF_BAND: Final = re.compile(
    r"^(?:the|his|her|their|my|los|las|les|die|das|der|co\.?|company|friends|sons?|brothers?"
    r"|sisters?"
    r"|orchestra|band|family|crew|all-?stars)\b",
    re.IGNORECASE,
)
_WHOLE: Final = frozenset(
    folded(name)
    for name in (
        "Simon & Garfunkel",
        "Earth, Wind & Fire",
        "Tyler, The Creator",
        "AC/DC",
        "Hall & Oates",
        "Daryl Hall & John Oates",
        "Crosby, Stills & Nash",
        "Crosby, Stills, Nash & Young",
        "Emerson, Lake & Palmer",
        "Peter, Paul and Mary",
        "Blood, Sweat & Tears",
        "Above & Beyond",
        "Chase & Status",
        "Mumford & Sons",
        "Angus & Julia Stone",
        "Sam & Dave",
        "Ike & Tina Turner",
        "Sonny & Cher",
        "Salt-N-Pepa",
        "Belle and Sebastian",
        "Iron & Wine",
        "Florence + the Machine",
        "Marina and the Diamonds",
        "Nick Cave & The Bad Seeds",
        "Echo & the Bunnymen",
        "Kool & the Gang",
        "Macklemore & Ryan Lewis",
        "Brooks & Dunn",
        "Dan + Shay",
        "Sleeping With Sirens",
        "Medeski, Martin & Wood",
        "Loggins & Messina",
        "Seals & Crofts",
        "Jan & Dean",
        "Flatt & Scruggs",
        "Coheed and Cambria",
        "Eric B. & Rakim",
        "Years & Years",
        "Zager & Evans",
        "Of Monsters and Men",
        "Earth & Fire",
        "Matt and Kim",
        "Love and Rockets",
        "Nice & Smooth",
        "Big & Rich",
        "Now, Now",
        "Black, Whales",
        "M/A/R/R/S",
        "10,000 Maniacs",
    )
)


@dataclass(frozen=True, slots=True)
class Credit:
    """An artist of a song; `name` is as written, `key` is `folded`."""

    name: str
    role: str = MAIN
    musicbrainz_id: str = ""

    @property
    def key(self) -> str:
        """The key of the artist."""
        return folded(self.name)


def credits_of(
    names: Sequence[str],
    *,
    title: str = "",
    artists: Sequence[str] = (),
    musicbrainz_ids: Sequence[str] = (),
    is_known: Callable[[str], bool] = lambda _: False,
) -> tuple[Credit, ...]:
    """Return the credits of a song, each artist once; none for "Unknown Artist".

    Parameters
    ----------
    names : sequence of str
        Values of the artist tag, as written.
    title : str
        May name featured artists.
    artists : sequence of str
        Values of the tag ARTISTS, which names each artist alone.
    musicbrainz_ids : sequence of str
        Of the artists, in order.
    is_known : callable
        Whether a key is that of an artist known from elsewhere.
    """
    found: list[tuple[str, str]] = []
    sure = [folded(name) for name in artists] if len(artists) > 1 else []
    for name in names:
        found += _split(name, len(musicbrainz_ids) if len(names) == 1 else 0, sure, is_known)
    if len(sure) > 1 and {folded(name) for name, _ in found} != set(sure):
        featured = {folded(name) for name, role in found if role == FEATURED}
        found = [
            (a, FEATURED if k in featured else MAIN) for a, k in zip(artists, sure, strict=True)
        ]
    for name in _featured_in(title)[1]:
        found += [(part, FEATURED) for part, _ in _split(name, 0, sure, is_known)]
    ids = list(musicbrainz_ids) if len(musicbrainz_ids) == len(_once(found)) else []
    return tuple(
        Credit(name, role, ids[place] if ids else "")
        for place, (name, role) in enumerate(_once(found)[:MOST_CREDITS])
    )


def main_key(artist: str) -> str:
    """Return the key of the first main artist of an artist tag; empty for "Unknown Artist"."""
    credits = credits_of([artist])
    return credits[0].key if credits else ""


def lead_key(name: str) -> str:
    """Return the key of the first part of a name that may be two artists; empty if it is not."""
    parts = _parts(name)
    return folded(parts[0]) if len(parts) == 2 and not _REST_OF_BAND.match(parts[1]) else ""


def _once(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep the first credit of each artist, main ones before featured ones."""
    kept: dict[str, tuple[str, str]] = {}
    for name, role in sorted(found, key=lambda item: item[1] == FEATURED):
        key = folded(name)
        if key and not is_no_artist(name):
            kept.setdefault(key, (name[:300], role))
    return list(kept.values())


def _featured_in(text: str) -> tuple[str, list[str]]:
    """Split a text into the part before the featured artists, and them."""
    featured: list[str] = []
    kept, end = "", 0
    for found in _FEATURED.finditer(text.translate(_FULL_WIDTH)):
        start, stop = found.span(1 if found[1] else 2)
        featured.append(text[start:stop].strip())
        kept += text[end : found.start()] + " "
        end = found.end()
    return " ".join((kept + text[end:]).split()).strip(" ,;-"), featured


def _split(
    name: str, id_count: int, sure: Sequence[str], is_known: Callable[[str], bool]
) -> list[tuple[str, str]]:
    if folded(name) in _WHOLE:
        return [(name.strip(), MAIN)]
    mains, featured = _featured_in(name)
    found = [(part, MAIN) for part in _SURE.split(mains) if part.strip()]
    found += [(part, FEATURED) for text in featured for part in _SURE.split(text) if part.strip()]
    missing = id_count - len(found)
    split: list[tuple[str, str]] = []
    for part, role in found:
        pieces = _parts(part)
        by_ids = id_count and missing > 0 and len(pieces) - 1 == missing
        is_split = len(pieces) > 1 and (by_ids or _is_sure(pieces, role, sure, is_known))
        split += [(piece, role) for piece in (pieces if is_split else [part.strip()])]
    return split


def _is_sure(
    pieces: Sequence[str], role: str, sure: Sequence[str], is_known: Callable[[str], bool]
) -> bool:
    keys = [folded(piece) for piece in pieces]
    if sure and set(keys) <= set(sure):
        return True
    if all(map(is_known, keys)):
        return True
    is_two = len(pieces) == 2 and not _REST_OF_BAND.match(pieces[1])
    return is_two and is_known(keys[0])


def _parts(name: str) -> list[str]:
    """Return the parts of a name at separators that may be part of it; one part if it is whole."""
    if folded(name) in _WHOLE:
        return [name]
    return [part.strip() for part in _MAYBE.split(name) if part and part.strip()] or [name]
