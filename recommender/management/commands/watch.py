"""`manage.py watch`: take what changes in watched libraries, without being asked."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Any

from django.core.management.base import BaseCommand

from catalog.watching.run import watch_run
from recommender.heartbeat import WatcherHeart


class Command(BaseCommand):
    """Watch until Ctrl-C or SIGTERM."""

    help = "Watch the libraries that are switched to it, and ingest what changes in them."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        heart = WatcherHeart(socket.gethostname())
        heart.start()
        try:
            watch_run(stopped)
        finally:
            heart.stop()
