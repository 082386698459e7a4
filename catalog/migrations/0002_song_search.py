"""Songs get the columns that searches and sorting use, filled from their texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import migrations, models

from catalog.texts import search_text, sort_key

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import StateApps

_ROWS: Final = 1_000
_FIELDS: Final = ("search_text", "title_sort", "artist_sort", "album_sort")


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    song_model: Any = apps.get_model("catalog", "Song")
    songs = song_model.objects.only("pk", "title", "artist", "album").order_by("pk")
    last = 0
    while page := list(songs.filter(pk__gt=last)[:_ROWS]):
        for song in page:
            song.search_text = search_text(song.title, song.artist, song.album)
            song.title_sort = sort_key(song.title)
            song.artist_sort = sort_key(song.artist)
            song.album_sort = sort_key(song.album)
        song_model.objects.bulk_update(page, _FIELDS, batch_size=100)
        last = page[-1].pk


class Migration(migrations.Migration):
    dependencies: ClassVar = [("catalog", "0001_squashed_0002_spread_and_lyric_lines")]

    operations: ClassVar = [
        migrations.AlterModelOptions(
            name="song", options={"ordering": ["artist_sort", "title_sort", "id"]}
        ),
        migrations.AddField(
            model_name="song",
            name="search_text",
            field=models.TextField(
                blank=True,
                editable=False,
                default="",
                help_text="Title, artist and album as searches compare them",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="song",
            name="title_sort",
            field=models.BinaryField(default=b"", help_text="`sort_key` of the title"),
        ),
        migrations.AddField(
            model_name="song",
            name="artist_sort",
            field=models.BinaryField(default=b"", help_text="Of the artist"),
        ),
        migrations.AddField(
            model_name="song",
            name="album_sort",
            field=models.BinaryField(default=b"", help_text="Of the album"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="song",
            name="artist_sort",
            field=models.BinaryField(default=b"", db_index=True, help_text="Of the artist"),
        ),
    ]
