"""From one version of the model to another: the index first, then the switch."""

from __future__ import annotations

import logging
import time
from typing import Final

from django.conf import settings

from catalog import analysis
from catalog.errors import VersionError
from catalog.versions import (
    version_coverage,
    version_hold,
    version_register,
    version_request,
    version_request_withdraw,
    version_requested,
    version_serving,
    version_switch,
)
from catalog.work.messages import message_send
from catalog.work.queue import songs_requeue_for_model
from mer.errors import CheckpointError
from recommender.errors import IndexBusyError
from recommender.index.builds import index_build
from recommender.models import IndexBuild
from recommender.operations import OperationWarning, operation_check

logger = logging.getLogger(__name__)

BUSY_SECONDS: Final = 1.0
"""A command that waits for another process's build looks again after this time."""


def model_request(name: str) -> None:
    """Ask a worker to let a version serve, at any coverage but none; raises `VersionError`.

    It does when the version's index is built. The configured model, if it is another one, then
    waits until staff switch to it.
    """
    version_request(name)
    version_hold(name, is_held=False)
    try:
        coming = analysis.model_version()
    except CheckpointError as error:
        logger.warning("The configured model cannot be named: %s", error)
    else:
        if coming != name:
            version_register(coming, checkpoint=settings.AFFETTI_CHECKPOINT)
            version_hold(coming, is_held=True)
    message_send("recommender.build_index_if_stale")


def model_switch(name: str) -> None:
    """Build the index of a version here and let it serve, as `model_request` with no worker.

    If another process is building an index, it waits. Raises `VersionError`, `DiskShortError`.
    """
    model_request(name)
    while (wanted := version_requested()) is not None and wanted.name == name:
        try:
            transition_settle()
        except IndexBusyError:
            time.sleep(BUSY_SECONDS)


def transition_settle() -> str:
    """Let the version serve that staff want, or that is due; return its name if it now does.

    The configured model is due when it covers enough songs and staff have not switched away from
    it. The index is built first. If it cannot be, the version goes on waiting and the error is
    raised.
    """
    wanted = version_requested()
    if wanted is not None:
        return _serve(wanted.name)
    coming = version_register(analysis.model_version(), checkpoint=settings.AFFETTI_CHECKPOINT)
    if coming.is_serving or coming.is_held:
        return ""
    if version_coverage(coming.name) < settings.AFFETTI_MODEL_SWITCH_COVERAGE:
        return ""
    return _serve(coming.name)


def _serve(name: str) -> str:
    if not IndexBuild.objects.filter(model_version=name, is_active=True).exists():
        index_build(model_version=name)
    try:
        version_switch(name)
    except VersionError as error:  # its songs are gone since it was wanted
        version_request_withdraw()
        logger.warning("%s does not begin to serve: %s", name, error)
        return ""
    if analysis.is_model_here(name):
        # Those that came while another version served.
        songs_requeue_for_model(model_version=name)
    logger.info("%s serves now; it covers %.1f %% of the songs", name, 100 * version_coverage(name))
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
