"""Every address of Affetti; pages without a trailing slash, the API's with one."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from recommender import health
from recommender.web import views

urlpatterns = [
    path("", views.home, name="home"),
    path("songs", views.songs, name="songs"),
    path("songs/<int:pk>", views.song, name="song"),
    path("songs/<int:pk>/audio", views.song_audio, name="song-audio"),
    path("playlist", views.playlist, name="playlist"),
    path("playlist.m3u8", views.playlist_download, name="playlist-m3u8"),
    path("playlists", views.playlist_index, name="playlists"),
    path("playlists/save", views.playlist_save, name="playlist-save"),
    path("playlists/<uuid:pk>", views.saved_playlist, name="saved-playlist"),
    path("playlists/<uuid:pk>/rename", views.playlist_rename, name="playlist-rename"),
    path("playlists/<uuid:pk>/delete", views.playlist_delete, name="playlist-delete"),
    path("history", views.listening, name="history"),
    path("ingest", views.ingest, name="ingest"),
    path("ingest/<uuid:pk>", views.ingest_job, name="ingest-job"),
    path(
        "login",
        views.login_throttled(auth_views.LoginView.as_view(redirect_authenticated_user=True)),
        name="login",
    ),
    path("logout", auth_views.LogoutView.as_view(), name="logout"),
    path("signup", views.signup, name="signup"),
    path(
        "favicon.ico",
        login_not_required(RedirectView.as_view(url=static("recommender/favicon.svg"))),
    ),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/login/", views.login_throttled(admin.site.login)),
    path("admin/", admin.site.urls),
    path("api/", include("recommender.api.urls")),
]

handler400 = "recommender.web.views.bad_request"
handler403 = "recommender.web.views.permission_denied"
handler404 = "recommender.web.views.not_found"
handler500 = "recommender.web.views.server_error"
