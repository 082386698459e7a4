"""What was written into tags of files, and what undoes it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from catalog.files.ours import OURS
from catalog.models.libraries import Library
from catalog.models.songs import Song
from catalog.models.work import BackgroundJob


class TagRun(models.Model):
    """One writing of tags, or its preview; `catalog.tagwriting` makes it, and undoes it.

    planning ─▶ planned            a preview: no file is written
    started ─▶ done ─▶ undoing ─▶ undone
    """

    class State(models.TextChoices):
        PLANNING = "planning", _("Preview is being made")
        PLANNED = "planned", _("Preview is ready")
        STARTED = "started", _("Being written")
        DONE = "done", _("Written")
        UNDOING = "undoing", _("Being undone")
        UNDONE = "undone", _("Undone")

    state = models.CharField(max_length=10, choices=State.choices, default=State.STARTED)
    choice = models.JSONField(help_text="Which songs and fields, as `Choice`")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    job = models.ForeignKey(
        BackgroundJob,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="What made it, or undoes it, last; none if a command did",
    )
    after = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The last song that was looked at; of an undo, the last file",
    )
    folder = models.CharField(
        max_length=2000, blank=True, help_text="In which files are being replaced, as stored"
    )
    unchanged = models.PositiveIntegerField(default=0, help_text="Songs that were up to date")
    refused = models.PositiveIntegerField(default=0, help_text="Songs that could not be written")
    problems = models.JSONField(
        default=list, blank=True, help_text="[{path, code, message}], the first of those refused"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"tags {self.pk} ({self.state})"

    @property
    def choice_made(self) -> dict[str, Any]:
        """The choice; older ones lack `folder`."""
        return {"folder": "", **self.choice}

    @property
    def is_preview(self) -> bool:
        """Whether no file of it is written."""
        return self.state in {self.State.PLANNING, self.State.PLANNED}

    @property
    def is_going(self) -> bool:
        """Whether a job goes on with it."""
        return self.job is not None and self.job.finished_at is None

    @property
    def is_stopped(self) -> bool:
        """Whether its job ended before it was through."""
        ended = {self.State.PLANNED, self.State.DONE, self.State.UNDONE}
        return self.job is not None and not self.is_going and self.state not in ended


class TagWrite(models.Model):
    """One file of a run: what it was, what it became, and the bytes that lead back.

    planned                        of a preview: nothing follows
    prepared ─file replaced─▶ written ─▶ undoing ─file replaced─▶ undone

    The row is there before the file changes. A row that a killed process left as prepared or
    undoing is settled by what the file says.
    """

    class State(models.TextChoices):
        PLANNED = "planned"
        PREPARED = "prepared"
        WRITTEN = "written"
        UNDOING = "undoing"
        UNDONE = "undone"

    run = models.ForeignKey(TagRun, on_delete=models.CASCADE, related_name="writes")
    song = models.ForeignKey(
        Song, null=True, blank=True, on_delete=models.SET_NULL, related_name="tag_writes"
    )
    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="tag_writes")
    relative_path = models.CharField(max_length=2000, help_text="As of the song when written")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PREPARED)
    part_name = models.CharField(max_length=100, help_text="Of the copy that replaces the file")
    fields = models.JSONField(help_text="{field: {before: [], after: []}}")
    before_sha256 = models.CharField(max_length=64)
    before_mtime_ns = models.BigIntegerField()
    after_sha256 = models.CharField(max_length=64)
    back = models.BinaryField(help_text="The delta that restores the file")
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["state"], name="tag_write_state"),
            models.Index(fields=["run", "state"], name="tag_write_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.relative_path} ({self.state})"

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What each field was and is, in the order in which fields are written."""
        return [{"field": name, **self.fields[name]} for name in OURS if name in self.fields]
