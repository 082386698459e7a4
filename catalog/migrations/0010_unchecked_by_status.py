"""The songs that wait to be compared are found without a walk over all that are analysed."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("catalog", "0009_song_fingerprint")]

    operations: ClassVar = [
        migrations.RemoveIndex(model_name="song", name="song_recording_unchecked"),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                condition=models.Q(("is_recording_checked", False)),
                fields=["status", "id"],
                name="song_recording_unchecked",
            ),
        ),
    ]
