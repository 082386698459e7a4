"""Messages to the workers. The broker may be unavailable: the database holds the state."""

from __future__ import annotations

from celery import current_app
from django.db import transaction


def message_send(task: str, *arguments: object) -> None:
    """Send a message for `task` after the commit; never raises.

    A message that cannot be sent is logged. `catalog.reconcile` sends it again.
    """

    def send() -> None:  # not a `partial`: Django logs the function's name on failure
        current_app.send_task(task, args=arguments)

    transaction.on_commit(send, robust=True)
