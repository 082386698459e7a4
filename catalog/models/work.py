"""What ingests remember of files, and long work."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

from catalog.models.songs import Library


class IngestFailure(models.Model):
    """A file that could not become a song; it is read again only when it changes."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="failures")
    relative_path = models.CharField(max_length=2000)
    file_size_bytes = models.BigIntegerField()
    file_mtime_ns = models.BigIntegerField()
    code = models.CharField(max_length=50)
    message = models.TextField()
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


class BackgroundJob(models.Model):
    """Long work that a user asked for. Its state is here, not in the broker.

    pending ─▶ started ─▶ succeeded | failed | revoked
       ▲          │
       └──────────┘  its worker died, or the work takes longer than one message may

    A pending job can also fail or be revoked. Only `catalog.work.jobs` changes the status.
    """

    class Kind(models.TextChoices):
        INGEST = "ingest"

    class Status(models.TextChoices):
        PENDING = "pending"
        STARTED = "started"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        REVOKED = "revoked"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
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
        indexes: ClassVar = [models.Index(fields=["status", "heartbeat_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.status})"
