"""What is noted of a listener, how it is taken back, and how it is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from catalog.models import Artist, Recording, SongCredit
from recommender.errors import PlaylistRequestError
from recommender.feedback import (
    FeedbackKind,
    artist_ban,
    artist_unban,
    feedback_items,
    feedback_of,
    feedback_reset,
    marks_of_songs,
    song_ban,
    song_like,
    song_place,
    song_rate,
    song_skip,
    song_unmark,
)
from recommender.models import Playlist, Skip, SongFeedback
from tests.factories import MODEL_VERSION, SongEmotionFactory, SongFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def artist() -> Artist:
    return Artist.objects.create(name="Nobody's", key="nobody's")


def test_all_that_is_said_is_read(user: User, artist: Artist) -> None:
    liked, banned, rated, placed, left = (SongEmotionFactory(valence=0.8).song for _ in range(5))
    song_like(user=user, song_id=liked.pk)
    song_ban(user=user, song_id=banned.pk)
    song_rate(user=user, song_id=rated.pk, stars=4)
    song_place(user=user, song_id=placed.pk, valence=0.1, arousal=0.2)
    song_skip(user=user, song_id=left.pk, seconds_played=45.0)
    artist_ban(user=user, artist=artist)
    feedback = feedback_of(user)
    assert [like.song_id for like in feedback.likes] == [liked.pk]
    assert feedback.banned_songs == (banned.pk,)
    assert feedback.banned_artists == (artist.pk,)
    assert [(one.song_id, one.stars) for one in feedback.ratings] == [(rated.pk, 4)]
    assert [(one.song_id, one.fraction_heard) for one in feedback.skips] == [(left.pk, 0.25)]
    (correction,) = feedback.corrections
    said = placed.emotions.get()
    assert correction[:5] == (placed.pk, 0.1, 0.2, 0.8, said.arousal)
    assert correction.said_version == MODEL_VERSION


def test_nobody_else_has_it(user: User) -> None:
    song_like(user=user, song_id=SongFactory().pk)
    for other in (None, AnonymousUser(), UserFactory()):
        assert feedback_of(other).likes == ()
        assert feedback_of(other).revision == ""


def test_every_change_has_another_revision(user: User, artist: Artist) -> None:
    song = SongEmotionFactory().song
    seen = [feedback_of(user).revision]
    changes = [
        lambda: song_like(user=user, song_id=song.pk),
        lambda: song_ban(user=user, song_id=song.pk),
        lambda: song_rate(user=user, song_id=song.pk, stars=1),
        lambda: song_place(user=user, song_id=song.pk, valence=0.5, arousal=0.5),
        lambda: song_skip(user=user, song_id=song.pk),
        lambda: artist_ban(user=user, artist=artist),
        lambda: artist_unban(user=user, artist=artist),
        *(
            lambda kind=kind: song_unmark(user=user, song_id=song.pk, kind=kind)
            for kind in FeedbackKind
            if kind != FeedbackKind.ARTIST_BAN
        ),
        lambda: feedback_reset(user=user),
    ]
    for change in changes:
        change()
        seen.append(feedback_of(user).revision)
    assert len(set(seen)) == len(seen)
    assert not SongFeedback.objects.exists()


def test_repeating_changes_nothing(user: User) -> None:
    song = SongFactory()
    for _ in range(2):
        song_like(user=user, song_id=song.pk)
    first = SongFeedback.objects.get().liked_at
    song_like(user=user, song_id=song.pk)
    assert SongFeedback.objects.get().liked_at == first
    moment = timezone.now()
    for _ in range(2):
        song_skip(user=user, song_id=song.pk, skipped_at=moment, share_played=0.1)
    assert Skip.objects.count() == 1


def test_a_like_ends_a_ban_and_a_ban_a_like(user: User) -> None:
    song = SongFactory()
    song_like(user=user, song_id=song.pk)
    song_ban(user=user, song_id=song.pk)
    assert (feedback_of(user).likes, feedback_of(user).banned_songs) == ((), (song.pk,))
    song_like(user=user, song_id=song.pk)
    assert [one.song_id for one in feedback_of(user).likes] == [song.pk]
    assert feedback_of(user).banned_songs == ()


def test_all_files_of_a_recording_share_what_is_said(user: User) -> None:
    recording = Recording.objects.create()
    one, other = (SongFactory(recording=recording) for _ in range(2))
    for song in (one, other):
        SongEmotionFactory(song=song)
    song_like(user=user, song_id=one.pk)
    song_like(user=user, song_id=other.pk)
    song_rate(user=user, song_id=one.pk, stars=1)
    song_rate(user=user, song_id=other.pk, stars=5)
    song_place(user=user, song_id=one.pk, valence=0.1, arousal=0.1)
    song_place(user=user, song_id=other.pk, valence=0.2, arousal=0.2)
    feedback = feedback_of(user)
    assert [len(feedback.likes), len(feedback.ratings), len(feedback.corrections)] == [1, 1, 1]
    marks = marks_of_songs(user=user, song_ids=[one.pk, other.pk])
    assert marks[one.pk] == marks[other.pk]
    assert marks[one.pk].is_liked
    assert marks[one.pk].stars == 5
    song_unmark(user=user, song_id=other.pk, kind=FeedbackKind.LIKE)
    song_unmark(user=user, song_id=one.pk, kind=FeedbackKind.RATING)
    song_unmark(user=user, song_id=one.pk, kind=FeedbackKind.MOOD)
    assert not SongFeedback.objects.exists()


def test_marks_of_many_songs_cost_few_queries(
    user: User, artist: Artist, django_assert_max_num_queries: object
) -> None:
    songs = SongFactory.create_batch(30)
    song_like(user=user, song_id=songs[0].pk)
    song_ban(user=user, song_id=songs[1].pk)
    SongCredit.objects.create(
        song=songs[2], artist=artist, position=1, role="featured", name=artist.name
    )
    artist_ban(user=user, artist=artist)
    feedback_of(user)
    with django_assert_max_num_queries(4):  # type: ignore[operator]
        marks = marks_of_songs(user=user, song_ids=[song.pk for song in songs])
    assert [place for place, song in enumerate(songs) if marks[song.pk].is_liked] == [0]
    assert [place for place, song in enumerate(songs) if marks[song.pk].is_banned] == [1, 2]
    assert not any(
        mark.is_liked or mark.is_banned
        for mark in marks_of_songs(user=UserFactory(), song_ids=[s.pk for s in songs]).values()
    )


def test_one_kind_can_be_forgotten(user: User, artist: Artist) -> None:
    song, other = (SongEmotionFactory().song for _ in range(2))
    song_like(user=user, song_id=song.pk)
    song_rate(user=user, song_id=song.pk, stars=2)
    song_ban(user=user, song_id=other.pk)
    song_skip(user=user, song_id=song.pk)
    artist_ban(user=user, artist=artist)
    feedback_reset(user=user, kind=FeedbackKind.LIKE)
    feedback = feedback_of(user)
    assert (feedback.likes, feedback.banned_songs) == ((), (other.pk,))
    assert len(feedback.ratings) == len(feedback.skips) == len(feedback.banned_artists) == 1
    feedback_reset(user=user, kind=FeedbackKind.SKIP)
    feedback_reset(user=user, kind=FeedbackKind.ARTIST_BAN)
    assert (feedback_of(user).skips, feedback_of(user).banned_artists) == ((), ())


@pytest.mark.parametrize(
    ("call", "change", "code"),
    [
        (song_like, {"song_id": 999_999}, "SONG_NOT_FOUND"),
        (song_rate, {"stars": 6}, "REQUEST_INVALID"),
        (song_rate, {"stars": 0}, "REQUEST_INVALID"),
        (song_place, {"valence": 1.2, "arousal": 0.0}, "REQUEST_INVALID"),
        (song_place, {"valence": 0.2, "arousal": float("nan")}, "REQUEST_INVALID"),
        (song_place, {"valence": 0.2, "arousal": 0.3}, "SONG_NOT_ANALYSED"),
        (song_skip, {"share_played": 1.5}, "REQUEST_INVALID"),
        (song_skip, {"seconds_played": -1.0}, "REQUEST_INVALID"),
        (song_skip, {"skipped_at": timezone.now() + timedelta(days=2)}, "REQUEST_INVALID"),
    ],
)
def test_impossible_feedback_is_refused(
    user: User, call: object, change: dict[str, object], code: str
) -> None:
    with pytest.raises(PlaylistRequestError) as caught:
        call(**{"user": user, "song_id": SongFactory().pk, **change})  # type: ignore[operator]
    assert caught.value.code == code
    assert feedback_of(user).revision == ""


def test_a_skip_names_only_own_playlists(user: User) -> None:
    other = Playlist.objects.create(
        user=UserFactory(), name="x", request={}, seed=1, model_version=MODEL_VERSION
    )
    with pytest.raises(PlaylistRequestError):
        song_skip(user=user, song_id=SongFactory().pk, playlist_id=other.pk)


def test_a_page_of_what_was_said_loads_no_more_than_the_page(
    user: User, artist: Artist, django_assert_max_num_queries: Any
) -> None:
    songs = [SongEmotionFactory().song for _ in range(30)]
    for song in songs:
        song_like(user=user, song_id=song.pk)
    song_rate(user=user, song_id=songs[0].pk, stars=3)
    song_place(user=user, song_id=songs[0].pk, valence=0.1, arousal=0.2)
    song_skip(user=user, song_id=songs[1].pk, share_played=0.5)
    artist_ban(user=user, artist=artist)
    with django_assert_max_num_queries(3):
        items = feedback_items(user=user)
    assert len(items) == 34
    loaded: list[object] = []
    with patch.object(SongFeedback, "from_db", wraps=SongFeedback.from_db) as from_db:
        loaded += items[:6]
        assert from_db.call_count <= 3
    assert [item.kind for item in loaded] == [  # type: ignore[attr-defined]
        *(FeedbackKind.ARTIST_BAN, FeedbackKind.SKIP, FeedbackKind.MOOD),
        *(FeedbackKind.RATING, FeedbackKind.LIKE, FeedbackKind.LIKE),
    ]
    assert [item.name for item in items[:2]] == ["Nobody's", songs[1].shown_title]
    assert items[3].stars == 3
    assert (items[2].valence, items[1].share_played) == (0.1, 0.5)
    assert len(items.of_kind(FeedbackKind.LIKE)) == 30
    songs[29].delete()
    assert [item.song for item in items[4:6]] == [songs[28]]
