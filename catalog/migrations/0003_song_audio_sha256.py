"""Songs get the hash of their encoded audio. The next ingest of their folder fills it."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("catalog", "0002_song_search")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="song",
            name="audio_sha256",
            field=models.CharField(
                blank=True,
                db_index=True,
                help_text="Of the encoded audio without tags; NO_AUDIO_HASH if that cannot be "
                "told apart",
                max_length=64,
            ),
        ),
    ]
