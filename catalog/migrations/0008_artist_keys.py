"""Songs get the key of their artist from its text; credits follow at the next ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import migrations

from catalog.files.credits import main_key

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import StateApps

_ROWS: Final = 1_000


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    song_model: Any = apps.get_model("catalog", "Song")
    songs = song_model.objects.only("pk", "artist").order_by("pk")
    last = 0
    while page := list(songs.filter(pk__gt=last)[:_ROWS]):
        for song in page:
            song.artist_key = main_key(song.artist)
        song_model.objects.bulk_update(page, ["artist_key"], batch_size=200)
        last = page[-1].pk


class Migration(migrations.Migration):
    dependencies: ClassVar = [("catalog", "0007_artists_and_credits")]

    operations: ClassVar = [migrations.RunPython(fill, migrations.RunPython.noop)]
