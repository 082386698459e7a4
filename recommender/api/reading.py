"""How requests are read: tokens and bodies that are no such thing are the client's error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox import auth
from rest_framework import exceptions, parsers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO


class TokenAuthentication(auth.TokenAuthentication):  # type: ignore[misc]
    """Knox's tokens; one that is not even text is an invalid one."""

    def authenticate_credentials(self, token: bytes) -> Any:
        if not token.isascii():
            raise exceptions.AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)


class TokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]
    """The same in the schema."""

    target_class = f"{__name__}.{TokenAuthentication.__name__}"


class JSONParser(parsers.JSONParser):
    """JSON; what is nested too deeply to be read is no request of ours."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise exceptions.ParseError("JSON parse error - nested too deeply") from error
