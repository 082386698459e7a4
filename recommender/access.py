"""Who may use the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission

from recommender.auth import request_token, scope_check
from recommender.first_run import setup_is_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import AnonymousUser, User
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request
    from rest_framework.views import APIView

    from recommender.models import Scope


def may_listen(user: User | AnonymousUser | None) -> bool:
    """Return whether someone may hear the music of this site."""
    return settings.AFFETTI_PUBLIC or bool(user and user.is_authenticated)


class IsListener(BasePermission):
    """Allows everybody; without AFFETTI_PUBLIC only users who are logged in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return may_listen(request.user)


JOBS_PERMISSION: Final = "catalog.view_backgroundjob"
INGEST_PERMISSION: Final = "catalog.add_backgroundjob"
REMOVE_PERMISSION: Final = "catalog.delete_song"
MODELS_PERMISSION: Final = "catalog.view_modelversion"
SWITCH_PERMISSION: Final = "catalog.change_modelversion"
CORRECT_PERMISSION: Final = "catalog.add_emotioncorrection"


def is_staff_who_may(user: User | AnonymousUser, permission: str) -> bool:
    """Whether a user is staff and has the model permission; superusers have all."""
    return user.is_staff and user.has_perm(permission)


def staff_who_may(permission: str) -> type[BasePermission]:
    """Return the API's permission for staff who have a model permission."""

    class IsStaffWhoMay(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            return is_staff_who_may(request.user, permission)

    return IsStaffWhoMay


class PrivateMiddleware(LoginRequiredMiddleware):
    """Without AFFETTI_PUBLIC, redirects visitors who are not logged in to the login page.

    On pages marked by `takes_token`, such as the audio, a token of the API counts as a login,
    because players send it there. Views of the API have permissions of their own.
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
        if is_open or _has_token(request, getattr(view_func, "scope", None)):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


def site(request: HttpRequest) -> dict[str, bool | Callable[[], bool]]:
    """Give every template whether visitors can sign up, and whether there is no admin yet."""
    return {"is_signup_open": settings.AFFETTI_SIGNUP, "is_setup_open": setup_is_open}


def _has_token(request: HttpRequest, scope: Scope | None) -> bool:
    if scope is None:
        return False
    try:
        token = request_token(request)
        if token is not None:
            scope_check(token, scope)
    except (AuthenticationFailed, PermissionDenied):
        return False
    return token is not None
