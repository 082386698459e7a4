"""Songs keep the acoustic fingerprint that they were compared by."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("catalog", "0008_artist_keys")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="song",
            name="fingerprint",
            field=models.BinaryField(
                default=b"",
                help_text="Of the sound, by Chromaprint; only of songs that were compared by it",
            ),
        ),
    ]
