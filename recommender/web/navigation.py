"""The sections of the site, and the pages of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from django.http import HttpRequest

_SECTIONS: Final = {
    "home": ("home",),
    "library": ("songs", "song"),
    "playlists": (
        "playlists",
        "playlist",
        "saved-playlist",
        "playlist-import",
        "stations",
        "station",
        "station-new",
    ),
    "you": (
        "own-moods",
        "account",
        "account-password",
        "account-delete",
        "token-create",
        "own-feedback",
        "history",
        "imports",
        "import",
    ),
    "manage": (
        *("manage", "add-music", "jobs", "job", "models", "manage-songs"),
        *("libraries", "library-edit", "library-catalogue", "tags", "tag-run"),
        *("people", "invite", "person-password"),
    ),
    "setup": ("setup",),
    "login": ("login",),
    "signup": ("signup",),
}
_SECTION_OF: Final = {page: section for section, pages in _SECTIONS.items() for page in pages}
PAGES: Final = frozenset(_SECTION_OF)
"""Names of the addresses of all pages but the API's."""


def section_of(request: HttpRequest | None) -> str:
    """Return the section of the page that is shown; empty if it has none, as an error has."""
    match = request.resolver_match if request else None
    return _SECTION_OF.get(match.url_name or "", "") if match else ""
