"""A change of the API that breaks programs is found, and one that does not is let through."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from recommender.api.compatibility import Change, is_version_raised, schema_changes
from recommender.management.commands import api_changes
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Edit = Callable[[dict[str, Any]], object]

OLDER: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Songs", "version": "1.2.0"},
    "paths": {
        "/songs/{id}/": {
            "get": {
                "operationId": "songs_retrieve",
                "security": [{"token": []}, {}],
                "parameters": [
                    {"in": "path", "name": "id", "required": True, "schema": {"type": "integer"}},
                    {"in": "query", "name": "count", "schema": {"type": "integer", "maximum": 9}},
                ],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Song"}}
                        }
                    }
                },
            },
            "put": {
                "operationId": "songs_update",
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Input"}}
                    },
                    "required": True,
                },
                "responses": {"204": {"description": "Done."}, "404": {"description": "Gone."}},
            },
        }
    },
    "components": {
        "schemas": {
            "Song": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "year": {"type": ["integer", "null"]},
                    "mode": {"enum": ["major", "minor"]},
                    "twins": {"type": "array", "items": {"$ref": "#/components/schemas/Song"}},
                    "place": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Place"}]},
                },
                "required": ["title", "year"],
            },
            "Place": {"type": "object", "properties": {"valence": {"type": "number"}}},
            "Input": {
                "type": "object",
                "properties": {
                    "stars": {"type": "number", "minimum": 0, "maximum": 5},
                    "kind": {"enum": ["like", "ban"]},
                    "note": {"type": ["string", "null"], "maxLength": 9},
                },
                "required": ["stars"],
            },
        }
    },
}


def get(schema: dict[str, Any]) -> Any:
    return schema["paths"]["/songs/{id}/"]["get"]


def put(schema: dict[str, Any]) -> Any:
    return schema["paths"]["/songs/{id}/"]["put"]


def fields(schema: dict[str, Any], name: str) -> Any:
    return schema["components"]["schemas"][name]["properties"]


def needed(schema: dict[str, Any], name: str) -> Any:
    return schema["components"]["schemas"][name]["required"]


BREAKING: dict[str, tuple[Edit, str]] = {
    "operation": (lambda s: s["paths"].popitem(), "the operation is gone"),
    "method": (lambda s: s["paths"]["/songs/{id}/"].pop("put"), "PUT /songs/{id}/: the operation"),
    "operation id": (lambda s: get(s).update(operationId="song"), "its id was songs_retrieve"),
    "login": (lambda s: get(s).update(security=[{"token": []}]), "it needs a login now"),
    "parameter": (lambda s: get(s)["parameters"].pop(), "the parameter count is gone"),
    "new required parameter": (
        lambda s: get(s)["parameters"].append(
            {"in": "query", "name": "k", "required": True, "schema": {}}
        ),
        "the parameter k is required",
    ),
    "parameter that is required now": (
        lambda s: get(s)["parameters"][1].update(required=True),
        "the parameter count is required",
    ),
    "limit of a parameter": (
        lambda s: get(s)["parameters"][1]["schema"].update(maximum=8),
        "its maximum was 9 and is 8",
    ),
    "type of a parameter": (
        lambda s: get(s)["parameters"][0]["schema"].update(type="string"),
        "its type was integer and is string",
    ),
    "success": (lambda s: get(s).update(responses={}), "does not answer 200 any more"),
    "media type": (
        lambda s: get(s)["responses"]["200"].update(content={"text/csv": {}}),
        "the type application/json is gone",
    ),
    "field of an answer": (lambda s: fields(s, "Song").pop("title"), "the field title is gone"),
    "renamed field": (
        lambda s: fields(s, "Song").update(name=fields(s, "Song").pop("mode")),
        "the field mode is gone",
    ),
    "field that may be absent": (
        lambda s: needed(s, "Song").remove("year"),
        "the field year may be absent",
    ),
    "null in an answer": (
        lambda s: fields(s, "Song")["title"].update(type=["string", "null"]),
        "it may be null now",
    ),
    "wider type of an answer": (
        lambda s: fields(s, "Song")["year"].update(type=["number", "null"]),
        "its type was integer and is number",
    ),
    "field of a nested answer": (
        lambda s: fields(s, "Place").update(valence={"type": "string"}),
        "Place as an answer.valence: its type",
    ),
    "items of an answer": (
        lambda s: fields(s, "Song")["twins"].update(items={"type": "integer"}),
        "Song as an answer.twins[]: its type",
    ),
    "free values of an answer": (
        lambda s: fields(s, "Song").update(mode={"type": "string"}),
        "any value now",
    ),
    "new required field": (
        lambda s: (fields(s, "Input").update(why={}), needed(s, "Input").append("why")),
        "the field why is required",
    ),
    "field that is required now": (
        lambda s: needed(s, "Input").append("kind"),
        "the field kind is required",
    ),
    "field of a request": (lambda s: fields(s, "Input").pop("note"), "the field note is gone"),
    "narrower type of a request": (
        lambda s: fields(s, "Input")["stars"].update(type="integer"),
        "its type was number and is integer",
    ),
    "narrower values of a request": (
        lambda s: fields(s, "Input")["kind"]["enum"].remove("ban"),
        "the value ban is gone",
    ),
    "limited values of a request": (
        lambda s: fields(s, "Input")["note"].update(enum=["a"]),
        "its values are limited",
    ),
    "no null in a request": (
        lambda s: fields(s, "Input")["note"].update(type="string"),
        "may not be null any more",
    ),
    "lower limit": (lambda s: fields(s, "Input")["stars"].update(minimum=1), "minimum was 0"),
    "new limit": (lambda s: fields(s, "Input")["stars"].update(multipleOf=1), "multipleOf was"),
    "body": (lambda s: put(s).pop("requestBody"), "it takes no body any more"),
    "new body": (
        lambda s: get(s).update(requestBody={"content": {}, "required": True}),
        "it needs a body",
    ),
}
COMPATIBLE: dict[str, Edit] = {
    "nothing": lambda s: None,
    "new operation": lambda s: s["paths"].update({"/moods/": {"get": {"responses": {}}}}),
    "new field of an answer": lambda s: fields(s, "Song").update(album={"type": "string"}),
    "new field of a request": lambda s: fields(s, "Input").update(album={"type": "string"}),
    "new parameter": lambda s: get(s)["parameters"].append(
        {"in": "query", "name": "k", "schema": {}}
    ),
    "field that is always there": lambda s: needed(s, "Song").append("mode"),
    "field that may be left out": lambda s: needed(s, "Input").remove("stars"),
    "no login needed": lambda s: put(s).update(security=[{}]),
    "wider type of a request": lambda s: get(s)["parameters"][0].update(schema={"type": "number"}),
    "wider limit": lambda s: fields(s, "Input")["stars"].update(maximum=10),
    "no limit": lambda s: fields(s, "Input")["note"].pop("maxLength"),
    "more values of a request": lambda s: fields(s, "Input")["kind"]["enum"].append("skip"),
    "more values of an answer": lambda s: fields(s, "Song")["mode"]["enum"].append("dorian"),
    "null in a request": lambda s: fields(s, "Input")["stars"].update(type=["number", "null"]),
    "narrower type of an answer": lambda s: fields(s, "Place")["valence"].update(type="integer"),
    "limit of every number": lambda s: (
        fields(s, "Input")["stars"].pop("maximum")
        and get(s)["parameters"][0]["schema"].update(maximum=2**63 - 1, format="int64")
    ),
    "another status": lambda s: put(s)["responses"].update({"409": {}}),
    "one error less": lambda s: put(s)["responses"].pop("404"),
    "text": lambda s: get(s).update(summary="A song"),
}


def changed(edit: Edit) -> list[Change]:
    newer = copy.deepcopy(OLDER)
    edit(newer)
    return schema_changes(OLDER, newer)


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_clients_is_found(name: str) -> None:
    edit, what = BREAKING[name]
    found = changed(edit)
    assert any(change.is_breaking and what in str(change) for change in found), found
    assert not is_version_raised("1.2.0", "1.3.0", found)
    assert is_version_raised("1.2.0", "2.0.0", found)


@pytest.mark.parametrize("name", COMPATIBLE)
def test_what_breaks_no_client_is_let_through(name: str) -> None:
    found = changed(COMPATIBLE[name])
    assert not [str(change) for change in found if change.is_breaking]
    assert is_version_raised("1.2.0", "1.2.0", found)
    assert not is_version_raised("1.2.0", "1.1.9", found)


def test_a_release_raises_the_version_of_what_was_added() -> None:
    found = changed(COMPATIBLE["new operation"])
    assert not is_version_raised("1.2.0", "1.2.1", found, is_release=True)
    assert is_version_raised("1.2.0", "1.3.0", found, is_release=True)
    assert is_version_raised("1.2.0", "1.2.0", [], is_release=True)


def test_a_field_that_goes_is_found_in_every_answer() -> None:
    older = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    newer = copy.deepcopy(older)
    gone = []
    for name, schema in newer["components"]["schemas"].items():
        plain = [
            field for field, of in schema.get("properties", {}).items() if "$ref" not in str(of)
        ]
        if name.endswith("Output") and plain:
            schema["properties"].pop(plain[0])
            gone.append(plain[0])
    assert len(gone) > 30
    found = "\n".join(map(str, schema_changes(older, newer)))
    assert [field for field in gone if f"the field {field} is gone" not in found] == []


def test_the_api_breaks_no_client_of_its_last_release() -> None:
    call_command("api_changes")


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    paths = {name: tmp_path / f"{name}.yaml" for name in ("RELEASED", "COMMITTED")}
    for name, path in paths.items():
        monkeypatch.setattr(api_changes, name, path)
        path.write_text(yaml.safe_dump(OLDER))
    newer = copy.deepcopy(OLDER)
    newer["paths"]["/moods/"] = {"get": {"responses": {}}}
    paths["COMMITTED"].write_text(yaml.safe_dump(newer))
    call_command("api_changes")
    assert "adds: GET /moods/: a new operation" in capsys.readouterr().out
    with pytest.raises(CommandError, match=r"was 1\.2\.0 and is 1\.2\.0"):
        call_command("api_changes", release=True)
    newer["info"]["version"] = "1.3.0"
    paths["COMMITTED"].write_text(yaml.safe_dump(newer))
    call_command("api_changes", release=True)
    assert yaml.safe_load(paths["RELEASED"].read_text()) == newer
    newer["paths"].pop("/songs/{id}/")
    paths["COMMITTED"].write_text(yaml.safe_dump(newer))
    with pytest.raises(CommandError, match="breaks clients"):
        call_command("api_changes")
