"""Who may use the site, and how often a password may be tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.throttling import SimpleRateThrottle

from recommender.auth import TokenAuthentication

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request
    from rest_framework.views import APIView


class LoginThrottle(SimpleRateThrottle):
    """Limits how often one address tries a name and password, on pages and API together."""

    scope = "login"

    def get_cache_key(self, request: Any, view: object) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class IsListener(BasePermission):
    """Allows everybody; without AFFETTI_PUBLIC only users who are logged in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return settings.AFFETTI_PUBLIC or bool(request.user and request.user.is_authenticated)


class PrivateMiddleware(LoginRequiredMiddleware):
    """Without AFFETTI_PUBLIC, redirects visitors who are not logged in to the login page.

    A token of the API counts as a login, because players send it to the audio addresses. Views of
    the API have permissions of their own.
    """

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        is_open = settings.AFFETTI_PUBLIC or not getattr(view_func, "login_required", True)
        # An open view, such as a probe, must not need the database.
        if is_open or _has_token(request):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


def site(request: HttpRequest) -> dict[str, bool]:
    """Give every template whether visitors can sign up (a context processor)."""
    return {"is_signup_open": settings.AFFETTI_SIGNUP}


def _has_token(request: HttpRequest) -> bool:
    try:
        return TokenAuthentication().authenticate(request) is not None
    except AuthenticationFailed:
        return False
