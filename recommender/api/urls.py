"""Addresses below /api/; each resource states its own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from django.urls import include, path, re_path
from django.utils.translation import gettext
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from recommender.api import (
    account,
    app_passwords,
    auth,
    corrections,
    emotions,
    facets,
    feedback,
    imports,
    jobs,
    libraries,
    listens,
    lookup,
    maps,
    me,
    model_versions,
    moods,
    playlist_files,
    playlists,
    profile,
    regeneration,
    songs,
    spotify,
    stations,
    tag_runs,
    tokens,
)

if TYPE_CHECKING:
    from typing import NoReturn

    from rest_framework.request import Request
    from rest_framework.response import Response

_RESOURCES: Final = (
    *(
        lookup,
        maps,
        songs,
        spotify,
        moods,
        facets,
        playlists,
        playlist_files,
        regeneration,
        stations,
        listens,
        imports,
        feedback,
        profile,
        corrections,
    ),
    *(emotions, jobs, libraries, tag_runs, model_versions),
    *(auth, tokens, app_passwords, account, me),
)

v1_patterns: Final = [pattern for resource in _RESOURCES for pattern in resource.urlpatterns]


_OPEN: Final[dict[str, Any]] = {"permission_classes": [AllowAny], "authentication_classes": []}


class UnknownAddressView(APIView):
    """Every other address of the API: 404 in the one error shape."""

    permission_classes = [AllowAny]
    authentication_classes = []  # a token that is not valid is not worth a word here
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> NoReturn:
        raise NotFound(
            gettext(
                "The API has no address %(path)s; addresses end with a slash and are listed "
                "at /api/docs/."
            )
            % {"path": request.path}
        )


class RedocView(SpectacularRedocView):
    """Redoc, whose style sheets carry a nonce that the policy of this one answer names."""

    schema = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        nonce = response.data["nonce"] = secrets.token_urlsafe(16)
        response.style_nonce = nonce  # type: ignore[attr-defined]
        return response


urlpatterns = [
    path("v1/", include((v1_patterns, "api"))),
    path("schema/", SpectacularAPIView.as_view(**_OPEN), name="api-schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(
            # Its template holds no answer to OPTIONS.
            **_OPEN,
            url_name="api-schema",
            http_method_names=["get", "head"],
        ),
        name="api-docs",
    ),
    path(
        "redoc/",
        RedocView.as_view(**_OPEN, url_name="api-schema", http_method_names=["get", "head"]),
        name="api-redoc",
    ),
    re_path("", UnknownAddressView.as_view()),
]
