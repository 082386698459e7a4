"""The schema of release 0.1.0.

It replaces the two migrations that databases made before the release have applied. Django then
records this one as applied and runs nothing. Keep `replaces` while such databases exist.
"""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('catalog', '0001_initial'),
        ('catalog', '0002_spread_and_lyric_lines'),
    ]

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Library',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('root', models.CharField(max_length=2000, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name_plural': 'libraries',
                'ordering': ['name', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Song',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('content_sha256', models.CharField(max_length=64, unique=True)),
                ('relative_path', models.CharField(help_text="Below the library's root, with /", max_length=2000)),
                ('file_size_bytes', models.BigIntegerField()),
                ('file_mtime_ns', models.BigIntegerField()),
                ('title', models.CharField(blank=True, max_length=300)),
                ('artist', models.CharField(blank=True, db_index=True, max_length=300)),
                ('album', models.CharField(blank=True, max_length=300)),
                ('genre', models.CharField(blank=True, db_index=True, max_length=200)),
                ('year', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('duration_seconds', models.FloatField(blank=True, null=True)),
                ('lyrics', models.TextField(blank=True)),
                ('lyrics_source', models.CharField(blank=True, help_text='tag, lrc, txt or admin', max_length=20)),
                ('is_available', models.BooleanField(default=True, help_text='False when the file is gone')),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('analysed', 'Analysed'), ('failed', 'Failed')], default='pending', max_length=10)),
                ('failure_code', models.CharField(blank=True, max_length=50)),
                ('failure_message', models.TextField(blank=True)),
                ('queued_at', models.DateTimeField(blank=True, help_text='When the message for its analysis was sent', null=True)),
                ('leased_by', models.CharField(blank=True, help_text='Worker that holds the lease', max_length=200)),
                ('leased_at', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, help_text='Claims that ended with the death of the worker')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True, db_index=True)),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='songs', to='catalog.library')),
            ],
            options={
                'ordering': ['artist', 'title', 'id'],
            },
        ),
        migrations.CreateModel(
            name='SongEmotion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model_version', models.CharField(max_length=100)),
                ('valence', models.FloatField()),
                ('arousal', models.FloatField()),
                ('valence_spread', models.FloatField(blank=True, help_text='Standard deviation of the expected error; null if the model predicts none', null=True)),
                ('arousal_spread', models.FloatField(blank=True, null=True)),
                ('quadrant', models.CharField(max_length=2)),
                ('quadrants', models.JSONField(help_text='Probability of each of Q1..Q4')),
                ('emotions', models.JSONField(help_text='Probability of each of the eight emotions')),
                ('confidence', models.FloatField()),
                ('gates', models.JSONField(help_text='Weight of audio, lyrics and context')),
                ('timeline', models.JSONField(help_text='[{start_seconds, valence, arousal}]')),
                ('lyric_lines', models.JSONField(blank=True, default=list, help_text='[{line, text, valence, arousal, shift}], largest shift first')),
                ('fused_embedding', models.BinaryField(help_text='256 little-endian float32, unit norm')),
                ('input_sha256', models.CharField(blank=True, help_text='`Song.input_sha256` at the time of the analysis', max_length=64)),
                ('analysis_seconds', models.FloatField(default=0.0)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True, db_index=True)),
                ('song', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='emotions', to='catalog.song')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='BackgroundJob',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('ingest', 'Ingest')], max_length=20)),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('started', 'Started'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('revoked', 'Revoked')], default='pending', max_length=10)),
                ('arguments', models.JSONField(default=dict)),
                ('progress_done', models.PositiveIntegerField(default=0)),
                ('progress_total', models.PositiveIntegerField(default=0)),
                ('result', models.JSONField(default=dict)),
                ('error_code', models.CharField(blank=True, max_length=50)),
                ('error_message', models.TextField(blank=True)),
                ('worker', models.CharField(blank=True, help_text='Worker that holds the job', max_length=200)),
                ('attempts', models.PositiveSmallIntegerField(default=0, help_text='Starts since the last progress')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('heartbeat_at', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created_at'],
                'indexes': [models.Index(fields=['status', 'heartbeat_at'], name='catalog_bac_status_f541c9_idx')],
            },
        ),
        migrations.CreateModel(
            name='IngestFailure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('relative_path', models.CharField(max_length=2000)),
                ('file_size_bytes', models.BigIntegerField()),
                ('file_mtime_ns', models.BigIntegerField()),
                ('code', models.CharField(max_length=50)),
                ('message', models.TextField()),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='failures', to='catalog.library')),
            ],
            options={
                'ordering': ['library', 'relative_path'],
                'constraints': [models.UniqueConstraint(fields=('library', 'relative_path'), name='failure_path_unique_in_library')],
            },
        ),
        migrations.AddIndex(
            model_name='song',
            index=models.Index(fields=['library', 'relative_path'], name='catalog_son_library_525078_idx'),
        ),
        migrations.AddIndex(
            model_name='song',
            index=models.Index(fields=['status', 'leased_at'], name='catalog_son_status_531635_idx'),
        ),
        migrations.AddConstraint(
            model_name='song',
            constraint=models.UniqueConstraint(condition=models.Q(('is_available', True)), fields=('library', 'relative_path'), name='one_available_song_per_path'),
        ),
        migrations.AddConstraint(
            model_name='songemotion',
            constraint=models.UniqueConstraint(fields=('song', 'model_version'), name='one_emotion_per_song_and_model'),
        ),
    ]
