"""Sending messages to the workers; the broker may be away, the database remembers."""

from __future__ import annotations

from celery import current_app
from django.db import transaction


def message_send(task: str, *arguments: object) -> None:
    """Send a message for `task` once the transaction is committed; never raises.

    A message that cannot be sent is logged, and sent again by `catalog.reconcile`.
    """

    def send() -> None:  # no `partial`: Django's log of a failure asks for the function's name
        current_app.send_task(task, args=arguments)

    transaction.on_commit(send, robust=True)
