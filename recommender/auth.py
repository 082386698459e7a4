"""Who a request comes from: the tokens of the API, and what each may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.utils.translation import gettext
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import SAFE_METHODS

from recommender.accounts import token_find
from recommender.throttles import account_attempt, account_entered, request_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeVar

    from django.contrib.auth.models import User
    from django.http import HttpRequest
    from drf_spectacular.openapi import AutoSchema
    from rest_framework.request import Request

    from recommender.models import Scope, Token

    _View = TypeVar("_View", bound=Callable[..., Any])

_KEYWORD = "Token"


def request_token(
    request: HttpRequest | Request, keywords: Collection[str] = (_KEYWORD.lower(),)
) -> Token | None:
    """Return the token that a request sends after one of the keywords, None without one.

    Raises AuthenticationFailed if it is malformed, unknown or expired, or if its owner is inactive.
    """
    words = get_authorization_header(request).split()  # type: ignore[arg-type]  # reads META alone
    if not words or words[0].lower().decode("latin-1") not in keywords:
        return None
    if len(words) != 2:
        raise exceptions.AuthenticationFailed(
            gettext("Send the header as: Authorization: Token <token>")
        )
    token = token_find(words[1])
    if token is None:
        raise exceptions.AuthenticationFailed(gettext("The token is not valid. Log in again."))
    return token


def scope_check(token: Token, scope: Scope | None) -> None:
    """Raise PermissionDenied unless the token may do what needs `scope`; None takes no token."""
    if scope is None:
        raise exceptions.PermissionDenied(gettext("This address takes no token."))
    if not token.allows(scope):
        raise exceptions.PermissionDenied(
            gettext("The token needs the scope %(scope)s; it has %(scopes)s.")
            % {"scope": scope, "scopes": ", ".join(token.scopes)}
        )


def takes_token(scope: Scope) -> Callable[[_View], _View]:
    """Let a page of a private site take a token with `scope` in place of a login."""

    def mark(view: _View) -> _View:
        view.scope = scope  # type: ignore[attr-defined]
        return view

    return mark


class CarefulBackend(ModelBackend):
    """Names and passwords, with a growing delay for an account whose password is guessed at.

    Every way to log in comes here: pages, admin and API.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user; None if the password is wrong. Throttled while a delay lasts."""
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        account_attempt(request, username)
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None:
            account_entered(request, username)
        return user


class TokenAuthentication(BaseAuthentication):
    """Tokens of views that name in `scope` what they need; other views take no token.

    Where `is_door` is set, a token of every scope is taken, and one that is not valid counts as
    none. The latter also holds for reading what `is_public`.
    """

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        view = request.parser_context["view"]
        is_door = getattr(view, "is_door", False)
        try:
            token = request_token(request, self._keywords(view))
        except exceptions.AuthenticationFailed:
            is_read = settings.AFFETTI_PUBLIC and request.method in SAFE_METHODS
            if is_door or (is_read and getattr(view, "is_public", False)):
                return None
            raise
        if token is None:
            return None
        if not is_door:
            try:
                scope_check(token, getattr(view, "scope", None))
            except exceptions.PermissionDenied:
                request_limit(request, token.user)  # the owner is known, and no longer afterwards
                raise
        return token.user, token

    @staticmethod
    def _keywords(view: object) -> tuple[str, ...]:
        own = _KEYWORD.lower()
        # Programs that were written for another service cannot send ours.
        return (own, "bearer") if getattr(view, "takes_bearer", False) else (own,)

    def authenticate_header(self, request: Request) -> str:
        return _KEYWORD


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The same in the schema."""

    target_class = f"{__name__}.{TokenAuthentication.__name__}"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        definition: dict[str, Any] = build_bearer_security_scheme_object(
            header_name="Authorization", token_prefix=_KEYWORD
        )
        return definition
