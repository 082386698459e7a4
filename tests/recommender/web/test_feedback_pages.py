"""Feedback by forms, without JavaScript: said, shown, taken back."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission

from catalog.models import Artist, Song, SongCredit
from recommender.feedback import feedback_of, song_like, song_place, song_skip
from recommender.models import SongFeedback
from recommender.web.views import feedback
from tests.factories import UserFactory

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def page(client: Client, song: Song) -> str:
    return client.get(f"/songs/{song.pk}").content.decode()


@pytest.mark.parametrize("what", ["like", "ban"])
def test_a_button_is_pressed_and_released(ada: Client, songs: list[Song], what: str) -> None:
    address = f"/songs/{songs[0].pk}/{what}"
    button = f'class="mark {what}" name="undo" value="'
    assert f'{button}" aria-pressed="false"' in page(ada, songs[0])
    response = ada.post(address, {"undo": "", "next": f"/songs/{songs[0].pk}"})
    assert (response.status_code, response["Location"]) == (302, f"/songs/{songs[0].pk}")
    assert f'{button}1" aria-pressed="true"' in page(ada, songs[0])
    assert (
        ada.post(address, {"undo": "1"}, headers={"X-Requested-With": "fetch"}).status_code == 204
    )
    assert f'{button}" aria-pressed="false"' in page(ada, songs[0])


def test_it_leads_to_no_other_site(ada: Client, songs: list[Song]) -> None:
    for to in ("https://evil.example/", "//evil.example", "javascript:alert(1)", ""):
        response = ada.post(f"/songs/{songs[0].pk}/like", {"next": to})
        assert response["Location"] == "/account/feedback"


def test_lists_have_buttons_and_leave_out_bans(
    ada: Client, songs: list[Song], client: Client
) -> None:
    address = "/playlist?mood=calm&seed=1&min_match=0"
    listed = ada.get(address).content.decode()
    # In each row and in its menu, and one in the player.
    assert listed.count('class="mark like"') == 2 * len(songs) + 1
    assert f"/songs/{songs[0].pk}/ban" in listed
    ada.post(f"/songs/{songs[0].pk}/ban")
    assert f"/songs/{songs[0].pk}/ban" not in ada.get(address).content.decode()
    ada.logout()
    listed = ada.get(address).content.decode()
    assert f'href="/songs/{songs[0].pk}"' in listed
    assert 'class="mark' not in listed


def test_stars(ada: Client, user: User, songs: list[Song]) -> None:
    address = f"/songs/{songs[0].pk}/rating"
    ada.post(address, {"stars": "4"})
    assert [one.stars for one in feedback_of(user).ratings] == [4]
    assert page(ada, songs[0]).count("mark star is-on") == 4
    assert ada.post(address, {"stars": "9"}).status_code == 400
    ada.post(address, {"undo": "4"})
    assert feedback_of(user).ratings == ()


def test_a_wrong_mood(ada: Client, user: User, songs: list[Song]) -> None:
    address = f"/songs/{songs[0].pk}/mood"
    assert "Wrong mood?" in page(ada, songs[0])
    ada.post(address, {"valence": "0.20", "arousal": "0.90"})
    assert "You placed it at pleasant" in page(ada, songs[0])
    assert [one[1:3] for one in feedback_of(user).corrections] == [(0.2, 0.9)]
    ada.post(address, {"valence": "0.20", "arousal": "0.90", "mood": "calmness"})
    assert [one[1:3] for one in feedback_of(user).corrections] == [(0.7, 0.2)]
    for body in ({}, {"valence": "0.2"}, {"valence": "2", "arousal": "0"}, {"mood": "polka"}):
        assert ada.post(address, body).status_code == 400
    ada.post(address, {"undo": "1"})
    assert "You placed it" not in page(ada, songs[0])


def test_artists_are_banned_on_the_page_of_a_song(
    ada: Client, user: User, songs: list[Song]
) -> None:
    artist = Artist.objects.create(name="Björk", key="björk")
    SongCredit.objects.create(song=songs[0], artist=artist, position=0, name="Björk")
    ada.post(f"/artists/{artist.pk}/ban")
    assert feedback_of(user).banned_artists == (artist.pk,)
    assert "Allow again" in page(ada, songs[0])
    ada.post(f"/artists/{artist.pk}/ban", {"undo": "1"})
    assert feedback_of(user).banned_artists == ()


def test_everything_said_is_listed_and_forgotten(ada: Client, songs: list[Song]) -> None:
    artist = Artist.objects.create(name="Björk", key="björk")
    assert "You gave no feedback yet" in ada.get("/account/feedback").content.decode()
    ada.post(f"/songs/{songs[0].pk}/like")
    ada.post(f"/songs/{songs[1].pk}/ban")
    ada.post(f"/songs/{songs[2].pk}/mood", {"mood": "joy"})
    ada.post(f"/songs/{songs[2].pk}/rating", {"stars": "2"})
    ada.post(f"/artists/{artist.pk}/ban")
    shown = ada.get("/account/feedback?kind=").content.decode()
    said = songs[2].emotions.get()
    assert f"Pleasant {said.valence:.2f} → 0.85" in shown
    for text in (songs[0].title, songs[1].title, "Björk", "2 stars", "Delete all feedback"):
        assert text in shown
    for query in ("", "?kind=like"):
        likes = ada.get(f"/account/feedback{query}").content.decode()
        assert songs[0].title in likes
        assert songs[1].title not in likes
        assert "said-undo" not in likes, "the heart takes a like back"
    ada.post("/account/feedback/reset", {"kind": "like"})
    assert SongFeedback.objects.count() == 2
    ada.post("/account/feedback/reset", {"kind": ""})
    assert "You gave no feedback yet" in ada.get("/account/feedback").content.decode()


def test_songs_that_are_gone_take_no_query_each(
    ada: Client, user: User, songs: list[Song], django_assert_max_num_queries: Any
) -> None:
    for song in songs:
        song_like(user=user, song_id=song.pk)
        song_skip(user=user, song_id=song.pk, share_played=0.5)
    Song.objects.update(is_available=False, album="Blue")
    with django_assert_max_num_queries(24):
        shown = ada.get("/account/feedback?kind=").content.decode()
    assert shown.count("said-undo") == len(songs), "of likes that have no heart"
    assert shown.count("Its file is gone") == 2 * len(songs)


def test_staff_correct_for_everybody(client: Client, songs: list[Song]) -> None:
    sam = UserFactory(username="sam", is_staff=True)
    sam.user_permissions.add(Permission.objects.get(codename="add_emotioncorrection"))
    client.force_login(sam)
    assert "Correct it for everybody" in page(client, songs[0])
    address = f"/songs/{songs[0].pk}/correction"
    client.post(address, {"valence": "0.95", "arousal": "0.05", "note": "a lullaby"})
    shown = page(client, songs[0])
    assert "Corrected by staff" in shown
    assert "a lullaby" in shown
    assert songs[0].emotions.get().valence == 0.95
    client.post(address, {"undo": "1"})
    assert songs[0].emotions.get().predicted is None
    client.force_login(UserFactory())
    assert "Correct it for everybody" not in page(client, songs[0])
    assert client.post(address, {"mood": "joy"}).status_code == 403


def test_what_it_changed_is_told(ada: Client, songs: list[Song], user: User) -> None:
    for song in songs[:2]:
        song_like(user=user, song_id=song.pk)
        song_place(user=user, song_id=song.pk, valence=0.5, arousal=0.5)
    shown = ada.get("/account/feedback").content.decode()
    assert "What it changed" in shown
    assert "With 3 more, your map changes" in shown
    assert "learned-genres" in shown
    assert "Your lists now lean towards" in shown
    assert 'href="/songs?genre=' in shown
    for song in songs[2:6]:
        song_place(user=user, song_id=song.pk, valence=0.9, arousal=0.9)
    assert "Your map is shifted" in ada.get("/account/feedback").content.decode()


def test_songs_that_one_should_like_have_covers_and_play(
    ada: Client, user: User, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    song_like(user=user, song_id=songs[0].pk)
    likely = tuple((None, song) for song in songs[1:5])
    learned = SimpleNamespace(plane=None, corrections=0, genres=(), songs=likely)
    monkeypatch.setattr(feedback, "profile_shown", lambda *, user: learned)
    tile, *others = re.findall(
        r'<li class="tile.*?</li>', ada.get("/account/feedback").content.decode(), re.DOTALL
    )
    assert len(others) == 3
    assert f"/songs/{songs[1].pk}/cover" in tile
    assert f'data-play data-song-id="{songs[1].pk}"' in tile
    learned.songs = likely[:3]  # so few look lost
    assert "You may like" not in ada.get("/account/feedback").content.decode()
