"""Playlists, listening, feedback, accounts and signs of life; `catalog.models` has the songs."""

from recommender.models.accounts import AppPassword, Invitation, NameLook, Role, Scope, Token
from recommender.models.feedback import ArtistBan, FeedbackRevision, SongFeedback, Star
from recommender.models.listening import Listen, ListenImport, PlayerState, Skip
from recommender.models.operations import IndexBuild, KeyedRequest, ServiceHeartbeat
from recommender.models.playlists import Playlist, PlaylistEntry, PlaylistVersion, Station

__all__ = [
    "AppPassword",
    "ArtistBan",
    "FeedbackRevision",
    "IndexBuild",
    "Invitation",
    "KeyedRequest",
    "Listen",
    "ListenImport",
    "NameLook",
    "PlayerState",
    "Playlist",
    "PlaylistEntry",
    "PlaylistVersion",
    "Role",
    "Scope",
    "ServiceHeartbeat",
    "Skip",
    "SongFeedback",
    "Star",
    "Station",
    "Token",
]
