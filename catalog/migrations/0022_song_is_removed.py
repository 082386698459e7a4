from django.db import migrations, models
from django.db.models import Exists, OuterRef


def removed_mark(apps, schema_editor):
    """Mark the songs whose files staff removed; until now only their paths said so."""
    song = apps.get_model("catalog", "Song")
    marks = apps.get_model("catalog", "IngestFailure").objects.filter(
        code="REMOVED", library=OuterRef("library"), relative_path=OuterRef("relative_path")
    )
    song.objects.filter(Exists(marks), is_available=False).update(is_removed=True)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0021_song_shown_in_order")]

    operations = [
        migrations.AddField(
            model_name="song",
            name="is_removed",
            field=models.BooleanField(
                default=False,
                help_text="Staff removed it; it is not available, wherever a file of it is found",
            ),
        ),
        migrations.RunPython(removed_mark, migrations.RunPython.noop),
    ]
