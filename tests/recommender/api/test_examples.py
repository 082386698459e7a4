"""Every operation has an example that its own schema allows.

RECORD_EXAMPLES=1 records the examples that are missing or do not fit, `=all` every one.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.db import transaction
from django.test import Client
from jsonschema import Draft202012Validator

from recommender.api.examples import FOLDER
from tests.factories import token_secret
from tests.recommender.api.calls import CALLS, OPERATIONS, SCHEMA, Call, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

RECORD: Final = os.environ.get("RECORD_EXAMPLES", "")
HOST: Final = "music.example.org"
_SHOWN: Final = 2
"""Items of a list of objects that an example keeps."""


@pytest.fixture
def world(db: None, music_dir: Path) -> World:
    return World(music_dir)


def test_every_operation_has_a_call() -> None:
    """The table that the client and the examples are made by lacks no operation."""
    assert sorted(CALLS) == sorted(OPERATIONS), (
        "Give every operation of docs/openapi.yaml a row in tests/recommender/api/calls.py."
    )


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_examples(name: str) -> None:
    lacking = [where for where, content in contents(name) if "example" not in content]
    assert not lacking, (
        f"{name} has no example at {', '.join(lacking)}: see recommender/api/examples/__init__.py"
    )


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_fit_the_schema(name: str) -> None:
    for where, content in contents(name):
        check(content["example"], content["schema"], where)
    for parameter in OPERATIONS[name].described.get("parameters", ()):
        if "example" in parameter:
            check(parameter["example"], parameter["schema"], parameter["name"])


def test_a_wrong_example_is_found() -> None:
    schema = {"$ref": "#/components/schemas/Error"}
    check({"code": "NOT_FOUND", "message": "x", "details": {}}, schema, "right")
    for wrong in ({"code": "NOT_FOUND"}, {"code": "OOPS", "message": "x", "details": {}}, []):
        with pytest.raises(AssertionError):
            check(wrong, schema, "wrong")


def contents(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the body and the answers of an operation that are more than a status."""
    described = OPERATIONS[name].described
    for media, content in described.get("requestBody", {}).get("content", {}).items():
        yield f"request {media}", content
    statuses = [status for status in described["responses"] if status.startswith("2")]
    # Where several statuses are answered alike, one is shown.
    shown = [
        (f"{status} {media}", content)
        for status in statuses
        for media, content in described["responses"][status].get("content", {}).items()
    ]
    yield from [one for one in shown if "example" in one[1]] or shown


def check(example: Any, schema: Mapping[str, Any], where: str) -> None:
    whole = {**schema, "components": SCHEMA["components"]}
    errors = [error.message for error in Draft202012Validator(whole).iter_errors(example)]
    assert not errors, f"{where}: {errors[:3]}"


# --- Recording ------------------------------------------------------------------------------------


@pytest.mark.skipif(not RECORD, reason="examples are recorded on demand")
def test_record(world: World, settings: SettingsWrapper) -> None:
    settings.ALLOWED_HOSTS = [HOST]
    broken = []
    for name, call in CALLS.items():
        tag = OPERATIONS[name].described["tags"][0]
        path = FOLDER / f"{tag}.json"
        recorded = json.loads(path.read_text()) if path.exists() else {}
        if RECORD == "all" or name not in recorded or not is_current(name):
            try:
                with transaction.atomic():
                    recorded[name] = record(name, call(world), world)
            except Exception as error:
                broken.append(f"{name}: {error}")
                continue
            path.write_text(json.dumps(dict(sorted(recorded.items())), indent=1) + "\n")
    assert not broken, "\n".join(broken)


def is_current(name: str) -> bool:
    """Whether the examples of an operation are those that its schema asks for."""
    try:
        test_every_operation_has_examples(name)
        test_examples_fit_the_schema(name)
    except AssertionError:
        return False
    return True


def record(name: str, call: Call, world: World) -> dict[str, Any]:
    """Make the call, and return what the schema shows of it."""
    answer = answered(name, call, world)
    assert answer.status_code < 300, (name, answer.content)
    found: dict[str, Any] = {}
    if given := {**call.path, **call.query}:
        found["parameters"] = json.loads(json.dumps(given, default=str))
    if call.body is not None:
        found["request"] = shown(call.body)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if content:
        found["media"] = media = answer["Content-Type"].partition(";")[0]
        is_json = media.endswith("json")
        status = str(answer.status_code)
        shapes = OPERATIONS[name].described["responses"][status]["content"]
        schema = shapes.get(media, next(iter(shapes.values())))["schema"]
        value = json.loads(content) if is_json else content
        found["responses"] = {status: shortened(shown(value), schema)}
    kept = (
        json.dumps(found).replace(str(world.music), "/music").replace(str(world.music.parent), "")
    )
    return json.loads(kept)  # type: ignore[no-any-return]


def answered(name: str, call: Call, world: World) -> Any:
    operation = OPERATIONS[name]
    token = f"Token {token_secret(call.user or world.admin)}"
    headers = {"authorization": token, "accept-encoding": "identity"}
    client = Client(SERVER_NAME=HOST, headers=headers)
    query = {
        key: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in call.query.items()
    }
    address = operation.path.format(**call.path)
    is_file = isinstance(call.body, bytes)
    body = call.body if is_file else json.dumps(call.body) if call.body is not None else ""
    kind = "application/octet-stream" if is_file else "application/json"
    send = getattr(client, operation.method)
    if operation.method == "get":
        return send(address, query, secure=True)
    return send(address, body, content_type=kind, query_params=query, secure=True)


def shown(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def shortened(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return the value with short lists, where the schema allows them."""
    short = _shortened(value)
    try:
        check(short, schema, "")
    except AssertionError:
        return value
    return short


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one) for one in value[:_SHOWN]]
    return value
