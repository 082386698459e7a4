"""What a database can store: finite numbers, and text without NUL and lone surrogates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Final

MAX_MESSAGE_CHARS: Final = 1000


def not_finite(value: object, name: str = "") -> str:
    """Return the name of the first number within `value` that is NaN or infinite, else ``""``.

    Dataclasses, mappings and sequences are searched.
    """
    if isinstance(value, float):
        return "" if math.isfinite(value) else name or "value"
    for key, part in _parts(value):
        if found := not_finite(part, f"{name}.{key}" if name else str(key)):
            return found
    return ""


def storable_text(text: str) -> str:
    """Return `text` as every database takes it, cut to `MAX_MESSAGE_CHARS`."""
    printable = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return printable[:MAX_MESSAGE_CHARS]


def _parts(value: object) -> list[tuple[object, object]]:
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(enumerate(value))
    return []
