"""Files of listening history as the services write them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOMENT = 1_600_000_000
"""13 September 2020, 12:26:40 UTC."""
ISO = "2020-09-13T12:26:40Z"


def listenbrainz(
    artist: str, title: str, at: Any = MOMENT, album: str = "", mbid: str = ""
) -> dict[str, Any]:
    more = {"recording_mbid": mbid} if mbid else {}
    track = {"artist_name": artist, "track_name": title, "release_name": album}
    return {"listened_at": at, "track_metadata": {**track, "additional_info": more}}


def spotify(artist: str, title: str, ts: str = ISO, ms: int = 200_000) -> dict[str, Any]:
    return {
        "ts": ts,
        "platform": "linux",
        "ms_played": ms,
        "master_metadata_track_name": title,
        "master_metadata_album_artist_name": artist,
        "master_metadata_album_album_name": None,
        "spotify_track_uri": "spotify:track:1",
        "episode_name": None,
        "reason_end": "trackdone",
    }


def lastfm(artist: str, title: str, uts: str = str(MOMENT)) -> dict[str, Any]:
    return {
        "artist": {"mbid": "", "#text": artist},
        "album": {"mbid": "", "#text": ""},
        "image": [],
        "mbid": "",
        "name": title,
        "date": {"uts": uts, "#text": "13 Sep 2020, 12:26"},
    }


def written(path: Path, content: str | bytes | list[Any]) -> Path:
    if isinstance(content, list):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(members: Mapping[str, str | bytes | list[Any]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(content) if isinstance(content, list) else content)
    return out.getvalue()


def in_lines(values: list[Any]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)
