"""How the body of a request is read."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from rest_framework import exceptions, parsers

if TYPE_CHECKING:
    from collections.abc import Mapping


class JSONParser(parsers.JSONParser):
    """JSON; a body nested too deeply to be parsed is the client's error."""

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
