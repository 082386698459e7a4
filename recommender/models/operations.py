"""Index builds, signs of life, and requests that are answered once."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models


class IndexBuild(models.Model):
    """An immutable directory of index files; at most one is active for a model version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model_version = models.CharField(max_length=100, db_index=True)
    directory = models.CharField(max_length=200, help_text="Name below AFFETTI_INDEX_DIR")
    row_count = models.PositiveIntegerField()
    manifest_sha256 = models.CharField(max_length=64)
    position = models.TextField(help_text="In the change log; earlier changes are in the build")
    is_active = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["model_version"],
                condition=models.Q(is_active=True),
                name="one_active_build_per_model",
            )
        ]

    def __str__(self) -> str:
        return f"{self.directory} ({self.row_count} songs{', active' if self.is_active else ''})"


class ServiceHeartbeat(models.Model):
    """When a worker, the scheduler or the watcher last showed that it works."""

    class Kind(models.TextChoices):
        WORKER = "worker"
        SCHEDULER = "scheduler"
        WATCHER = "watcher"

    name = models.CharField(max_length=200, primary_key=True, help_text="Its node name")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    seen_at = models.DateTimeField()
    is_gpu_absent = models.BooleanField(
        default=False, help_text="It was asked for a GPU and found none"
    )
    memory_bytes = models.BigIntegerField(
        default=0, db_default=0, help_text="Resident, of its process and its children"
    )
    gpu_memory_bytes = models.JSONField(
        default=dict, db_default={}, help_text="total, used and peak; empty without a GPU"
    )

    def __str__(self) -> str:
        return f"{self.name} {self.seen_at:%Y-%m-%d %H:%M:%S}"


class KeyedRequest(models.Model):
    """A request of the API with an `Idempotency-Key`, and its answer (`recommender.replays`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64, help_text="SHA-256 of the key")
    digest = models.CharField(max_length=64, help_text="Of the request, with the secret key")
    status = models.PositiveSmallIntegerField(null=True, help_text="Null until it is answered")
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"", help_text="Compressed")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="one_request_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.key[:8]}"
