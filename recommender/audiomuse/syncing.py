"""The call by which clients copy what the analysis found, page by page."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.utils.translation import gettext
from rest_framework.exceptions import NotFound

from catalog import analysis
from catalog.models import SongEmotion
from mer.affect import AffectPoint
from recommender.audiomuse.calls import Ask, call
from recommender.audiomuse.parameters import MOST_ROWS, song_id
from recommender.feedback import marks_of_songs
from recommender.moods import mood_nearest
from recommender.selectors import playable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet

    from catalog.models import Song

_MOST_LISTED: Final = 1_000
"""Songs of a page that has fingerprints alone."""
_DEEPEST: Final = 10**9
SERVER_TYPE: Final = "affetti"
_FEATURES: Final = {
    "happy": "joy",
    "sad": "sadness",
    "aggressive": "anger",
    "relaxed": "calmness",
}
"""Features of AudioMuse-AI that an emotion of ours stands for; it has two more, which we lack."""
_SHOWN: Final = (
    *("title", "artist", "album", "album_artist", "year", "relative_path"),
    *("duration_seconds", "musicbrainz_recording_id"),
    *("bpm", "estimated_bpm", "tempo_confidence", "estimated_key", "key_confidence"),
)
_COLUMNS: Final = ("valence", "arousal", "emotions", *(f"song__{name}" for name in _SHOWN))


@call("GET", "api/sync")
def sync(ask: Ask) -> dict[str, Any]:
    """Return a page of the analysed songs, the songs with some ids, or a page of fingerprints."""
    is_index = ask.parameters.text("fields") == "index"
    with_embeddings = ask.parameters.flag("include_embeddings", default=True)
    rows = _rows(with_embedding=with_embeddings and not is_index)
    ids = ask.parameters.text("ids")
    if ids and not is_index:
        found = list(rows.filter(song__in=_wanted(ids)))
        return _page(_payloads(ask, found, with_embeddings=with_embeddings), len(found), None)
    most = _MOST_LISTED if is_index else MOST_ROWS
    size = ask.parameters.size("limit", MOST_ROWS, most)
    page = min(max(1, ask.parameters.number("page", 1)), _DEEPEST)
    start, total = (page - 1) * size, rows.count()
    found = list(rows[start : start + size]) if start < total else []
    following = page + 1 if start + len(found) < total and found else None
    if is_index:
        tracks = [{"id": str(row.song_id), "fp": _fingerprint(row)} for row in found]
    else:
        tracks = _payloads(ask, found, with_embeddings=with_embeddings)
    return _page(tracks, total, following)


def _page(tracks: list[dict[str, Any]], total: int, following: int | None) -> dict[str, Any]:
    return {
        "tracks": tracks,
        "total_tracks": total,
        "provider_type": SERVER_TYPE,
        "has_more": following is not None,
        "next_page": following,
    }


def _rows(*, with_embedding: bool) -> QuerySet[SongEmotion]:
    columns = (*_COLUMNS, "song", *(("fused_embedding",) if with_embedding else ()))
    return (
        SongEmotion.objects.filter(
            model_version=analysis.serving_version_in_sql(), **playable("song__")
        )
        .select_related("song")
        .only(*columns)
        .order_by("song_id")
    )


def _wanted(ids: str) -> list[int]:
    """Return the songs of a list with commas; ids that are none of ours name no song."""
    wanted = []
    for text in ids.split(",")[:MOST_ROWS]:
        try:
            wanted.append(song_id(text))
        except NotFound:
            continue
    return wanted


def _payloads(ask: Ask, rows: list[SongEmotion], *, with_embeddings: bool) -> list[dict[str, Any]]:
    marks = marks_of_songs(user=ask.user, song_ids=[row.song_id for row in rows])
    return [
        {
            **_payload(row),
            "rating": marks[row.song_id].stars,
            **({"embedding": _coded(row)} if with_embeddings else {}),
        }
        for row in rows
    ]


def _payload(row: SongEmotion) -> dict[str, Any]:
    song: Song = row.song
    return {
        "id": str(song.pk),
        "title": song.shown_title,
        "artist": song.artist,
        "album_artist": song.album_artist,
        "album": song.album,
        "year": song.year,
        "tempo": song.tempo_bpm,
        "key": song.key or None,
        "scale": song.mode or None,
        "mood_vector": _told(row.emotions),
        "energy": round(row.arousal, 4),
        "other_features": _told(_features(row)),
        # It has no map of the embeddings. Its plane is that of valence and arousal.
        "umap_x": None,
        "umap_y": None,
        "valence": round(row.valence, 4),
        "arousal": round(row.arousal, 4),
        "mood": mood_nearest(AffectPoint(row.valence, row.arousal)),
        "duration_seconds": song.duration_seconds,
        "musicbrainz_recording_id": song.musicbrainz_recording_id,
        "fp": _fingerprint(row),
    }


def _features(row: SongEmotion) -> dict[str, float]:
    return {
        name: row.emotions[emotion]
        for name, emotion in _FEATURES.items()
        if emotion in row.emotions
    }


def _told(values: Mapping[str, float]) -> str:
    """Return numbers as AudioMuse-AI writes them: name:0.123,name:0.045; the largest first."""
    order = sorted(values.items(), key=lambda one: (-one[1], one[0]))
    return ",".join(f"{name}:{value:.3f}" for name, value in order)


def _coded(row: SongEmotion) -> str:
    """Return the embedding: base64 of 256 little-endian float32, of unit norm."""
    return base64.b64encode(bytes(row.fused_embedding)).decode("ascii")


def _fingerprint(row: SongEmotion) -> str:
    """Return a mark that changes when the analysis or the tags of a song do."""
    song = row.song
    told = [
        *(_told(row.emotions), row.valence, row.arousal, song.tempo_bpm, song.key, song.mode),
        *(song.shown_title, song.artist, song.album, song.album_artist, song.year),
    ]
    text = json.dumps(told, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


@call("GET", "external/get_score")
def get_score(ask: Ask) -> dict[str, Any]:
    """Return what the analysis found of one song."""
    payload = _payload(_row(ask, with_embedding=False))
    return {"item_id": payload.pop("id"), "author": payload.pop("artist"), **payload}


@call("GET", "external/get_embedding")
def get_embedding(ask: Ask) -> dict[str, Any]:
    """Return the embedding of one song, of unit norm."""
    row = _row(ask, with_embedding=True)
    vector = np.frombuffer(bytes(row.fused_embedding), "<f4")
    return {"item_id": str(row.song_id), "embedding": vector.tolist()}


def _row(ask: Ask, *, with_embedding: bool) -> SongEmotion:
    wanted = song_id(ask.parameters.text("id"))
    row = _rows(with_embedding=with_embedding).filter(song=wanted).first()
    if row is None:
        raise NotFound(gettext("The track %(id)s is not analysed.") % {"id": wanted})
    return row
