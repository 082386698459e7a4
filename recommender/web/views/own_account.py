"""The listener's own account: tokens, password, export, deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from recommender import accounts, selectors
from recommender.errors import AccountError
from recommender.sign_in.door import login_throttled
from recommender.web.forms import (
    AppPasswordForm,
    DeletionForm,
    NewPasswordForm,
    OwnPasswordForm,
    TokenForm,
)
from recommender.web.views.base import account, in_listener_zone, page_of

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


@login_required
@never_cache
@require_safe
@in_listener_zone
def own_account(request: HttpRequest) -> HttpResponse:
    return _account_page(request, TokenForm())


@login_required
@never_cache
@require_POST
@in_listener_zone
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token, and show its secret on this one answer."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _account_page(request, form)
    token, secret = accounts.token_create(user=account(request), **form.cleaned_data)
    return _account_page(request, TokenForm(), {"new_token": token, "secret": secret})


@login_required
@never_cache
@require_POST
@in_listener_zone
def app_password_create(request: HttpRequest) -> HttpResponse:
    """Make a password for a player, and show it on this one answer."""
    form = AppPasswordForm(request.POST)
    made: dict[str, object] = {"app_form": form}
    if form.is_valid():
        try:
            name = form.cleaned_data["name"]
            made["new_app"], made["app_secret"] = accounts.app_password_create(
                user=account(request), name=name
            )
            made["app_form"] = AppPasswordForm()
        except AccountError as error:
            form.add_error("name", str(error))
    return _account_page(request, TokenForm(), made)


@login_required
@require_POST
def app_password_revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    one = get_object_or_404(selectors.app_password_list(request.user), pk=pk)
    one.delete()
    words = gettext("The app password of %(name)s is revoked.") % {"name": one.name}
    messages.success(request, words)
    return redirect("account")


def _account_page(
    request: HttpRequest, form: TokenForm, made: dict[str, object] | None = None
) -> HttpResponse:
    shown = {
        "page_obj": page_of(request, selectors.token_list(request.user)),
        "form": form,
        "app_form": AppPasswordForm(),
        "app_passwords": selectors.app_password_list(request.user),
        "server_url": request.build_absolute_uri("/"),
        "ways_in": settings.AFFETTI_SIGN_IN,
    }
    return render(request, "account.html", {**shown, **(made or {})})


@login_required
@require_POST
def token_revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    token = get_object_or_404(selectors.token_list(request.user), pk=pk)
    token.delete()
    messages.success(request, gettext("The token %(name)s is revoked.") % {"name": token.name})
    return redirect("account")


@login_required
@require_POST
def tokens_revoke(request: HttpRequest) -> HttpResponse:
    selectors.token_list(request.user).delete()
    messages.success(request, gettext("All tokens are revoked."))
    return redirect("account")


@login_required
@login_throttled
@require_http_methods(["GET", "HEAD", "POST"])
def password_change(request: HttpRequest) -> HttpResponse:
    person = account(request)
    kind = OwnPasswordForm if person.has_usable_password() else NewPasswordForm
    form = kind(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        # The other columns may be another's by now, who has deactivated the account.
        user = form.save(commit=False)
        user.save(update_fields=["password"])
        update_session_auth_hash(request, user)
        done = gettext("The password is changed. Tokens and other sessions have ended.")
        messages.success(request, done)
        return redirect("account")
    return render(request, "account_password.html", {"form": form})


@login_required
@never_cache
@require_safe
def account_export(request: HttpRequest) -> JsonResponse:
    headers = {"Content-Disposition": 'attachment; filename="affetti-account.json"'}
    data = accounts.account_export(user=account(request))
    return JsonResponse(data, headers=headers, json_dumps_params={"indent": 1})


@login_required
@login_throttled
@require_http_methods(["GET", "HEAD", "POST"])
def account_delete(request: HttpRequest) -> HttpResponse:
    form = DeletionForm(request.POST or None)
    if not account(request).has_usable_password():
        form.name_ask()
    if request.method == "POST" and form.is_valid():
        user = account(request)
        try:
            accounts.deletion_confirm(user=user, password=form.cleaned_data["password"])
            accounts.account_delete(user=user)
        except AccountError as error:
            form.add_error(error.field or None, str(error))
        else:
            logout(request)
            messages.success(request, gettext("Your account is deleted."))
            return redirect("home")
    return render(request, "account_delete.html", {"form": form})
