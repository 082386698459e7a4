"""What stands for the song of a row of a table."""

from __future__ import annotations

import hashlib
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

from catalog.ingest.tables import FIELDS, RowError, text_at_most, text_of
from catalog.texts import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ISRC: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")


def keys_of(record: Mapping[str, Any]) -> list[str]:
    """Return what can stand for the song of a row, what does first; RowError if nothing does."""
    keys: list[str] = []
    for find in (*(partial(_key_of, record, name) for name in _KEYS), partial(_name_key, record)):
        try:
            key = find()
        except RowError:
            if not keys:
                raise
            continue  # the row has a better one
        if key:
            keys.append(key)
    return keys


def _key_of(record: Mapping[str, Any], name: str) -> str:
    text = text_of(name, record.get(name))
    return f"{_KEY_NAMES[name]}/{_KEYS[name](name, text)}" if text else ""


def _name_key(record: Mapping[str, Any]) -> str:
    names = [fold(text_of(name, record.get(name))) for name in ("artist", "title", "album")]
    if not names[1]:
        raise RowError("title", gettext("is empty; name the song"))
    return f"name/{hashlib.sha256(json.dumps(names).encode()).hexdigest()}"


def _isrc(name: str, text: str) -> str:
    code = text.upper().replace("-", "")
    if not _ISRC.fullmatch(code):
        wrong = gettext("%(text)s: is no ISRC; write it as USRC17607839")
        raise RowError(name, wrong % {"text": text[:40]})
    return code


def _id(name: str, text: str) -> str:
    return text_at_most(name, text, 300)


_MBID: Final = "musicbrainz_recording_id"
_KEYS: Final[dict[str, Callable[[str, str], str]]] = {
    "id": _id,
    _MBID: FIELDS[_MBID][1],
    "isrc": _isrc,
}
"""The fields that stand for a song, the first one that a row has."""
_KEY_NAMES: Final = {"id": "id", _MBID: "mbid", "isrc": "isrc"}
