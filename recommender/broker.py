"""The embedded broker: kombu's filesystem transport, with messages that are complete or absent.

Kombu writes a message under its final name. A worker can then read it incomplete: while it is being
written, or at any time after a kill or on a full disk. A worker that reads such a file ends, and
with it all processes beside it.
"""

from __future__ import annotations

import functools
import logging
import os
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

from mer.files import parts_delete, written_aside

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

SCHEME: Final = "files"
"""Scheme of this broker's URL."""


class Channel(filesystem.Channel):
    """A channel that never shows an incomplete message and skips broken ones.

    A process's first channel deletes what killed processes left of their messages.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _leftovers_delete(Path(self.data_folder_out), os.getpid())

    # The types that kombu-stubs gives its transports do not agree with each other.
    def _put(  # type: ignore[override]
        self, queue: str, payload: Mapping[str, Any], **_: Any
    ) -> None:
        # Kombu reads messages in the order of names, and only names that end with the queue's.
        name = f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        path = Path(self.data_folder_out) / name
        try:
            # The database knows what is left to do, so a message may be lost in a power cut.
            with written_aside(path, is_synced=False) as part:
                part.write_text(dumps(payload))
        except OSError as error:
            raise ChannelError(f"cannot write {path}: {error}") from error

    def _get(self, queue: str) -> dict[str, Any]:  # type: ignore[override]
        while True:
            try:
                payload = super()._get(queue)
            except ValueError as error:  # kombu has removed it already
                logger.warning("A broken message in the queue %s is skipped: %s", queue, error)
                continue
            if not _is_expired(payload):
                return payload

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        except ValueError:
            logger.warning("The broken list of queues of %s is written anew", exchange)
            (self.control_folder / f"{exchange}.exchange").unlink()
            super()._queue_bind(exchange, routing_key, pattern, queue)


@functools.cache
def _leftovers_delete(folder: Path, process_id: int) -> None:
    """Clean the folder once a process: a pool's child inherits its parent's cache, not its id."""
    try:
        count = parts_delete(folder)
    except OSError as error:
        logger.warning("%s cannot be cleaned: %s", folder, error)
        return
    if count:
        logger.info("%d unfinished messages of killed processes are deleted", count)


def _is_expired(payload: Mapping[str, Any]) -> bool:
    """Return whether the message has expired.

    A worker drops expired messages itself, but takes its queues in turns. After long work on one
    queue, the expired messages of the other would delay newer ones.
    """
    expires = payload.get("headers", {}).get("expires")
    return expires is not None and datetime.fromisoformat(expires) < datetime.now(UTC)


class Transport(filesystem.Transport):
    """A transport that keeps messages as files in a folder of one host."""

    Channel = Channel


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:{Transport.__name__}"
