"""What the pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib.auth.decorators import user_passes_test
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator

from recommender.access import is_staff_who_may

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

    _View = TypeVar("_View", bound=Callable[..., Any])

_PAGE_SIZE: Final = 50


def account(request: HttpRequest) -> User:
    """Return the user of a request whose view requires a login."""
    return cast("User", request.user)


def page_of(request: HttpRequest, rows: QuerySet[Model] | Sequence[object]) -> Any:
    """Return the page of `rows` that the query asks for; the nearest one if it does not exist."""
    return Paginator(rows, _PAGE_SIZE).get_page(request.GET.get("page"))


def staff_who_may(permission: str) -> Callable[[_View], _View]:
    """Allow a page only to staff with a model permission; others who are logged in get 403."""

    def may(user: User | AnonymousUser) -> bool:
        if user.is_authenticated and not is_staff_who_may(user, permission):
            raise PermissionDenied  # to log in once more would not help
        return user.is_authenticated

    return user_passes_test(may)
