"""Pages of long lists: a late page costs little more than the first."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator  # takes no type when it runs


_MOST_AFTER: Final = 4096
"""Characters of a place: more than any order of rows writes."""


class LatePaginator(_Paginator):
    """Finds the keys of a page first, and reads the rows of these alone.

    A database that skips to a late page reads what it skips: here that is keys, often of an index
    alone, and not whole rows with those joined to them. The first page skips nothing.
    """

    def page(self, number: int | str) -> Page[Any]:
        rows = self.object_list
        valid = self.validate_number(number)
        if valid == 1 or not isinstance(rows, QuerySet):
            return super().page(valid)
        start = (valid - 1) * self.per_page
        end = start + self.per_page
        if end + self.orphans >= self.count:
            end = self.count
        keys = list(rows.values_list("pk", flat=True)[start:end])
        return Page(rows.filter(pk__in=keys), valid, self)


class KeysetPage(NamedTuple):
    """The keys of a page, in order, and where the next one begins: empty after the last."""

    keys: list[int]
    after: str


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order of rows whose pages begin after the last row of the page before.

    The hundredth page costs no more than the first, if an index has the fields. The last field is
    `pk`; those named `*_sort` hold bytes, the others numbers. None of them is ever null.
    """

    fields: tuple[str, ...]
    is_descending: bool = False

    def page(self, rows: QuerySet[Any], *, after: str, size: int) -> KeysetPage:
        """Return the keys of the page that begins at `after`; of the first, if no page named it."""
        place = self._place(after)
        if place:
            rows = rows.filter(self._behind(place))
        order = [f"-{name}" if self.is_descending else name for name in self.fields]
        found = list(rows.order_by(*order).values_list(*self.fields)[: size + 1])
        keys = [values[-1] for values in found[:size]]
        return KeysetPage(keys, _written(found[size - 1]) if len(found) > size else "")

    def _behind(self, place: tuple[Any, ...]) -> Q:
        """Return the condition of the rows behind a place in the order of the fields."""
        step = "lt" if self.is_descending else "gt"
        behind, same = Q(), Q()
        for name, value in zip(self.fields, place, strict=True):
            behind |= same & Q(**{f"{name}__{step}": value})
            same &= Q(**{name: value})
        # The first condition alone lets a database begin there in its index.
        return Q(**{f"{self.fields[0]}__{step}e": place[0]}) & behind

    def _place(self, after: str) -> tuple[Any, ...]:
        """Return the place that a page named; none if no page did."""
        if len(after) > _MOST_AFTER:
            return ()
        try:
            values = json.loads(base64.urlsafe_b64decode(after.encode()))
            return tuple(
                _read(name, value) for name, value in zip(self.fields, values, strict=True)
            )
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return ()


def _written(values: tuple[Any, ...]) -> str:
    plain = [one if isinstance(one, int | float) else bytes(one).hex() for one in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode()


def _read(name: str, value: Any) -> Any:
    if name.endswith("_sort"):
        return bytes.fromhex(value)
    if name == "pk":
        return int(value) % 2**63
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(name)
    return number
