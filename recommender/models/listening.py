"""What was heard and skipped, what was imported of it, and where players are."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

from catalog.models import BackgroundJob, Song
from recommender.models.playlists import Playlist


class ListenImport(models.Model):
    """A file of listening history that a user brought; its job says how far it is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="listen_imports"
    )
    job = models.OneToOneField(
        BackgroundJob,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Null if a command read the file",
    )
    file_name = models.CharField(max_length=200)
    result = models.JSONField(default=dict, help_text="Counts, and what was not found")
    failure = models.JSONField(default=dict, help_text="Why and where the file was refused")
    is_done = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"{self.user_id} {self.file_name}"


class Listen(models.Model):
    """One play of a song by a user."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="listens"
    )
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="listens")
    listened_at = models.DateTimeField()
    seconds_played = models.FloatField(null=True, blank=True)
    imported_by = models.ForeignKey(
        ListenImport,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="listens",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-listened_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "song", "listened_at"], name="one_listen_per_moment"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["user", "-listened_at"])]

    def __str__(self) -> str:
        return f"{self.user_id} {self.song_id} {self.listened_at:%Y-%m-%d %H:%M}"


class Skip(models.Model):
    """A listener left a song before its end."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="skips"
    )
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+")
    playlist = models.ForeignKey(
        Playlist, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    skipped_at = models.DateTimeField()
    seconds_played = models.FloatField(null=True, blank=True)
    share_played = models.FloatField(
        null=True, blank=True, help_text="Of the song's length, from 0 to 1"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "song", "skipped_at"], name="one_skip_per_moment"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["user", "-skipped_at"])]

    def __str__(self) -> str:
        return f"{self.user_id} {self.song_id} {self.skipped_at:%Y-%m-%d %H:%M}"


class PlayerState(models.Model):
    """What a listener's players last told: what plays now, and the queue that they share."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="player_state",
    )
    song = models.ForeignKey(
        Song, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=10, blank=True, help_text="playing or paused; else empty")
    position_ms = models.PositiveBigIntegerField(default=0)
    told_at = models.DateTimeField(null=True, blank=True)
    player = models.CharField(max_length=100, blank=True, help_text="As it calls itself")
    queue = models.JSONField(default=list, help_text="Ids of songs, in order")
    queue_current = models.BigIntegerField(null=True, blank=True, help_text="One of them")
    queue_position_ms = models.PositiveBigIntegerField(default=0)
    queue_at = models.DateTimeField(null=True, blank=True)
    queue_player = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return f"{self.user_id} {self.state or 'silent'}"
