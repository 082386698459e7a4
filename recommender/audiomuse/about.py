"""Calls about the server: what it has, and what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_lazy
from rest_framework.exceptions import NotFound

from catalog import analysis
from catalog.models import SongEmotion
from recommender.audiomuse.calls import Ask, call
from recommender.audiomuse.parameters import SERVER_ID
from recommender.audiomuse.syncing import SERVER_TYPE
from recommender.moods import MOODS, said
from recommender.selectors import playable

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from recommender.audiomuse.calls import Function

SERVER: Final = {
    "server_id": SERVER_ID,
    "name": "Affetti",
    "server_type": SERVER_TYPE,
    "is_default": True,
}
_WARM: Final = {"active": True, "seconds_remaining": 600}
"""The text network of Affetti needs no warming up by clients."""


@call("GET", "api/health", scope=None)
def health(_ask: Ask) -> dict[str, Any]:
    return {"status": "ok"}


@call("GET", "api/servers")
def servers(_ask: Ask) -> dict[str, Any]:
    return {"servers": [SERVER]}


@call("GET", "api/config")
def config(_ask: Ask) -> dict[str, Any]:
    return {
        "mood_labels": [said(mood) for mood in MOODS.values()],
        "ai_model_provider": "NONE",
        "clap_enabled": True,
        "lyrics_enabled": False,
        "mediaserver_type": SERVER_TYPE,
    }


@call("GET", "api/config/defaults")
def config_defaults(_ask: Ask) -> dict[str, Any]:
    """Return that no name and password is needed: the token says who listens."""
    return {"server_type": SERVER_TYPE}


@call("GET", "api/dashboard/summary")
def dashboard_summary(_ask: Ask) -> dict[str, Any]:
    songs = _analysed()
    return {"content": {"total_songs": songs, "clap_indexed": songs}}


@call("GET", "api/clap/stats")
def clap_stats(_ask: Ask) -> dict[str, Any]:
    songs = _analysed()
    return {"clap_enabled": True, "loaded": bool(songs), "song_count": songs}


@call("GET", "api/clap/warmup/status")
def clap_warmup_status(_ask: Ask) -> dict[str, Any]:
    return _WARM


@call("POST", "api/clap/warmup")
def clap_warmup(_ask: Ask) -> dict[str, Any]:
    return {"loaded": True, "expiry_seconds": _WARM["seconds_remaining"]}


@call("GET", "api/clap/top_queries")
def clap_top_queries(_ask: Ask) -> dict[str, Any]:
    """Return what a listener may ask for: the names of the moods."""
    return {"queries": [said(mood) for mood in MOODS.values()], "ready": True}


@call("GET", "api/lyrics/stats")
def lyrics_stats(_ask: Ask) -> dict[str, Any]:
    return {"lyrics_enabled": False, "loaded": False, "song_count": 0}


@call("GET", "api/sem_grove/stats")
def sem_grove_stats(_ask: Ask) -> dict[str, Any]:
    """Return that songs are compared by sound and words together: all of them are."""
    songs = _analysed()
    return {"loaded": bool(songs), "song_count": songs}


def _analysed() -> int:
    return SongEmotion.objects.filter(
        model_version=analysis.serving_version_in_sql(), **playable("song__")
    ).count()


# What Affetti has not. Nothing else is put in its place.
_ABSENT: Final[dict[tuple[str, str], _StrPromise]] = {
    ("POST", "api/clustering/start"): gettext_lazy(
        "Affetti makes no clusters. Its mood lists are in every player by themselves."
    ),
    ("POST", "api/hyperbolic/similar"): gettext_lazy(
        "Affetti has no hyperbolic index. Choose the search for similar songs."
    ),
    ("POST", "api/lyrics/search/text"): gettext_lazy(
        "Affetti has no search in lyrics alone. Choose the search by description."
    ),
    ("GET", "api/max_distance"): gettext_lazy(
        "Affetti does not look up the farthest song. A cosine distance is at most 2."
    ),
}


def _lacking(words: _StrPromise) -> Function:
    def refuse(_ask: Ask) -> dict[str, Any]:
        raise NotFound(str(words))

    return refuse


for (_method, _route), _words in _ABSENT.items():
    call(_method, _route)(_lacking(_words))
