"""`manage.py serve`: the web processes alone; `manage.py run` starts the workers, too."""

from __future__ import annotations

import gc
import socket
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from django.urls import get_resolver

from recommender.latency import latencies_share
from recommender.serving.programs import serve_arguments_add, web_listen, web_programs
from recommender.serving.server import serve
from recommender.serving.supervisor import Supervisor

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Serve until Ctrl-C or SIGTERM."""

    help = "Serve pages and API; a process that dies is started again."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        serve_arguments_add(parser)
        parser.add_argument(
            "--fd", type=int, help="Serve in this process, on a socket that listens already"
        )
        parser.add_argument(
            "--latency-fd", type=int, help="With --fd: an open file in which requests are counted"
        )
        parser.add_argument("--latency-slot", type=int, default=0, help="The process's place in it")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["fd"] is None:
            Supervisor(web_programs(web_listen(**options), **options)).run()
            return
        # The supervisor has no need of it.
        from recommender.wsgi import application  # noqa: PLC0415

        _ready()

        if options["latency_fd"] is not None:
            latencies_share(options["latency_fd"], slot=options["latency_slot"])
        serve(application, socket.socket(fileno=options["fd"]), threads=options["threads"])


def _ready() -> None:
    """Do what the first request would wait for, and keep it out of garbage collections.

    A collection of all that is imported takes 100 ms, during which no request goes on.
    """
    get_resolver().url_patterns  # noqa: B018  imports every view
    gc.collect()
    gc.freeze()
