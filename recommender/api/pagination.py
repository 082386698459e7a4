"""How lists are paged: by cursors, or by numbers if the request names a page.

A view says in `keysets` which orders of its list pages by cursors go along; "" is its own order.
A list in another order is paged by cursors that hold a number of rows to skip.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from django.db.models import QuerySet
from django.utils.translation import gettext
from rest_framework import pagination, serializers
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from recommender.api.cursors import Cursor
from recommender.paging import Keyset, LatePaginator, Slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rest_framework.request import Request
    from rest_framework.views import APIView

_MOST_PAGE: Final = 2**31 - 1
"""A larger number of a page is not a 32-bit integer, which some clients read."""


class Pagination(pagination.PageNumberPagination):
    """`?cursor=` and `?limit=`, or `?page=` from 1 and `?page_size=`; other values are errors.

    A request that names no page gets the first one, and its `next` is a cursor.
    """

    django_paginator_class = LatePaginator
    page_size_query_param = "page_size"
    cursor_query_param = "cursor"
    limit_query_param = "limit"
    max_page_size = 200

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return [
            *(self.cursor_query_param, self.limit_query_param),
            *(self.page_query_param, self.page_size_query_param),
        ]

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any] | Sorted,
        request: Request,
        view: APIView | None = None,
    ) -> list[Any] | None:
        self.request = request
        self._cursors: dict[str, Cursor | None] = {}
        by_number = [self.page_query_param, self.page_size_query_param]
        if not any(name in request.query_params for name in by_number):
            return self._by_cursor(_listed(queryset, _keyset(request, view)), request)
        for name in (self.cursor_query_param, self.limit_query_param):
            if name in request.query_params:
                problem = gettext("Give cursor and limit, or page and page_size.")
                raise serializers.ValidationError({name: [problem]})
        _number(request, self.page_query_param, default=1, most=_MOST_PAGE)
        if isinstance(queryset, Sorted):
            queryset = queryset.items
        if isinstance(queryset, QuerySet) and (keyset := _keyset(request, view)):
            queryset = keyset.ordered(queryset)
        return super().paginate_queryset(queryset, request, view)

    def _by_cursor(self, rows: _Listed, request: Request) -> list[Any]:
        size = _number(
            request, self.limit_query_param, default=self.page_size or 1, most=self.max_page_size
        )
        given = request.query_params.get(self.cursor_query_param)
        cursor = Cursor(0, (), rows.fields)
        if given is not None:
            cursor = Cursor.read(given, request, rows.fields)
        found = rows.slice(place=cursor.place, size=size, is_back=cursor.is_back)
        if given is None:
            count = rows.total() if found.has_more else len(found.values)
            cursor = replace(cursor, count=count)
        self._count = cursor.count
        first, last = (found.values[0], found.values[-1]) if found.values else ((), ())
        # Before an empty page lies the end of the list, or behind it the beginning.
        before = replace(cursor, place=first, is_back=True)
        behind = replace(cursor, place=last, is_back=False)
        has_before = found.has_more if cursor.is_back else bool(cursor.place)
        has_behind = bool(cursor.place) if cursor.is_back else found.has_more
        self._cursors = {
            "next": behind if has_behind else None,
            "previous": before if has_before else None,
        }
        return rows.read(found)

    def get_paginated_response(self, data: Any) -> Response:
        if not self._cursors:
            return super().get_paginated_response(data)
        links = {name: self._link(cursor) for name, cursor in self._cursors.items()}
        return Response({"count": self._count, **links, "results": data})

    def _link(self, cursor: Cursor | None) -> str | None:
        if cursor is None or self.request is None:
            return None
        url = remove_query_param(self.request.build_absolute_uri(), self.cursor_query_param)
        written = cursor.written(self.request)
        return replace_query_param(url, self.cursor_query_param, written)

    def get_page_size(self, request: Request) -> int | None:
        return _number(
            request,
            self.page_size_query_param,
            default=self.page_size or 1,
            most=self.max_page_size,
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Say what the count is of."""
        described: dict[str, Any] = super().get_paginated_response_schema(schema)
        properties = described["properties"]
        properties["count"]["description"] = "Of the whole list, when its first page was asked for."
        for name, what in (("next", "after"), ("previous", "before")):
            properties[name]["description"] = f"Address of the page {what} this one; null: none."
        return described

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Add the limits to the schema."""
        parameters = super().get_schema_operation_parameters(view)
        limits = {
            self.page_query_param: _MOST_PAGE,
            self.page_size_query_param: self.max_page_size,
        }
        for parameter in parameters:
            parameter["schema"] |= {"minimum": 1, "maximum": limits[parameter["name"]]}
        return [*_CURSOR_PARAMETERS, *parameters]


_CURSOR_PARAMETERS: Final[list[dict[str, Any]]] = [
    {
        "name": "cursor",
        "required": False,
        "in": "query",
        "description": "Of `next` or `previous` of another page of the same list.",
        "schema": {"type": "string"},
    },
    {
        "name": "limit",
        "required": False,
        "in": "query",
        "description": "Number of results of a page by cursor.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": Pagination.max_page_size,
        },
    },
]


def _keyset(request: Request, view: APIView | None) -> Keyset | None:
    """Return the order of cursors for what a request asks for; None if the view has none."""
    keysets: Mapping[str, Keyset] = getattr(view, "keysets", {})
    ordering = request.query_params.get("ordering", "")
    keyset = keysets.get(ordering.removeprefix("-"))
    if keyset is None or not ordering.startswith("-"):
        return keyset
    return keyset.reversed()


class _Listed(Protocol):
    """What a list by cursors is made of; `recommender.feedback` has one of its own."""

    @property
    def fields(self) -> tuple[str, ...]: ...

    def total(self) -> int: ...

    def slice(self, *, place: tuple[Any, ...], size: int, is_back: bool) -> Slice: ...

    def read(self, found: Slice) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows in the order of a keyset: the keys of a page are found in an index, then the rows."""

    keyset: Keyset
    rows: QuerySet[Any]

    @property
    def fields(self) -> tuple[str, ...]:
        return self.keyset.fields

    def total(self) -> int:
        return self.rows.count()

    def slice(self, *, place: tuple[Any, ...], size: int, is_back: bool) -> Slice:
        return self.keyset.slice(self.rows, place=place, size=size, is_back=is_back)

    def read(self, found: Slice) -> list[Any]:
        by_key = self.rows.order_by().in_bulk(found.keys)
        return [by_key[key] for key in found.keys if key in by_key]


