from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml
from django.core.management import call_command

from recommender.error_answers import ErrorCode
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


def test_every_operation_documents_its_errors(generated: str) -> None:
    schema = yaml.safe_load(generated)
    codes = schema["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
    assert codes == [code.value for code in ErrorCode]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            content = operation["responses"]["default"]["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/Error"), (method, path)
            assert operation["summary"], (method, path)


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


def test_schema_is_served(client: Client, db: None) -> None:
    schema = yaml.safe_load(client.get("/api/schema/").content)
    assert "/api/v1/songs/" in schema["paths"]
