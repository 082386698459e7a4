"""The second factor: codes of an app, recovery codes, security keys and passkeys."""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.utils.encoding import force_bytes
from django.utils.translation import gettext

if TYPE_CHECKING:
    from collections.abc import Iterator

_log: Final = logging.getLogger(__name__)
_is_compared: Final[ContextVar[bool]] = ContextVar("is_compared", default=False)


@contextmanager
def compared() -> Iterator[None]:
    """While a code is compared, a secret that cannot be read is one that no code matches."""
    before = _is_compared.set(True)
    try:
        yield
    finally:
        _is_compared.reset(before)


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Keeps the secrets of codes encrypted, so that a copy of the database makes no codes."""

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return a secret; PermissionDenied if a key that is gone encrypted it."""
        try:
            return _fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            _log.warning(
                "A second factor cannot be read: AFFETTI_SECRET_KEY has changed. Put the former "
                "key into AFFETTI_SECRET_KEY_FALLBACKS, or delete the authenticator at /admin/."
            )
            if _is_compared.get():
                # One that nobody knows. An empty one would be known to everybody.
                return base64.b32encode(secrets.token_bytes(20)).decode()
            words = gettext(
                "The key of this server has changed, so these codes cannot be read. Make new ones."
            )
            raise PermissionDenied(words) from None


def _fernet() -> MultiFernet:
    """Return the cipher of this installation; former secret keys still decrypt."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str | bytes) -> bytes:
    digest = hashlib.sha256(b"affetti second factor\0" + force_bytes(key)).digest()
    return base64.urlsafe_b64encode(digest)
