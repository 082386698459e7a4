"""What plugins and clients of AudioMuse-AI send, as they write it, and what they read of it."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import Artist, SongEmotion
from mer.affect import EMOTIONS
from recommender.models import Listen, Playlist
from tests.factories import SongFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from catalog.models import Song
    from tests.recommender.audiomuse.conftest import Plugin

pytestmark = pytest.mark.django_db


def vector(pk: int) -> np.ndarray[Any, Any]:
    return np.frombuffer(SongEmotion.objects.get(song=pk).fused_embedding, "<f4")


def distance(one: int, other: int) -> float:
    return 1.0 - float(vector(one) @ vector(other))


def test_navidrome_asks_for_an_instant_mix(plugin: Plugin, collection: list[Song]) -> None:
    seed = collection[0].pk
    rows = plugin.read(
        f"/api/similar_tracks?eliminate_duplicates=true&item_id={seed}&n=12&radius_similarity=true"
    )
    assert 0 < len(rows) <= 12
    assert {"item_id", "title", "author", "album", "distance"} <= set(rows[0])
    for row in rows:
        assert row["distance"] == pytest.approx(distance(seed, int(row["item_id"])), abs=1e-3)
    values = [row["distance"] for row in rows]
    assert values == sorted(values)
    artists = [row["author"] for row in rows]
    assert max(artists.count(name) for name in artists) <= 3
    every = plugin.read("/api/similar_tracks", item_id=seed, n=500, eliminate_duplicates="false")
    assert len(every) == len(collection) - 1


def test_navidrome_asks_for_artists(plugin: Plugin, collection: list[Song]) -> None:
    artist = Artist.objects.get(name="Beta")
    path = f"/api/similar_artists?artist=ar-{artist.pk}&include_component_matches=true&n=10"
    rows = plugin.read(path)
    assert {row["artist"] for row in rows} == {"The Alpha", "Ørsted", "4 Winds"}
    values = [row["divergence"] for row in rows]
    assert values == sorted(values)
    own = {str(song.pk) for song in collection if song.artist == "Beta"}
    for row in rows:
        assert row["artist_id"] == f"ar-{Artist.objects.get(name=row['artist']).pk}"
        (match,) = row["component_matches"]
        seeds = [one["item_id"] for one in match["artist1_representative_songs"]]
        theirs = [one["item_id"] for one in match["artist2_representative_songs"]]
        assert set(seeds) <= own
        nearest = min(
            distance(int(seed), song.pk)
            for seed in own
            for song in collection
            if song.artist == row["artist"]
        )
        # Five of the six songs are looked up, so another one may be nearer.
        assert row["divergence"] >= nearest - 1e-3
        assert {song.artist for song in collection if str(song.pk) in theirs} == {row["artist"]}
    assert "component_matches" not in plugin.read("/api/similar_artists?artist=beta&n=2")[0]


def test_jellyfin_asks_by_title_and_artist(plugin: Plugin, collection: list[Song]) -> None:
    song = collection[7]
    by_name = plugin.read(f"/api/similar_tracks?n=5&title={song.title}&artist={song.artist}")
    assert by_name == plugin.read(f"/api/similar_tracks?n=5&item_id={song.pk}")
    found = plugin.read(f"/api/search_tracks?title={song.title}&artist={song.artist}")
    assert [row["item_id"] for row in found] == [str(song.pk)]
    assert plugin.get("/api/similar_tracks", n=5, title="Other", artist="Nobody").status_code == 404


def test_lyrion_walks_from_song_to_song(plugin: Plugin, collection: list[Song]) -> None:
    start, end = collection[0].pk, collection[-1].pk
    body = plugin.read(f"/api/find_path?start_song_id={start}&end_song_id={end}&max_steps=8")
    ids = [int(row["item_id"]) for row in body["path"]]
    assert (ids[0], ids[-1]) == (start, end)
    assert 2 <= len(ids) == len(set(ids)) <= 8
    wanted = sum(distance(one, other) for one, other in pairwise(ids))
    assert body["total_distance"] == pytest.approx(wanted, abs=1e-3)


def test_wavio_walks_to_a_mood(plugin: Plugin, collection: list[Song]) -> None:
    start = collection[0].pk
    SongEmotion.objects.filter(song=collection[9].pk).update(valence=0.2, arousal=0.25)
    sent = {"max_steps": 10, "path_fix_size": "true", "path_space": "audio", "mood_pct": 100}
    path = plugin.read("/api/find_path", start_song_id=start, end_mood="sad", **sent)["path"]
    assert (path[0]["item_id"], path[-1]["item_id"]) == (str(start), str(collection[9].pk))
    SongEmotion.objects.filter(song=collection[11].pk).update(valence=0.75, arousal=0.62)
    sent["mood_pct"] = 15
    path = plugin.read("/api/find_path", start_song_id=start, end_mood="sad", **sent)["path"]
    assert path[-1]["item_id"] == str(collection[11].pk)


def test_wavio_connects(plugin: Plugin, collection: list[Song]) -> None:
    assert plugin.read("/api/health") == {"status": "ok"}
    assert plugin.read("/chat/api/config_defaults") == {"default_ai_provider": "NONE"}
    assert "calm" in plugin.read("/api/config")["mood_labels"]
    assert plugin.read("/api/clap/stats")["clap_enabled"] is True
    assert plugin.read("/api/lyrics/stats")["lyrics_enabled"] is False
    assert plugin.read("/api/sem_grove/stats")["loaded"] is True
    (server,) = plugin.read("/api/servers")["servers"]
    assert server["is_default"] is True
    summary = plugin.read("/api/dashboard/summary")["content"]
    assert summary == {"total_songs": 24, "clap_indexed": 24}
    # The type has no names and passwords that wavio would ask for.
    assert plugin.read("/api/config/defaults", server=server["server_id"])["server_type"]
    rows = plugin.read("/api/search_artists", query="a", start=0, end=1)
    assert [row["artist"] for row in rows] == ["The Alpha"]
    assert rows[0]["track_count"] == 6


def test_wavio_searches(plugin: Plugin, collection: list[Song]) -> None:
    rows = plugin.read(
        "/api/search_tracks", search_query="beta song", start=0, end=4, index="musicnn"
    )
    more = plugin.read("/api/search_tracks", search_query="beta song", start=4, end=30)
    ids = {row["item_id"] for row in (*rows, *more)}
    assert (len(rows), len(more)) == (4, 2)
    assert ids == {str(song.pk) for song in collection if song.artist == "Beta"}
    assert rows[0]["album"] == "Album 10"
    assert rows[0]["album_artist"] == "unknown"
    assert plugin.read("/api/search_tracks", search_query="") == []


@pytest.mark.parametrize("size", ["limit", "n"])
def test_lyrion_describes_what_it_wants(plugin: Plugin, collection: list[Song], size: str) -> None:
    SongEmotion.objects.filter(song=collection[3].pk).update(valence=0.2, arousal=0.25)
    body = plugin.sent("/api/clap/search", {"query": "sad", size: 5})
    assert body["query"] == "sad"
    assert body["count"] == len(body["results"]) <= 5
    assert body["results"][0]["item_id"] == str(collection[3].pk)
    values = [row["similarity"] for row in body["results"]]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1 for value in values)


def test_words_without_a_song_find_nothing(plugin: Plugin, collection: list[Song]) -> None:
    assert plugin.sent("/api/clap/search", {"query": "happy, from 1950"})["count"] == 0


def test_a_sentence_becomes_a_list(plugin: Plugin, collection: list[Song]) -> None:
    sent = {"userInput": "happy jazz", "ai_provider": "NONE"}
    answer = plugin.sent("/chat/api/chatPlaylist", sent)["response"]
    wanted = {str(song.pk) for song in collection if song.genre == "Jazz"}
    ids = {row["item_id"] for row in answer["query_results"]}
    assert ids
    assert ids <= wanted
    assert set(answer["query_results"][0]) >= {"item_id", "title", "artist"}


def test_lyrion_blends(plugin: Plugin, collection: list[Song]) -> None:
    add, subtract = (str(collection[at].pk) for at in (0, 12))
    items = [
        {"id": add, "op": "ADD", "type": "song"},
        {"id": subtract, "op": "SUBTRACT", "type": "song"},
        {"id": "Beta", "op": "SUBTRACT", "type": "artist"},
    ]
    body = plugin.sent("/api/alchemy", {"items": items, "n": 6})
    rows = body["results"]
    assert 0 < len(rows) <= 6
    assert not {row["author"] for row in rows} & {"Beta"}
    assert not {row["item_id"] for row in rows} & {add, subtract}
    values = [row["distance"] for row in rows]
    assert values == sorted(values)
    assert all(0 <= value <= 1 for value in values)
    older = plugin.sent("/api/alchemy", {"add": [add], "sub": [], "n": 3})
    assert len(older["results"]) == 3
    for wrong in (
        [],
        [{"id": add, "op": "SUBTRACT"}],
        [{"id": "1", "op": "ADD", "type": "anchor"}],
    ):
        assert plugin.post("/api/alchemy", {"items": wrong}).status_code == 400


def test_lyrion_asks_by_sound_and_words(plugin: Plugin, collection: list[Song]) -> None:
    seed = collection[0].pk
    body = plugin.sent("/api/sem_grove/search", {"item_id": str(seed), "limit": 6})
    first, *others = body["results"]
    assert (first["item_id"], first["is_seed"], first["similarity"]) == (str(seed), True, 1.0)
    assert (body["count"], len(others)) == (6, 5)
    for row in others:
        assert not row["is_seed"]
        wanted = 1 - distance(seed, int(row["item_id"]))
        assert row["similarity"] == pytest.approx(wanted, abs=1e-3)


def test_what_was_heard_has_a_fingerprint(
    plugin: Plugin, user: User, collection: list[Song]
) -> None:
    assert plugin.get("/api/sonic_fingerprint/generate", n=25).status_code == 404
    for song in collection[:3]:
        Listen.objects.create(user=user, song=song, listened_at=timezone.now())
    rows = plugin.read("/api/sonic_fingerprint/generate?n=5")
    assert len(rows) == 5
    assert len(plugin.sent("/api/sonic_fingerprint/generate", {"n": 4})) == 4


def test_moods_are_places(plugin: Plugin, collection: list[Song]) -> None:
    emotions = {**dict.fromkeys(EMOTIONS, 0.0), "calmness": 1.0}
    held = SongEmotion.objects.filter(song=collection[5].pk)
    held.update(valence=0.7, arousal=0.2, emotions=emotions)
    moods = plugin.read("/api/mood_centroids")
    assert {"joy", "calmness", "party"} <= set(moods)
    assert all(len(places) == 1 for places in moods.values())
    assert set(plugin.read("/api/mood_centroids", mood="relaxed")) == {"relaxed"}
    rows = plugin.read("/api/similar_tracks", mood="relaxed", centroid_index=0, n=3)
    assert rows[0]["item_id"] == str(collection[5].pk)
    assert "relaxedly" in plugin.refused(400, "/api/mood_centroids", mood="relaxedly")
    wrong = {"mood": "relaxed", "centroid_index": 3}
    assert "centroid_index 0" in plugin.refused(400, "/api/similar_tracks", **wrong)


def test_jellyfin_saves_a_playlist(plugin: Plugin, user: User, collection: list[Song]) -> None:
    ids = [str(song.pk) for song in collection[2:5]]
    sent = {"playlist_name": "Mix", "track_ids": [*ids, ids[0], "999999"]}
    body = plugin.sent("/api/create_playlist", sent, status=201)
    playlist = Playlist.objects.get(user=user)
    assert body["playlist_id"] == f"pl-{playlist.pk}"
    assert (body["mapped"], body["skipped"]) == (3, 1)
    entries = playlist.entries.order_by("position").values_list("song", flat=True)
    assert list(map(str, entries)) == ids
    rows = plugin.read("/api/playlists")["Mix"]
    assert [row["item_id"] for row in rows] == ids
    rows_sent = {"playlist_name": "Rows", "track_ids": rows}
    assert plugin.sent("/api/create_playlist", rows_sent, status=201)["mapped"] == 3


def test_lumae_copies_the_analysis(plugin: Plugin, collection: list[Song]) -> None:
    index = plugin.read("/api/sync?fields=index&page=1&limit=1000")
    assert (index["total_tracks"], index["has_more"], index["next_page"]) == (24, False, None)
    first = plugin.read("/api/sync?page=1&limit=10")
    second = plugin.read("/api/sync?page=3&limit=10&include_embeddings=false")
    assert (first["has_more"], first["next_page"], len(second["tracks"])) == (True, 2, 4)
    assert not second["has_more"]
    row = first["tracks"][0]
    song = collection[0]
    emotion = SongEmotion.objects.get(song=song)
    assert (row["id"], row["title"], row["artist"]) == (str(song.pk), song.title, song.artist)
    assert row["tempo"] == song.bpm
    assert np.frombuffer(base64.b64decode(row["embedding"]), "<f4") == pytest.approx(
        vector(song.pk)
    )
    told = dict(one.split(":") for one in row["mood_vector"].split(","))
    assert {name: float(value) for name, value in told.items()} == pytest.approx(
        emotion.emotions, abs=1e-3
    )
    assert "embedding" not in second["tracks"][0]
    assert [one["fp"] for one in index["tracks"][:10]] == [one["fp"] for one in first["tracks"]]
    named = plugin.read(f"/api/sync?ids={song.pk},999999,nonsense")
    assert [one["id"] for one in named["tracks"]] == [str(song.pk)]


def test_a_fingerprint_changes_with_the_analysis(plugin: Plugin, collection: list[Song]) -> None:
    def marks() -> dict[str, str]:
        return {one["id"]: one["fp"] for one in plugin.read("/api/sync?fields=index")["tracks"]}

    before = marks()
    SongEmotion.objects.filter(song=collection[0].pk).update(valence=0.1)
    after = marks()
    assert {pk for pk in before if before[pk] != after[pk]} == {str(collection[0].pk)}


def test_a_score_of_one_song(plugin: Plugin, collection: list[Song]) -> None:
    pk = collection[0].pk
    score = plugin.read("/external/get_score", id=pk)
    assert (score["item_id"], score["author"]) == (str(pk), collection[0].artist)
    held = plugin.read("/external/get_embedding", id=pk)["embedding"]
    assert held == pytest.approx(vector(pk).tolist())
    waiting = SongFactory()
    assert plugin.get("/external/get_score", id=waiting.pk).status_code == 404
