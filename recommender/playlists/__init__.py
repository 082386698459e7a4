"""Playlists: requests, lists made from them, lists that are kept, similar songs."""

from recommender.playlists.generate import GeneratedEntry, GeneratedPlaylist, playlist_generate
from recommender.playlists.learned import ProfileShown, profile_shown
from recommender.playlists.listed import (
    ListedEntry,
    gone_notes,
    left_out_note,
    playlist_listed,
)
from recommender.playlists.naming import playlist_name
from recommender.playlists.reasons import EntryReason
from recommender.playlists.request import FIELDS, PlaylistRequest
from recommender.playlists.saved import last_target, playlist_save
from recommender.playlists.similar import SimilarSong, similar_listed, songs_similar
from recommender.playlists.worded import worded

__all__ = [
    "FIELDS",
    "EntryReason",
    "GeneratedEntry",
    "GeneratedPlaylist",
    "ListedEntry",
    "PlaylistRequest",
    "ProfileShown",
    "SimilarSong",
    "gone_notes",
    "last_target",
    "left_out_note",
    "playlist_generate",
    "playlist_listed",
    "playlist_name",
    "playlist_save",
    "profile_shown",
    "similar_listed",
    "songs_similar",
    "worded",
]
