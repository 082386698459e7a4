"""`manage.py messages`: the catalogues of translated texts, as the sources need them."""

from __future__ import annotations

import shutil
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

_NOT_OURS: Final = ["benchmarks/*", "mer/*", "tests/*", "var/*", "*/vendor/*", "build/*"]


class Command(BaseCommand):
    help = (
        "Collect the texts of pages, answers and modules into recommender/locale/, and compile "
        "them. It needs GNU gettext and works in a checkout only."
    )

    def handle(self, *args: object, **options: Any) -> None:
        if shutil.which("xgettext") is None:
            raise CommandError("xgettext is not on this machine. Install the package gettext.")
        languages = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
        for domain in ("django", "djangojs"):
            call_command(
                "makemessages",
                locale=languages,
                domain=domain,
                ignore_patterns=_NOT_OURS,
                no_location=True,
                no_obsolete=True,
                no_wrap=True,
                verbosity=0,
            )
        call_command("compilemessages", locale=languages, ignore_patterns=_NOT_OURS, verbosity=0)
