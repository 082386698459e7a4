"""From one version of the model to another: the index first, then the switch."""

from __future__ import annotations

import logging

from django.conf import settings

from catalog import analysis
from catalog.versions import (
    version_coverage,
    version_former,
    version_hold,
    version_register,
    version_serving,
    version_switch,
)
from mer.errors import CheckpointError
from recommender.errors import DiskShortError, IndexBusyError
from recommender.index.builds import index_build
from recommender.models import IndexBuild
from recommender.operations import OperationWarning, operation_check

logger = logging.getLogger(__name__)


def transition_settle() -> str:
    """Let the configured model serve once it covers enough songs; return its name if it now does.

    Nothing happens to a version that staff have switched away from.
    """
    coming = version_register(analysis.model_version(), checkpoint=settings.AFFETTI_CHECKPOINT)
    if coming.is_serving or coming.is_held:
        return ""
    coverage = version_coverage(coming.name)
    if coverage < settings.AFFETTI_MODEL_SWITCH_COVERAGE:
        return ""
    if not _has_build(coming.name):
        index_build(model_version=coming.name)
    version_switch(coming.name)
    logger.info("%s serves now; it covers %.1f %% of the songs", coming.name, 100 * coverage)
    return coming.name


def model_switch(name: str) -> None:
    """Let a version serve because staff say so, at any coverage but none.

    The configured model, if it is another one, then waits until staff switch to it. Raises
    `VersionError`.
    """
    version_switch(name)
    version_hold(name, is_held=False)
    try:
        coming = analysis.model_version()
    except CheckpointError as error:
        logger.warning("The configured model cannot be named: %s", error)
    else:
        if coming != name:
            version_register(coming, checkpoint=settings.AFFETTI_CHECKPOINT)
            version_hold(coming, is_held=True)
    if not _has_build(name):
        try:
            index_build(model_version=name)
        except (DiskShortError, IndexBusyError, OSError) as error:
            logger.warning("%s; songs are read from the database until the index is built", error)


def model_rollback() -> str:
    """Switch to the version that served before, and return its name; raises `VersionError`."""
    name = version_former().name
    model_switch(name)
    return name


@operation_check
def model_is_changing() -> OperationWarning | None:
    """Say that lists are made from another model than the configured one."""
    serving = version_serving()
    try:
        coming = analysis.model_version()
    except CheckpointError:
        return None  # `/readyz` says so
    if serving is None or serving.name == coming:
        return None
    return OperationWarning(
        "MODEL_CHANGING",
        f"Lists come from the model {serving.name}, songs are analysed with {coming}. The page "
        "Models says how far it is, and switches."
        + (
            ""
            if analysis.is_model_here(serving.name)
            else " The files of the former model are gone, so lists from words wait for the switch."
        ),
    )


def _has_build(name: str) -> bool:
    return IndexBuild.objects.filter(model_version=name, is_active=True).exists()
