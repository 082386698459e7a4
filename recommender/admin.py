"""Playlists, listens and index builds in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    UserChangeForm,
)
from django.contrib.auth.models import User

from recommender.models import IndexBuild, Listen, Playlist, PlaylistEntry
from recommender.names import NameForm

if TYPE_CHECKING:
    from django.http import HttpRequest


class NewAccountForm(NameForm, AdminUserCreationForm):  # type: ignore[type-arg]
    pass


class AccountForm(NameForm, UserChangeForm):  # type: ignore[type-arg]
    pass


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """It writes the password alone; the other columns may have changed meanwhile."""

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002  # as Django calls it
        user: User = super().save(commit=False)
        if commit:
            user.save(update_fields=["password"])
        return user


admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]
    """Accounts. Staff who may change them cannot make a superuser, nor become one."""

    add_form = NewAccountForm
    form = AccountForm
    change_password_form = PasswordForm

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return (*fields, "is_staff", "is_superuser", "groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _may_touch(request, obj) and super().has_delete_permission(request, obj)


def _may_touch(request: HttpRequest, account: User | None) -> bool:
    """Whether an account has no right that the one who asks lacks."""
    return account is None or request.user.is_superuser or not account.is_staff


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
