"""Accounts: roles, invitations, links to a new password; for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from recommender import people as accounts
from recommender.access import is_staff_who_may
from recommender.errors import AccountError
from recommender.models import Invitation, Role
from recommender.web.staff_forms import InvitationForm, RoleForm
from recommender.web.views.base import account, page_of, staff_who_may, tells_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


@tells_secrets
@staff_who_may(accounts.LIST_PERMISSION)
@never_cache
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    return _people_page(request)


def _people_page(
    request: HttpRequest, form: InvitationForm | None = None, **made: Any
) -> HttpResponse:
    by = account(request)
    query = request.GET.get("q", "")[:150]
    page = page_of(request, accounts.people_list(query=query))
    rows = [
        {
            "user": user,
            "role": accounts.role_of(user),
            "may_change": accounts.may_change(by=by, user=user) and user != by,
        }
        for user in page
    ]
    may_invite = is_staff_who_may(by, accounts.INVITE_PERMISSION)
    invitations = [
        {"row": one, "link": _link(request, "invitation", accounts.invitation_key(one))}
        for one in accounts.invitations_open()
        if one.role in accounts.roles_given_by(by)
    ]
    context = {
        "page_obj": page,
        "rows": rows,
        "q": query,
        "roles": Role.choices,
        "may_invite": may_invite,
        "invitations": invitations if may_invite else [],
        "form": form or InvitationForm(roles=accounts.roles_given_by(by)),
        **made,
    }
    return render(request, "manage/people.html", context)


def _link(request: HttpRequest, name: str, *parts: str) -> str:
    return request.build_absolute_uri(reverse(name, args=parts))


@staff_who_may(accounts.INVITE_PERMISSION)
@never_cache
@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    by = account(request)
    form = InvitationForm(request.POST, roles=accounts.roles_given_by(by))
    if not form.is_valid():
        return _people_page(request, form)
    invitation = accounts.invitation_create(by=by, **form.cleaned_data)
    link = _link(request, "invitation", accounts.invitation_key(invitation))
    return _people_page(request, new_link=link, new_link_for=invitation.note)


@staff_who_may(accounts.INVITE_PERMISSION)
@require_POST
def invitation_withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    invitation = get_object_or_404(Invitation, pk=pk, used_at=None)
    return _done(
        request,
        lambda: accounts.invitation_withdraw(invitation=invitation, by=account(request)),
        gettext("The invitation is withdrawn."),
    )


@staff_who_may(accounts.CHANGE_PERMISSION)
@require_POST
def person_role(request: HttpRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("There is no such role."))
        return redirect("people")
    role = Role(form.cleaned_data["role"])
    return _done(
        request,
        lambda: accounts.role_set(user=user, role=role, by=account(request)),
        gettext("%(name)s has the role %(role)s now.")
        % {"name": user.username, "role": role.label},
    )


@staff_who_may(accounts.CHANGE_PERMISSION)
@require_POST
def person_rest(request: HttpRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    return _done(
        request,
        lambda: accounts.account_rest(user=user, by=account(request)),
        gettext("%(name)s cannot log in any more. Playlists and history are kept.")
        % {"name": user.username},
    )


@staff_who_may(accounts.CHANGE_PERMISSION)
@require_POST
def person_wake(request: HttpRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    return _done(
        request,
        lambda: accounts.account_wake(user=user, by=account(request)),
        gettext("%(name)s can log in again.") % {"name": user.username},
    )


@staff_who_may(accounts.CHANGE_PERMISSION)
@never_cache
@require_POST
def person_password(request: HttpRequest, pk: int) -> HttpResponse:
    """Show, on this one answer, a link at which the person chooses a new password."""
    user = get_object_or_404(User, pk=pk)
    try:
        keys = accounts.password_link_keys(user=user, by=account(request))
    except AccountError as error:
        messages.error(request, str(error))
        return redirect("people")
    link = _link(request, "password-link", *keys)
    return _people_page(request, new_link=link, new_link_for=user.username, is_password=True)


def _done(request: HttpRequest, service: Callable[[], object], done: str) -> HttpResponse:
    try:
        service()
    except AccountError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("people")
