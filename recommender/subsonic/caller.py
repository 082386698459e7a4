"""Who calls: an account with one of its app passwords, or with a token of the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext

from recommender.accounts import (
    app_password_find,
    app_password_matches,
    app_token_matches,
    token_find,
)
from recommender.models import Scope
from recommender.subsonic.answers import Code, SubsonicError
from recommender.throttles import key_was_wrong, keys_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from recommender.models import Token
    from recommender.subsonic.parameters import Parameters

_OF_APP_PASSWORDS: Final = frozenset({Scope.READ, Scope.LISTEN, Scope.PLAYLISTS})
_HEX: Final = "enc:"


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that calls, and the token that it sent; None with an app password."""

    user: User
    token: Token | None = None

    def check(self, scope: Scope) -> None:
        """Raise NOT_ALLOWED unless a call that needs `scope` may be made."""
        if scope in _OF_APP_PASSWORDS if self.token is None else self.token.allows(scope):
            return
        raise SubsonicError(
            Code.NOT_ALLOWED,
            gettext("The API key needs the scope %(scope)s.") % {"scope": scope},
        )


def caller_of(request: HttpRequest, parameters: Parameters) -> Caller:
    """Return who calls. Raises `SubsonicError`, and Throttled after too many wrong keys."""
    if parameters.has("apiKey"):
        return _by_api_key(request, parameters)
    username = parameters.text("u")
    keys_check(request, username)
    matches = _matching(parameters)
    found = app_password_find(username=username[:150], matches=matches)
    if found is None:
        key_was_wrong(request, username)
        raise SubsonicError(
            Code.WRONG_PASSWORD,
            gettext(
                "User name and app password do not match. Make an app password on your account "
                "page; your own password does not work here."
            ),
        )
    return Caller(found.user)


def _by_api_key(request: HttpRequest, parameters: Parameters) -> Caller:
    if any(parameters.has(name) for name in ("u", "p", "t", "s")):
        raise SubsonicError(
            Code.MECHANISMS_CONFLICT, gettext("Send apiKey alone, without u, p, t and s.")
        )
    key = parameters.text("apiKey")
    keys_check(request, key)
    token = token_find(key.encode("ascii", "replace"))
    if token is None:
        key_was_wrong(request, key)
        raise SubsonicError(Code.WRONG_API_KEY, gettext("The API key is not valid."))
    return Caller(token.user, token)


def _matching(parameters: Parameters) -> Callable[[str], bool]:
    """Return what compares an app password with what was sent."""
    has_token = parameters.has("t") or parameters.has("s")
    if parameters.has("p") and has_token:
        raise SubsonicError(Code.MECHANISMS_CONFLICT, gettext("Send p, or t and s, but not both."))
    if has_token:
        return app_token_matches(parameters.text("t"), parameters.text("s"))
    password = parameters.text("p")
    if password.startswith(_HEX):
        try:
            password = bytes.fromhex(password[len(_HEX) :]).decode()
        except ValueError:
            password = ""
    return app_password_matches(password)
