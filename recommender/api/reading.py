"""How the body of a request is read: bounded before any field is checked."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from django.utils.translation import gettext
from rest_framework import exceptions, parsers

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DEPTH: Final = 8
"""The most objects and lists inside one another."""
MAX_KEYS: Final = 100
"""The most keys of one object."""
MAX_KEY_LENGTH: Final = 100
MAX_ITEMS: Final = 20_000
"""The most items of one list. Fields have limits of their own, which are lower."""


class JSONParser(parsers.JSONParser):
    """JSON of a bounded shape; a body beyond the bounds is the client's error."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            data = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise exceptions.ParseError(gettext("JSON parse error - nested too deeply")) from error
        _check_shape(data)
        return data


def _check_shape(data: object) -> None:
    """Raise ParseError if objects or lists are too many inside one another, or too large."""
    level = [data]
    for _ in range(MAX_DEPTH):
        containers = [value for value in level if isinstance(value, (dict, list))]
        if not containers:
            return
        level = []
        for container in containers:
            if isinstance(container, dict):
                _check_keys(container)
                level.extend(container.values())
            elif len(container) > MAX_ITEMS:
                _reject(f"a list has {len(container)} items; the limit is {MAX_ITEMS}")
            else:
                level.extend(container)
    if any(isinstance(value, (dict, list)) for value in level):
        _reject(f"nested too deeply; the limit is {MAX_DEPTH} levels")


def _check_keys(container: dict[str, Any]) -> None:
    if len(container) > MAX_KEYS:
        _reject(f"an object has {len(container)} keys; the limit is {MAX_KEYS}")
    if any(len(key) > MAX_KEY_LENGTH for key in container):
        _reject(f"a key has more than {MAX_KEY_LENGTH} characters")


def _reject(problem: str) -> None:
    raise exceptions.ParseError(gettext("JSON parse error - %(problem)s") % {"problem": problem})
