"""The settings of django-allauth. Nothing of it is loaded when all is off."""

from __future__ import annotations

import importlib.util
import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from pathlib import Path

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

    def caches(self, redis_url: str, folder: Path) -> dict[str, Any]:
        """Return the cache in which all processes count attempts, and keep which codes were used.

        Django's own is of one process. Without any way in nothing is cached.
        """
        if not self.is_on:
            return {}
        backend: dict[str, Any]
        if redis_url:
            backend = {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": redis_url,
                "KEY_PREFIX": "affetti",
            }
        else:
            backend = {
                "BACKEND": "recommender.sign_in.cache.LockedFileCache",
                "LOCATION": str(folder),
                "OPTIONS": {"MAX_ENTRIES": 20_000},
            }
        return {"CACHES": {"default": backend}}

    def _second_factor(self) -> dict[str, Any]:
        return {
            "MFA_ADAPTER": "recommender.sign_in.mfa.MfaAdapter",
            "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
            "MFA_PASSKEY_LOGIN_ENABLED": True,
            "MFA_TOTP_ISSUER": "Affetti",
            "MFA_FORMS": {
                "authenticate": "recommender.sign_in.forms.CodeForm",
                "reauthenticate": "recommender.sign_in.forms.CodeAgainForm",
            },
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
            # Whoever holds a session alone must not add a way in that outlasts it.
            "SOCIALACCOUNT_REAUTHENTICATION_REQUIRED": True,
        }

    def checked(self) -> SignIn:
        """Return it; ImproperlyConfigured if half of it is set, or the packages are missing."""
        if self.server and urlsplit(self.server).scheme not in ("http", "https"):
            raise ImproperlyConfigured(
                f"AFFETTI_OIDC_SERVER is {self.server!r}; set the provider's address, with https://."
            )
        if urlsplit(self.server).scheme == "http" and not _is_here(urlsplit(self.server).hostname):
            raise ImproperlyConfigured(
                f"AFFETTI_OIDC_SERVER is {self.server!r}; whoever is on the way could let in "
                "anybody. Set an address with https://; http:// is for this host alone."
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


def _is_here(host: str | None) -> bool:
    """Whether a host is this one, to which nobody else is on the way."""
    with suppress(ValueError):
        return ipaddress.ip_address(host or "").is_loopback
    return host == "localhost" or (host or "").endswith(".localhost")
