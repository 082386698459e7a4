"""What a device asks for to show the site's icon, to install it, and to show its texts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import get_language, gettext, override
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
_OFFLINE_STYLES: Final = tuple(
    f"recommender/{name}.css" for name in ("fonts", "tokens", "affetti", "shell")
)
_OFFLINE_FILES: Final = (
    *_OFFLINE_STYLES,
    "recommender/favicon.svg",
    "vendor/commissioner-5.3.0/commissioner-latin-full-normal.woff2",
)


@login_not_required
@throttled("")
@cache_control(private=True, no_cache=True)
@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """Answer with the service worker; it differs when what it keeps does, so browsers update it."""
    language = get_language() or settings.LANGUAGE_CODE
    kept = [static(name) for name in _OFFLINE_FILES]
    # Names, content and texts: the hash of the static files is empty where none is collected.
    files = getattr(staticfiles_storage, "manifest_hash", "")
    named = "\n".join([_offline_page(language), *kept, files, script_texts.digest(language)])
    context = {
        "release": hashlib.sha256(named.encode()).hexdigest()[:12],
        "offline": reverse("offline", args=[language]),
        "kept": kept,
        "files": [static(""), reverse("home") + "texts/"],
    }
    response = render(request, "worker.js", context, content_type="text/javascript; charset=utf-8")
    patch_vary_headers(response, ("Cookie", "Accept-Language"))
    return response


@login_not_required
@throttled("")
@cache_control(public=True, max_age=0)
@require_safe
def offline(request: HttpRequest, language: str) -> HttpResponse:
    """Answer with the page that browsers show without a connection; it has nothing of a user."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    return HttpResponse(_offline_page(language))


def _offline_page(language: str) -> str:
    with override(language):
        return render_to_string("offline.html", {"styles": _OFFLINE_STYLES})


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
