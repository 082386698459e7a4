"""What the API tells of the account that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rest_framework.test import APIClient

from tests.factories import token_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


def test_a_listener_with_a_token(
    user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token_secret(user, 'read')}")
    with django_assert_max_num_queries(4):
        body = client.get("/api/v1/me/").json()
    assert (body["username"], body["role"]) == ("ada", "listener")
    assert body["token"]["scopes"] == ["read"]
    assert "token" not in body["token"], "the secret is not told again"
    assert set(body["may"].values()) == {False}


def test_staff_in_a_session(staff: User) -> None:
    client = APIClient()
    client.force_login(staff)
    body = client.get("/api/v1/me/").json()
    assert (body["role"], body["token"]) == ("manager", None)
    assert {name for name, may in body["may"].items() if may} == {"see_jobs", "ingest"}
