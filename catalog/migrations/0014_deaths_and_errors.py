from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0013_requested_version'),
    ]

    operations = [
        # Attempts mixed both. Counted as deaths, they fail no song.
        migrations.RenameField(model_name='song', old_name='attempts', new_name='deaths'),
        migrations.AlterField(
            model_name='song',
            name='deaths',
            field=models.PositiveIntegerField(default=0, help_text='Claims of the song alone that ended with the death of the worker'),
        ),
        migrations.AddField(
            model_name='song',
            name='errors',
            field=models.PositiveSmallIntegerField(default=0, help_text='Tries that ended with an error of its own or the death of its child process'),
        ),
    ]
