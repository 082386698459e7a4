"""Every operation of the schema, by valid and invalid requests that schemathesis makes up.

Statuses, bodies, content types and headers are those of the schema, and what the schema does not
allow is refused. AFFETTI_TEST_EXAMPLES is the number of requests for each operation and account.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import pytest
import schemathesis
import yaml
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from catalog.models import BackgroundJob
from recommender import throttles
from recommender.models import Listen
from recommender.playlists import PlaylistRequest, playlist_generate, playlist_save
from tests.factories import token_secret
from tests.places import ROOT

if TYPE_CHECKING:
    from catalog.models import Song

EXAMPLES: Final = int(os.environ.get("AFFETTI_TEST_EXAMPLES", "15"))

# A request may fit the schema and still be refused: a password that is wrong, a folder that is
# not there, a name that is blank.
EXCLUDED: Final[list[Any]] = [positive_data_acceptance]

OWN_TESTS: Final = ("Idempotency-Key", "If-Match", "If-None-Match")
"""Headers with tests of their own; made up, they would refuse what else is asked for."""


def _described() -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    for operations in described["paths"].values():
        for operation in operations.values():
            given = operation.get("parameters", [])
            operation["parameters"] = [one for one in given if one["name"] not in OWN_TESTS]
    return described


schema = schemathesis.openapi.from_dict(_described())
schema.app = get_wsgi_application()
schema.location = "/api/schema/"


class World:
    """A small catalogue, and the headers of the account that asks."""

    def __init__(self, role: str, request: pytest.FixtureRequest, songs: list[Song]) -> None:
        self._count = 0
        self._ids: dict[str, Any] = {"songs": songs[0].pk}
        self.headers: dict[str, str] = {}
        if role == "anonymous":
            return
        account = request.getfixturevalue(role)
        account.is_superuser = account.is_staff  # a model permission is a table of its own tests
        account.save()
        self.headers = {"Authorization": f"Token {token_secret(account)}"}
        wanted = PlaylistRequest.from_json({"moods": ["calm"], "count": 3})
        generated = playlist_generate(request=wanted, user=account)
        playlist = playlist_save(user=account, generated=generated, name="Calm")
        Listen.objects.create(user=account, song=songs[0], listened_at=timezone.now())
        job = BackgroundJob.objects.create(
            kind=BackgroundJob.Kind.INGEST, arguments={"path": "/music"}, created_by=account
        )
        token_secret(account)
        token = account.tokens.first()
        self._ids |= {"playlists": playlist.pk, "jobs": job.pk, "tokens": token.pk}

    def name_what_is_there(self, case: Any) -> None:
        """Let every second valid request be about something that exists."""
        self._count += 1
        collection = case.path.split("/")[3]
        is_valid = case.meta.generation.mode == GenerationMode.POSITIVE
        if is_valid and self._count % 2 and "id" in case.path_parameters:
            found = self._ids.get(collection, case.path_parameters["id"])
            case.path_parameters["id"] = found if isinstance(found, int) else str(found)


@pytest.fixture(params=["anonymous", "user", "staff"])
def world(
    request: pytest.FixtureRequest, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setattr(throttles, "limit", lambda *_: None)
    monkeypatch.setattr(throttles.CarefulStore, "attempt", lambda *_: 0.0)
    return World(request.param, request, songs)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="AFFETTI_TEST_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
def test_the_schema_holds(case: Any, world: World) -> None:
    world.name_what_is_there(case)
    # What one request changes, the next does not see.
    with transaction.atomic():
        # Its client does not unpack what is compressed.
        headers = {**world.headers, "Accept-Encoding": "identity"}
        case.call_and_validate(headers=headers, excluded_checks=EXCLUDED)
        transaction.set_rollback(True)
