"""The calls by name; each module of this package registers its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from recommender.models import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from recommender.subsonic.caller import Caller
    from recommender.subsonic.parameters import Parameters

    Function = Callable[["Ask"], dict[str, Any] | HttpResponseBase]
    F = TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of a client."""

    request: HttpRequest
    parameters: Parameters
    caller: Caller

    @property
    def user(self) -> User:
        """The account that calls."""
        return self.caller.user


class Call(NamedTuple):
    """A call: what answers it, the scope that a token needs, and the rate that counts it."""

    function: Function
    scope: Scope
    throttle: str


CALLS: Final[dict[str, Call]] = {}


def call(*names: str, scope: Scope = Scope.READ, throttle: str = "") -> Callable[[F], F]:
    """Register a function as the answer to calls with these names."""

    def register(function: F) -> F:
        for name in names:
            CALLS[name] = Call(function, scope, throttle)
        return function

    return register
