"""Let in who has shown a password, or ask for the second factor first."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib.auth import login
from django.shortcuts import redirect

from recommender.throttles import address, limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

_BACKEND: Final = "recommender.auth.CarefulBackend"


def login_throttled(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Limit how often one address may send a form with a password or a code."""

    @functools.wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            limit("login", address(request), request)
        return view(request, *args, **kwargs)

    return limited


def has_second_factor(user: User) -> bool:
    """Whether a password alone does not open this account."""
    if not settings.AFFETTI_SIGN_IN.has_second_factor:
        return False
    from allauth.mfa.models import Authenticator  # noqa: PLC0415  # an app that is off by default

    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user=user, type__in=kinds).exists())


def enter(request: HttpRequest, user: User, way: str) -> HttpResponse:
    """Log in, or lead to the page that asks for the second factor; then lead to `way`."""
    user.backend = _BACKEND
    if not settings.AFFETTI_SIGN_IN.is_on:
        login(request, user)
        return redirect(way)
    from allauth.account.internal.flows.login import (  # noqa: PLC0415  # off by default
        perform_password_login,
    )
    from allauth.account.models import Login  # noqa: PLC0415

    entry = Login(user=user, redirect_url=way)
    answer: HttpResponse = perform_password_login(request, {"username": user.get_username()}, entry)
    return answer
