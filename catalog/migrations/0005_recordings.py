"""Songs can be linked as one recording; the keys by which they are compared are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import django.db.models.deletion
from django.db import migrations, models

from catalog.texts import recording_key

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import StateApps

_ROWS: Final = 1_000


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    song_model: Any = apps.get_model("catalog", "Song")
    songs = song_model.objects.only("pk", "title", "artist", "album").order_by("pk")
    last = 0
    while page := list(songs.filter(pk__gt=last)[:_ROWS]):
        for song in page:
            song.recording_key = recording_key(
                title=song.title, artist=song.artist, album=song.album
            )
        song_model.objects.bulk_update(page, ["recording_key"], batch_size=100)
        last = page[-1].pk


class Migration(migrations.Migration):
    dependencies: ClassVar = [("catalog", "0004_model_versions")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Recording",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.AddField(
            model_name="song",
            name="is_recording_checked",
            field=models.BooleanField(
                default=False, help_text="False until it was compared with other songs"
            ),
        ),
        migrations.AddField(
            model_name="song",
            name="is_recording_manual",
            field=models.BooleanField(
                default=False,
                help_text="Staff chose its recording; it is never changed automatically",
            ),
        ),
        migrations.AddField(
            model_name="song",
            name="recording_key",
            field=models.CharField(
                blank=True, help_text="Of artist and title; equal for one recording", max_length=300
            ),
        ),
        migrations.AddField(
            model_name="song",
            name="recording_rank",
            field=models.PositiveIntegerField(
                default=0, help_text="Place among the files of its recording; 0 is shown first"
            ),
        ),
        migrations.AddField(
            model_name="song",
            name="recording",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="songs",
                to="catalog.recording",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                fields=["recording_key", "duration_seconds"], name="catalog_son_recordi_49e168_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="song",
            index=models.Index(
                condition=models.Q(("is_recording_checked", False)),
                fields=["id"],
                name="song_recording_unchecked",
            ),
        ),
    ]
