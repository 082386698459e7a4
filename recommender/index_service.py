"""Builds of the index, and the process-wide snapshot that every request reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """How the index stands beside the catalogue, for people and health checks."""

    model_version: str
    build: str | None
    """Directory name of the active build; None when every song is read from the database."""
    built_at: datetime | None
    built_songs: int
    """Rows in the active build."""
    songs: int
    """Songs that can be recommended now."""
    tail: int
    """Those of `songs` that are newer than the build and read from the database."""
    is_stale: bool
    """Whether a new build is due."""


def index_status() -> IndexStatus:
    """Return how the active build stands beside the catalogue; cheap enough for a health page."""
    raise NotImplementedError
