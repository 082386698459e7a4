"""Calls for songs that sound alike, by the distances of the index and by nothing else.

If the index is away, or a song is not analysed, the answer is an error that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from catalog.models import Album, Artist, SongCredit
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.playlists import songs_between, songs_similar
from recommender.subsonic.answers import plain
from recommender.subsonic.browsing import album_song_ids, artist_song_ids
from recommender.subsonic.calls import Ask, call
from recommender.subsonic.parameters import Item, not_found
from recommender.subsonic.shapes import artists_as_folders, artists_shown, songs_by_id, songs_shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recommender.playlists import SimilarSong

_SEEDS: Final = 5
"""Songs of an artist or album whose similar songs are mixed."""
_MOST_STEPS: Final = 100
_ARTISTS_FROM: Final = 60
"""Similar songs whose artists are similar artists."""


@call("getSonicSimilarTracks")
def get_sonic_similar_tracks(ask: Ask) -> dict[str, Any]:
    """Return the most similar songs with the cosine similarity of their embeddings."""
    song, count = ask.parameters.song(), ask.parameters.size("count", 10)
    found = songs_similar(song_id=song, k=count, user=ask.user, is_playable=True) if count else []
    return {"sonicMatch": _matches(found, ask)}


@call("findSonicPath", throttle="paths")
def find_sonic_path(ask: Ask) -> dict[str, Any]:
    """Return songs that lead from one to another; the similarity is that to the first."""
    start, end = ask.parameters.song("startSongId"), ask.parameters.song("endSongId")
    count = ask.parameters.number("count", 25, least=1, most=_MOST_STEPS)
    path = songs_between(start_id=start, end_id=end, count=count, user=ask.user)
    return {"sonicMatch": _matches(path, ask)}


def _matches(found: Sequence[SimilarSong], ask: Ask) -> list[dict[str, Any]]:
    songs = songs_by_id([one.song_id for one in found], ask.user)
    return [
        # The protocol has 0 for songs that are not alike; -1 means that it is not known.
        {"entry": songs[one.song_id], "similarity": round(max(0.0, one.similarity), 4)}
        for one in found
        if one.song_id in songs
    ]


@call("getSimilarSongs")
def get_similar_songs(ask: Ask) -> dict[str, Any]:
    return {"similarSongs": {"song": _similar(ask)}}


@call("getSimilarSongs2")
def get_similar_songs2(ask: Ask) -> dict[str, Any]:
    return {"similarSongs2": {"song": _similar(ask)}}


def _similar(ask: Ask) -> list[dict[str, Any]]:
    """Return songs like a song, or like some songs of an artist or album, best first."""
    count = ask.parameters.size("count", 50)
    seeds = _seeds(ask.parameters.item())
    found = _of_seeds(seeds, count, ask) if count else []
    return songs_shown([one.song_id for one in found][:count], ask.user)


def _seeds(item: Item) -> list[int]:
    if item.kind == "song":
        return [item.pk]
    songs = album_song_ids(item.pk) if item.kind == "album" else artist_song_ids(item.pk)
    if not songs:
        raise not_found()
    step = max(1, len(songs) // _SEEDS)
    return songs[::step][:_SEEDS]


def _of_seeds(seeds: Sequence[int], count: int, ask: Ask) -> list[SimilarSong]:
    """Return the songs that are most similar to any of the seeds; each once, and no seed.

    Seeds that are not analysed are left out, if another one is.
    """
    best: dict[int, SimilarSong] = {}
    refused: PlaylistRequestError | None = None
    answered = 0
    for seed in seeds:
        try:
            found = songs_similar(song_id=seed, k=count, user=ask.user, is_playable=True)
        except PlaylistRequestError as error:
            if error.code != PlaylistErrorCode.SONG_NOT_ANALYSED:
                raise
            refused = error
            continue
        answered += 1
        for one in found:
            if one.song_id not in best or best[one.song_id].similarity < one.similarity:
                best[one.song_id] = one
    if refused is not None and not answered:
        raise refused
    kept = (one for pk, one in best.items() if pk not in seeds)
    return sorted(kept, key=lambda one: (-one.similarity, one.song_id))


@call("getArtistInfo")
def get_artist_info(ask: Ask) -> dict[str, Any]:
    musicbrainz, artists = _artist_info(ask)
    return {"artistInfo": {**musicbrainz, "similarArtist": artists_as_folders(artists)}}


@call("getArtistInfo2")
def get_artist_info2(ask: Ask) -> dict[str, Any]:
    musicbrainz, artists = _artist_info(ask)
    return {"artistInfo2": {**musicbrainz, "similarArtist": artists}}


def _artist_info(ask: Ask) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the MusicBrainz id of an artist, and the artists of similar songs."""
    artist = _artist(ask.parameters.item())
    count = ask.parameters.number("count", 20, most=_ARTISTS_FROM)
    songs = [
        one.song_id for one in _of_seeds(_seeds(Item("artist", artist.pk)), _ARTISTS_FROM, ask)
    ]
    leads = SongCredit.objects.filter(song__in=songs, position=0).exclude(artist=artist)
    by_song = dict(leads.values_list("song", "artist"))
    similar = list(dict.fromkeys(by_song[pk] for pk in songs if pk in by_song))[:count]
    return plain({"musicBrainzId": artist.musicbrainz_id}), artists_shown(similar, ask.user)


def _artist(item: Item) -> Artist:
    """Return the artist of an id; of a song or an album, its first."""
    found: Artist | None
    if item.kind == "artist":
        found = Artist.objects.filter(pk=item.pk).first()
    elif item.kind == "album":
        album = Album.objects.filter(pk=item.pk).select_related("artist").first()
        found = album.artist if album else None
    else:
        found = Artist.objects.filter(credits__song=item.pk, credits__position=0).first()
    if found is None:
        raise not_found()
    return found
