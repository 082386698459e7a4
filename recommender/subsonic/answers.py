"""Answers of the interface: one plain structure, written as JSON or XML; errors and their codes."""

from __future__ import annotations

import enum
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from django.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http import HTTPStatus

API_VERSION: Final = "1.16.1"
SERVER: Final = "affetti"
SERVER_VERSION: Final = "0.1.0"
_NAMESPACE: Final = "http://subsonic.org/restapi"
_CALLBACK: Final = re.compile(r"[A-Za-z_$][\w$.]{0,99}", re.ASCII)
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no document in XML may have."""


class Code(enum.IntEnum):
    """Codes of errors, as Subsonic and OpenSubsonic number them."""

    GENERIC = 0
    PARAMETER_MISSING = 10
    WRONG_PASSWORD = 40
    MECHANISMS_CONFLICT = 43
    WRONG_API_KEY = 44
    NOT_ALLOWED = 50
    NOT_FOUND = 70


class SubsonicError(Exception):
    """A call that cannot be answered; the message is for people."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def moment_text(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are there: neither None nor an empty text."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def answered(
    payload: Mapping[str, Any], *, written: str, callback: str, status: HTTPStatus
) -> HttpResponse:
    """Write what a call returned, in the format that the client names."""
    is_failed = "error" in payload
    body = {
        "status": "failed" if is_failed else "ok",
        "version": API_VERSION,
        "type": SERVER,
        "serverVersion": SERVER_VERSION,
        "openSubsonic": True,
        **payload,
    }
    headers = {"Cache-Control": "private, no-store"}
    if written == "xml":
        return HttpResponse(_xml(body), status=status, headers=headers, content_type="text/xml")
    text = json.dumps({"subsonic-response": body}, ensure_ascii=True, allow_nan=False)
    if written == "jsonp":
        kind = "text/javascript"
        return HttpResponse(
            f"{callback}({text});", status=status, headers=headers, content_type=kind
        )
    return HttpResponse(text, status=status, headers=headers, content_type="application/json")


def format_read(name: str | None, callback: str | None) -> str:
    """Return the format that a client names; XML without a name, as Subsonic has it."""
    if name in {None, "", "xml"}:
        return "xml"
    if name == "json":
        return "json"
    if name == "jsonp" and _CALLBACK.fullmatch(callback or ""):
        return "jsonp"
    raise ValueError(name)


def _xml(body: Mapping[str, Any]) -> bytes:
    root = ElementTree.Element("subsonic-response", {"xmlns": _NAMESPACE})
    _fill(root, body)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _fill(element: ElementTree.Element, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _fill(ElementTree.SubElement(element, name), value)
        elif isinstance(value, list | tuple):
            for one in value:
                child = ElementTree.SubElement(element, name)
                if isinstance(one, dict):
                    _fill(child, one)
                else:
                    child.text = _text(one)
        elif name == "value":
            element.text = _text(value)
        else:
            element.set(name, _text(value))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))
