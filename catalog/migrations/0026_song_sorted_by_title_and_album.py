from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0025_watching'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='song',
            index=models.Index(condition=models.Q(('is_available', True)), fields=['title_sort', 'artist_sort', 'id'], name='song_shown_by_title'),
        ),
        migrations.AddIndex(
            model_name='song',
            index=models.Index(condition=models.Q(('is_available', True)), fields=['album_sort', 'title_sort', 'id'], name='song_shown_by_album'),
        ),
    ]
