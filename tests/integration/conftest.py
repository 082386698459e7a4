from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.stack import Stack, services_require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.stack import Migrated


@pytest.fixture(params=["full", "embedded"])
def stack(request: pytest.FixtureRequest, tmp_path: Path, migrated: Migrated) -> Iterator[Stack]:
    """A migrated installation, in each of the two modes."""
    if request.param == "full":
        services_require()
    installation = Stack(tmp_path, is_full=request.param == "full")
    try:
        installation.migrate(migrated)
        yield installation
    finally:
        installation.close()
