"""Stations and playlists: requests that are kept, lists that are kept, and their versions."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.models import Song


class Station(models.Model):
    """A request of a user whose list is made again, each time as another version."""

    class Schedule(models.TextChoices):
        BY_HAND = "by_hand", _("When asked for")
        DAILY = "daily", _("Every day")
        WEEKLY = "weekly", _("Every week")

    class Weekday(models.IntegerChoices):
        MONDAY = 0, _("Monday")
        TUESDAY = 1, _("Tuesday")
        WEDNESDAY = 2, _("Wednesday")
        THURSDAY = 3, _("Thursday")
        FRIDAY = 4, _("Friday")
        SATURDAY = 5, _("Saturday")
        SUNDAY = 6, _("Sunday")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="stations"
    )
    name = models.CharField(max_length=200)
    request = models.JSONField(help_text="The PlaylistRequest of every version, without a seed")
    schedule = models.CharField(max_length=10, choices=Schedule.choices, default=Schedule.BY_HAND)
    hour = models.PositiveSmallIntegerField(
        default=6, validators=[MaxValueValidator(23)], help_text=_("Of the day, in the time zone")
    )
    weekday = models.PositiveSmallIntegerField(
        choices=Weekday.choices, default=Weekday.MONDAY, help_text=_("Of a weekly station")
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text=_("Such as Europe/Rome"))
    fresh_versions = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(10)],
        help_text=_("Songs of so many last versions are left out of a new one"),
    )
    next_at = models.DateTimeField(null=True, blank=True, db_index=True)
    version = models.PositiveIntegerField(default=0, help_text="Number of the newest version")
    current = models.PositiveIntegerField(default=0, help_text="Number of the version in use")
    notes = models.JSONField(default=list, help_text="Why the last try made no version")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class Playlist(models.Model):
    """A playlist that a user saved, or a version of a station."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="playlists"
    )
    name = models.CharField(max_length=200)
    request = models.JSONField(help_text="The PlaylistRequest, for making the playlist again")
    seed = models.PositiveBigIntegerField()
    model_version = models.CharField(max_length=100)
    notes = models.JSONField(default=list, help_text="Notes shown with the playlist")
    understood = models.JSONField(default=list, help_text="What the words were taken for")
    not_understood = models.JSONField(default=list, help_text="Words that are not understood")
    target = models.JSONField(
        default=dict, help_text="Valence and arousal; words such as calmer move them"
    )
    station = models.ForeignKey(
        Station, null=True, blank=True, on_delete=models.CASCADE, related_name="versions"
    )
    station_version = models.PositiveIntegerField(null=True, blank=True)
    version = models.PositiveIntegerField(
        default=1, help_text="Number of the version in use, of those changed by hand"
    )
    share_token = models.CharField(
        max_length=43,
        null=True,
        blank=True,
        unique=True,
        help_text="Part of the address under which anyone may read it; null: nobody",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["station", "station_version"], name="one_list_per_station_version"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PlaylistEntry(models.Model):
    """One song of a playlist, with the reason for it."""

    playlist = models.ForeignKey(Playlist, on_delete=models.CASCADE, related_name="entries")
    position = models.PositiveIntegerField()
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(null=True, blank=True, help_text="Null if it was added by hand")
    reason = models.JSONField(default=dict, blank=True)
    is_pinned = models.BooleanField(
        default=False, help_text="It keeps its place when the list is made again"
    )

    class Meta:
        ordering: ClassVar = ["playlist", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["playlist", "position"], name="one_entry_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.song_id}"


class PlaylistVersion(models.Model):
    """The songs that a playlist had after a change by hand, or before the first one."""

    playlist = models.ForeignKey(Playlist, on_delete=models.CASCADE, related_name="history")
    number = models.PositiveIntegerField()
    parent = models.PositiveIntegerField(null=True, help_text="The version that was changed")
    change = models.CharField(max_length=200, help_text="In words")
    entries = models.JSONField(help_text="song_id, score, reason and is_pinned of each")
    told = models.JSONField(
        default=dict, help_text="Seed, target and notes of this version; empty in old versions"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["playlist", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["playlist", "number"], name="one_version_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.playlist_id} {self.number}"
