"""Pages of long lists: a late page costs little more than the first."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import BooleanField, F, FloatField, Func, QuerySet, Value
from django.db.models.functions import Cast

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


class Known(NamedTuple):
    """A column that may be null, in an order of rows: null counts as `unknown`, a number in SQL.

    The number is part of the statement, so that an index of the same expression serves the order.
    """

    column: str
    unknown: str
    unknown_reversed: str = ""
    """What null counts as in the reversed order, if that is another number."""
    joined_by: str = ""
    """The foreign key of the table that has the column, if that is another one.

    Its index knows nothing of rows without a value. So pages come from two lists, one behind the
    other: rows with a value, and rows without one.
    """

    @property
    def alias(self) -> str:
        """Return the name that the order has for the value."""
        return f"known_{self.column.rpartition('__')[2]}"

    def expression(self) -> Func:
        """Return the value, never null."""
        template = f"COALESCE(%(expressions)s, {self.unknown})"
        return Func(F(self.column), template=template)

    def reversed(self) -> Known:
        """Return the column as the reversed order has it."""
        unknown = self.unknown_reversed or self.unknown
        return self._replace(unknown=unknown, unknown_reversed=self.unknown)


class Slice(NamedTuple):
    """Rows of an order beside a place: their values in the order, and whether there are more."""

    values: list[tuple[Any, ...]]
    has_more: bool

    @property
    def keys(self) -> list[Any]:
        """Return the keys of the rows."""
        return [one[-1] for one in self.values]


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order of rows whose pages begin after the last row of the page before.

    The hundredth page costs no more than the first, if an index has the fields. The last field is
    `pk`. No value of a field is ever null; `Known` makes one of a column that may be.
    """

    columns: tuple[str | Known, ...]
    is_descending: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of the values of a place."""
        return tuple(one.alias if isinstance(one, Known) else one for one in self.columns)

    def reversed(self) -> Keyset:
        """Return the order the other way round."""
        columns = (one.reversed() if isinstance(one, Known) else one for one in self.columns)
        return Keyset(tuple(columns), is_descending=not self.is_descending)

    def page(self, rows: QuerySet[Any], *, after: str, size: int) -> KeysetPage:
        """Return the keys of the page that begins at `after`; of the first, if no page named it.

        The fields of `after` that are named `*_sort` hold bytes, the others numbers.
        """
        found = self.slice(rows, place=self._place(after), size=size)
        return KeysetPage(found.keys, _written(found.values[-1]) if found.has_more else "")

    def slice(
        self, rows: QuerySet[Any], *, place: tuple[Any, ...], size: int, is_back: bool = False
    ) -> Slice:
        """Return `size` rows behind a place, or before it; the first rows, if there is no place."""
        order = replace(self, is_descending=self.is_descending != is_back)
        found: list[tuple[Any, ...]] = []
        for part in order._parts(rows, place):
            if place:
                part = part.filter(order._behind(part, place))
            found += part.values_list(*self.fields)[: size + 1 - len(found)]
            if len(found) > size:
                break
        has_more, found = len(found) > size, found[:size]
        return Slice(found[::-1] if is_back else found, has_more)

    def ordered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return rows in this order."""
        known = [one for one in self.columns if isinstance(one, Known)]
        return self._by_fields(rows.annotate(**{one.alias: one.expression() for one in known}))

    def _by_fields(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.order_by(*(f"-{name}" if self.is_descending else name for name in self.fields))

    def _parts(self, rows: QuerySet[Any], place: tuple[Any, ...]) -> list[QuerySet[Any]]:
        """Return the lists of rows that follow each other behind a place in this order."""
        first = self.columns[0]
        if not (isinstance(first, Known) and first.joined_by):
            return [self.ordered(rows)]
        unknown = float(first.unknown)
        there = rows.filter(**{f"{first.joined_by}__isnull": False})
        there = there.annotate(**{first.alias: F(first.column)})
        if place and place[0] != unknown:
            # A comparison of rows of two tables begins in no index; one of a column does.
            side = "lte" if self.is_descending else "gte"
            there = there.filter(**{f"{first.alias}__{side}": place[0]})
        absent = rows.filter(**{f"{first.joined_by}__isnull": True})
        absent = absent.annotate(**{first.alias: Cast(Value(unknown), FloatField())})
        parts = [self._by_fields(there), self._by_fields(absent)]
        is_absent_last = (unknown < 0) == self.is_descending
        if not is_absent_last:
            parts.reverse()
        is_in_last = bool(place) and (place[0] == unknown) == is_absent_last
        return parts[1:] if is_in_last else parts

    def _behind(self, rows: QuerySet[Any], place: tuple[Any, ...]) -> Func:
        """Return the condition of the rows behind a place in the order."""
        columns = [F(name) for name in self.fields]
        fields = [one.resolve_expression(rows.query).output_field for one in columns]
        values = [Value(one, field) for one, field in zip(place, fields, strict=True)]
        return _Beside(*columns, *values, is_down=self.is_descending)

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


NEWEST: Final = Keyset(("created_at", "pk"), is_descending=True)
"""The order of lists of what somebody made: the newest first."""


class _Beside(Func):
    """(a, b) > (x, y): a comparison of rows, for which a database begins inside an index."""

    output_field = BooleanField()

    def __init__(self, *columns_and_values: Any, is_down: bool) -> None:
        super().__init__(*columns_and_values)
        self._is_down = is_down

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        compiled = [compiler.compile(one) for one in self.get_source_expressions()]
        sqls = [sql for sql, _ in compiled]
        half = len(sqls) // 2
        left, right = ", ".join(sqls[:half]), ", ".join(sqls[half:])
        params = [param for _, given in compiled for param in given]
        return f"({left}) {'<' if self._is_down else '>'} ({right})", params


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
