"""What a probe is told of a running process."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from mer.errors import CheckpointError

if TYPE_CHECKING:
    from django.test import Client

    from catalog.models import Song

pytestmark = pytest.mark.django_db


def test_alive(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready(client: Client, songs: list[Song]) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert "Retry-After" not in response
    checks = response.json()["checks"]
    assert set(checks) == {"database", "model", "index", "broker"}
    assert checks["index"]["songs"] == 12
    assert checks["index"]["build"] is None


def test_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise CheckpointError("gone")

    monkeypatch.setattr("catalog.analysis.model_version", fail)
    response = client.get("/readyz")
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response["Retry-After"] == "10"
    checks = response.json()["checks"]
    assert checks["model"] == {
        "ok": False,
        "message": "CHECKPOINT_UNREADABLE: the checkpoint cannot be used.",
    }
    assert checks["database"]["ok"]
