"""Playlists, listens and index builds in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from recommender.models import IndexBuild, Listen, Playlist, PlaylistEntry


class PlaylistEntryInline(admin.TabularInline):  # type: ignore[type-arg]
    model = PlaylistEntry
    extra = 0
    raw_id_fields = ("song",)


@admin.register(Playlist)
class PlaylistAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "user", "model_version", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    raw_id_fields = ("user",)
    inlines = (PlaylistEntryInline,)


@admin.register(Listen)
class ListenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "song", "listened_at", "seconds_played")
    list_select_related = ("user", "song")
    raw_id_fields = ("user", "song")
    date_hierarchy = "listened_at"


@admin.register(IndexBuild)
class IndexBuildAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("directory", "model_version", "row_count", "is_active", "created_at")
    list_filter = ("model_version", "is_active")

    def has_add_permission(self, request: object) -> bool:
        """A build needs its files, which `manage.py build_index` writes."""
        return False

    def has_change_permission(self, request: object, obj: IndexBuild | None = None) -> bool:
        return False
