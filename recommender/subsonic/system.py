"""Calls about the server and the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext

from catalog.models import BackgroundJob
from recommender.models import Scope
from recommender.subsonic.answers import Code, SubsonicError
from recommender.subsonic.calls import Ask, call
from recommender.subsonic.shelves import songs_in_order

if TYPE_CHECKING:
    from recommender.subsonic.calls import Function

MUSIC: Final = {"id": 1, "name": "Music"}
_EXTENSIONS: Final = (
    *("apiKeyAuthentication", "formPost", "playbackReport", "songLyrics"),
    *("sonicSimilarity", "topSongsByArtistId"),
)


def extensions() -> dict[str, Any]:
    """Return the parts of OpenSubsonic that are here, to anybody."""
    return {
        "openSubsonicExtensions": [{"name": name, "versions": [1]} for name in sorted(_EXTENSIONS)]
    }


@call("ping")
def ping(_ask: Ask) -> dict[str, Any]:
    return {}


@call("getLicense")
def get_license(_ask: Ask) -> dict[str, Any]:
    """Return that nothing needs to be paid."""
    return {"license": {"valid": True}}


@call("tokenInfo")
def token_info(ask: Ask) -> dict[str, Any]:
    return {"tokenInfo": {"username": ask.user.username}}


@call("getUser")
def get_user(ask: Ask) -> dict[str, Any]:
    """Return what the account may do here; nobody sees another's."""
    if ask.parameters.text("username", ask.user.username) != ask.user.username:
        raise SubsonicError(Code.NOT_ALLOWED, gettext("You may see your own account alone."))
    may = {
        name: ask.caller.token is None or ask.caller.token.allows(scope)
        for name, scope in (("listen", Scope.LISTEN), ("playlists", Scope.PLAYLISTS))
    }
    return {
        "user": {
            "username": ask.user.username,
            "scrobblingEnabled": may["listen"],
            "adminRole": False,
            "settingsRole": False,
            "downloadRole": may["listen"],
            "uploadRole": False,
            "playlistRole": may["playlists"],
            "coverArtRole": False,
            "commentRole": False,
            "podcastRole": False,
            "streamRole": may["listen"],
            "jukeboxRole": False,
            "shareRole": False,
            "videoConversionRole": False,
            "folder": [MUSIC["id"]],
        }
    }


@call("getScanStatus")
def get_scan_status(_ask: Ask) -> dict[str, Any]:
    running = BackgroundJob.objects.filter(
        kind=BackgroundJob.Kind.INGEST, status=BackgroundJob.Status.STARTED
    )
    return {"scanStatus": {"scanning": running.exists(), "count": len(songs_in_order())}}


@call("getMusicFolders")
def get_music_folders(_ask: Ask) -> dict[str, Any]:
    """Return one folder for everything: what the libraries are called is for staff."""
    return {"musicFolders": {"musicFolder": [MUSIC]}}


# What Affetti does not have. Players ask for it when they connect, and take an error for a fault.
_NOTHING: Final[dict[str, dict[str, Any]]] = {
    "getBookmarks": {"bookmarks": {"bookmark": []}},
    "getInternetRadioStations": {"internetRadioStations": {"internetRadioStation": []}},
    "getNewestPodcasts": {"newestPodcasts": {"episode": []}},
    "getPodcasts": {"podcasts": {"channel": []}},
    "getShares": {"shares": {"share": []}},
    "getVideos": {"videos": {"video": []}},
}


def _nothing(payload: dict[str, Any]) -> Function:
    return lambda _ask: payload


for _name, _payload in _NOTHING.items():
    call(_name)(_nothing(_payload))
