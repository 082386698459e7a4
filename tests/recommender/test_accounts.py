"""Tokens and accounts: what each token may do, when it ends, and what an account leaves behind."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Artist
from recommender import accounts
from recommender.feedback import artist_ban, song_like, song_place, song_skip
from recommender.models import (
    ArtistBan,
    FeedbackRevision,
    Listen,
    Playlist,
    PlaylistEntry,
    Scope,
    Skip,
    SongFeedback,
    Token,
)
from recommender.people import password_link_keys
from tests.factories import UserFactory, token_secret

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

PASSWORD = "pass-word-1"
NEW_PASSWORD = "another-word-2"


def bearer(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    return client


def works(secret: str) -> bool:
    return bearer(secret).get("/api/v1/playlists/").status_code == 200


NEEDS = {
    "read": "/api/v1/songs/",
    "listen": "/api/v1/listens/",
    "playlists": "/api/v1/playlists/",
    "ingest": "/api/v1/jobs/",
    "admin": "/api/v1/tokens/",
}


@pytest.mark.parametrize("given", NEEDS)
@pytest.mark.parametrize("needed", NEEDS)
def test_a_token_does_what_its_scopes_say(staff: User, given: str, needed: str) -> None:
    response = bearer(token_secret(staff, given)).get(NEEDS[needed])
    if given in {needed, "admin"}:
        assert response.status_code == 200
    else:
        assert response.status_code == 403
        assert f"needs the scope {needed}" in response.json()["message"]


class TestMaking:
    def test_by_login(self, api: APIClient, user: User) -> None:
        words = {"username": "ada", "password": PASSWORD, "name": "Phone", "scopes": ["listen"]}
        body = api.post("/api/v1/auth/login/", words, format="json").json()
        assert (body["name"], body["scopes"], body["expires_at"]) == ("Phone", ["listen"], None)
        assert body["token"].startswith(body["prefix"])
        assert not works(body["token"])

    def test_by_another_token(self, user: User) -> None:
        by = bearer(token_secret(user))
        words = {"name": "Radio", "scopes": ["read", "playlists", "read"]}
        response = by.post("/api/v1/tokens/", words, format="json")
        assert response.status_code == 201
        assert response.json()["scopes"] == ["read", "playlists"]
        assert works(response.json()["token"])

    @pytest.mark.parametrize("scopes", [["read"], ["read", "listen", "playlists", "ingest"]])
    def test_no_token_without_admin_makes_one(self, user: User, scopes: list[str]) -> None:
        by = bearer(token_secret(user, *scopes))
        words = {"name": "More", "scopes": ["read"]}
        assert by.post("/api/v1/tokens/", words, format="json").status_code == 403
        for address in ("account/password/", "account/delete/"):
            assert by.post(f"/api/v1/{address}", {}, format="json").status_code == 403
        assert by.delete("/api/v1/tokens/").status_code == 403
        assert by.get("/api/v1/account/export/").status_code == 403

    def test_none_lasts_longer_than_its_maker(self, user: User) -> None:
        end = timezone.now() + timedelta(hours=1)
        _, secret = accounts.token_create(user=user, name="Short", scopes=["admin"], expires_at=end)
        words = {"name": "Long", "scopes": ["read"]}
        by = bearer(secret)
        for expires_at, status in ((None, 403), (end + timedelta(seconds=1), 403), (end, 201)):
            sent = {**words, "expires_at": expires_at}
            response = by.post("/api/v1/tokens/", sent, format="json")
            assert response.status_code == status, response.json()

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"scopes": []}, "scopes"),
            ({"scopes": ["everything"]}, "scopes"),
            ({"scopes": "read"}, "scopes"),
            ({"scopes": ["read"] * 1_000}, "scopes"),
            ({"name": ""}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
            ({"expires_at": "soon"}, "expires_at"),
            ({"owner": 1}, "owner"),
        ],
    )
    def test_bad_requests(self, user: User, change: dict[str, Any], field: str) -> None:
        words = {"name": "Radio", "scopes": ["read"], **change}
        response = bearer(token_secret(user)).post("/api/v1/tokens/", words, format="json")
        assert response.status_code == 400
        assert list(response.json()["details"]) == [field]
        assert len(response.content) < 2000


class TestEnding:
    def test_by_time(self, user: User) -> None:
        with time_machine.travel("2026-11-01T12:00:00Z", tick=False) as clock:
            end = timezone.now() + timedelta(days=1)
            _, secret = accounts.token_create(
                user=user, name="Day", scopes=["admin"], expires_at=end
            )
            assert works(secret)
            clock.shift(timedelta(days=1))
            assert not works(secret)
            token_secret(user)
            assert Token.objects.count() == 1

    def test_one_and_all(self, user: User) -> None:
        first, second, third = (token_secret(user) for _ in range(3))
        others = token_secret(UserFactory())
        api = bearer(first)
        rows = api.get("/api/v1/tokens/").json()["results"]
        assert len(rows) == 3
        assert not any(secret in json.dumps(rows) for secret in (first, second, third))
        row = next(row for row in rows if row["prefix"] == second[:8])
        assert api.delete(f"/api/v1/tokens/{row['id']}/").status_code == 204
        assert (works(first), works(second), works(third)) == (True, False, True)
        assert api.delete("/api/v1/tokens/").status_code == 204
        assert (works(first), works(third), works(others)) == (False, False, True)

    def test_nobody_revokes_anothers(self, user: User) -> None:
        secret = token_secret(UserFactory())
        address = f"/api/v1/tokens/{Token.objects.get().pk}/"
        assert bearer(token_secret(user)).delete(address).status_code == 404
        assert works(secret)

    def test_with_its_owner_inactive(self, user: User) -> None:
        secret = token_secret(user)
        get_user_model().objects.update(is_active=False)
        assert not works(secret)


def test_last_use_is_noted_every_few_minutes(user: User) -> None:
    secret = token_secret(user)
    seen = []
    with time_machine.travel("2026-11-01T12:00:00Z", tick=False) as clock:
        for minutes in (0, 4, 2):
            clock.shift(timedelta(minutes=minutes))
            works(secret)
            seen.append(Token.objects.get().last_used_at)
    assert seen[0] == seen[1]
    assert seen[2] - seen[0] == timedelta(minutes=6)


class TestPassword:
    WORDS = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}

    def test_change_ends_tokens_and_other_sessions(self, user: User) -> None:
        secret, here, elsewhere = token_secret(user), APIClient(), Client()
        for session in (here, elsewhere):
            session.force_login(user)
        response = here.post("/api/v1/account/password/", self.WORDS, format="json")
        assert response.status_code == 204
        assert not works(secret)
        assert here.get("/history").status_code == 200
        assert elsewhere.get("/history").status_code == 302
        user.refresh_from_db()
        assert user.check_password(NEW_PASSWORD)

    @pytest.mark.parametrize("how", ["admin", "admin takes it away", "model", "token"])
    def test_every_other_way_ends_tokens_too(self, user: User, how: str) -> None:
        secret = token_secret(user)
        if how.startswith("admin"):
            client = Client()
            client.force_login(UserFactory(is_staff=True, is_superuser=True))
            form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
            if how != "admin":
                form = {"usable_password": "false", "unset-password": "1"}
            assert client.post(f"/admin/auth/user/{user.pk}/password/", form).status_code == 302
        elif how == "token":
            by = bearer(secret)
            assert (
                by.post("/api/v1/account/password/", self.WORDS, format="json").status_code == 204
            )
        else:
            user.set_password(NEW_PASSWORD)
            user.save()
        assert not works(secret)

    @pytest.mark.parametrize("how", ["api", "page", "link", "admin"])
    def test_a_change_writes_no_other_column(
        self, user: User, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        boss = UserFactory(is_staff=True, is_superuser=True)
        get_user_model().objects.filter(pk=user.pk).update(is_staff=True)
        user.refresh_from_db()
        uid, key = password_link_keys(user=user, by=boss)
        set_password = type(user).set_password

        def demoted_meanwhile(one: User, password: str) -> None:
            get_user_model().objects.filter(pk=user.pk).update(
                is_staff=False, email="new@example.org"
            )
            set_password(one, password)

        monkeypatch.setattr(type(user), "set_password", demoted_meanwhile)
        client = APIClient()
        form = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
        if how == "link":
            client.post(f"/password/{uid}/{key}", form)
        else:
            client.force_login(boss if how == "admin" else user)
        if how == "admin":
            form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
            client.post(f"/admin/auth/user/{user.pk}/password/", form)
        elif how == "page":
            client.post("/account/password", form | {"old_password": PASSWORD})
        elif how == "api":
            client.post("/api/v1/account/password/", self.WORDS, format="json")
        user.refresh_from_db()
        assert user.check_password(NEW_PASSWORD)
        assert (user.is_staff, user.email) == (False, "new@example.org")

    def test_a_newer_hash_of_the_same_password_ends_none(
        self, user: User, settings: SettingsWrapper
    ) -> None:
        secret = token_secret(user)
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.ScryptPasswordHasher",
            "django.contrib.auth.hashers.MD5PasswordHasher",
        ]
        assert user.check_password(PASSWORD)
        assert user.password.startswith("scrypt")
        user.last_login = timezone.now()
        user.save()
        assert works(secret)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"old_password": "wrong"}, "old_password"),
            ({"new_password": "short"}, "new_password"),
            ({"new_password": "8275619304"}, "new_password"),
            ({"new_password": "ada"}, "new_password"),
        ],
    )
    def test_refused(self, user: User, change: dict[str, str], field: str) -> None:
        secret = token_secret(user)
        words = {**self.WORDS, **change}
        response = bearer(secret).post("/api/v1/account/password/", words, format="json")
        assert response.status_code == 400
        assert list(response.json()["details"]) == [field]
        assert works(secret)


@pytest.fixture
def traces(user: User, songs: list[Song]) -> None:
    """Something of the user in every table that has a user."""
    playlist = Playlist.objects.create(user=user, name="Mine", request={}, seed=1)
    PlaylistEntry.objects.create(playlist=playlist, position=0, song=songs[0], score=1.0)
    Listen.objects.create(user=user, song=songs[1], listened_at=timezone.now())
    song_like(user=user, song_id=songs[2].pk)
    song_place(user=user, song_id=songs[2].pk, valence=0.25, arousal=0.75)
    song_skip(user=user, song_id=songs[3].pk, share_played=0.1)
    artist_ban(user=user, artist=Artist.objects.create(name="Nobody's", key="nobody's"))


EXPORTED = {
    "Playlist": "playlists",
    "Station": "stations",
    "Listen": "listens",
    "ListenImport": "imports",
    "SongFeedback": "feedback",
    "Skip": "feedback",
    "ArtistBan": "feedback",
    "Star": "feedback",
    "Token": "tokens",
    "AppPassword": "app_passwords",
    "Invitation": "invitations",
    "BackgroundJob": "jobs",
    "KeyedRequest": "",  # answers of the last day; what they tell of is exported
    "NameLook": "",  # a hash of the user name, which is in the profile
    "EmotionCorrection": "",  # what staff did for everybody: the record of the installation
    "TagRun": "",  # what staff did to the files: the record of the installation
    "LogEntry": "",  # what staff did in the admin: the record of the installation
}


def test_every_table_with_a_user_is_exported(db: None) -> None:
    related = {
        relation.related_model.__name__
        for relation in get_user_model()._meta.get_fields(include_hidden=True)
        if relation.one_to_many and not relation.related_model._meta.auto_created
    }
    assert related == set(EXPORTED), "say in account_export, and here, what becomes of it"


@pytest.mark.usefixtures("traces")
def test_export(user: User, songs: list[Song]) -> None:
    secret = token_secret(user)
    response = bearer(secret).get("/api/v1/account/export/")
    body = response.json()
    assert set(body) == {"profile", *filter(None, EXPORTED.values())}
    assert body["profile"]["username"] == "ada"
    assert body["playlists"][0]["entries"][0]["title"] == songs[0].title
    assert body["listens"][0]["song_id"] == songs[1].pk
    said = body["feedback"]
    assert (said["songs"][0]["title"], said["songs"][0]["felt_valence"]) == (songs[2].title, 0.25)
    assert said["songs"][0]["liked_at"]
    assert (said["skips"][0]["song_id"], said["skips"][0]["share_played"]) == (songs[3].pk, 0.1)
    assert said["artist_bans"][0]["name"] == "Nobody's"
    assert body["tokens"][0]["prefix"] == secret[:8]
    text = response.content.decode()
    assert secret not in text
    assert user.password not in text
    assert Token.objects.get().digest not in text


class TestDeletion:
    ADDRESS = "/api/v1/account/delete/"

    @pytest.mark.usefixtures("traces")
    def test_everything_goes(self, user: User) -> None:
        api = bearer(token_secret(user))
        assert api.post(self.ADDRESS, {"password": PASSWORD}, format="json").status_code == 204
        own = (Playlist, PlaylistEntry, Listen, Token, SongFeedback, Skip, ArtistBan)
        for model in (get_user_model(), *own, FeedbackRevision):
            assert not model.objects.exists()

    def test_only_with_the_password(self, user: User) -> None:
        api = bearer(token_secret(user))
        for sent in ({}, {"password": "wrong"}):
            assert api.post(self.ADDRESS, sent, format="json").status_code == 400
        assert get_user_model().objects.filter(pk=user.pk).exists()

    def test_the_last_admin_stays(self, db: None) -> None:
        first = UserFactory(is_staff=True, is_superuser=True)
        UserFactory(is_staff=True, is_superuser=True, is_active=False)
        api = bearer(token_secret(first))
        response = api.post(self.ADDRESS, {"password": PASSWORD}, format="json")
        assert (response.status_code, response.json()["code"]) == (409, "LAST_ADMIN")
        UserFactory(is_staff=True, is_superuser=True)
        assert api.post(self.ADDRESS, {"password": PASSWORD}, format="json").status_code == 204


class TestStaleHeader:
    """A header that is not valid any more shuts nobody out."""

    HEADERS = (
        *("Token", "Token nonsense", "Token a b", "Token \xff\xfe", f"Token {'0' * 64}"),
        *(f"Token {'0' * 100_000}", "Basic YTpi", "Bearer x", "x"),
    )

    @pytest.mark.parametrize("header", HEADERS)
    def test_doors_and_public_reading(self, user: User, header: str) -> None:
        api = APIClient()
        api.credentials(HTTP_AUTHORIZATION=header)
        words = {"username": "ada", "password": PASSWORD}
        for address in ("songs/", "songs/map/", "moods/"):
            assert api.get(f"/api/v1/{address}").status_code == 200
        assert api.get("/api/docs/").status_code == 200
        assert api.post("/api/v1/auth/login/", words, format="json").status_code == 201
        assert api.post("/api/v1/auth/logout/").status_code == 204
        assert api.get("/api/v1/nothing/").status_code == 404
        assert api.get("/").status_code == 200
        assert api.post("/login", words).status_code == 302
        assert api.post("/logout").status_code == 302
        form = {"username": "grace", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
        assert api.post("/signup", form).status_code == 302
        assert get_user_model().objects.filter(username="grace").exists()

    def test_what_is_not_public_is_refused(self, user: User, settings: SettingsWrapper) -> None:
        api = bearer("0" * 64)
        assert api.get("/api/v1/playlists/").status_code == 401
        assert api.post("/api/v1/playlists/", {"moods": ["calm"]}, format="json").status_code == 401
        settings.AFFETTI_PUBLIC = False
        assert api.get("/api/v1/songs/").status_code == 401
        assert api.post("/api/v1/auth/logout/").status_code == 204

    def test_a_session_beside_it_counts(self, user: User, songs: list[Song]) -> None:
        api = bearer("0" * 64)
        api.force_login(user)
        assert api.get("/api/v1/songs/").status_code == 200


def test_pages_take_only_the_scope_they_name(
    user: User, wav_song: Song, settings: SettingsWrapper
) -> None:
    settings.AFFETTI_PUBLIC = False
    pages = {
        "listen": f"/songs/{wav_song.pk}/audio",
        "playlists": "/playlist.m3u8?mood=calm&seed=1",
    }
    for scope in Scope.values:
        api = bearer(token_secret(user, scope))
        for needed, page in pages.items():
            status = api.head(page).status_code
            assert (status != 302) == (scope in {needed, "admin"}), (scope, page)
        assert api.get("/").status_code == 302
