"""What a device asks for to show the site's icon, to install it, or to show its texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import get_language, gettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from recommender.throttles import throttled
from recommender.web import script_texts

if TYPE_CHECKING:
    from django.http import HttpRequest

_ICONS: Final = (
    ("icon.svg", "image/svg+xml", "any", "any"),
    ("icon-192.png", "image/png", "192x192", "any"),
    ("icon-512.png", "image/png", "512x512", "any"),
    ("maskable-512.png", "image/png", "512x512", "maskable"),
)


@login_not_required
@throttled("")
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(static("recommender/favicon.svg"))


@login_not_required
@throttled("")
@cache_control(private=True, max_age=3600)
@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """Answer with the web app manifest, which has nothing of a user but the language."""
    answer = {
        "id": reverse("home"),
        "name": "Affetti",
        "short_name": "Affetti",
        "description": gettext(
            "Music by mood: choose a feeling, and play the songs that have it."
        ),
        "lang": get_language(),
        "start_url": reverse("home"),
        "scope": reverse("home"),
        "display": "standalone",
        "background_color": "#15161a",
        "theme_color": "#15161a",
        "categories": ["music"],
        "icons": [
            {"src": static(f"recommender/icons/{name}"), "type": kind, "sizes": sizes,
             "purpose": purpose}
            for name, kind, sizes, purpose in _ICONS
        ],
    }  # fmt: skip
    return JsonResponse(answer, content_type="application/manifest+json")


_YEAR_SECONDS: Final = 365 * 24 * 3600


@login_not_required
@throttled("")
@require_safe
def texts(request: HttpRequest, language: str, digest: str) -> HttpResponse:
    """Answer with the texts of the modules in a language; other texts have another address.

    A page of another release gets the texts of this one, which no browser keeps.
    """
    if language not in dict(settings.LANGUAGES):
        raise Http404
    response = HttpResponse(script_texts.script(language), "text/javascript; charset=utf-8")
    response["Content-Language"] = language
    if digest == script_texts.digest(language):
        patch_cache_control(response, public=True, max_age=_YEAR_SECONDS, immutable=True)
    else:
        patch_cache_control(response, no_store=True)
    return response
