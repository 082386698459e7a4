"""Addresses below /accounts/, of the ways in that are on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account import views
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.generic import RedirectView

from recommender.sign_in.door import login_throttled

if TYPE_CHECKING:
    from django.urls import URLPattern, URLResolver


def _leads_to(name: str) -> Any:
    return login_not_required(RedirectView.as_view(pattern_name=name, query_string=True))


urlpatterns: list[URLPattern | URLResolver] = [
    # allauth names these pages; ours are elsewhere.
    path("login/", _leads_to("login"), name="account_login"),
    path("signup/", _leads_to("signup"), name="account_signup"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("reauthenticate/", login_throttled(views.reauthenticate), name="account_reauthenticate"),
]
if settings.AFFETTI_SIGN_IN.has_second_factor:
    from allauth.mfa.base import views as codes

    urlpatterns += [
        # Before allauth's own, which do not count addresses.
        path("2fa/authenticate/", login_throttled(codes.authenticate), name="mfa_authenticate"),
        path(
            "2fa/reauthenticate/", login_throttled(codes.reauthenticate), name="mfa_reauthenticate"
        ),
        path("2fa/", include("allauth.mfa.urls")),
    ]
if settings.AFFETTI_SIGN_IN.server:
    from recommender.sign_in.sso import sso_login, sso_return

    urlpatterns += [
        path("3rdparty/", include("allauth.socialaccount.urls")),
        path("oidc/<str:provider_id>/login/", sso_login, name="openid_connect_login"),
        path("oidc/<str:provider_id>/login/callback/", sso_return, name="openid_connect_callback"),
    ]
