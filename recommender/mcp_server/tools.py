"""The tools, and what they show of songs: compact JSON with ids, titles, moods and reasons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from recommender.mcp_server.remote import Remote, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_INSTRUCTIONS: Final = (
    "Affetti knows how the songs of one music library feel. Valence says how pleasant a song is, "
    "and arousal how lively, both from 0 to 1. Ids of songs stay the same; use them between tools."
)
_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, open_world_hint=False
)
_EMOTIONS: Final = 3
_LINES: Final = 5

Count = Annotated[int, Field(ge=1, le=100, description="Songs at most")]
SongId = Annotated[int, Field(ge=1, le=2**63 - 1, description="Id of a song")]
Words = Annotated[str, Field(min_length=1, max_length=2_000)]
Stops = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]],
    Field(min_length=2, max_length=8, description="Moods in order, such as sad, calm, happy"),
]
Name = Annotated[
    str, Field(max_length=200, description="Keep the list under this name; empty to keep nothing")
]


def server_of(remote: Remote) -> MCPServer:
    """Return a server whose tools ask `remote`."""
    server = MCPServer("affetti", title="Affetti", instructions=_INSTRUCTIONS)
    tools = _Tools(remote)
    for tool, hints in (
        *((tool, _READS) for tool in (tools.search, tools.similar, tools.why)),
        *((tool, _WRITES) for tool in (tools.playlist, tools.journey)),
    ):
        server.tool(annotations=hints, structured_output=False)(tool)
    return server


class _Tools:
    """Each public method is a tool; its docstring is what a language model reads."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def search(self, words: Words, count: Count = 10) -> str:
        """Find songs by words of their titles, artists and albums."""
        found = _told(lambda: self._remote.get("songs/", {"q": words, "page_size": count}))
        songs = [_song(row) for row in found["results"][:count]]
        return _compact({"found": found["count"], "songs": songs})

    def similar(self, song_id: SongId, count: Count = 10) -> str:
        """List the songs that sound and read most like a song, with the cosine similarity."""
        rows = _told(lambda: self._remote.get(f"songs/{song_id}/similar/", {"count": count}))
        return _compact(
            {
                "songs": [
                    {**_song(row["song"]), "similarity": round(row["similarity"], 3)}
                    for row in rows
                ]
            }
        )

    def playlist(self, words: Words, count: Count = 20, keep_as: Name = "") -> str:
        """Make a playlist from words: moods, genres, years, artists, a situation.

        Words with "not" are refused, as in "calm but not sad". Each song has a score and a reason.
        """
        return self._made({"text": words, "count": count}, keep_as)

    def journey(self, moods: Stops, count: Count = 20, keep_as: Name = "") -> str:
        """Make a playlist that goes from mood to mood, step by step."""
        stops = [{"mood": mood} for mood in moods]
        return self._made({"journey": stops, "count": count}, keep_as)

    def why(self, song_id: SongId) -> str:
        """Say how a song feels and why: by sound, by words, and by which lines of the lyrics."""
        row = _told(lambda: self._remote.get(f"songs/{song_id}/"))
        emotion = row["emotion"]
        if emotion is None:
            raise ToolError(f"“{row['title']}” is not analysed yet.")
        lines = [
            {name: line[name] for name in ("text", "valence", "arousal")}
            for line in emotion["lyric_lines"][:_LINES]
        ]
        told = {
            **_song(row),
            "emotions": _strongest(emotion["emotions"], _EMOTIONS),
            "confidence": round(emotion["confidence"], 2),
            "ambiguous": emotion["ambiguous"],
            "unfamiliar": emotion["unfamiliar"],
            "by_each_part_alone": emotion["alone"],
            "weights_of_parts": emotion["gates"],
            "lines_that_moved_it_most": lines,
            "note": emotion["withheld_note"],
        }
        return _compact({name: value for name, value in told.items() if value not in ("", [], {})})

    def _made(self, request: Mapping[str, Any], keep_as: str) -> str:
        sent = {**request, "save": bool(keep_as), **({"name": keep_as} if keep_as else {})}
        made = _told(lambda: self._remote.post("playlists/", sent))
        songs = [
            {
                **_song(entry["song"]),
                "score": round(entry["score"], 2),
                "reason": entry["reason"]["sentence"],
            }
            for entry in made["entries"]
        ]
        kept = {"kept_as": made["name"], "id": made["id"]} if keep_as else {}
        return _compact({**kept, "songs": songs, "notes": made["notes"]})


def _told(question: Callable[[], Any]) -> Any:
    """Return an answer; a failed request is told to the language model as a sentence."""
    try:
        return question()
    except RemoteError as error:
        raise ToolError(str(error)) from error


def _song(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a song, without what is not."""
    emotion = row["emotion"] or {}
    seconds = row["duration_seconds"]
    told = {
        **{name: row[name] for name in ("id", "title", "artist", "album", "genre", "year")},
        "seconds": round(seconds) if seconds else None,
        "bpm": round(row["tempo_bpm"]) if row["tempo_bpm"] else None,
        "key": f"{row['key']} {row['mode']}".strip(),
        "mood": next(iter(_strongest(emotion.get("emotions", {}), 1)), None),
        **{name: round(emotion[name], 2) for name in ("valence", "arousal") if name in emotion},
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _strongest(emotions: Mapping[str, float], most: int) -> dict[str, float]:
    order = sorted(emotions.items(), key=lambda one: (-one[1], one[0]))
    return {name: round(value, 2) for name, value in order[:most]}


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
