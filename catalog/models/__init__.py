"""Libraries, songs, emotions and jobs. The database, not the broker, holds the state of work."""

from catalog.models.emotions import EmotionCorrection, ModelVersion, SongChange, SongEmotion
from catalog.models.songs import (
    NO_AUDIO_HASH,
    Album,
    Artist,
    Genre,
    Library,
    Recording,
    Song,
    SongCredit,
)
from catalog.models.work import BackgroundJob, IngestFailure, KnownCopy

__all__ = [
    "NO_AUDIO_HASH",
    "Album",
    "Artist",
    "BackgroundJob",
    "EmotionCorrection",
    "Genre",
    "IngestFailure",
    "KnownCopy",
    "Library",
    "ModelVersion",
    "Recording",
    "Song",
    "SongChange",
    "SongCredit",
    "SongEmotion",
]
