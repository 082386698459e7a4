"""Background work of the recommender."""

from __future__ import annotations

import logging

from celery import shared_task

from mer.errors import CheckpointError
from recommender import heartbeat as _  # noqa: F401  # connects the signs of life
from recommender.errors import DiskShortError, IndexBusyError
from recommender.index import index_build, index_status
from recommender.index.transition import transition_settle
from recommender.stations import stations_refresh_due

logger = logging.getLogger(__name__)


@shared_task(name="recommender.build_index")
def build_index() -> dict[str, str]:
    """Build the index; does nothing if another process is building it or the disk is short."""
    try:
        build = index_build()
    except IndexBusyError:
        logger.info("The index is being built already")
        return {"build": ""}
    except (DiskShortError, OSError) as error:
        logger.warning("%s; the former build stays in use", error)
        return {"build": ""}
    return {"build": build.directory}


@shared_task(name="recommender.build_index_if_stale")
def build_index_if_stale() -> dict[str, str]:
    """Build the index if `IndexStatus.is_stale`, after a switch to a new model that is due."""
    try:
        transition_settle()
    except (CheckpointError, IndexBusyError, DiskShortError, OSError) as error:
        logger.warning("No new model begins to serve: %s", error)
    if not index_status().is_stale:
        return {"build": ""}
    return build_index()


@shared_task(name="recommender.refresh_stations")
def refresh_stations() -> dict[str, int]:
    """Make new versions of the stations that are due, some at a time."""
    return {"versions": stations_refresh_due()}
