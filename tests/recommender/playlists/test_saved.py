"""Saved lists: changed by hand with versions, undone, restored, shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.models import Song
from recommender import selectors
from recommender.playlists import (
    PlaylistRequest,
    edits_of_words,
    playlist_edit,
    playlist_generate,
    playlist_listed,
    playlist_redo,
    playlist_restore,
    playlist_save,
    playlist_share,
    playlist_undo,
    playlist_unshare,
)
from recommender.playlists.saved import KEPT_VERSIONS

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from recommender.models import Playlist

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(user: User, songs: list[Song]) -> Playlist:
    request = PlaylistRequest.from_words(
        {"mood": ["calm"], "count": ["4"], "seed": ["1"], "min_match": ["0"]}
    )
    return playlist_save(user=user, generated=playlist_generate(request=request, user=user))


def ids(playlist: Playlist) -> list[int]:
    return list(playlist.entries.order_by("position").values_list("song_id", flat=True))


def change(playlist: Playlist, *words: str) -> None:
    playlist_edit(playlist=playlist, edits=edits_of_words(words))
    playlist.refresh_from_db()


def test_each_change_keeps_the_former_list(kept: Playlist, songs: list[Song]) -> None:
    first, second, third, fourth = before = ids(kept)
    scores = dict(kept.entries.values_list("song_id", "score"))
    change(kept, f"move.{fourth}.0")
    assert ids(kept) == [fourth, first, second, third]
    assert dict(kept.entries.values_list("song_id", "score")) == scores
    change(kept, f"remove.{first}")
    assert ids(kept) == [fourth, second, third]
    versions = selectors.playlist_versions(kept)
    assert [version.number for version in versions] == [3, 2, 1]
    titles = dict(Song.objects.values_list("pk", "title"))
    assert [version.change for version in versions] == [
        f"Removed “{titles[first]}”",
        f"Moved “{titles[fourth]}”",
        "As it was saved",
    ]
    assert playlist_restore(playlist=kept, version=1)
    assert ids(kept) == before
    assert not playlist_restore(playlist=kept, version=9)


def test_undo_and_redo_lose_nothing(kept: Playlist) -> None:
    before = ids(kept)
    assert not playlist_undo(playlist=kept)
    change(kept, f"remove.{before[0]}")
    change(kept, f"remove.{before[1]}")
    assert playlist_undo(playlist=kept)
    assert ids(kept) == before[1:]
    kept.refresh_from_db()
    assert playlist_undo(playlist=kept)
    assert ids(kept) == before
    kept.refresh_from_db()
    assert not playlist_undo(playlist=kept)
    assert playlist_redo(playlist=kept)
    kept.refresh_from_db()
    change(kept, f"remove.{before[3]}")  # another way from there
    assert ids(kept) == before[1:3]
    assert not playlist_redo(playlist=kept)
    assert playlist_restore(playlist=kept, version=3)
    assert ids(kept) == before[2:]


def test_an_added_song_has_no_score_and_survives_a_restore(
    kept: Playlist, songs: list[Song]
) -> None:
    new = next(song.pk for song in songs if song.pk not in ids(kept))
    change(kept, f"add.{new}.0")
    entry = playlist_listed(kept)[0]
    assert (entry.song.pk, entry.score, entry.reason) == (new, None, None)
    playlist_undo(playlist=kept)
    kept.refresh_from_db()
    playlist_redo(playlist=kept)
    assert playlist_listed(kept)[0].reason is None
    change(kept, "add.999999")  # there is no such song
    assert kept.version == 2


def test_what_changes_nothing_makes_no_version(kept: Playlist) -> None:
    change(kept, f"move.{ids(kept)[0]}.0", "remove.999999")
    assert kept.version == 1
    assert not kept.history.exists()


def test_songs_whose_files_are_gone_stay(kept: Playlist) -> None:
    first, second, third, fourth = ids(kept)
    Song.objects.filter(pk=second).update(is_available=False)
    change(kept, f"move.{fourth}.1")
    assert ids(kept) == [first, second, fourth, third]
    Song.objects.filter(pk=third).delete()
    playlist_restore(playlist=kept, version=1)
    assert ids(kept) == [first, second, fourth]


def test_the_oldest_versions_go(kept: Playlist) -> None:
    first = ids(kept)[0]
    for number in range(KEPT_VERSIONS + 3):
        change(kept, f"move.{first}.{1 + number % 2}")
    assert kept.history.count() == KEPT_VERSIONS
    assert kept.history.filter(number=kept.version).exists()


def test_a_list_is_saved_with_its_changes(user: User, songs: list[Song]) -> None:
    request = PlaylistRequest.from_words({"mood": ["calm"], "count": ["4"], "min_match": ["0"]})
    generated = playlist_generate(request=request, user=user)
    made = [entry.song_id for entry in generated.entries]
    edits = edits_of_words([f"remove.{made[0]}", f"move.{made[3]}.0"])
    kept = playlist_save(user=user, generated=generated, edits=edits)
    assert ids(kept) == [made[3], made[1], made[2]]


def test_a_link_is_the_same_until_it_is_ended(kept: Playlist) -> None:
    token = playlist_share(playlist=kept)
    assert len(token) == 32
    assert playlist_share(playlist=kept) == token
    assert selectors.playlist_shared(token).get() == kept
    playlist_unshare(playlist=kept)
    assert not selectors.playlist_shared(token).exists()
    assert playlist_share(playlist=kept) != token


def test_a_link_ends_with_its_owners_account(kept: Playlist, user: User) -> None:
    token = playlist_share(playlist=kept)
    user.is_active = False
    user.save()
    assert not selectors.playlist_shared(token).exists()
