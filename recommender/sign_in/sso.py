"""The way to the OpenID Connect provider and back, when it does not answer too."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Final

from allauth.socialaccount.providers.openid_connect import views
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from requests.exceptions import RequestException

from recommender.throttles import address, limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

_log: Final = logging.getLogger(__name__)


def _answered(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Limit how often one address sends us to the provider, and say when it does not answer."""

    @login_not_required
    @functools.wraps(view)
    def answered(request: HttpRequest, provider_id: str) -> HttpResponse:
        limit("login", address(request), request)
        try:
            return view(request, provider_id)
        except (RequestException, KeyError, ValueError) as error:
            # No answer, half an answer, or one that is not of this protocol.
            _log.warning("The OpenID Connect provider failed: %s: %s", type(error).__name__, error)
            words = gettext("%(name)s does not answer now. Try again later.")
            messages.error(request, words % {"name": settings.AFFETTI_SIGN_IN.name})
            return redirect("login")

    return answered


def _login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Lead to the provider, unless another site has sent the browser here: then to our login."""
    # Otherwise any page could connect or log in whoever sees it, as a person of its choice.
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return redirect_to_login(request.GET.get("next") or reverse("home"))
    answer: HttpResponse = views.login(request, provider_id)
    return answer


sso_login: Final = _answered(_login)
sso_return: Final = _answered(views.callback)
