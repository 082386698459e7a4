"""What a client sends: the query of the address and a form in the body, read with limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

from django.utils.translation import gettext

from recommender.subsonic.answers import Code, SubsonicError

if TYPE_CHECKING:
    from django.http import HttpRequest

MOST_ROWS: Final = 500
"""Of one page; a client that asks for more gets so many."""
MOST_FIELDS: Final = 10_000
BODY_LIMIT: Final = 512 * 1024
_LARGEST: Final = 2**63 - 1
_MOST_TEXT: Final = 2_000
_NUMBER: Final = re.compile(r"-?\d{1,19}", re.ASCII)
_LATEST_MS: Final = 253_402_300_799_000  # the end of the year 9999


class Item(NamedTuple):
    """What an id stands for: a song, an album or an artist."""

    kind: str
    pk: int


class Parameters:
    """The parameters of a call. What is missing or no value raises `SubsonicError`."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            # PostgreSQL stores no NUL, and no text has a use for one.
            self._values.setdefault(name, []).append(value.replace("\0", ""))

    @classmethod
    def of(cls, request: HttpRequest) -> Parameters:
        """Return those of a request; of a name that comes twice, the query's value is first."""
        texts = [request.META.get("QUERY_STRING", "")]
        if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
            texts.append(request.body.decode("utf-8", "replace"))
        pairs: list[tuple[str, str]] = []
        for text in texts:
            try:
                pairs += parse_qsl(
                    text, keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS
                )
            except ValueError as error:
                raise SubsonicError(
                    Code.GENERIC,
                    gettext("A call takes at most %(most)s parameters.") % {"most": MOST_FIELDS},
                ) from error
        return cls(pairs)

    def has(self, name: str) -> bool:
        """Whether a parameter was sent with a value."""
        return bool(self._values.get(name, [""])[0])

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        given = self._values.get(name)
        if given is None or (default is None and not given[0].strip()):
            if default is None:
                raise _missing(name)
            return default
        if len(given[0]) > _MOST_TEXT:
            raise _wrong(
                name,
                gettext("must have at most %(most)s characters") % {"most": _MOST_TEXT},
            )
        return given[0]

    def number(
        self, name: str, default: int | None = None, *, least: int = 0, most: int = _LARGEST
    ) -> int:
        """Return a whole number; one that is larger than `most` counts as `most`."""
        if not self.has(name) and default is not None:
            return default
        given = self.text(name).strip()
        if not _NUMBER.fullmatch(given) or int(given) < least:
            raise _wrong(name, gettext("must be a whole number from %(least)s") % {"least": least})
        return min(int(given), most)

    def size(self, name: str, default: int) -> int:
        """Return how many rows of a page are asked for."""
        return self.number(name, default, most=MOST_ROWS)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a truth."""
        given = self.text(name, "").strip().lower()
        if not given:
            return default
        if given not in {"true", "false", "1", "0"}:
            raise _wrong(name, gettext("must be true or false"))
        return given in {"true", "1"}

    def moment(self, text: str, name: str) -> datetime:
        """Return the moment that a number of milliseconds since 1970 names."""
        if not _NUMBER.fullmatch(text) or not 0 <= int(text) <= _LATEST_MS:
            raise _wrong(name, gettext("must be milliseconds since 1970"))
        return datetime.fromtimestamp(int(text) / 1000, UTC)

    def texts(self, name: str) -> list[str]:
        """Return every value of a parameter that may be repeated."""
        return [value for value in self._values.get(name, []) if value]

    def songs(self, name: str) -> list[int]:
        """Return the ids of songs that a parameter lists."""
        return [song_pk(text) for text in self.texts(name)]

    def song(self, name: str = "id") -> int:
        """Return the id of a song."""
        return song_pk(self.text(name))

    def item(self, name: str = "id") -> Item:
        """Return what an id stands for."""
        return item_read(self.text(name))


_ID: Final = re.compile(r"(al-|ar-|)(\d{1,19})", re.ASCII)
_KINDS: Final = {"": "song", "al-": "album", "ar-": "artist"}


def item_read(text: str) -> Item:
    """Return what an id stands for; NOT_FOUND for what is no id of ours."""
    match = _ID.fullmatch(text)
    if match is None or int(match[2]) > _LARGEST:
        raise not_found()
    return Item(_KINDS[match[1]], int(match[2]))


def song_pk(text: str) -> int:
    """Return the song that an id names."""
    item = item_read(text)
    if item.kind != "song":
        raise not_found()
    return item.pk


def uuid_read(text: str) -> UUID:
    """Return the UUID that an id is; NOT_FOUND for any other text."""
    try:
        return UUID(text)
    except ValueError as error:
        raise not_found() from error


def not_found() -> SubsonicError:
    """Return the error for what is not there, or belongs to somebody else."""
    return SubsonicError(Code.NOT_FOUND, gettext("There is nothing with this id."))


def _missing(name: str) -> SubsonicError:
    return SubsonicError(
        Code.PARAMETER_MISSING, gettext("The parameter %(name)s is missing.") % {"name": name}
    )


def _wrong(name: str, problem: str) -> SubsonicError:
    words = gettext("The parameter %(name)s %(problem)s.") % {"name": name, "problem": problem}
    return SubsonicError(Code.GENERIC, words)
