"""Corrections for everybody over HTTP, and what lists make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission

from tests.factories import UserFactory

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from catalog.models import Song

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam(api: APIClient) -> APIClient:
    staff = UserFactory(username="sam", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="add_emotioncorrection"))
    api.force_authenticate(staff)
    return api


def test_a_correction_is_made_seen_and_undone(sam: APIClient, songs: list[Song]) -> None:
    song = songs[0]
    said = song.emotions.get()
    address = f"/api/v1/songs/{song.pk}/correction/"
    body = {"mood": "happy", "note": "it dances"}
    assert sam.put(address, body, format="json").status_code == 204
    emotion = sam.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]
    assert (emotion["valence"], emotion["arousal"], emotion["quadrant"]) == (0.85, 0.7, "Q1")
    assert emotion["predicted"] == {
        "valence": said.valence,
        "arousal": said.arousal,
        "quadrant": said.quadrant,
    }
    (row,) = sam.get(address).json()
    assert (row["corrected_by"], row["note"], row["ended_at"]) == ("sam", "it dances", None)
    assert (row["said_valence"], row["valence"]) == (said.valence, 0.85)
    assert sam.delete(address).status_code == 204
    assert sam.get(f"/api/v1/songs/{song.pk}/").json()["emotion"]["predicted"] is None
    assert sam.get(address).json()[0]["ended_by"] == "sam"


def test_lists_use_it_at_once(sam: APIClient, songs: list[Song]) -> None:
    body = {"moods": ["angry"], "min_match": 0, "seed": 1, "save": False, "count": 3}

    def listed() -> list[int]:
        made = sam.post("/api/v1/playlists/", body, format="json").json()
        return [entry["song"]["id"] for entry in made["entries"]]

    calm = songs[3]
    assert calm.pk not in listed()
    address = f"/api/v1/songs/{calm.pk}/correction/"
    sam.put(address, {"valence": 0.15, "arousal": 0.85}, format="json")
    assert calm.pk in listed()
    sam.delete(address)
    assert calm.pk not in listed()


def test_a_wrong_correction_is_refused(sam: APIClient, songs: list[Song]) -> None:
    address = f"/api/v1/songs/{songs[0].pk}/correction/"
    for body in ({}, {"note": "x"}, {"valence": 0.5, "arousal": 7}, {"mood": "polka"}):
        assert sam.put(address, body, format="json").status_code == 400
    assert sam.put("/api/v1/songs/999999/correction/", {}, format="json").status_code == 404
    assert sam.get(address).json() == []
