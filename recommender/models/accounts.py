"""What an account has beside its password: tokens, app passwords, roles, invitations."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """What a token may do; `ADMIN` includes all others."""

    READ = "read", _("Look at songs and moods")
    LISTEN = "listen", _("Play songs, and read and write the listening history")
    PLAYLISTS = "playlists", _("Make, read, export and delete playlists")
    INGEST = "ingest", _("Read ingest jobs and start them, if the account may")
    ADMIN = "admin", _("Everything, the account itself and its tokens included")


class Token(models.Model):
    """A key to the API with a name, scopes and perhaps an end; only its hash is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=100)
    scopes = models.JSONField()
    digest = models.CharField(max_length=128, unique=True, help_text="SHA-512 of the secret")
    prefix = models.CharField(max_length=8, help_text="The secret's start; its owner knows it by")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def allows(self, scope: str) -> bool:
        """Whether the token may do what needs `scope`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class AppPassword(models.Model):
    """A password that Affetti made for one player, which knows no tokens.

    The password is not stored: `recommender.accounts` derives it from the row and the secret key.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="app_passwords"
    )
    name = models.CharField(max_length=100, help_text="The player that it was made for")
    nonce = models.CharField(max_length=64, help_text="Random; the password follows from it")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What an account may do on this installation."""

    LISTENER = "listener", _("Listener")
    MANAGER = "manager", _("Manager")
    ADMIN = "admin", _("Admin")


class Invitation(models.Model):
    """A link by which one person makes an account; `recommender.people` signs and checks it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.LISTENER)
    note = models.CharField(max_length=100, blank=True, help_text="Whom it is for")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="invitations"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"{self.role} {self.note or self.id}"


class NameLook(models.Model):
    """One look of a user's name (`recommender.looks`); no two accounts share one."""

    look = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="name_looks"
    )

    def __str__(self) -> str:
        return f"{self.user_id} {self.look[:8]}"


@receiver(models.signals.pre_save, sender=settings.AUTH_USER_MODEL)
def _password_taken_note(
    sender: Any, instance: Any, *, update_fields: Any = None, **_kwargs: object
) -> None:
    """Note whether this save takes a password away; an account of single sign-on has none."""
    is_written = update_fields is None or "password" in update_fields
    instance._is_password_taken = (
        is_written
        and not instance.has_usable_password()
        and not sender.objects.filter(pk=instance.pk, password=instance.password).exists()
    )


@receiver(models.signals.post_save, sender=settings.AUTH_USER_MODEL)
def tokens_end_with_their_password(sender: object, instance: Any, **_kwargs: object) -> None:
    """Delete a user's tokens and app passwords when the password is set, wherever and by whom."""
    # Django's own mark of a new password; None when it only stores the same one by a newer hasher.
    # A password that was taken away leaves no such mark.
    if instance._password is not None or instance._is_password_taken:
        Token.objects.filter(user=instance).delete()
        AppPassword.objects.filter(user=instance).delete()
