"""The JSON schemas that OpenSubsonic publishes, from the folder beside the checkout."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = (ROOT.parent / "shared/opensubsonic/openapi").resolve()


@functools.cache
def _registry() -> Registry[Any]:
    paths = [path for part in ("schemas", "endpoints") for path in (FOLDER / part).rglob("*.json")]
    return Registry().with_resources((path.as_uri(), _resource(path)) for path in paths)


def _resource(path: Path) -> Resource[Any]:
    contents = json.loads(path.read_text("utf-8"))
    return Resource.from_contents(contents, default_specification=DRAFT202012)


def problems_of(name: str, body: dict[str, Any]) -> list[str]:
    """Return what in an answer does not fit the schema of its call; skips without the schemas."""
    if not FOLDER.is_dir():
        pytest.skip(f"the schemas of OpenSubsonic are not at {FOLDER}")
    path = FOLDER / "endpoints" / f"{name}.json"
    answers = json.loads(path.read_text("utf-8"))["get"]["responses"]["200"]
    base = path
    if "$ref" in answers:
        base = (path.parent / answers["$ref"]).resolve()
        answers = json.loads(base.read_text("utf-8"))
    reference = answers["content"]["application/json"]["schema"]["$ref"]
    schema = {"$ref": (base.parent / reference).resolve().as_uri()}
    validator = Draft202012Validator(schema, registry=_registry(), format_checker=FormatChecker())
    return [
        f"{error.json_path}: {error.message[:200]} {[one.message[:200] for one in error.context]}"
        for error in validator.iter_errors({"subsonic-response": body})
    ]
