"""Libraries: the folders that songs come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.paths import from_stored

if TYPE_CHECKING:
    from pathlib import Path


class Library(models.Model):
    """A folder that songs come from. No path outside `root` is read, streamed or listed.

    No library's root lies inside another's. `root`, like every path in the database, is in the
    form of `catalog.paths.to_stored`.

    A library of the kind `TABLE` has no folder. Each of its songs is a row of a table and has no
    audio; `root` is a name that is no path (`catalog.ingest.tablesongs`).
    """

    class Kind(models.TextChoices):
        FOLDER = "folder", _("A folder")
        TABLE = "table", _("A table of songs without audio")

    class Watch(models.TextChoices):
        OFF = "off", _("Off")
        EVENTS = "events", _("By events")
        POLLING = "polling", _("By looking again and again")

    class WatchState(models.TextChoices):
        NONE = "", _("Not watched")
        WATCHING = "watching", _("Watched")
        FALLBACK = "fallback", _("Watched by polling, because events fail")
        AWAY = "away", _("The folder is empty or absent")
        FAILED = "failed", _("Not watched because of an error")

    name = models.CharField(max_length=200)
    root = models.CharField(max_length=2000, unique=True)
    kind = models.CharField(
        max_length=10,
        choices=Kind.choices,
        default=Kind.FOLDER,
        db_default=Kind.FOLDER,
        editable=False,
    )
    watch = models.CharField(
        max_length=10, choices=Watch.choices, default=Watch.OFF, db_default=Watch.OFF
    )
    watch_state = models.CharField(
        max_length=10,
        choices=WatchState.choices,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    watch_note = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Why the state is another one than watched",
    )
    rescan_hours = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Time between two scheduled scans; empty: none"
    )
    rescan_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the next scheduled scan begins"
    )
    scanned_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the last whole scan ended"
    )
    is_writable = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Moods, tempo and key may be written into its files",
    )
    is_going = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Staff removed it; a worker deletes its songs",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "libraries"
        ordering: ClassVar = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        """`root` as a path."""
        return from_stored(self.root)

    @property
    def has_audio(self) -> bool:
        """Whether its songs are files; those of a table are known by their row alone."""
        return self.kind != self.Kind.TABLE

    @property
    def folder(self) -> str:
        """`root`, or nothing for a table."""
        return self.root if self.has_audio else ""
