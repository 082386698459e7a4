"""Examples of requests and answers that the schema shows, recorded from a catalogue of demo pieces.

A file for each tag of the schema has them by operation id. Tests hold every example to the schema
of its operation. To record those of an operation that is new or has changed, give it a row in
`tests/recommender/api/calls.py` and run `make examples`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).parent


def examples_add(operation: Mapping[str, Any]) -> None:
    """Put the examples of an operation of the schema at its parameters, body and answers."""
    example = _recorded(operation["tags"][0]).get(operation["operationId"], {})
    given = example.get("parameters", {})
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in given:
            parameter["example"] = given[parameter["name"]]
    if "request" in example:
        _fill(operation.get("requestBody", {}), example["request"])
    for status, answer in example.get("responses", {}).items():
        _fill(operation["responses"].get(status, {}), answer, example.get("media", ""))


def _recorded(tag: str) -> dict[str, Any]:
    path = FOLDER / f"{tag}.json"
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _fill(described: Mapping[str, Any], example: Any, media: str = "") -> None:
    """Put an example at the media type that it is of, or at all of them."""
    contents = described.get("content", {})
    for name, content in contents.items():
        if media not in contents or name == media:
            content["example"] = example
