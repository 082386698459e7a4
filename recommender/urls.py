"""Every address of Affetti; pages without a trailing slash, the API's with one."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from recommender import health, metrics
from recommender.exports import FORMATS
from recommender.web.views import (
    accounts,
    feedback,
    ingest,
    models,
    music,
    own_account,
    playlists,
    stations,
)

urlpatterns = [
    path("", music.home, name="home"),
    path("songs", music.songs, name="songs"),
    path("songs/<int:pk>", music.song, name="song"),
    path("songs/<int:pk>/audio", music.song_audio, name="song-audio"),
    path("songs/<int:pk>/like", feedback.song_like, name="song-like"),
    path("songs/<int:pk>/ban", feedback.song_ban, name="song-ban"),
    path("songs/<int:pk>/rating", feedback.song_rate, name="song-rating"),
    path("songs/<int:pk>/mood", feedback.song_place, name="song-mood"),
    path("songs/<int:pk>/correction", feedback.song_correct, name="song-correction"),
    path("artists/<int:pk>/ban", feedback.artist_ban, name="artist-ban"),
    path("playlist", playlists.playlist, name="playlist"),
    *(
        path(
            f"playlist.{suffix}",
            playlists.playlist_download,
            {"suffix": suffix},
            name=f"playlist-{suffix}",
        )
        for suffix in FORMATS
    ),
    path("playlists", playlists.playlist_index, name="playlists"),
    path("playlists/save", playlists.playlist_save, name="playlist-save"),
    path("playlists/<uuid:pk>", playlists.saved_playlist, name="saved-playlist"),
    path("playlists/<uuid:pk>/rename", playlists.playlist_rename, name="playlist-rename"),
    path("playlists/<uuid:pk>/delete", playlists.playlist_delete, name="playlist-delete"),
    path("stations", stations.station_index, name="stations"),
    path("stations/save", stations.station_save, name="station-save"),
    path("stations/<uuid:pk>", stations.station, name="station"),
    path("stations/<uuid:pk>/change", stations.station_change, name="station-change"),
    path("stations/<uuid:pk>/refresh", stations.station_refresh, name="station-refresh"),
    path("stations/<uuid:pk>/restore", stations.station_restore, name="station-restore"),
    path("stations/<uuid:pk>/delete", stations.station_delete, name="station-delete"),
    path("history", accounts.listening, name="history"),
    path("account", own_account.own_account, name="account"),
    path("account/password", own_account.password_change, name="account-password"),
    path("account/feedback", feedback.own_feedback, name="own-feedback"),
    path("account/feedback/reset", feedback.feedback_reset, name="feedback-reset"),
    path("account/export", own_account.account_export, name="account-export"),
    path("account/delete", own_account.account_delete, name="account-delete"),
    path("account/tokens", own_account.token_create, name="token-create"),
    path("account/tokens/revoke", own_account.tokens_revoke, name="tokens-revoke"),
    path("account/tokens/<uuid:pk>/revoke", own_account.token_revoke, name="token-revoke"),
    path("ingest", ingest.ingest, name="ingest"),
    path("ingest/<uuid:pk>", ingest.ingest_job, name="ingest-job"),
    path("models", models.model_versions, name="models"),
    path("models/switch", models.model_version_switch, name="model-switch"),
    path(
        "login",
        accounts.login_throttled(auth_views.LoginView.as_view(redirect_authenticated_user=True)),
        name="login",
    ),
    path("logout", auth_views.LogoutView.as_view(), name="logout"),
    path("signup", accounts.signup, name="signup"),
    path(
        "favicon.ico",
        login_not_required(RedirectView.as_view(url=static("recommender/favicon.svg"))),
    ),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/login/", accounts.login_throttled(admin.site.login)),
    path("admin/", admin.site.urls),
    path("api/", include("recommender.api.urls")),
]

handler400 = "recommender.web.views.errors.error_view"
handler403 = "recommender.web.views.errors.error_view"
handler404 = "recommender.web.views.errors.error_view"
handler500 = "recommender.web.views.errors.error_view"
