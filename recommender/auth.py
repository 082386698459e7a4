"""Who a request comes from: the tokens of the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox import auth
from rest_framework import exceptions


class TokenAuthentication(auth.TokenAuthentication):  # type: ignore[misc]
    """Knox's tokens; a token that is not ASCII text is invalid."""

    def authenticate_credentials(self, token: bytes) -> Any:
        if not token.isascii():
            raise exceptions.AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)


class TokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]
    """The same in the schema."""

    target_class = f"{__name__}.{TokenAuthentication.__name__}"
