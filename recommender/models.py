"""Index builds, playlists, listening history, feedback, tokens, names, and signs of life."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from catalog.models import Album, Artist, BackgroundJob, Song


class IndexBuild(models.Model):
    """An immutable directory of index files; at most one is active for a model version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model_version = models.CharField(max_length=100, db_index=True)
    directory = models.CharField(max_length=200, help_text="Name below AFFETTI_INDEX_DIR")
    row_count = models.PositiveIntegerField()
    manifest_sha256 = models.CharField(max_length=64)
    position = models.TextField(help_text="In the change log; earlier changes are in the build")
    is_active = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["model_version"],
                condition=models.Q(is_active=True),
                name="one_active_build_per_model",
            )
        ]

    def __str__(self) -> str:
        return f"{self.directory} ({self.row_count} songs{', active' if self.is_active else ''})"


class Station(models.Model):
    """A request of a user whose list is made again, each time as another version."""

    class Schedule(models.TextChoices):
        BY_HAND = "by_hand", _("When asked for")
        DAILY = "daily", _("Every day")
        WEEKLY = "weekly", _("Every week")

    class Weekday(models.IntegerChoices):
        MONDAY = 0, _("Monday")
        TUESDAY = 1, _("Tuesday")
        WEDNESDAY = 2, _("Wednesday")
        THURSDAY = 3, _("Thursday")
        FRIDAY = 4, _("Friday")
        SATURDAY = 5, _("Saturday")
        SUNDAY = 6, _("Sunday")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="stations"
    )
    name = models.CharField(max_length=200)
    request = models.JSONField(help_text="The PlaylistRequest of every version, without a seed")
    schedule = models.CharField(max_length=10, choices=Schedule.choices, default=Schedule.BY_HAND)
    hour = models.PositiveSmallIntegerField(
        default=6, validators=[MaxValueValidator(23)], help_text=_("Of the day, in the time zone")
    )
    weekday = models.PositiveSmallIntegerField(
        choices=Weekday.choices, default=Weekday.MONDAY, help_text=_("Of a weekly station")
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text=_("Such as Europe/Rome"))
    fresh_versions = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(10)],
        help_text=_("Songs of so many last versions are left out of a new one"),
    )
    next_at = models.DateTimeField(null=True, blank=True, db_index=True)
    version = models.PositiveIntegerField(default=0, help_text="Number of the newest version")
    current = models.PositiveIntegerField(default=0, help_text="Number of the version in use")
    notes = models.JSONField(default=list, help_text="Why the last try made no version")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class Playlist(models.Model):
    """A playlist that a user saved, or a version of a station."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="playlists"
    )
    name = models.CharField(max_length=200)
    request = models.JSONField(help_text="The PlaylistRequest, for making the playlist again")
    seed = models.PositiveBigIntegerField()
    model_version = models.CharField(max_length=100)
    notes = models.JSONField(default=list, help_text="Notes shown with the playlist")
    understood = models.JSONField(default=list, help_text="What the words were taken for")
    not_understood = models.JSONField(default=list, help_text="Words that are not understood")
    target = models.JSONField(
        default=dict, help_text="Valence and arousal; words such as calmer move them"
    )
    station = models.ForeignKey(
        Station, null=True, blank=True, on_delete=models.CASCADE, related_name="versions"
    )
    station_version = models.PositiveIntegerField(null=True, blank=True)
    version = models.PositiveIntegerField(
        default=1, help_text="Number of the version in use, of those changed by hand"
    )
    share_token = models.CharField(
        max_length=43,
        null=True,
        blank=True,
        unique=True,
        help_text="Part of the address under which anyone may read it; null: nobody",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["station", "station_version"], name="one_list_per_station_version"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PlaylistEntry(models.Model):
    """One song of a playlist, with the reason for it."""

    playlist = models.ForeignKey(Playlist, on_delete=models.CASCADE, related_name="entries")
    position = models.PositiveIntegerField()
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(null=True, blank=True, help_text="Null if it was added by hand")
    reason = models.JSONField(default=dict, blank=True)
    is_pinned = models.BooleanField(
        default=False, help_text="It keeps its place when the list is made again"
    )

    class Meta:
        ordering: ClassVar = ["playlist", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["playlist", "position"], name="one_entry_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.song_id}"


class PlaylistVersion(models.Model):
    """The songs that a playlist had after a change by hand, or before the first one."""

    playlist = models.ForeignKey(Playlist, on_delete=models.CASCADE, related_name="history")
    number = models.PositiveIntegerField()
    parent = models.PositiveIntegerField(null=True, help_text="The version that was changed")
    change = models.CharField(max_length=200, help_text="In words")
    entries = models.JSONField(help_text="song_id, score, reason and is_pinned of each")
    told = models.JSONField(
        default=dict, help_text="Seed, target and notes of this version; empty in old versions"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["playlist", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["playlist", "number"], name="one_version_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.playlist_id} {self.number}"


class ListenImport(models.Model):
    """A file of listening history that a user brought; its job says how far it is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="listen_imports"
    )
    job = models.OneToOneField(
        BackgroundJob,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Null if a command read the file",
    )
    file_name = models.CharField(max_length=200)
    result = models.JSONField(default=dict, help_text="Counts, and what was not found")
    failure = models.JSONField(default=dict, help_text="Why and where the file was refused")
    is_done = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"{self.user_id} {self.file_name}"


