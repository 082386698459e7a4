"""Every address of Affetti; pages without a trailing slash, the API's with one."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path

from recommender import health, metrics
from recommender.exports import FORMATS
from recommender.sign_in.door import login_throttled
from recommender.subsonic import rest
from recommender.web.views import (
    accounts,
    feedback,
    home,
    imports,
    install,
    joining,
    kept_playlists,
    language,
    media,
    music,
    own_account,
    playlists,
    plots,
    stations,
    you,
)
from recommender.web.views.manage import (
    adding,
    jobs,
    libraries,
    library,
    models,
    overview,
    people,
    tags,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("map.svg", plots.map_plot, name="map-plot"),
    path("suggestions", home.suggestions, name="suggestions"),
    path("songs", music.songs, name="songs"),
    path("songs/chosen", home.chosen, name="songs-chosen"),
    path("songs/<int:pk>", music.song, name="song"),
    path("songs/<int:pk>/mood.svg", plots.song_plot, name="song-plot"),
    path("songs/<int:pk>/audio", media.song_audio, name="song-audio"),
    path("songs/<int:pk>/cover", media.song_cover, name="song-cover"),
    path("songs/<int:pk>/like", feedback.song_like, name="song-like"),
    path("songs/<int:pk>/ban", feedback.song_ban, name="song-ban"),
    path("songs/<int:pk>/rating", feedback.song_rate, name="song-rating"),
    path("songs/<int:pk>/mood", feedback.song_place, name="song-mood"),
    path("songs/<int:pk>/correction", feedback.song_correct, name="song-correction"),
    path("artists/<int:pk>/ban", feedback.artist_ban, name="artist-ban"),
    path("playlist", playlists.playlist, name="playlist"),
    path("playlist/panel", playlists.playlist_panel, name="playlist-panel"),
    *(
        path(
            f"playlist.{suffix}",
            playlists.playlist_download,
            {"suffix": suffix},
            name=f"playlist-{suffix}",
        )
        for suffix in FORMATS
    ),
    path("playlist/edit", playlists.playlist_edit, name="playlist-edit"),
    path("playlist/songs", playlists.songs_found, name="songs-found"),
    path("playlists", kept_playlists.playlist_index, name="playlists"),
    path("playlists/import", kept_playlists.playlist_import, name="playlist-import"),
    path("playlists/save", kept_playlists.playlist_save, name="playlist-save"),
    path("playlists/<uuid:pk>", kept_playlists.saved_playlist, name="saved-playlist"),
    path("playlists/<uuid:pk>/mood.svg", kept_playlists.saved_playlist_plot, name="playlist-plot"),
    path(
        "playlists/<uuid:pk>/edit", kept_playlists.saved_playlist_edit, name="saved-playlist-edit"
    ),
    path("playlists/<uuid:pk>/restore", kept_playlists.playlist_restore, name="playlist-restore"),
    path("playlists/<uuid:pk>/rename", kept_playlists.playlist_rename, name="playlist-rename"),
    path("playlists/<uuid:pk>/share", kept_playlists.playlist_share, name="playlist-share"),
    path("playlists/<uuid:pk>/delete", kept_playlists.playlist_delete, name="playlist-delete"),
    path("shared/<str:token>", kept_playlists.shared_playlist, name="shared-playlist"),
    path(
        "shared/<str:token>/playlist.<str:suffix>",
        kept_playlists.shared_playlist_file,
        name="shared-playlist-file",
    ),
    path("stations", stations.station_index, name="stations"),
    path("stations/new", stations.station_new, name="station-new"),
    path("stations/save", stations.station_save, name="station-save"),
    path("stations/<uuid:pk>", stations.station, name="station"),
    path("stations/<uuid:pk>/change", stations.station_change, name="station-change"),
    path("stations/<uuid:pk>/refresh", stations.station_refresh, name="station-refresh"),
    path("stations/<uuid:pk>/restore", stations.station_restore, name="station-restore"),
    path("stations/<uuid:pk>/delete", stations.station_delete, name="station-delete"),
    path("you", you.own_moods, name="own-moods"),
    path("history", you.own_history, name="history"),
    path("history/imports", imports.own_imports, name="imports"),
    path("history/imports/pieces", imports.piece, name="import-piece"),
    path("history/imports/<uuid:pk>", imports.own_import, name="import"),
    path("history/imports/<uuid:pk>/undo", imports.undo, name="import-undo"),
    path("account", own_account.own_account, name="account"),
    path("account/password", own_account.password_change, name="account-password"),
    path("account/feedback", feedback.own_feedback, name="own-feedback"),
    path("account/feedback/reset", feedback.feedback_reset, name="feedback-reset"),
    path("account/export", own_account.account_export, name="account-export"),
    path("account/delete", own_account.account_delete, name="account-delete"),
    path("account/tokens", own_account.token_create, name="token-create"),
    path("account/tokens/revoke", own_account.tokens_revoke, name="tokens-revoke"),
    path("account/tokens/<uuid:pk>/revoke", own_account.token_revoke, name="token-revoke"),
    path("account/app-passwords", own_account.app_password_create, name="app-password-create"),
    path(
        "account/app-passwords/<uuid:pk>/revoke",
        own_account.app_password_revoke,
        name="app-password-revoke",
    ),
    path("manage", overview.manage, name="manage"),
    path("manage/add", adding.add_music, name="add-music"),
    path("manage/upload", adding.upload, name="upload"),
    path("manage/jobs", jobs.jobs, name="jobs"),
    path("manage/jobs/<uuid:pk>", jobs.job, name="job"),
    *(
        path(f"manage/jobs/<uuid:pk>/{act}", jobs.job_act, {"act": act}, name=f"job-{act}")
        for act in ("pause", "resume", "cancel")
    ),
    path("manage/jobs/<uuid:pk>/priority", jobs.job_priority, name="job-priority"),
    path("manage/jobs/<uuid:pk>/retry", jobs.job_retry, name="job-retry"),
    path("manage/libraries", libraries.libraries, name="libraries"),
    path("manage/libraries/table", libraries.library_table, name="library-table"),
    path("manage/libraries/<int:pk>/change", libraries.library_edit, name="library-edit"),
    path(
        "manage/libraries/<int:pk>/catalogue",
        libraries.library_catalogue,
        name="library-catalogue",
    ),
    path("manage/libraries/<int:pk>/scan", libraries.library_scan, name="library-scan"),
    path("manage/libraries/<int:pk>/remove", libraries.library_leave, name="library-remove"),
    path("manage/tags", tags.tags, name="tags"),
    path("manage/tags/<int:pk>", tags.tag_run, name="tag-run"),
    *(
        path(f"manage/tags/<int:pk>/{act}", tags.tag_run_act, {"act": act}, name=f"tag-run-{act}")
        for act in ("write", "undo", "cancel")
    ),
    path("manage/models", models.model_versions, name="models"),
    path("manage/models/switch", models.model_version_switch, name="model-switch"),
    path("manage/index/build", models.index_build_now, name="index-build"),
    path("manage/songs", library.library, name="manage-songs"),
    path("manage/songs/edit", library.songs_edit, name="songs-edit"),
    path("manage/songs/analyse", library.songs_reanalyse, name="songs-analyse"),
    path("manage/songs/remove", library.songs_delete, name="songs-remove"),
    path("manage/songs/restore", library.songs_undelete, name="songs-restore"),
    path("manage/people", people.people, name="people"),
    path("manage/people/<int:pk>/role", people.person_role, name="person-role"),
    path("manage/people/<int:pk>/deactivate", people.person_rest, name="person-rest"),
    path("manage/people/<int:pk>/activate", people.person_wake, name="person-wake"),
    path("manage/people/<int:pk>/password", people.person_password, name="person-password"),
    path("manage/invitations", people.invite, name="invite"),
    path(
        "manage/invitations/<uuid:pk>/withdraw",
        people.invitation_withdraw,
        name="invitation-withdraw",
    ),
    path("setup", joining.setup, name="setup"),
    path("invitation/<str:key>", joining.invitation, name="invitation"),
    path("password/<str:uid>/<str:key>", joining.password_link, name="password-link"),
    path(
        "login",
        login_throttled(accounts.ReturningLoginView.as_view()),
        name="login",
    ),
    path("logout", auth_views.LogoutView.as_view(), name="logout"),
    path("signup", accounts.signup, name="signup"),
    path("language", language.language, name="language"),
    path("favicon.ico", install.favicon, name="favicon"),
    path("manifest.webmanifest", install.manifest, name="manifest"),
    path("worker.js", install.service_worker, name="service-worker"),
    path("offline/<slug:language>", install.offline, name="offline"),
    path("texts/<slug:language>.<str:digest>.js", install.texts, name="script-texts"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/login/", accounts.admin_login, name="admin-login"),
    path("admin/", admin.site.urls),
    path("", include("recommender.audiomuse.urls")),
    path("api/", include("recommender.api.urls")),
    path("rest/<str:name>", rest, name="rest"),
    path("", include("recommender.api.listenbrainz")),
]

if settings.AFFETTI_SIGN_IN.is_on:
    urlpatterns.append(path("accounts/", include("recommender.sign_in.urls")))

handler400 = "recommender.web.views.errors.error_view"
handler403 = "recommender.web.views.errors.error_view"
handler404 = "recommender.web.views.errors.error_view"
handler500 = "recommender.web.views.errors.error_view"
