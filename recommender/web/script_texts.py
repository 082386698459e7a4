"""The texts of the JavaScript modules in one language, as a script that browsers keep for good.

The address of the script names the language and a hash of the content, so that other texts have
another address.
"""

from __future__ import annotations

import hashlib
from functools import cache

from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.views.i18n import JavaScriptCatalog


@cache
def script(language: str) -> bytes:
    """Return the script that defines `gettext`, `ngettext` and `interpolate` in a language."""
    with translation.override(language):
        answer = JavaScriptCatalog(packages=["recommender"]).get(HttpRequest())
    return bytes(answer.content)


@cache
def digest(language: str) -> str:
    """Return the part of the script's address that names its content."""
    return hashlib.sha256(script(language)).hexdigest()[:12]


def address() -> str:
    """Return the address of the script in the language of the page."""
    language = translation.get_language() or "en-gb"
    return reverse("script-texts", args=[language, digest(language)])