class Listen(models.Model):
    """One play of a song by a user."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="listens"
    )
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="listens")
    listened_at = models.DateTimeField()
    seconds_played = models.FloatField(null=True, blank=True)
    imported_by = models.ForeignKey(
        ListenImport,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="listens",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-listened_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "song", "listened_at"], name="one_listen_per_moment"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["user", "-listened_at"])]

    def __str__(self) -> str:
        return f"{self.user_id} {self.song_id} {self.listened_at:%Y-%m-%d %H:%M}"


class SongFeedback(models.Model):
    """What a listener said of a song; what was not said is null.

    `recommender.feedback` reads and writes it. A row is about the recording: of the files of one
    recording, at most one has a like, a ban, a rating or a felt place.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="song_feedback"
    )
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+")
    liked_at = models.DateTimeField(null=True, blank=True)
    banned_at = models.DateTimeField(null=True, blank=True)
    stars = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 to 5")
    rated_at = models.DateTimeField(null=True, blank=True)
    felt_valence = models.FloatField(
        null=True, blank=True, help_text="Where the listener places the song, from 0 to 1"
    )
    felt_arousal = models.FloatField(null=True, blank=True)
    said_valence = models.FloatField(
        null=True, blank=True, help_text="Where the catalogue had it when the listener placed it"
    )
    said_arousal = models.FloatField(null=True, blank=True)
    said_version = models.CharField(max_length=100, blank=True, help_text="By this model version")
    felt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "song feedback"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "song"], name="one_feedback_per_song")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.song_id}"


class ArtistBan(models.Model):
    """A listener wants no song of an artist, featured ones included."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="artist_bans"
    )
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="+")
    banned_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "artist"], name="one_ban_per_artist")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.artist_id}"


class Skip(models.Model):
    """A listener left a song before its end."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="skips"
    )
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+")
    playlist = models.ForeignKey(
        Playlist, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    skipped_at = models.DateTimeField()
    seconds_played = models.FloatField(null=True, blank=True)
    share_played = models.FloatField(
        null=True, blank=True, help_text="Of the song's length, from 0 to 1"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "song", "skipped_at"], name="one_skip_per_moment"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["user", "-skipped_at"])]

    def __str__(self) -> str:
        return f"{self.user_id} {self.song_id} {self.skipped_at:%Y-%m-%d %H:%M}"


class FeedbackRevision(models.Model):
    """A mark of the present feedback of a listener: another one after each change."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="feedback_revision",
    )
    revision = models.UUIDField(default=uuid.uuid4)

    def __str__(self) -> str:
        return f"{self.user_id} {self.revision}"


class Star(models.Model):
    """A listener's mark at an album or an artist; that of a song is `SongFeedback.liked_at`."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="stars"
    )
    album = models.ForeignKey(
        Album, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    artist = models.ForeignKey(
        Artist, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    starred_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "album"], name="one_star_per_album"),
            models.UniqueConstraint(fields=["user", "artist"], name="one_star_per_artist"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} album {self.album_id} artist {self.artist_id}"


