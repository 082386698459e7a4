"""Cursors: the place in a list where a page begins, as clients hold it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from django.core import signing
from django.utils.translation import gettext

from recommender.errors import CursorInvalidError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rest_framework.request import Request

_SALT: Final = "recommender.api.cursor"
_MOST_CHARACTERS: Final = 8_192
"""More than any place writes: three names of 300 characters."""
OF_PAGES: Final = frozenset({"cursor", "limit", "page", "page_size"})
"""Parameters that choose a page and not what is in the list."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in one list, signed, so that a client can neither change it nor make one up.

    It holds values of a row that the client has seen, and how many rows the list had at its first
    page. It is good for the list that made it: the same address, filters, order and account.
    """

    count: int
    place: tuple[Any, ...]
    names: tuple[str, ...]
    """The fields of the order; the place has one value of each, or none at the first page."""
    is_back: bool = False

    def written(self, request: Request) -> str:
        """Return the cursor as the address of a page holds it."""
        values = [_plain(one) for one in self.place]
        content = [_list_mark(request, self.names), self.count, int(self.is_back), values]
        # Without the time, so that the same page has the same cursors, and the same ETag.
        return _signer().sign_object(content, compress=True)

    @classmethod
    def read(cls, text: str, request: Request, names: Iterable[str]) -> Self:
        """Return the cursor of an address; CursorInvalidError if this list did not make it."""
        names = tuple(names)
        try:
            if len(text) > _MOST_CHARACTERS:
                raise signing.BadSignature
            mark, count, is_back, values = _signer().unsign_object(text)
        except (signing.BadSignature, ValueError) as error:
            raise CursorInvalidError(
                gettext("This is no cursor of the API, or it is damaged.")
            ) from error
        if mark != _list_mark(request, names):
            raise CursorInvalidError(
                gettext("This cursor is of another list: another address, filter or order.")
            )
        return cls(count, tuple(_value(*one) for one in values), names, bool(is_back))


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SALT)


def _list_mark(request: Request, names: tuple[str, ...]) -> str:
    """Return a short mark of a list: who asks for what, where, and in which order."""
    query = sorted((k, v) for k, v in request.query_params.items() if k not in OF_PAGES)
    what = repr((request.path, query, names, request.user.pk))
    return hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:16]


def _plain(value: Any) -> tuple[str, Any]:
    match value:
        case datetime():
            return "d", value.isoformat()
        case uuid.UUID():
            return "u", value.hex
        case bytes() | memoryview():
            return "b", bytes(value).hex()
        case _:
            return "", value


def _value(kind: str, plain: Any) -> Any:
    match kind:
        case "d":
            return datetime.fromisoformat(plain)
        case "u":
            return uuid.UUID(plain)
        case "b":
            return bytes.fromhex(plain)
        case _:
            return plain
