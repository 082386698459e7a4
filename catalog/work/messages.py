"""Messages to the workers. The broker may be unavailable: the database holds the state."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from celery import current_app
from django.db import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

logger = logging.getLogger(__name__)

SEND_SECONDS: Final = 2.0
"""The longest that a caller waits for the broker to take a message."""
PAUSE_SECONDS: Final = 10.0
"""No message is sent for this long after the broker has not taken one."""

_are_withheld: ContextVar[bool] = ContextVar("messages are withheld", default=False)


@contextmanager
def messages_withheld() -> Iterator[None]:
    """Send no message from inside the block, for a run that only shows what it would do."""
    token = _are_withheld.set(True)
    try:
        yield
    finally:
        _are_withheld.reset(token)


def message_send(task: str, *arguments: object) -> None:
    """Send a message for `task` after the commit; never raises, and soon returns.

    A message that cannot be sent is logged. `catalog.reconcile` sends it again.
    """

    if _are_withheld.get():
        return

    def send() -> None:  # not a `partial`: Django logs the function's name on failure
        broker.send(task, arguments)

    transaction.on_commit(send, robust=True)


class _Broker:
    """The broker, as one that may have stopped without closing its connections.

    Such a broker holds a sender until all timeouts and repetitions of the client have passed. So
    a message is sent by a thread of its own, whose end is not waited for.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Count the broker as present again."""
        self._paused_until = 0.0

    def send(self, task: str, arguments: tuple[object, ...]) -> None:
        if time.monotonic() < self._paused_until:
            logger.info("The broker is away: no message for %s", task)
            return
        errors: list[Exception] = []
        thread = threading.Thread(
            target=self._publish, args=(current_app, task, arguments, errors), daemon=True
        )
        thread.start()
        thread.join(SEND_SECONDS)
        if errors or thread.is_alive():
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            reason = errors[0] if errors else f"no answer within {SEND_SECONDS:g} s"
            logger.warning("The broker took no message for %s: %s", task, reason)

    def _publish(
        self, app: Celery, task: str, arguments: tuple[object, ...], errors: list[Exception]
    ) -> None:
        try:
            app.send_task(task, args=arguments)
        except Exception as error:  # the end of a thread; each transport has errors of its own
            errors.append(error)


broker: Final = _Broker()
