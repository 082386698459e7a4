"""Log in and sign up."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from recommender.names import NAME_TAKEN
from recommender.throttles import address, limit
from recommender.web.forms import SignUpForm
from recommender.web.views.base import way_back

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase


class ReturningLoginView(LoginView):
    """The login, which leads back to the page that one came from."""

    redirect_authenticated_user = True

    def get_redirect_url(self, request: Any = None) -> str:
        return way_back(self.request)


def login_throttled(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Limit how often one address may send a form with a password."""

    @functools.wraps(view)
    def throttled(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            limit("login", address(request))
        return view(request, *args, **kwargs)

    return throttled


@login_not_required
@login_throttled
@require_http_methods(["GET", "HEAD", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    if not settings.AFFETTI_SIGNUP:
        raise Http404(gettext("Accounts are made by the admin."))
    form = SignUpForm(request.POST or None)
    status = HTTPStatus.OK
    if request.method == "POST" and form.is_valid():
        # The password is hashed before the transaction, which keeps others from writing.
        user = form.save(commit=False)
        try:
            with transaction.atomic():
                user.save()
        except (IntegrityError, ValidationError):
            # Another sign-up took the name after the form had found it free.
            form.add_error("username", NAME_TAKEN)
            status = HTTPStatus.BAD_REQUEST
        else:
            login(request, user)
            return redirect(way_back(request) or "home")
    context = {"form": form, "next": way_back(request)}
    return render(request, "registration/signup.html", context, status=status)
