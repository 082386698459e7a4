from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from django.core.management import call_command

from recommender.error_answers import ErrorCode, error_codes
from tests.places import ROOT

if TYPE_CHECKING:
    from django.test import Client

COMMITTED = ROOT / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("schema") / "openapi.yaml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(path))
    return path.read_text()


def test_committed_schema_is_current(generated: str) -> None:
    assert COMMITTED.read_text() == generated, (
        "docs/openapi.yaml is old; run: "
        "python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml"
    )


def test_every_operation_documents_its_errors_by_number(generated: str) -> None:
    schema = yaml.safe_load(generated)
    assert schema["openapi"] == "3.1.0"
    codes = schema["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
    assert codes == [code.value for code in ErrorCode]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            responses = operation["responses"]
            assert "default" not in responses, (method, path)
            assert responses.keys() >= {"400", "406", "429", "5XX"}, (method, path)
            assert ("404" in responses) or "{" not in path, (method, path)
            assert ("415" in responses) == ("requestBody" in operation), (method, path)
            for status, response in responses.items():
                if status[0] in "45":
                    shape = _error(schema, response)["schema"]["$ref"]
                    assert shape == "#/components/schemas/Error", (method, path, status)


def _error(schema: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    name = response.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = schema["components"]["responses"][name] if name else response
    assert "odes: `" in found["description"] or not name
    return found["content"]["application/json"]  # type: ignore[no-any-return]


def test_headers_are_those_that_views_read(generated: str) -> None:
    paths = yaml.safe_load(generated)["paths"]

    def headers(method: str, path: str) -> set[str]:
        operation = paths[f"/api/v1/{path}"][method]
        found = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"}
        for name, status in (("If-None-Match", "304"), ("If-Match", "412")):
            assert (name in found) == (status in operation["responses"]), (method, path)
        assert ("Idempotency-Key" in found) == ("422" in operation["responses"]), (method, path)
        return found

    key, match = {"Idempotency-Key"}, {"If-Match"}
    assert headers("get", "playlists/") == headers("get", "songs/{id}/") == {"If-None-Match"}
    assert headers("post", "playlists/") == headers("post", "imports/") == key
    assert headers("post", "playlists/{id}/edit/") == key | match
    assert headers("post", "playlists/{id}/regenerate/") == key | match
    assert headers("patch", "stations/{id}/") == headers("delete", "stations/{id}/") == match
    assert headers("put", "songs/{id}/correction/") == match
    for method, path in (
        ("get", "tokens/"),
        ("post", "tokens/"),
        ("post", "auth/login/"),
        ("post", "songs/lookup/"),
        ("put", "songs/{id}/like/"),
    ):
        assert headers(method, path) == set(), path


def test_examples_of_errors_have_a_code_of_their_status(generated: str) -> None:
    responses = yaml.safe_load(generated)["components"]["responses"]
    assert len(responses) >= 10
    for name, response in responses.items():
        example = response["content"]["application/json"]["example"]
        assert set(example) == {"code", "message", "details"}
        statuses = (500, 503) if name == "Error5XX" else (int(name.removeprefix("Error")),)
        known = [code for status in statuses for code in error_codes(status)]
        assert example["code"] in known, name


def test_docs_load_nothing_from_elsewhere(client: Client, db: None) -> None:
    response = client.get("/api/docs/")
    assert response.status_code == 200
    page = response.content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 4
    assert all(source.startswith("/") and not source.startswith("//") for source in sources)
    assert "<script>" not in page
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "SwaggerUIBundle" in script.content.decode()


def test_redoc_loads_nothing_from_elsewhere(client: Client, db: None) -> None:
    first, second = client.get("/api/redoc/"), client.get("/api/redoc/")
    page = first.content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 4
    assert all(source.startswith("/") and not source.startswith("//") for source in sources)
    assert "<script>" not in page
    assert "<style" not in page
    nonces = [
        re.findall(r"style-src 'self' 'nonce-([\w-]{20,})'$", one["Content-Security-Policy"])[0]
        for one in (first, second)
    ]
    assert f'data-nonce="{nonces[0]}"' in page
    assert nonces[0] != nonces[1]
    assert "style-src" not in client.get("/api/docs/")["Content-Security-Policy"]


def test_schema_is_served(client: Client, db: None) -> None:
    schema = yaml.safe_load(client.get("/api/schema/").content)
    assert "/api/v1/songs/" in schema["paths"]
