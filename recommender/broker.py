"""The embedded broker: kombu's filesystem transport, with messages that appear whole or not at all.

Kombu writes a message under its final name, so that a worker may meet it empty or cut off: at the
very moment it is written, or for ever after a kill or on a full disk. A worker that reads such a
file ends, and with it everything that runs beside it.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

SCHEME: Final = "files"
"""Scheme of this broker's URL."""


class Channel(filesystem.Channel):
    """A channel that neither shows half a message nor falls over one."""

    # The types that kombu-stubs gives its transports do not agree with each other.
    def _put(  # type: ignore[override]
        self, queue: str, payload: Mapping[str, Any], **_: Any
    ) -> None:
        # The name's start orders messages; kombu reads only names that end with the queue's.
        name = f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        path = Path(self.data_folder_out) / name
        aside = path.with_name(f"{name}.part")
        try:
            aside.write_text(dumps(payload))
            aside.rename(path)
        except OSError as error:
            raise ChannelError(f"cannot write {path}: {error}") from error

    def _get(self, queue: str) -> dict[str, Any]:  # type: ignore[override]
        while True:
            try:
                payload = super()._get(queue)
            except ValueError as error:  # it is out of the folder by now
                logger.warning("A broken message in the queue %s is passed over: %s", queue, error)
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


def _is_expired(payload: Mapping[str, Any]) -> bool:
    """Say whether nobody wants the message any more.

    A worker finds that out, too, but takes turns between its queues: what piled up in one while it
    was long busy with the other would keep newer messages waiting.
    """
    expires = payload.get("headers", {}).get("expires")
    return expires is not None and datetime.fromisoformat(expires) < datetime.now(UTC)


class Transport(filesystem.Transport):
    """Messages as files in a folder, for one host."""

    Channel = Channel


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:{Transport.__name__}"
