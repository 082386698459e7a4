"""`manage.py run`: every process of an installation on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from recommender.serving.programs import (
    background_programs,
    serve_arguments_add,
    web_listen,
    web_programs,
)
from recommender.serving.supervisor import Supervisor

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    """Run web, worker, scheduler and watcher until Ctrl-C or SIGTERM."""

    help = "Run web, worker, scheduler and watcher; a process that dies is started again."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        serve_arguments_add(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        programs = [*web_programs(web_listen(**options), **options), *background_programs()]
        Supervisor(programs).run()
