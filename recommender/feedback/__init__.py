"""What listeners say of songs and artists: likes, bans, ratings, skips and wrong moods.

Feedback belongs to one listener. It changes only what that listener is shown, from the next
request on.
"""

from recommender.feedback.items import FeedbackItem, feedback_items
from recommender.feedback.marks import SongMarks, marks_of_songs
from recommender.feedback.reading import (
    Correction,
    Feedback,
    Like,
    Rating,
    SkippedSong,
    feedback_of,
)
from recommender.feedback.writing import (
    FeedbackKind,
    artist_ban,
    artist_unban,
    feedback_reset,
    feedback_revise,
    song_ban,
    song_like,
    song_place,
    song_rate,
    song_skip,
    song_unmark,
)

__all__ = [
    "Correction",
    "Feedback",
    "FeedbackItem",
    "FeedbackKind",
    "Like",
    "Rating",
    "SkippedSong",
    "SongMarks",
    "artist_ban",
    "artist_unban",
    "feedback_items",
    "feedback_of",
    "feedback_reset",
    "feedback_revise",
    "marks_of_songs",
    "song_ban",
    "song_like",
    "song_place",
    "song_rate",
    "song_skip",
    "song_unmark",
]
