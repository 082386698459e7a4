"""What a client sends, read as AudioMuse-AI reads it: a number that is none is its default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext
from rest_framework.exceptions import NotFound, ParseError

if TYPE_CHECKING:
    from rest_framework.request import Request

SERVER_ID: Final = "affetti"
"""What the one server of the ids is called."""
MOST_ROWS: Final = 500
"""Of one answer; a client that asks for more gets so many."""
_MOST_TEXT: Final = 2_000
_NUMBER: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_ID: Final = re.compile(r"\d{1,18}", re.ASCII)
_ARTIST_ID: Final = re.compile(r"ar-(\d{1,18})", re.ASCII)


class Parameters:
    """The parameters of a call: the query of a GET, the object in the body of a POST."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def of(cls, request: Request) -> Parameters:
        """Return those of a request; ParseError if the body is no object."""
        if request.method != "POST":
            return cls(request.query_params.dict())
        data = request.data
        if not isinstance(data, Mapping):
            raise ParseError(gettext("The body must be a JSON object."))
        return cls({**request.query_params.dict(), **data})

    def text(self, name: str) -> str:
        """Return a text without spaces at its ends; empty if it was not sent."""
        value = self._values.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ParseError(gettext("%(name)s must be a text.") % {"name": name})
        text = str(value).replace("\0", "").strip()
        if len(text) > _MOST_TEXT:
            raise ParseError(
                gettext("%(name)s has more than %(most)s characters.")
                % {"name": name, "most": _MOST_TEXT}
            )
        return text

    def number(self, name: str, default: int) -> int:
        """Return a whole number; `default` if it was not sent or is none."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return default
        return int(value) if _NUMBER.fullmatch(str(value)) else default

    def size(self, name: str, default: int, most: int = MOST_ROWS) -> int:
        """Return how many rows are wanted, at least one."""
        return min(max(1, self.number(name, default)), most)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether a parameter is true; `default` if it was not sent."""
        value = self._values.get(name)
        return default if value is None else str(value).lower() in {"1", "true", "yes", "y"}

    def listed(self, name: str, most: int = MOST_ROWS) -> list[Any]:
        """Return a list; empty if it was not sent."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ParseError(gettext("%(name)s must be a list.") % {"name": name})
        if len(value) > most:
            raise ParseError(
                gettext("%(name)s has more than %(most)s entries.") % {"name": name, "most": most}
            )
        return value


def song_id(text: object) -> int:
    """Return the number of a song's id; NotFound if it is none."""
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str) or not _ID.fullmatch(text.strip()):
        raise NotFound(gettext("There is no track with the id %(id)s.") % {"id": str(text)[:60]})
    return int(text)


def artist_id(text: str) -> int | None:
    """Return the number of an artist's id, as players of OpenSubsonic see it; else None."""
    match = _ARTIST_ID.fullmatch(text)
    return int(match[1]) if match else None
