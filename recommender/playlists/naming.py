"""Names of lists, made of what they aim at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recommender.playlists.contrasts import CONTRASTS
from recommender.playlists.credited import song_titles

if TYPE_CHECKING:
    from recommender.playlists.request import PlaylistRequest
    from recommender.playlists.target_kinds import Stop


def playlist_name(request: PlaylistRequest) -> str:
    """Return a name made of the targets of a request, the refused ones last."""
    signs = dict(request.weights)
    wanted: list[str] = []
    refused: list[str] = []

    def add(field: str, name: str, weight: float = 1.0) -> None:
        (wanted if weight * signs.get(field, 1.0) > 0 else refused).append(name)

    if request.journey:
        wanted.append(_journey_name(request.journey))
    for name, weight in request.moods:
        add("moods", name, weight)
    if request.point is not None:
        valence, arousal = request.point.valence, request.point.arousal
        add("point", f"Valence {valence:.2f}, arousal {arousal:.2f}")
    if request.box is not None:
        add("box", "A part of the map")
    if request.text:
        add("text", f"“{' '.join(request.text.split())}”")
    titles = song_titles(song_id for song_id, _ in request.song_ids)
    for sign in (1, -1):
        seeds = [song_id for song_id, weight in request.song_ids if weight * sign > 0]
        if seeds:
            named = ", ".join(titles.get(song_id) or f"song {song_id}" for song_id in seeds)
            add("song_ids", f"Like {named}", sign)
    for field in ("artists", "albums"):
        for name, weight in request.value(field):
            add(field, name, weight)
    if request.contrast:
        add("contrast", CONTRASTS[request.contrast])
    if request.history:
        add("history", "From my listening")
    name = " + ".join(part[:1].upper() + part[1:] for part in wanted)
    if refused:
        name += f"{', not ' if name else 'Not '}{', not '.join(refused)}"
    return name[:200]


def stop_name(stop: Stop) -> str:
    """Return the name of a stop of a journey."""
    if stop.mood:
        return stop.mood
    if stop.point is not None:
        return "a point of the map"
    if stop.song_id:
        return f"“{song_titles([stop.song_id]).get(stop.song_id, f'song {stop.song_id}')}”"
    return "where you are"


def _journey_name(stops: tuple[Stop, ...]) -> str:
    names = [stop_name(stop) for stop in stops]
    return f"From {names[0]} to {names[-1]}" + (
        f" by way of {', '.join(names[1:-1])}" if names[1:-1] else ""
    )
