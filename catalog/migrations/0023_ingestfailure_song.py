import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0022_song_is_removed")]

    operations = [
        migrations.AddField(
            model_name="ingestfailure",
            name="song",
            field=models.ForeignKey(
                editable=False,
                help_text="The removed song that this is a file of",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="removed_files",
                to="catalog.song",
            ),
        ),
    ]
