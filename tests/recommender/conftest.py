from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog import analysis
from recommender import snapshot
from tests.factories import MODEL_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def fresh_snapshot(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test reads its own catalogue, by the factories' model, and sees a change at once."""
    monkeypatch.setattr(analysis, "model_version", lambda: MODEL_VERSION)
    monkeypatch.setattr(snapshot, "CHECK_SECONDS", 0.0)
    snapshot.index_snapshot_forget()
    yield
    snapshot.index_snapshot_forget()
