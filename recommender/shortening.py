"""Cuts what an error answer repeats of a request, so that the answer stays small."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Final

from django.core.serializers.json import DjangoJSONEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ANSWER_BYTES: Final = 8192
"""An error answer of the API is never larger, whatever the request repeats."""
MAX_MESSAGE_BYTES: Final = 3000
_MAX_DETAILS_BYTES: Final = 4000
MAX_NAMED: Final = 10
"""The most fields that a message names, and the most parts of a detail that is too large."""
_JSON_BYTES_PER_CHARACTER: Final = 12
"""The most bytes that one character takes in JSON: two escapes."""


def details_cut(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return at most `_MAX_DETAILS_BYTES` of details: the first ones, shortened."""
    if _json_size(details) <= _MAX_DETAILS_BYTES:
        return details
    cut: dict[str, Any] = {}
    size = 0
    for name, value in itertools.islice(details.items(), MAX_NAMED):
        part = {text_cut(str(name), _MAX_DETAILS_BYTES // 4): _value_cut(value)}
        size += _json_size(part)
        if size > _MAX_DETAILS_BYTES:
            break
        cut |= part
    return cut


def _value_cut(value: object) -> object:
    if isinstance(value, str):
        return text_cut(value, _MAX_DETAILS_BYTES // 4)
    if isinstance(value, (list, tuple)):
        return [_value_cut(part) for part in value[:MAX_NAMED]]
    if isinstance(value, dict):
        parts = itertools.islice(value.items(), MAX_NAMED)
        return {text_cut(str(name), _MAX_DETAILS_BYTES // 4): _value_cut(v) for name, v in parts}
    return value


def text_cut(text: str, most_bytes: int) -> str:
    """Return the text, or its beginning if it takes more bytes than `most_bytes` in JSON."""
    longest = most_bytes // _JSON_BYTES_PER_CHARACTER
    if len(text) <= longest or (len(text) <= most_bytes and _json_size(text) <= most_bytes):
        return text
    return f"{text[: longest - 1]}…"


def _json_size(value: object) -> int:
    return len(json.dumps(value, cls=DjangoJSONEncoder))
