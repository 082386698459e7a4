"""Log in and sign up."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from recommender.names import NAME_TAKEN
from recommender.sign_in.door import enter, login_throttled
from recommender.web.forms import SignUpForm
from recommender.web.views.base import way_back

if TYPE_CHECKING:
    from django.contrib.auth.forms import AuthenticationForm
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase


class ReturningLoginView(LoginView):
    """The login, which leads back to the page that one came from."""

    redirect_authenticated_user = True

    def get_redirect_url(self, request: Any = None) -> str:
        return way_back(self.request)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Let in who gave the right password, or ask for the second factor."""
        return enter(self.request, form.get_user(), self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the other ways in that are on."""
        # The name is that of the passkey's form, which is allauth's.
        field = format_html('<input type="hidden" name="next" value="{}">', way_back(self.request))
        more = {"ways_in": settings.AFFETTI_SIGN_IN, "redirect_field": field}
        return {**super().get_context_data(**kwargs), **more}


@login_not_required
@login_throttled
def admin_login(request: HttpRequest) -> HttpResponseBase:
    """Show the admin's own login; where there are other ways in, the one page that has them all."""
    if settings.AFFETTI_SIGN_IN.is_on:
        # The login leads back whoever is logged in, so that the two would call each other for good.
        if request.user.is_authenticated and not admin.site.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
    return admin.site.login(request)


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
