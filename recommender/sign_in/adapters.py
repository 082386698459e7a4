"""How django-allauth finds addresses and names here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.urls import reverse

from recommender.names import name_problem
from recommender.throttles import address

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Names follow the rules of every sign-up, addresses are counted as everywhere."""

    def clean_username(self, username: str, shallow: bool = False) -> str:  # noqa: FBT001, FBT002
        """Return the name; ValidationError if nobody may take it now."""
        name: str = super().clean_username(username, shallow=shallow)
        if problem := name_problem(name):
            raise ValidationError(problem)
        return name

    def populate_username(self, request: HttpRequest, user: User) -> None:
        """Give a new user a free name, made from the one that the provider knows."""
        super().populate_username(request, user)
        user.first_name = ""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether visitors can make an account with a password."""
        return bool(settings.AFFETTI_SIGNUP)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the client's address as the throttles see it."""
        return address(request)

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        return reverse("home")

    def send_mail(self, *_: Any, **__: Any) -> None:
        """Send nothing: no account has an address."""
