"""The settings of django-allauth. Nothing of it is loaded when all is off."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

PROVIDER_ID: Final = "sso"
"""Part of the address of return from the provider: /accounts/oidc/sso/login/callback/."""
_PACKAGES: Final = ("allauth", "fido2", "qrcode", "jwt")


@dataclass(frozen=True, slots=True)
class SignIn:
    """Which ways in there are besides a name and a password."""

    server: str = ""
    """Address of the OpenID Connect provider (its issuer); empty if there is none."""
    label: str = ""
    """What the login page calls the provider; empty for its host."""
    client_id: str = ""
    secret: str = ""
    may_sign_up: bool = False
    """Whether somebody whom only the provider knows gets an account."""
    has_second_factor: bool = False
    """Whether accounts can be protected by codes of an app, security keys and passkeys."""

    @property
    def name(self) -> str:
        return self.label or urlsplit(self.server).netloc

    @property
    def is_on(self) -> bool:
        return bool(self.server) or self.has_second_factor

    @property
    def provider_id(self) -> str:
        return PROVIDER_ID

    @property
    def apps(self) -> list[str]:
        if not self.is_on:
            return []
        apps = ["allauth", "allauth.account"]
        if self.has_second_factor:
            apps.append("allauth.mfa")
        if self.server:
            apps += ["allauth.socialaccount", "allauth.socialaccount.providers.openid_connect"]
        return apps

    @property
    def middleware(self) -> list[str]:
        return ["allauth.account.middleware.AccountMiddleware"] if self.is_on else []

    def settings(self) -> dict[str, Any]:
        """Return the settings of django-allauth; Affetti stores and sends no e-mail."""
        if not self.is_on:
            return {}
        return {
            "ACCOUNT_ADAPTER": "recommender.sign_in.adapters.AccountAdapter",
            "ACCOUNT_EMAIL_VERIFICATION": "none",
            "ACCOUNT_EMAIL_NOTIFICATIONS": False,
            "ACCOUNT_LOGIN_METHODS": {"username"},
            "ACCOUNT_SIGNUP_FIELDS": ["username*", "password1*", "password2*"],
            "ACCOUNT_SESSION_REMEMBER": True,
            **(self._second_factor() if self.has_second_factor else {}),
            **(self._provider() if self.server else {}),
        }

    def _second_factor(self) -> dict[str, Any]:
        return {
            "MFA_ADAPTER": "recommender.sign_in.mfa.MfaAdapter",
            "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
            "MFA_PASSKEY_LOGIN_ENABLED": True,
            "MFA_TOTP_ISSUER": "Affetti",
            # A code of the step before or after is taken too: clocks differ.
            "MFA_TOTP_TOLERANCE": 1,
        }

    def _provider(self) -> dict[str, Any]:
        app = {
            "provider_id": PROVIDER_ID,
            "name": self.name,
            "client_id": self.client_id,
            "secret": self.secret,
            "settings": {"server_url": self.server},
        }
        return {
            "SOCIALACCOUNT_ADAPTER": "recommender.sign_in.provider.ProviderAdapter",
            "SOCIALACCOUNT_PROVIDERS": {
                "openid_connect": {"APPS": [app], "OAUTH_PKCE_ENABLED": True}
            },
            "SOCIALACCOUNT_EMAIL_REQUIRED": False,
            "SOCIALACCOUNT_QUERY_EMAIL": False,
            # A link, not a form: a browser that obeys `form-action 'self'` stops a form that ends
            # at another host.
            "SOCIALACCOUNT_LOGIN_ON_GET": True,
            "SOCIALACCOUNT_REQUESTS_TIMEOUT": 10,
        }

    def checked(self) -> SignIn:
        """Return it; ImproperlyConfigured if half of it is set, or the packages are missing."""
        if self.server and urlsplit(self.server).scheme not in ("http", "https"):
            raise ImproperlyConfigured(
                f"AFFETTI_OIDC_SERVER is {self.server!r}; set the provider's address, with https://."
            )
        if self.server and not (self.client_id and self.secret):
            raise ImproperlyConfigured(
                "AFFETTI_OIDC_SERVER also needs AFFETTI_OIDC_CLIENT_ID and AFFETTI_OIDC_SECRET, "
                "which the provider shows for the client that you register there."
            )
        if self.is_on and not all(importlib.util.find_spec(name) for name in _PACKAGES):
            raise ImproperlyConfigured(
                "AFFETTI_OIDC_SERVER and AFFETTI_SECOND_FACTOR need more packages: "
                "pip install --constraint constraints.txt --editable '.[accounts]', or unset both."
            )
        return self
