"""Changes of a list by hand: a song moves, goes or comes, or is pinned in a list that is kept.

Each change is one word, such as ``move.12.0``, so that an address can carry them. They name songs,
so that a change still means the same when the list was changed elsewhere. A change of a song that
is not there changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from django.utils.translation import gettext

from recommender.errors import PlaylistErrorCode, PlaylistRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

EDIT_KINDS: Final = ("move", "remove", "add", "pin", "unpin")
MAX_EDITS: Final = 200
"""The most changes that an address or a call takes."""
MAX_ENTRIES: Final = 500
"""The most songs of a list that is changed by hand."""
_MAX_SONG_ID: Final = 2**63 - 1


class _HasSongId(Protocol):
    @property
    def song_id(self) -> int: ...


Row = TypeVar("Row", bound=_HasSongId)


@dataclass(frozen=True, slots=True)
class Edit:
    """One change; `position` is counted from 0 among the songs that are shown, None is the end."""

    kind: str
    song_id: int
    position: int | None = None

    @property
    def word(self) -> str:
        """The change as one word of an address."""
        end = "" if self.position is None else f".{self.position}"
        return f"{self.kind}.{self.song_id}{end}"


def edits_of_words(words: Sequence[str]) -> tuple[Edit, ...]:
    """Return the changes that an address lists; PlaylistRequestError if one is none."""
    if len(words) > MAX_EDITS:
        raise _wrong(
            gettext("has more than %(most)s changes; save the list, then go on")
            % {"most": MAX_EDITS}
        )
    return tuple(_edit(word) for word in words)


def _edit(word: str) -> Edit:
    kind, *numbers = word.split(".")
    if (
        kind not in EDIT_KINDS
        or not 1 <= len(numbers) <= 2
        or not all(n.isascii() and n.isdigit() and int(n) <= _MAX_SONG_ID for n in numbers)
    ):
        raise _wrong(
            gettext("must be like move.12.0, remove.12, add.12 or pin.12, not %(word)r")
            % {"word": word[:40]}
        )
    song_id, *position = map(int, numbers)
    return Edit(kind, song_id, position[0] if position else None)


def edited(
    rows: Sequence[Row],
    edits: Iterable[Edit],
    *,
    made: Callable[[int], Row | None],
    pinned: Callable[[Row, bool], Row] = lambda row, _: row,
    hidden: Collection[int] = (),
) -> list[Row]:
    """Return the rows after the changes; `made` gives the row of a song that comes, or None.

    `pinned` gives a row with a pin or without one; rows of a list that is not kept have none.
    Songs in `hidden` stay where they are and do not count in positions.
    """
    changed = list(rows)
    for edit in edits:
        at = next((n for n, row in enumerate(changed) if row.song_id == edit.song_id), None)
        if (at is None) != (edit.kind == "add"):
            continue
        if at is not None and edit.kind in {"pin", "unpin"}:
            changed[at] = pinned(changed[at], edit.kind == "pin")
            continue
        row = made(edit.song_id) if at is None else changed.pop(at)
        if row is None or edit.kind == "remove":
            continue
        shown = [n for n, other in enumerate(changed) if other.song_id not in hidden]
        is_end = edit.position is None or edit.position >= len(shown)
        changed.insert(len(changed) if is_end else shown[edit.position or 0], row)
    if len(changed) > max(MAX_ENTRIES, len(rows)):
        raise _wrong(
            gettext("would give the list more than %(most)s songs") % {"most": MAX_ENTRIES}
        )
    return changed


def _wrong(problem: str) -> PlaylistRequestError:
    return PlaylistRequestError(
        PlaylistErrorCode.REQUEST_INVALID,
        f"edit {problem}",
        {"field": "edit"},
    )
