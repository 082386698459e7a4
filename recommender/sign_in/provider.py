"""Who comes from the OpenID Connect provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

_KEPT: Final = ("sub", "preferred_username")


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Takes the name that the provider knows, and nothing else.

    An account here and a person there are one only where the person, logged in here, connected
    them: names and e-mail addresses of the provider prove nothing about accounts of this site.
    """

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Whether somebody whom only the provider knows gets an account."""
        return bool(settings.AFFETTI_SIGN_IN.may_sign_up)

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> User:
        """Return the new user with a name; e-mail addresses and full names are not kept."""
        sociallogin.email_addresses = []
        told = sociallogin.account.extra_data
        sociallogin.account.extra_data = {
            part: {name: said[name] for name in _KEPT if name in said}
            for part, said in told.items()
            if isinstance(said, dict)
        }
        name = str(data.get("username") or data.get("name") or "")[:150]
        user: User = super().populate_user(request, sociallogin, {"username": name})
        # `AccountAdapter.populate_username` makes a free name of it where this one is taken.
        user.first_name = name
        return user
