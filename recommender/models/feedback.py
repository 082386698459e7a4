"""What listeners say of songs and artists: likes, bans, ratings, stars."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

from catalog.models import Album, Artist, Song


class SongFeedback(models.Model):
    """What a listener said of a song; what was not said is null.

    `recommender.feedback` reads and writes it. A row is about the recording: of the files of one
    recording, at most one has a like, a ban, a rating or a felt place.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="song_feedback"
    )
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+")
    liked_at = models.DateTimeField(null=True, blank=True)
    banned_at = models.DateTimeField(null=True, blank=True)
    stars = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 to 5")
    rated_at = models.DateTimeField(null=True, blank=True)
    felt_valence = models.FloatField(
        null=True, blank=True, help_text="Where the listener places the song, from 0 to 1"
    )
    felt_arousal = models.FloatField(null=True, blank=True)
    said_valence = models.FloatField(
        null=True, blank=True, help_text="Where the catalogue had it when the listener placed it"
    )
    said_arousal = models.FloatField(null=True, blank=True)
    said_version = models.CharField(max_length=100, blank=True, help_text="By this model version")
    felt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "song feedback"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "song"], name="one_feedback_per_song")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.song_id}"


class ArtistBan(models.Model):
    """A listener wants no song of an artist, featured ones included."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="artist_bans"
    )
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="+")
    banned_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "artist"], name="one_ban_per_artist")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.artist_id}"


class FeedbackRevision(models.Model):
    """A mark of the present feedback of a listener: another one after each change."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="feedback_revision",
    )
    revision = models.UUIDField(default=uuid.uuid4)

    def __str__(self) -> str:
        return f"{self.user_id} {self.revision}"


class Star(models.Model):
    """A listener's mark at an album or an artist; that of a song is `SongFeedback.liked_at`."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="stars"
    )
    album = models.ForeignKey(
        Album, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    artist = models.ForeignKey(
        Artist, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    starred_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "album"], name="one_star_per_album"),
            models.UniqueConstraint(fields=["user", "artist"], name="one_star_per_artist"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} album {self.album_id} artist {self.artist_id}"
