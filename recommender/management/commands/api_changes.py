"""`manage.py api_changes`: what changed in the API since its last release."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from django.core.management.base import BaseCommand, CommandError

from recommender.api.compatibility import is_version_raised, schema_changes

if TYPE_CHECKING:
    from argparse import ArgumentParser

DOCS: Final = Path(__file__).resolve().parents[3] / "docs"
RELEASED: Final = DOCS / "openapi.released.yaml"
COMMITTED: Final = DOCS / "openapi.yaml"


class Command(BaseCommand):
    help = "List what changed in the API since its last release; works in a checkout only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--release",
            action="store_true",
            help="take docs/openapi.yaml for the schema of the release that is made now",
        )

    def handle(self, *args: object, **options: Any) -> None:
        released, committed = (yaml.safe_load(path.read_text()) for path in (RELEASED, COMMITTED))
        changes = schema_changes(released, committed)
        for change in changes:
            self.stdout.write(str(change))
        was, now = (schema["info"]["version"] for schema in (released, committed))
        if not is_version_raised(was, now, changes, is_release=options["release"]):
            raise CommandError(
                f"The version of the API was {was} and is {now}: raise it in SPECTACULAR_SETTINGS "
                "(recommender/settings.py), its first number for a change that breaks clients and "
                "its second for one that adds something, or take the change back."
            )
        if options["release"]:
            shutil.copyfile(COMMITTED, RELEASED)
