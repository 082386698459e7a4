"""Django system checks of the site: settings that contradict each other, and what is half done."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from recommender.backup import restore_unfinished


@register()
def check_signup(**_: Any) -> list[CheckMessage]:
    """Warn of a private site on which everybody may make an account."""
    if settings.AFFETTI_PUBLIC or not settings.AFFETTI_SIGNUP:
        return []
    return [
        Warning(
            "The site asks for a login, but everybody who reaches it may sign up.",
            hint="Unset AFFETTI_SIGNUP, or set it to false; the admin then makes the accounts.",
            id="recommender.W001",
        )
    ]


@register()
def check_restore(**_: Any) -> list[CheckMessage]:
    """Say what to do after a restore that was killed."""
    path = restore_unfinished()
    if not path:
        return []
    return [
        Warning(
            f"The restore of {path} was stopped before its end. The database holds all of its "
            "former rows or all of the backup's.",
            hint=f"Stop all processes and give it again: manage.py restore {path} --replace",
            id="recommender.W002",
        )
    ]
