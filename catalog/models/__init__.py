"""Libraries, songs, emotions and jobs. The database, not the broker, holds the state of work."""

from catalog.models.emotions import EmotionCorrection, ModelVersion, SongChange, SongEmotion
from catalog.models.libraries import Library
from catalog.models.songs import (
    NO_AUDIO_HASH,
    NORMAL_RANK,
    Album,
    Artist,
    Genre,
    LyricsLookup,
    Recording,
    Song,
    SongCredit,
    SongWaveform,
)
from catalog.models.tagwriting import TagRun, TagWrite
from catalog.models.work import BackgroundJob, IngestFailure, KnownCopy, StageTiming

__all__ = [
    "NORMAL_RANK",
    "NO_AUDIO_HASH",
    "Album",
    "Artist",
    "BackgroundJob",
    "EmotionCorrection",
    "Genre",
    "IngestFailure",
    "KnownCopy",
    "Library",
    "LyricsLookup",
    "ModelVersion",
    "Recording",
    "Song",
    "SongChange",
    "SongCredit",
    "SongEmotion",
    "SongWaveform",
    "StageTiming",
    "TagRun",
    "TagWrite",
]
