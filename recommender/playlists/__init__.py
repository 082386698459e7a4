"""Playlists: requests, lists made from them, lists that are kept, similar songs."""

from recommender.playlists.edits import EDIT_KINDS, MAX_EDITS, Edit, edits_of_words
from recommender.playlists.filed import Filed, playlist_import
from recommender.playlists.generate import GeneratedEntry, GeneratedPlaylist, playlist_generate
from recommender.playlists.learned import ProfileShown, profile_shown
from recommender.playlists.listed import (
    ListedEntry,
    gone_notes,
    left_out_note,
    playlist_edited,
    playlist_listed,
)
from recommender.playlists.naming import playlist_name, playlist_sentence
from recommender.playlists.reasons import EntryReason
from recommender.playlists.request import FIELDS, PlaylistRequest
from recommender.playlists.saved import (
    last_target,
    playlist_by_hand,
    playlist_edit,
    playlist_redo,
    playlist_regenerate,
    playlist_rename,
    playlist_restore,
    playlist_save,
    playlist_share,
    playlist_undo,
    playlist_unshare,
    request_again,
)
from recommender.playlists.similar import SimilarSong, similar_listed, songs_between, songs_similar
from recommender.playlists.ways_out import WayOut, ways_out
from recommender.playlists.worded import worded

__all__ = [
    "EDIT_KINDS",
    "FIELDS",
    "MAX_EDITS",
    "Edit",
    "EntryReason",
    "Filed",
    "GeneratedEntry",
    "GeneratedPlaylist",
    "ListedEntry",
    "PlaylistRequest",
    "ProfileShown",
    "SimilarSong",
    "WayOut",
    "edits_of_words",
    "gone_notes",
    "last_target",
    "left_out_note",
    "playlist_by_hand",
    "playlist_edit",
    "playlist_edited",
    "playlist_generate",
    "playlist_import",
    "playlist_listed",
    "playlist_name",
    "playlist_redo",
    "playlist_regenerate",
    "playlist_rename",
    "playlist_restore",
    "playlist_save",
    "playlist_sentence",
    "playlist_share",
    "playlist_undo",
    "playlist_unshare",
    "profile_shown",
    "request_again",
    "similar_listed",
    "songs_between",
    "songs_similar",
    "ways_out",
    "worded",
]
