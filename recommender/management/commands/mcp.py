"""`manage.py mcp`: tools for language models over standard input and output."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recommender.mcp_server.remote import Remote

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Serve tools for language models (Model Context Protocol) over standard input and output. "
        "They ask a running Affetti; AFFETTI_MCP_TOKEN holds a token of its API."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--address",
            default=settings.AFFETTI_MCP_ADDRESS,
            help="where Affetti runs; default: AFFETTI_MCP_ADDRESS, now %(default)s",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        address = options["address"]
        if not address.startswith(("http://", "https://")):
            raise CommandError(f"The address must begin with http:// or https://, not {address!r}")
        try:
            tools = importlib.import_module("recommender.mcp_server.tools")
        except ModuleNotFoundError as error:
            if error.name != "mcp":
                raise
            raise CommandError(
                "The package mcp is missing; install it with: pip install -c constraints.txt .[mcp]"
            ) from error
        with Remote(address, settings.AFFETTI_MCP_TOKEN) as remote:
            tools.server_of(remote).run("stdio")
