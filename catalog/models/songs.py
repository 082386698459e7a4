"""Recordings, artists, albums, genres and songs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from catalog.files.credits import FEATURED, MAIN, main_key
from catalog.files.names import is_no_artist, is_no_title
from catalog.models.libraries import Library
from catalog.paths import from_stored, to_stored
from catalog.texts import fold, recording_key, search_text, sort_key
from mer.lyrics import clean_lyrics
from mer.prediction import KEYS, SURE_FROM

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NO_AUDIO_HASH: Final = "none"
"""`Song.audio_sha256` of a file whose audio cannot be told apart from the rest."""
NORMAL_RANK: Final = 20
"""`Song.queue_rank` of a new song of an ingest of normal priority; see `catalog.work.queue`."""
_SEARCHED: Final = frozenset({"title", "artist", "album"})


class Recording(models.Model):
    """One recording in several files; lists and similar songs show one of them.

    `catalog.recordings` links songs to it. A song without one is the only file of its recording.
    """

    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"recording {self.pk}"


class Artist(models.Model):
    """An artist; spellings that differ in case, accents or "The" are one."""

    name = models.CharField(max_length=300, help_text="As first found")
    key = models.CharField(max_length=300, unique=True, help_text="`folded` name")
    sort_name = models.CharField(max_length=300, blank=True)
    lead_key = models.CharField(
        max_length=300,
        blank=True,
        db_index=True,
        help_text="Key of A, if the name is A & B and may be two artists",
    )
    musicbrainz_id = models.CharField(max_length=36, blank=True, db_index=True)

    class Meta:
        ordering: ClassVar = ["key"]

    def __str__(self) -> str:
        return self.name


class Album(models.Model):
    """An album of an artist; a compilation has no artist."""

    title = models.CharField(max_length=300)
    key = models.CharField(max_length=300, help_text="`folded` title")
    artist = models.ForeignKey(
        Artist, null=True, blank=True, on_delete=models.CASCADE, related_name="albums"
    )
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    musicbrainz_id = models.CharField(max_length=36, blank=True, db_index=True)
    is_compilation = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["key", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "artist"], name="one_album_of_artist_and_title"),
            models.UniqueConstraint(
                fields=["key"],
                condition=models.Q(artist__isnull=True),
                name="one_compilation_of_title",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Genre(models.Model):
    """A genre, as a tag names it."""

    name = models.CharField(max_length=200)
    key = models.CharField(max_length=300, unique=True, help_text="`folded` name")

    class Meta:
        ordering: ClassVar = ["key"]

    def __str__(self) -> str:
        return self.name


class Song(models.Model):
    """One file of music, identified by its bytes, or by those of its audio after a retagging.

    A song of a library of the kind `TABLE` has no file, and `has_audio` is False. It is identified
    by `relative_path`, the key of its row; size and time stand for what the row says.

    pending ──claimed by a worker──▶ pending (leased) ──▶ analysed
       ▲                                      └─────────▶ failed (failure_code, failure_message)
       └── file or lyrics changed, new model version, or analysis requested again ──┘
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        ANALYSED = "analysed", _("Analysed")
        FAILED = "failed", _("Failed")

    content_sha256 = models.CharField(max_length=64, unique=True)
    audio_sha256 = models.CharField(
        max_length=64,
        blank=True,
        db_index=True,
        help_text="Of the encoded audio without tags; NO_AUDIO_HASH if that cannot be told apart",
    )
    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="songs")
    relative_path = models.CharField(max_length=2000, help_text="Below the library's root, with /")
    file_size_bytes = models.BigIntegerField()
    file_mtime_ns = models.BigIntegerField()
    title = models.CharField(max_length=300, blank=True)
    artist = models.CharField(max_length=300, blank=True, db_index=True)
    album = models.CharField(max_length=300, blank=True)
    genre = models.CharField(max_length=200, blank=True, db_index=True)
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    duration_seconds = models.FloatField(null=True, blank=True)
    media_type = models.CharField(
        max_length=100, blank=True, help_text="By content; empty if ingested before it was stored"
    )
    lyrics = models.TextField(blank=True)
    lyrics_source = models.CharField(
        max_length=20, blank=True, help_text="tag, lrc, txt, lrclib or admin"
    )
    lyrics_note = models.TextField(blank=True, help_text="Lyrics that were refused, and why")
    tags_note = models.TextField(blank=True, help_text="What was mended in the tags")
    tags_version = models.PositiveSmallIntegerField(
        default=0, help_text="`TAGS_VERSION` of the reader; older tags are read again"
    )
    is_title_from_name = models.BooleanField(default=False, help_text="No tag has the title")
    artists = models.ManyToManyField(Artist, through="SongCredit", related_name="songs")
    artist_key = models.CharField(
        max_length=300, blank=True, db_index=True, help_text="Key of the first main artist"
    )
    album_artist = models.CharField(max_length=300, blank=True)
    album_entry = models.ForeignKey(
        Album, null=True, blank=True, on_delete=models.SET_NULL, related_name="songs"
    )
    genres = models.ManyToManyField(Genre, blank=True, related_name="songs")
    track_number = models.PositiveSmallIntegerField(null=True, blank=True)
    disc_number = models.PositiveSmallIntegerField(null=True, blank=True)
    bpm = models.FloatField(null=True, blank=True, help_text="By the tag")
    estimated_bpm = models.FloatField(
        null=True, blank=True, help_text="By the sound; null if nothing in it repeats"
    )
    tempo_confidence = models.FloatField(
        null=True, blank=True, help_text="0 to 1; null if tempo and key were not estimated yet"
    )
    estimated_key = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="By the sound: semitones above C, plus 12 for a minor key",
    )
    key_confidence = models.FloatField(null=True, blank=True, help_text="0 to 1")
    language = models.CharField(
        max_length=3, blank=True, default="", db_index=True, help_text="ISO 639, by the tag"
    )
    is_explicit = models.BooleanField(null=True, blank=True, help_text="By the tag; null: unsaid")
    replaygain_db = models.FloatField(null=True, blank=True)
    mood_tags = models.JSONField(default=list, blank=True)
    musicbrainz_recording_id = models.CharField(max_length=36, blank=True, db_index=True)
    search_text = models.TextField(
        blank=True, editable=False, help_text="Title, artist and album as searches compare them"
    )
    title_sort = models.BinaryField(default=b"", help_text="`sort_key` of the title")
    artist_sort = models.BinaryField(default=b"", db_index=True, help_text="Of the artist")
    album_sort = models.BinaryField(default=b"", help_text="Of the album")
    recording = models.ForeignKey(
        Recording, null=True, blank=True, on_delete=models.SET_NULL, related_name="songs"
    )
    recording_rank = models.PositiveIntegerField(
        default=0, help_text="Place among the files of its recording; 0 is shown first"
    )
    recording_key = models.CharField(
        max_length=300, blank=True, help_text="Of artist and title; equal for one recording"
    )
    fingerprint = models.BinaryField(
        default=b"",
        help_text="Of the sound, by Chromaprint; only of songs that were compared by it",
    )
    is_recording_manual = models.BooleanField(
        default=False, help_text="Staff chose its recording; it is never changed automatically"
    )
    is_recording_checked = models.BooleanField(
        default=False, help_text="False until it was compared with other songs"
    )
    is_available = models.BooleanField(default=True, help_text="False when the file is gone")
    is_removed = models.BooleanField(
        default=False,
        help_text="Staff removed it; it is not available, wherever a file of it is found",
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    failure_code = models.CharField(max_length=50, blank=True)
    failure_message = models.TextField(blank=True)
    queued_at = models.DateTimeField(
        null=True, blank=True, help_text="When the message for its analysis was sent"
    )
    leased_by = models.CharField(
        max_length=200, blank=True, help_text="Worker that holds the lease"
    )
    leased_at = models.DateTimeField(null=True, blank=True)
    deaths = models.PositiveIntegerField(
        default=0, help_text="Claims of the song alone that ended with the death of the worker"
    )
    errors = models.PositiveSmallIntegerField(
        default=0,
        help_text="Tries that ended with an error of its own or the death of its child process",
    )
    keeps_emotion = models.BooleanField(
        default=False,
        help_text="Analysed before, and queued again only for a new model: the emotion still holds",
    )
    queue_rank = models.PositiveSmallIntegerField(
        default=NORMAL_RANK,
        db_default=NORMAL_RANK,
        help_text="Of waiting songs the one with the smallest is analysed first",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        ordering: ClassVar = ["artist_sort", "title_sort", "id"]
        constraints: ClassVar = [
            # A song whose file is gone keeps its last path. Another file may have that path now.
            models.UniqueConstraint(
                fields=["library", "relative_path"],
                condition=models.Q(is_available=True),
                name="one_available_song_per_path",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["library", "relative_path"]),
            # The order of lists of all songs: a late page is found without reading the songs.
            models.Index(
                fields=["artist_sort", "title_sort", "id"],
                condition=models.Q(is_available=True),
                name="song_shown_in_order",
            ),
            models.Index(
                fields=["title_sort", "artist_sort", "id"],
                condition=models.Q(is_available=True),
                name="song_shown_by_title",
            ),
            models.Index(
                fields=["album_sort", "title_sort", "id"],
                condition=models.Q(is_available=True),
                name="song_shown_by_album",
            ),
            # What is unknown counts as the smallest, as in `recommender.library`.
            models.Index(
                Coalesce("year", 0),
                "id",
                condition=models.Q(is_available=True),
                name="song_shown_by_year",
            ),
            models.Index(
                Coalesce("duration_seconds", 0.0),
                "id",
                condition=models.Q(is_available=True),
                name="song_shown_by_length",
            ),
            models.Index(fields=["status", "leased_at"]),
            # Each query of `catalog.work.queue` reads only the songs that it is about.
            models.Index(fields=["status", "queue_rank", "id"], name="song_queue_order"),
            models.Index(fields=["status", "queued_at"], name="song_queue_sent"),
            models.Index(fields=["status", "errors"], name="song_queue_errors"),
            models.Index(fields=["recording_key", "duration_seconds"]),
            models.Index(
                fields=["status", "id"],
                condition=models.Q(is_recording_checked=False),
                name="song_recording_unchecked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.artist or '?'} - {self.title or self.relative_path}"

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """Save, with the columns that follow from the texts."""
        if update_fields is None:
            self.texts_fold()
        elif not _SEARCHED.isdisjoint(update_fields := set(update_fields)):
            update_fields |= self.texts_fold()
        super().save(update_fields=update_fields, **options)

    def texts_fold(self) -> set[str]:
        """Set what searches and sorting use, from title, artist and album; return the fields.

        `save` calls it. Call it yourself before `bulk_create`.
        """
        self.search_text = search_text(self.title, self.artist, self.album)
        self.title_sort = sort_key(self.title)
        self.artist_sort = sort_key(self.artist)
        self.album_sort = sort_key(self.album)
        before = self.recording_key
        self.recording_key = recording_key(title=self.title, artist=self.artist, album=self.album)
        self.is_recording_checked &= self.recording_key == before
        # An ingest knows more: `song_tags_store` sets the key by the credits.
        self.artist_key = main_key(self.artist)
        recording = {"recording_key", "is_recording_checked"}
        return {"search_text", "artist_key", *recording, *(f"{name}_sort" for name in _SEARCHED)}

    @property
    def path(self) -> Path:
        """The recorded path of the file. Use `catalog.selectors.song_path` to open the file."""
        return self.library.path / from_stored(self.relative_path)

    @property
    def has_audio(self) -> bool:
        """Whether there is a file to play; a song of a table has none."""
        return self.library.has_audio

    @property
    def shown_title(self) -> str:
        """The title, or the file's name without its folders, which not everybody may know."""
        return self.title or self.relative_path.rpartition("/")[2]

    @property
    def shown_failure(self) -> str:
        """Why the song cannot be used, without its folders; empty if that cannot be told so."""
        name = self.relative_path.rpartition("/")[2]
        message = self.failure_message
        for place in (str(self.path), to_stored(self.path), self.relative_path):
            message = message.replace(place, name)
        return "" if "/" in message else message

    @property
    def is_recommendable(self) -> bool:
        """Whether lists may show the song, if it has an emotion by the model that serves."""
        return self.is_available and (self.status == self.Status.ANALYSED or self.keeps_emotion)

    @property
    def tempo_bpm(self) -> float | None:
        """Beats a minute: by the tag, else estimated if the estimate is sure enough."""
        return self.bpm or (
            self.estimated_bpm if (self.tempo_confidence or 0.0) >= SURE_FROM else None
        )

    @property
    def tempo_source(self) -> str:
        """Where `tempo_bpm` is from: tag, estimate, or empty without one."""
        if self.bpm:
            return "tag"
        return "" if self.tempo_bpm is None else "estimate"

    @property
    def key_code(self) -> int | None:
        """The estimated key as in `estimated_key`, if the estimate is sure enough."""
        return self.estimated_key if (self.key_confidence or 0.0) >= SURE_FROM else None

    @property
    def key(self) -> str:
        """The tonic of the estimated key, such as F#; empty if it is not sure."""
        return "" if self.key_code is None else KEYS[self.key_code][0]

    @property
    def mode(self) -> str:
        """major or minor; empty without a key."""
        return "" if self.key_code is None else KEYS[self.key_code][1]

    @property
    def key_name(self) -> str:
        """The estimated key, such as F# minor; empty if it is not sure."""
        return f"{self.key} {self.mode}".strip()

    @property
    def model_title(self) -> str:
        """The title as the model gets it; none if it is a stand-in, such as "Track 01"."""
        return "" if is_no_title(self.title, from_name=self.is_title_from_name) else self.title

    @property
    def model_artist(self) -> str:
        """The artist as the model gets it; none if it is a stand-in, such as "Unknown Artist"."""
        return "" if is_no_artist(self.artist) else self.artist

    @property
    def input_sha256(self) -> str:
        """Hash of the model's inputs for this song; equal hashes give equal predictions.

        Changes that the text encoder does not see do not change it: case and accents of title and
        artist, and what `clean_lyrics` removes.
        """
        if self.has_audio_hash:
            texts = (clean_lyrics(self.lyrics), fold(self.model_title), fold(self.model_artist))
            parts = (self.audio_sha256, *texts)
        else:
            parts = (self.content_sha256, self.lyrics, self.model_title, self.model_artist)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def sound_sha256(self) -> str:
        """Hash of what is heard: the same after a retagging, if the audio can be told apart."""
        return self.audio_sha256 if self.has_audio_hash else self.content_sha256

    @property
    def has_audio_hash(self) -> bool:
        """Whether the song can be found again by its audio alone."""
        return self.audio_sha256 not in {"", NO_AUDIO_HASH}

    def audio_learn(self, audio_sha256: str) -> None:
        """Set the hash of the audio that the song has had since its last analysis; not saved.

        The emotions follow, so that they still belong to the same inputs.
        """
        before = self.input_sha256
        self.audio_sha256 = audio_sha256 or NO_AUDIO_HASH
        self.emotions.filter(input_sha256=before).update(input_sha256=self.input_sha256)

    def forget_lyrics(self) -> None:
        """Clear what every model version says of the lyrics; call it when the lyrics change."""
        self.emotions.update(lyric_lines=[], lyrics_language="", are_lyrics_withheld=False)


class SongCredit(models.Model):
    """An artist of a song."""

    class Role(models.TextChoices):
        MAIN = MAIN
        FEATURED = FEATURED

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="credits")
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="credits")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MAIN)
    position = models.PositiveSmallIntegerField(help_text="From 0; main artists come first")
    name = models.CharField(max_length=300, help_text="As written")

    class Meta:
        ordering: ClassVar = ["song", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["song", "artist"], name="one_credit_of_artist_and_song")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


class SongWaveform(models.Model):
    """How loud a song is through time; `catalog.waveforms` measures it.

    It is a table of its own, so that lists read none of it and no index changes with it.
    """

    song = models.OneToOneField(
        Song, primary_key=True, on_delete=models.CASCADE, related_name="waveform"
    )
    sound_sha256 = models.CharField(max_length=64, help_text="`Song.sound_sha256` when measured")
    peaks = models.BinaryField(help_text="`mer.audio.peaks.Waveform.peaks`; empty if it failed")
    duration_seconds = models.FloatField(null=True, blank=True)
    failure = models.TextField(blank=True, help_text="Why there is none")

    def __str__(self) -> str:
        return f"waveform of {self.song_id}"


class LyricsLookup(models.Model):
    """What a lyrics server had of a song when it was asked last."""

    class Outcome(models.TextChoices):
        FOUND = "found"
        INSTRUMENTAL = "instrumental"
        REFUSED = "refused"
        ABSENT = "absent"

    song = models.OneToOneField(
        Song, primary_key=True, on_delete=models.CASCADE, related_name="lyrics_lookup"
    )
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    reason = models.TextField(blank=True, help_text="Why lyrics were refused")
    asked_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"lyrics of {self.song_id}: {self.outcome}"
