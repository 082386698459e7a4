"""How lists are paged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext
from rest_framework import pagination, serializers

from recommender.paging import LatePaginator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.views import APIView

_MOST_PAGE: Final = 2**31 - 1
"""A larger number of a page is not a 32-bit integer, which some clients read."""


class PageNumberPagination(pagination.PageNumberPagination):
    """`?page=` from 1, and `?page_size=` from 1 to 200; other values are errors."""

    django_paginator_class = LatePaginator
    page_size_query_param = "page_size"
    max_page_size = 200

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any] | None:
        _number(request, self.page_query_param, default=1, most=_MOST_PAGE)
        return super().paginate_queryset(queryset, request, view)

    def get_page_size(self, request: Request) -> int | None:
        return _number(
            request,
            self.page_size_query_param,
            default=self.page_size or 1,
            most=self.max_page_size,
        )

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Add the limits to the schema."""
        parameters = super().get_schema_operation_parameters(view)
        limits = {
            self.page_query_param: _MOST_PAGE,
            self.page_size_query_param: self.max_page_size,
        }
        for parameter in parameters:
            parameter["schema"] |= {"minimum": 1, "maximum": limits[parameter["name"]]}
        return parameters


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
