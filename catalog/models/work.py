"""What ingests remember of files, and long work."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_noop

from catalog.models.libraries import Library
from catalog.models.songs import Song
from catalog.retold import kept


class IngestFailure(models.Model):
    """A file that could not become a song, or may not; it is read again only when it changes."""

    REMOVED = "REMOVED"
    """The code of a file with a song that staff removed from the library (`Song.is_removed`)."""
    REMOVED_MESSAGE = kept(gettext_noop("staff removed the song from the library"))

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="failures")
    relative_path = models.CharField(max_length=2000)
    file_size_bytes = models.BigIntegerField()
    file_mtime_ns = models.BigIntegerField()
    code = models.CharField(max_length=50)
    message = models.TextField()
    song = models.ForeignKey(
        Song,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="removed_files",
        help_text="The removed song that this is a file of",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["library", "relative_path"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["library", "relative_path"], name="failure_path_unique_in_library"
            )
        ]

    def __str__(self) -> str:
        return f"{self.relative_path}: {self.code}"


class KnownCopy(models.Model):
    """A file with the same bytes as a song's file; it is read again only when it changes."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="copies")
    relative_path = models.CharField(max_length=2000)
    file_size_bytes = models.BigIntegerField()
    file_mtime_ns = models.BigIntegerField()
    content_sha256 = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "known copies"
        ordering: ClassVar = ["library", "relative_path"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["library", "relative_path"], name="copy_path_unique_in_library"
            )
        ]

    def __str__(self) -> str:
        return self.relative_path


class StageTiming(models.Model):
    """How many items went through a stage of the work, and how long that took, of all workers."""

    class Stage(models.TextChoices):
        READ = "read"
        WRITE = "write"
        PREPARE = "prepare"
        PREDICT = "predict"
        STORE = "store"
        INDEX = "index"

    stage = models.CharField(max_length=20, primary_key=True, choices=Stage.choices)
    items = models.BigIntegerField(default=0, help_text="Files of a scan, else songs")
    seconds = models.FloatField(default=0.0, help_text="Of the clock, of all workers together")

    def __str__(self) -> str:
        return f"{self.stage}: {self.items} in {self.seconds:.1f} s"

    @property
    def items_per_second(self) -> float:
        """The mean speed of one worker; 0 before the stage has begun."""
        return self.items / self.seconds if self.seconds else 0.0


class BackgroundJob(models.Model):
    """Long work that a user asked for. Its state is here, not in the broker.

    pending ─▶ started ─▶ succeeded | failed | revoked
       ▲ ▲        │ ▲
       │ └────────┤ │  its worker died, or the work takes longer than one message may
       └─ paused ◀┘ │  resumed before its scan was done
             └──────┘  resumed after it

    A pending job can also be paused, fail or be revoked, and a paused one revoked. Only
    `catalog.work.jobs` changes the status.
    """

    class Kind(models.TextChoices):
        INGEST = "ingest"
        HISTORY = "history"
        TAGS = "tags"

    class Status(models.TextChoices):
        PENDING = "pending"
        STARTED = "started"
        PAUSED = "paused"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        REVOKED = "revoked"

        @classmethod
        def open(cls) -> list[str]:
            """Return the states of a job that has not ended."""
            return [cls.PENDING, cls.STARTED, cls.PAUSED]

    class Priority(models.TextChoices):
        NEXT = "next"
        HIGH = "high"
        NORMAL = "normal"
        LOW = "low"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    priority = models.CharField(
        max_length=10,
        choices=Priority.choices,
        default=Priority.NORMAL,
        db_default=Priority.NORMAL,
        help_text="Of its songs in the queue for analysis",
    )
    arguments = models.JSONField(default=dict)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    result = models.JSONField(default=dict)
    error_code = models.CharField(max_length=50, blank=True)
    error_message = models.TextField(blank=True)
    worker = models.CharField(max_length=200, blank=True, help_text="Worker that holds the job")
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Starts since the last progress"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["status", "heartbeat_at"]),
            models.Index(fields=["created_at", "id"], name="job_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.status})"
