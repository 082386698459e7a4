"""Django system checks of the site: settings that contradict each other."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register


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
