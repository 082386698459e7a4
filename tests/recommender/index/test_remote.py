"""The songs in Qdrant: loaded from the database, kept up to date, the same lists as of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from catalog.changes import everything_changed
from catalog.models import Artist, Song, SongCredit
from recommender.errors import IndexMissingError
from recommender.feedback import song_ban, song_like, song_place, song_skip
from recommender.history import listen_record
from recommender.index import index_build, index_snapshot, index_status, reader, remote
from recommender.index.loading import PAGE_ROWS, loading_now
from recommender.index.reader import index_snapshot_forget
from recommender.models import IndexBuild
from recommender.playlists import (
    PlaylistRequest,
    playlist_generate,
    profile_shown,
    songs_similar,
)
from recommender.playlists.facets import playlist_facets
from tests.edge import EdgeCollections, edge_folder
from tests.factories import (
    MODEL_VERSION,
    SongEmotionFactory,
    SongFactory,
    UserFactory,
    some_alone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeCollections]:
    """Return the collections of an engine in this process, which the site uses if it is told to."""
    with edge_folder() as folder:
        held = EdgeCollections(folder)
        monkeypatch.setattr(remote, "_connected", lambda *_: held)
        yield held


@pytest.fixture
def qdrant(held: EdgeCollections, settings: SettingsWrapper) -> EdgeCollections:
    settings.AFFETTI_INDEX_ENGINE = "qdrant"
    index_snapshot_forget()
    return held


def use(engine: str, settings: SettingsWrapper) -> None:
    settings.AFFETTI_INDEX_ENGINE = engine
    IndexBuild.objects.all().delete()
    index_snapshot_forget()
    index_build()


def requests(ids: list[int]) -> list[PlaylistRequest]:
    return [
        PlaylistRequest(**fields, seed=3, min_match=0.0)
        for fields in (
            {"moods": ["calm"]},
            {"point": {"valence": 0.9, "arousal": 0.8}, "count": 7},
            {"song_ids": tuple(ids[:2])},
            {"artists": ["Artist 3"], "genre": "rock"},
            {"moods": ["sadness"], "genre": "pop", "year_from": 1995},
            {"text": "happy pop, no rock, not calm"},
            {"moods": ["joy"], "exclude_song_ids": tuple(ids[:30])},
            {"moods": ["joy"], "artists": (("Artist 1", -1),)},
            {"moods": ["joy"], "never_heard": True},
            {"moods": ["joy"], "liked_only": True},
            {"history": True, "seconds_from": 100},
            {"moods": ["joy"], "song_ids": ((ids[3], -1),)},
            {"journey": ("sadness", "joy"), "count": 10},
            {"moods": ["joy"], "year_from": 2012, "seconds_to": 10},
            {"contrast": "bright_sound_sad_words"},
            {"contrast": "dark_sound_bright_words", "moods": ["calm"]},
            {"moods": ["calm"], "weights": {"contrast": -1}, "contrast": "bright_sound_sad_words"},
            {"moods": ["sadness"], "words_weight": 1},
            {"song_ids": tuple(ids[3:5]), "words_weight": 0.3},
            {"journey": ("sadness", "joy"), "words_weight": 0.5, "count": 10},
        )
    ]


def test_whole_playlists_are_the_same_as_of_files(
    held: EdgeCollections, settings: SettingsWrapper
) -> None:
    songs = [SongEmotionFactory(alone=some_alone(2 + n)).song for n in range(150)]
    Song.objects.filter(pk__in=[song.pk for song in songs[::9]]).update(duration_seconds=None)
    listener = UserFactory()
    listen_record(user=listener, song_id=songs[5].pk)
    song_like(user=listener, song_id=songs[8].pk)
    song_like(user=listener, song_id=songs[9].pk)
    song_ban(user=listener, song_id=songs[11].pk)
    song_skip(user=listener, song_id=songs[12].pk, share_played=0.1)
    for song in songs[20:26]:
        song_place(user=listener, song_id=song.pk, valence=0.7, arousal=0.4)
    for song in songs:
        artist = Artist.objects.get_or_create(name=song.artist, key=song.artist.casefold())[0]
        SongCredit.objects.create(song=song, artist=artist, position=0, name=song.artist)
    ids = [song.pk for song in songs]

    def lists() -> list[Any]:
        made = [playlist_generate(request=one, user=listener) for one in requests(ids)]
        return [
            (
                [entry.song_id for entry in one.entries],
                [round(entry.score, 5) for entry in one.entries],
                [entry.reason for entry in one.entries],
                [note for note in one.notes if "left out" not in note],
                one.weaker_left_out,
                one.relaxed,
            )
            for one in made
        ]

    use("faiss", settings)
    wanted = lists()
    similar = [one.song_id for one in songs_similar(song_id=ids[4], k=9, user=listener)]
    facets = playlist_facets()
    preferred = [one.song_id for one, _ in profile_shown(user=listener).songs]
    assert preferred
    use("qdrant", settings)
    assert index_snapshot().source is not None
    assert len(index_snapshot()) == 0
    for request, found, of_files in zip(requests(ids), lists(), wanted, strict=True):
        assert found == of_files, request
    assert [one.song_id for one in songs_similar(song_id=ids[4], k=9, user=listener)] == similar
    assert playlist_facets() == facets
    assert [one.song_id for one, _ in profile_shown(user=listener).songs] == preferred
    assert all(one[0] for one in wanted)


class TestChanges:
    def test_are_found_at_once(self, qdrant: EdgeCollections) -> None:
        emotions = SongEmotionFactory.create_batch(20)
        build = index_build()
        assert index_snapshot().song_count == 20
        assert qdrant.aliases == {f"affetti-{MODEL_VERSION}": build.directory}

        emotions[0].song.delete()
        Song.objects.filter(pk=emotions[1].song_id).update(is_available=False)
        Song.objects.filter(pk=emotions[2].song_id).update(genre="Fado")
        emotions[3].valence, emotions[3].arousal = 0.01, 0.99
        emotions[3].save()
        new = SongEmotionFactory(song__genre="Enka")
        snapshot = index_snapshot()
        assert snapshot.song_count == 19
        assert {"Enka", "Fado"} <= {*snapshot.genre_names}
        rows = snapshot.narrowed([one.song_id for one in (*emotions[:4], new)])
        assert rows.song_ids[:].tolist() == [
            emotions[2].song_id,
            emotions[3].song_id,
            new.song_id,
        ]
        assert rows.affect[1][:2].tolist() == pytest.approx([0.01, 0.99])
        build.refresh_from_db()
        assert index_status().tail == 0
        assert index_snapshot() is index_snapshot()

    def test_of_another_process_are_seen(self, qdrant: EdgeCollections) -> None:
        SongEmotionFactory.create_batch(3)
        index_build()
        other = reader.RemoteReader(lambda: MODEL_VERSION)
        assert other.poll().song_count == 3
        SongEmotionFactory()
        assert index_snapshot().song_count == 4
        assert other.poll().song_count == 4

    def test_that_are_not_known_leave_the_songs_and_ask_for_a_load(
        self, qdrant: EdgeCollections
    ) -> None:
        SongEmotionFactory.create_batch(3)
        former = index_build()
        everything_changed()
        SongEmotionFactory()
        assert index_snapshot().song_count == 3
        assert index_status().tail == 4
        index_build()
        assert index_snapshot().song_count == 4
        assert former.directory in qdrant.names()  # a reader may use it still
        index_build()
        assert former.directory not in qdrant.names()


class TestLoad:
    def test_goes_on_after_it_was_killed(
        self, qdrant: EdgeCollections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recommender.index.loading.PAGE_ROWS", 5)
        emotions = SongEmotionFactory.create_batch(23)
        upsert, written = EdgeCollections.upsert, []

        def killed(held: EdgeCollections, name: str, ids: Any, *rest: Any) -> None:
            if len(written) == 3:
                raise KeyboardInterrupt
            upsert(held, name, ids, *rest)
            written.append(list(ids))

        monkeypatch.setattr(EdgeCollections, "upsert", killed)
        with pytest.raises(KeyboardInterrupt):
            index_build()
        begun = loading_now()
        assert begun is not None
        assert begun.last_song_id == emotions[14].song_id
        assert not IndexBuild.objects.exists()
        emotions[2].song.delete()  # it is in the collection already
        Song.objects.filter(pk=emotions[3].song_id).update(genre="Fado")
        written.clear()
        monkeypatch.setattr(EdgeCollections, "upsert", upsert)
        count = qdrant.count(begun.name)
        assert count == 15
        build = index_build()
        assert build.directory == begun.name
        assert build.row_count == 22
        assert loading_now() is None
        snapshot = index_snapshot()
        rows = snapshot.narrowed([one.song_id for one in emotions])
        assert rows.song_ids[:].tolist() == [one.song_id for one in (*emotions[:2], *emotions[3:])]
        assert rows.genre_names[rows.genres[2]] == "Fado"

    def test_of_another_version_or_a_lost_collection_begins_anew(
        self, qdrant: EdgeCollections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        SongEmotionFactory.create_batch(3)
        with monkeypatch.context() as patch:
            patch.setattr(EdgeCollections, "settle", lambda *_: (_ for _ in ()).throw(OSError()))
            with pytest.raises(OSError):  # noqa: PT011
                index_build()
        begun = loading_now()
        assert begun is not None
        qdrant.drop(begun.name)
        assert index_build().directory != begun.name
        assert index_snapshot().song_count == 3
        assert len(qdrant.names()) == 1

    def test_of_an_empty_catalogue(self, qdrant: EdgeCollections) -> None:
        assert index_build().row_count == 0
        assert index_snapshot().song_count == 0
        SongEmotionFactory()
        assert index_snapshot().song_count == 1


class TestEngineChange:
    def test_builds_of_the_other_engine_are_given_up(
        self, held: EdgeCollections, settings: SettingsWrapper
    ) -> None:
        SongEmotionFactory.create_batch(4)
        index_build()
        for engine in ("qdrant", "faiss"):
            settings.AFFETTI_INDEX_ENGINE = engine
            index_snapshot_forget()
            assert index_snapshot().song_count == 4  # of the database
            assert index_snapshot().source is None
            assert index_status().is_stale
            index_build()
            assert (index_snapshot().source is not None) == (engine == "qdrant")
            assert index_snapshot().song_count == 4

    def test_too_many_songs_are_not_read_into_each_process(
        self, qdrant: EdgeCollections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader, "MOST_FROM_DATABASE", 2)
        SongEmotionFactory.create_batch(3)
        with pytest.raises(IndexMissingError, match="build_index"):
            index_snapshot()
        index_build()
        assert index_snapshot().song_count == 3


def test_songs_of_no_analysis_are_not_loaded(qdrant: EdgeCollections) -> None:
    SongEmotionFactory()
    SongFactory()
    assert index_build().row_count == 1
    assert PAGE_ROWS > 1000