@dataclass(frozen=True, slots=True)
class _Skipped:
    """Rows in an order that no keyset has: the place of a page is a number of rows before it."""

    rows: QuerySet[Any] | Sequence[Any]
    fields: tuple[str, ...] = ("skipped",)

    def total(self) -> int:
        return self.rows.count() if isinstance(self.rows, QuerySet) else len(self.rows)

    def slice(self, *, place: tuple[Any, ...], size: int, is_back: bool) -> Slice:
        # The place is the number of the row that the page is beside, counted from 0.
        total = self.total()
        beside = int(place[0]) if place else total if is_back else -1
        start = max(0, beside - size) if is_back else beside + 1
        end = beside if is_back else start + size
        numbers = [(number,) for number in range(start, min(end, total))]
        return Slice(numbers, start > 0 if is_back else end < total)

    def read(self, found: Slice) -> list[Any]:
        return list(self.rows[found.keys[0] : found.keys[-1] + 1]) if found.keys else []


@dataclass(frozen=True, slots=True)
class Sorted:
    """A list in memory, sorted by the values of some attributes, which differ from item to item."""

    items: Sequence[Any]
    fields: tuple[str, ...]

    def total(self) -> int:
        """Return the number of items."""
        return len(self.items)

    def slice(self, *, place: tuple[Any, ...], size: int, is_back: bool) -> Slice:
        """Return the places of `size` items behind a place, or before it."""
        places = [tuple(getattr(one, name) for name in self.fields) for one in self.items]
        if is_back:
            end = bisect_left(places, place) if place else len(places)
            return Slice(places[max(0, end - size) : end], end > size)
        start = bisect_right(places, place) if place else 0
        return Slice(places[start : start + size], len(places) > start + size)

    def read(self, found: Slice) -> list[Any]:
        """Return the items of a slice."""
        wanted = set(found.values)
        return [one for one in self.items if tuple(getattr(one, n) for n in self.fields) in wanted]


def _listed(rows: Any, keyset: Keyset | None) -> _Listed:
    if hasattr(rows, "slice"):
        return cast("_Listed", rows)
    return _Skipped(rows) if keyset is None else _Rows(keyset, rows)


def _number(request: Request, name: str, *, default: int, most: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    number = int(given) if given.isascii() and given.isdecimal() and len(given) <= 10 else 0
    if not 1 <= number <= most:
        raise serializers.ValidationError(
            {name: [gettext("Give a whole number from 1 to %(most)s.") % {"most": most}]}
        )
    return number
