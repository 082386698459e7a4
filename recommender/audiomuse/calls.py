"""The calls by address and method; each module of this package registers its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from rest_framework.exceptions import NotAuthenticated

from recommender.models import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import AnonymousUser, User
    from rest_framework.request import Request
    from rest_framework.response import Response

    from recommender.audiomuse.parameters import Parameters

    Function = Callable[["Ask"], Response | dict[str, Any] | list[Any]]
    F = TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of a client; `parameters` are those of the query, or of the body of a POST."""

    request: Request
    user: User | AnonymousUser
    parameters: Parameters
    keys: dict[str, str]
    """The parts of the address."""

    @property
    def account(self) -> User:
        """The account that calls; raises NotAuthenticated without one."""
        if not self.user.is_authenticated:
            raise NotAuthenticated
        return self.user


class Call(NamedTuple):
    """A call: what answers it, the scope that its token needs, and the rate that counts it."""

    function: Function
    scope: Scope | None
    """None for what anybody may ask."""
    throttle: str


CALLS: Final[dict[str, dict[str, Call]]] = {}
"""By address and method."""


def call(
    method: str, route: str, *, scope: Scope | None = Scope.READ, throttle: str = ""
) -> Callable[[F], F]:
    """Register a function as the answer to a method at an address."""

    def register(function: F) -> F:
        CALLS.setdefault(route, {})[method.lower()] = Call(function, scope, throttle)
        return function

    return register
