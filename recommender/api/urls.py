"""Addresses below /api/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from recommender.api import views

if TYPE_CHECKING:
    from typing import NoReturn

    from rest_framework.request import Request

router = SimpleRouter()
router.register("songs", views.SongViewSet, basename="song")
router.register("playlists", views.PlaylistViewSet, basename="playlist")
router.register("listens", views.ListenViewSet, basename="listen")
router.register("jobs", views.JobViewSet, basename="job")

v1_patterns: Final = [
    *router.urls,
    path("moods/", views.MoodListView.as_view(), name="mood-list"),
    path(
        "playlists/<uuid:pk>/export.m3u8",
        views.PlaylistExportView.as_view(),
        name="playlist-export",
    ),
    path("ingest-jobs/", views.IngestJobView.as_view(), name="ingest-job-list"),
    path("auth/login/", views.LoginView.as_view(), name="login"),
    path("auth/logout/", views.LogoutView.as_view(), name="logout"),
]


class UnknownAddressView(APIView):
    """Whatever no other address of the API matches: 404 in the one error shape."""

    permission_classes = [AllowAny]
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> NoReturn:
        raise NotFound(
            f"The API has no address {request.path}; addresses end with a slash and are listed "
            "at /api/docs/."
        )


urlpatterns = [
    path("v1/", include((v1_patterns, "api"))),
    path("schema/", SpectacularAPIView.as_view(permission_classes=[AllowAny]), name="api-schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(permission_classes=[AllowAny], url_name="api-schema"),
        name="api-docs",
    ),
    re_path("", UnknownAddressView.as_view()),
]