class PlayerState(models.Model):
    """What a listener's players last told: what plays now, and the queue that they share."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="player_state",
    )
    song = models.ForeignKey(
        Song, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=10, blank=True, help_text="playing or paused; else empty")
    position_ms = models.PositiveBigIntegerField(default=0)
    told_at = models.DateTimeField(null=True, blank=True)
    player = models.CharField(max_length=100, blank=True, help_text="As it calls itself")
    queue = models.JSONField(default=list, help_text="Ids of songs, in order")
    queue_current = models.BigIntegerField(null=True, blank=True, help_text="One of them")
    queue_position_ms = models.PositiveBigIntegerField(default=0)
    queue_at = models.DateTimeField(null=True, blank=True)
    queue_player = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return f"{self.user_id} {self.state or 'silent'}"


class ServiceHeartbeat(models.Model):
    """When a worker, the scheduler or the watcher last showed that it works."""

    class Kind(models.TextChoices):
        WORKER = "worker"
        SCHEDULER = "scheduler"
        WATCHER = "watcher"

    name = models.CharField(max_length=200, primary_key=True, help_text="Its node name")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    seen_at = models.DateTimeField()
    is_gpu_absent = models.BooleanField(
        default=False, help_text="It was asked for a GPU and found none"
    )
    memory_bytes = models.BigIntegerField(
        default=0, db_default=0, help_text="Resident, of its process and its children"
    )
    gpu_memory_bytes = models.JSONField(
        default=dict, db_default={}, help_text="total, used and peak; empty without a GPU"
    )

    def __str__(self) -> str:
        return f"{self.name} {self.seen_at:%Y-%m-%d %H:%M:%S}"


class Scope(models.TextChoices):
    """What a token may do; `ADMIN` includes all others."""

    READ = "read", _("Look at songs and moods")
    LISTEN = "listen", _("Play songs, and read and write the listening history")
    PLAYLISTS = "playlists", _("Make, read, export and delete playlists")
    INGEST = "ingest", _("Read ingest jobs and start them, if the account may")
    ADMIN = "admin", _("Everything, the account itself and its tokens included")


class Token(models.Model):
    """A key to the API with a name, scopes and perhaps an end; only its hash is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=100)
    scopes = models.JSONField()
    digest = models.CharField(max_length=128, unique=True, help_text="SHA-512 of the secret")
    prefix = models.CharField(max_length=8, help_text="The secret's start; its owner knows it by")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def allows(self, scope: str) -> bool:
        """Whether the token may do what needs `scope`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class AppPassword(models.Model):
    """A password that Affetti made for one player, which knows no tokens.

    The password is not stored: `recommender.accounts` derives it from the row and the secret key.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="app_passwords"
    )
    name = models.CharField(max_length=100, help_text="The player that it was made for")
    nonce = models.CharField(max_length=64, help_text="Random; the password follows from it")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.name


class KeyedRequest(models.Model):
    """A request of the API with an `Idempotency-Key`, and its answer (`recommender.replays`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64, help_text="SHA-256 of the key")
    digest = models.CharField(max_length=64, help_text="Of the request, with the secret key")
    status = models.PositiveSmallIntegerField(null=True, help_text="Null until it is answered")
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"", help_text="Compressed")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="one_request_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.key[:8]}"


class Role(models.TextChoices):
    """What an account may do on this installation."""

    LISTENER = "listener", _("Listener")
    MANAGER = "manager", _("Manager")
    ADMIN = "admin", _("Admin")


class Invitation(models.Model):
    """A link by which one person makes an account; `recommender.people` signs and checks it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.LISTENER)
    note = models.CharField(max_length=100, blank=True, help_text="Whom it is for")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="invitations"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"{self.role} {self.note or self.id}"


class NameLook(models.Model):
    """One look of a user's name (`recommender.looks`); no two accounts share one."""

    look = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="name_looks"
    )

    def __str__(self) -> str:
        return f"{self.user_id} {self.look[:8]}"


@receiver(models.signals.pre_save, sender=settings.AUTH_USER_MODEL)
def _password_taken_note(
    sender: Any, instance: Any, *, update_fields: Any = None, **_kwargs: object
) -> None:
    """Note whether this save takes a password away; an account of single sign-on has none."""
    is_written = update_fields is None or "password" in update_fields
    instance._is_password_taken = (
        is_written
        and not instance.has_usable_password()
        and not sender.objects.filter(pk=instance.pk, password=instance.password).exists()
    )


@receiver(models.signals.post_save, sender=settings.AUTH_USER_MODEL)
def tokens_end_with_their_password(sender: object, instance: Any, **_kwargs: object) -> None:
    """Delete a user's tokens and app passwords when the password is set, wherever and by whom."""
    # Django's own mark of a new password; None when it only stores the same one by a newer hasher.
    # A password that was taken away leaves no such mark.
    if instance._password is not None or instance._is_password_taken:
        Token.objects.filter(user=instance).delete()
        AppPassword.objects.filter(user=instance).delete()
