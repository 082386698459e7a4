"""What the pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from django.core.paginator import Paginator

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

_PAGE_SIZE: Final = 50


def account(request: HttpRequest) -> User:
    """Return the user of a request whose view requires a login."""
    return cast("User", request.user)


def page_of(request: HttpRequest, rows: QuerySet[Model]) -> Any:
    """Return the page of `rows` that the query asks for; the nearest one if it does not exist."""
    return Paginator(rows, _PAGE_SIZE).get_page(request.GET.get("page"))
