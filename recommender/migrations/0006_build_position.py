from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('recommender', '0005_playlist_understood'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='indexbuild',
            name='watermark',
        ),
        migrations.AddField(
            model_name='indexbuild',
            name='position',
            # Builds from before have another format: they are built again.
            field=models.TextField(default='0', help_text='In the change log; earlier changes are in the build'),
            preserve_default=False,
        ),
    ]
