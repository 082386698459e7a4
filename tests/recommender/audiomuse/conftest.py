"""A music library, and a client that was written for AudioMuse-AI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.factories import token_secret
from tests.recommender.subsonic.conftest import collection_make

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from catalog.models import Song


class Plugin:
    """Calls the server as plugins do: with a bearer token."""

    def __init__(self, token: str = "") -> None:
        self.client = Client(headers={"Authorization": f"Bearer {token}"} if token else {})

    def get(self, path: str, /, **query: Any) -> Any:
        return self.client.get(f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: object) -> Any:
        return self.client.post(path, body, content_type="application/json")

    def read(self, path: str, /, **query: Any) -> Any:
        response = self.get(path, **query)
        assert response.status_code == 200, response.content[:500]
        return response.json()

    def sent(self, path: str, body: object, status: int = 200) -> Any:
        response = self.post(path, body)
        assert response.status_code == status, response.content[:500]
        return response.json()

    def refused(self, status: int, path: str, /, **query: Any) -> str:
        response = self.get(path, **query)
        assert response.status_code == status, response.content[:500]
        return str(response.json()["error"])


@pytest.fixture
def plugin(user: User) -> Plugin:
    return Plugin(token_secret(user, "read", "listen", "playlists"))


@pytest.fixture
def collection(db: None) -> list[Song]:
    return collection_make()
