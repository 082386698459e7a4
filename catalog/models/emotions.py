"""Versions of the model, their predictions, and the log of changed songs."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from catalog.models.songs import Song
from mer.lyrics import withheld_note
from mer.prediction import AMBIGUOUS_BELOW, UNFAMILIAR_FROM


class ModelVersion(models.Model):
    """A version of the model that has analysed songs; lists are made from the one that serves.

    Use `catalog.versions` to change it.
    """

    name = models.CharField(max_length=100, unique=True)
    checkpoint = models.CharField(
        max_length=2000, help_text="AFFETTI_CHECKPOINT of the worker that first used it"
    )
    is_serving = models.BooleanField(default=False)
    is_held = models.BooleanField(
        default=False, help_text="Staff switched away from it: it serves again only if they say so"
    )
    served_at = models.DateTimeField(null=True, blank=True, help_text="When it last began to serve")
    requested_at = models.DateTimeField(
        null=True, blank=True, help_text="Staff want it to serve; it does when its index is built"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_serving"],
                condition=models.Q(is_serving=True),
                name="one_model_version_serves",
            )
        ]

    def __str__(self) -> str:
        return self.name


class SongEmotion(models.Model):
    """The emotion of one song by one model version: its prediction, or what staff corrected."""

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="emotions")
    model_version = models.CharField(max_length=100)
    valence = models.FloatField()
    arousal = models.FloatField()
    valence_spread = models.FloatField(
        null=True,
        blank=True,
        help_text="Standard deviation of the expected error; null if the model predicts none",
    )
    arousal_spread = models.FloatField(null=True, blank=True)
    quadrant = models.CharField(max_length=2)
    quadrants = models.JSONField(help_text="Probability of each of Q1..Q4")
    emotions = models.JSONField(help_text="Probability of each of the eight emotions")
    confidence = models.FloatField()
    gates = models.JSONField(help_text="Weight of audio, lyrics and context")
    alone = models.JSONField(
        default=dict,
        blank=True,
        help_text="{audio, lyrics, context: {valence, arousal}}, each by that one alone; empty for "
        "songs from before this column",
    )
    timeline = models.JSONField(help_text="[{start_seconds, valence, arousal}]")
    lyric_lines = models.JSONField(
        default=list,
        blank=True,
        help_text="[{line, text, valence, arousal, shift}], largest shift first",
    )
    felt = models.JSONField(
        default=dict,
        blank=True,
        help_text="Share of listeners who would feel each of the nine GEMS emotions; empty if the "
        "model does not predict it",
    )
    kinds = models.JSONField(
        default=dict, blank=True, help_text="Share of each kind of music; empty as above"
    )
    novelty = models.FloatField(
        null=True, blank=True, help_text="How unlike the training music it is; null as above"
    )
    valence_interval = models.JSONField(
        null=True, blank=True, help_text="[low, high], right for nine songs in ten; null as above"
    )
    arousal_interval = models.JSONField(null=True, blank=True)
    lyrics_language = models.CharField(
        max_length=3, blank=True, default="", help_text="ISO 639, by the words; empty if unclear"
    )
    are_lyrics_withheld = models.BooleanField(
        default=False, help_text="Lines were not used, because of their language"
    )
    fused_embedding = models.BinaryField(help_text="256 little-endian float32, unit norm")
    predicted = models.JSONField(
        null=True,
        blank=True,
        help_text="What the model predicted, by field, where staff corrected it; else null",
    )
    input_sha256 = models.CharField(
        max_length=64, blank=True, help_text="`Song.input_sha256` at the time of the analysis"
    )
    analysis_seconds = models.FloatField(default=0.0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["song", "model_version"], name="one_emotion_per_song_and_model"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["model_version", name, "song"], name=f"emotion_by_{name}")
            for name in ("valence", "arousal")
        ]

    def __str__(self) -> str:
        return f"{self.song_id} V {self.valence:.2f} A {self.arousal:.2f} ({self.model_version})"

    @property
    def is_ambiguous(self) -> bool:
        """Whether the song lies outside `quadrant` with a higher probability than inside it."""
        return self.confidence < AMBIGUOUS_BELOW

    @property
    def is_unfamiliar(self) -> bool:
        """Whether the place is a guess of the model, because it knows no such music."""
        if self.predicted is not None or self.novelty is None:
            return False
        return self.novelty >= UNFAMILIAR_FROM

    @property
    def withheld_note(self) -> str:
        """Which lyrics were not used, in a sentence; empty if all were."""
        if not self.are_lyrics_withheld:
            return ""
        is_used = self.gates.get("lyrics", 0.0) > 0
        return withheld_note(self.lyrics_language, is_used=is_used)


class EmotionCorrection(models.Model):
    """A place that staff gave a song, for everybody; `catalog.corrections` writes it.

    Names are kept beside the accounts, so that the record outlives them.
    """

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="corrections")
    valence = models.FloatField()
    arousal = models.FloatField()
    said_valence = models.FloatField(
        null=True, blank=True, help_text="In force before; null if it was not analysed"
    )
    said_arousal = models.FloatField(null=True, blank=True)
    said_version = models.CharField(max_length=100, blank=True)
    note = models.CharField(max_length=500, blank=True)
    corrected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    corrected_by_name = models.CharField(max_length=150)
    corrected_at = models.DateTimeField(auto_now_add=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    ended_by_name = models.CharField(max_length=150, blank=True)
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was undone or replaced; null while it holds"
    )

    class Meta:
        ordering: ClassVar = ["-corrected_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["song"],
                condition=models.Q(ended_at__isnull=True),
                name="one_standing_correction_per_song",
            )
        ]

    def __str__(self) -> str:
        return f"{self.song_id} to V {self.valence:.2f} A {self.arousal:.2f}"


class SongChange(models.Model):
    """One line of the change log, which `catalog.changes` reads and triggers write."""

    id = models.BigAutoField(primary_key=True, help_text="Sequence number")
    song_id = models.BigIntegerField(help_text="0 stands for every song")
    model_version = models.CharField(
        max_length=100, blank=True, help_text="Of the emotion; empty if the song itself changed"
    )
    transaction_id = models.BigIntegerField(
        default=0, db_index=True, help_text="PostgreSQL's number of the transaction; else 0"
    )

    def __str__(self) -> str:
        return f"{self.id}: song {self.song_id} {self.model_version}".rstrip()
