"""Pages for whoever holds a link: the first admin, who was invited, who forgot the password."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from recommender.errors import AccountError
from recommender.first_run import first_admin_create, setup_check, setup_is_open
from recommender.names import NAME_TAKEN
from recommender.people import invitation_accept, invitation_find, password_link_user
from recommender.sign_in.door import enter, login_throttled
from recommender.web.forms import FirstAdminForm, NewPasswordForm, SignUpForm

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

    from recommender.web.forms import NewAccountForm


@login_not_required
@login_throttled
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """Make the first admin; afterwards the page leads to the login."""
    if not setup_is_open():
        return redirect("login")
    code = request.GET.get("code", "")[:100]
    form = FirstAdminForm(request.POST or None, initial={"code": code, "username": "admin"})
    if request.method == "POST" and form.is_valid():
        code = form.cleaned_data["code"]
        if _is_made(form, lambda user: first_admin_create(code=code, user=user)):
            login(request, form.instance)
            response = redirect("add-music")
            response["Location"] += "?welcome"
            return response
    is_known = _is_right(code)
    if is_known:
        form.code_hide()
    status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    return render(request, "setup.html", {"form": form, "is_known": is_known}, status=status)


def _is_right(code: str) -> bool:
    try:
        setup_check(code)
    except AccountError:
        return False
    return True


@login_not_required
@login_throttled
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, key: str) -> HttpResponse:
    found = invitation_find(key)
    form = SignUpForm(request.POST or None)
    if (
        request.method == "POST"
        and form.is_valid()
        and _is_made(form, lambda user: invitation_accept(key=key, user=user))
    ):
        login(request, form.instance)
        return redirect("home")
    status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    return render(request, "invitation.html", {"form": form, "invitation": found}, status=status)


def _is_made(form: NewAccountForm, service: Callable[[User], object]) -> bool:
    """Make the account of a valid form; if that fails, say so in the form."""
    try:
        service(form.save(commit=False))
    except (IntegrityError, ValidationError):
        # Another account took the name after the form had found it free.
        form.add_error("username", NAME_TAKEN)
    except AccountError as error:
        form.add_error(error.field or None, str(error))
    else:
        return True
    return False


@login_not_required
@login_throttled
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password_link(request: HttpRequest, uid: str, key: str) -> HttpResponse:
    user = password_link_user(uid=uid, key=key)
    form = NewPasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        # Its rights are another's by now, who may have changed them meanwhile.
        form.save(commit=False).save(update_fields=["password"])
        return enter(request, user, reverse("home"))
    status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    return render(request, "password_link.html", {"form": form, "person": user}, status=status)
