"""Static files, headers, compression, and what a device needs to install the site."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command

from recommender.models import Playlist
from recommender.web import script_texts
from recommender.web.static_files import HashedFilesStorage
from tests.factories import UserFactory

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song


@pytest.fixture
def collected(settings: SettingsWrapper, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path
    backend = "recommender.web.static_files.HashedFilesStorage"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": backend}}
    # What other applications bring takes most of the time.
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    finders.get_finder.cache_clear()
    call_command("collectstatic", interactive=False, verbosity=0)
    finders.get_finder.cache_clear()
    return tmp_path


@pytest.mark.parametrize("name", ["player.js", "player/drawer.js", "fonts.css"])
def test_names_are_hashed_and_so_are_the_imports_of_modules(collected: Path, name: str) -> None:
    hashed = HashedFilesStorage().stored_name(f"recommender/{name}")
    assert re.search(r"\.[0-9a-f]{12}\.(js|css)$", hashed)
    text = (collected / hashed).read_text()
    named = re.findall(r'(?:from|import) "([^"]+)"|url\("([^"]+)"\)', text)
    assert named
    for pair in named:
        target = (collected / hashed).parent / (pair[0] or pair[1])
        assert re.search(r"\.[0-9a-f]{12}\.", target.name)
        assert target.exists()
    assert (collected / f"{hashed}.gz").exists()


def test_a_file_that_was_not_collected_keeps_its_name() -> None:
    assert HashedFilesStorage().stored_name("recommender/new.js") == "recommender/new.js"


@pytest.mark.django_db
class TestHeaders:
    PATHS = ("/", "/nothing", "/api/docs/", "/api/v1/songs/", "/manifest.webmanifest")

    @pytest.mark.parametrize("path", PATHS)
    def test_policies(self, client: Client, songs: list[Song], path: str) -> None:
        response = client.get(path)
        assert "default-src 'self'" in response["Content-Security-Policy"]
        assert "unsafe" not in response["Content-Security-Policy"]
        assert "microphone=()" in response["Permissions-Policy"]

    def test_the_page_of_the_api_has_nothing_inline(self, client: Client) -> None:
        page = client.get("/api/docs/").content.decode()
        assert "<style" not in page
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)

    def test_manifest(self, client: Client, settings: SettingsWrapper) -> None:
        settings.AFFETTI_PUBLIC = False
        response = client.get("/manifest.webmanifest")
        assert response["Content-Type"] == "application/manifest+json"
        manifest = response.json()
        assert manifest["name"] == "Affetti"
        assert {"any", "maskable"} == {icon["purpose"] for icon in manifest["icons"]}
        for icon in manifest["icons"]:
            assert finders.find(icon["src"].removeprefix("/static/")), icon

    @pytest.mark.parametrize("language", ["en-gb", "de"])
    def test_browsers_keep_the_texts_of_modules(
        self, client: Client, settings: SettingsWrapper, language: str
    ) -> None:
        page = client.get("/songs", headers={"Accept-Language": language}).content.decode()
        settings.AFFETTI_PUBLIC = False
        assert f'<html lang="{language}">' in page
        address = re.search(rf'<script defer src="(/texts/{language}\.\w+\.js)"', page)
        assert address
        response = client.get(address[1])
        assert "immutable" in response["Cache-Control"]
        assert "public" in response["Cache-Control"]
        assert "globals.gettext" in response.content.decode()
        old = client.get(f"/texts/{language}.0.js")
        assert (old.content, old["Cache-Control"]) == (response.content, "no-store")
        assert client.get("/texts/xx.0.js").status_code == 404

    def test_the_service_worker_is_the_same_for_everybody_of_a_language(
        self, client: Client, user: User, settings: SettingsWrapper
    ) -> None:
        settings.AFFETTI_PUBLIC = False
        response = client.get("/worker.js")
        assert response["Content-Type"].startswith("text/javascript")
        assert "no-cache" in response["Cache-Control"]
        worker = response.content.decode()
        assert '"/offline/en\\u002Dgb"' in worker
        client.force_login(user)
        assert client.get("/worker.js").content == response.content
        german = client.get("/worker.js", headers={"Accept-Language": "de"}).content.decode()
        assert '"/offline/de"' in german
        name = re.compile(r'"affetti-(\w{12})"')
        assert name.findall(german) != name.findall(worker), "another page, another release"

    @pytest.mark.parametrize("change", ["static files", "texts"])
    def test_another_release_has_another_cache(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        def cache_name() -> list[str]:
            return re.findall(r'"affetti-(\w{12})"', client.get("/worker.js").content.decode())

        before = cache_name()
        assert cache_name() == before
        if change == "texts":
            monkeypatch.setattr(script_texts, "digest", lambda _language: "another")
        else:
            monkeypatch.setattr(staticfiles_storage, "manifest_hash", "another", raising=False)
        assert cache_name() != before

    def test_the_page_without_a_connection_has_nothing_of_a_user(
        self, client: Client, user: User, settings: SettingsWrapper
    ) -> None:
        settings.AFFETTI_PUBLIC = False
        stranger = client.get("/offline/en-gb")
        assert "Affetti cannot be reached" in stranger.content.decode()
        assert "<script" not in stranger.content.decode()
        client.force_login(user)
        own = client.get("/offline/en-gb")
        assert own.content == stranger.content
        assert not own.cookies
        assert "nicht erreichbar" in client.get("/offline/de").content.decode()
        for language in ("xx", "en", "..", "de-x" * 99):
            assert client.get(f"/offline/{language}").status_code == 404

    def test_the_page_without_a_connection_has_all_its_files(self, client: Client) -> None:
        page = client.get("/offline/en-gb").content.decode()
        worker = client.get("/worker.js").content.decode().replace("\\u002D", "-")
        needed = re.findall(r'(?:href|src)="(/[^"]+)"', page)
        assert len(needed) == 5
        for address in needed:
            assert f'"{address}"' in worker
            assert finders.find(address.removeprefix("/static/")), address

    def test_what_is_shown_where_a_page_is_shared(self, client: Client, songs: list[Song]) -> None:
        home = client.get("/").content.decode()
        assert '<meta property="og:title" content="Affetti' in home
        assert 'content="http://testserver/static/recommender/icons/icon-512.png"' in home
        song = client.get(f"/songs/{songs[0].pk}").content.decode()
        assert f'<meta property="og:title" content="{songs[0].title}' in song
        assert f'content="http://testserver/songs/{songs[0].pk}/cover"' in song


@pytest.mark.django_db
class TestCompression:
    GZIP = {"HTTP_ACCEPT_ENCODING": "gzip"}

    def test_pages_and_json_are_compressed(self, client: Client, songs: list[Song]) -> None:
        for path in ("/songs", "/api/v1/songs/"):
            plain = client.get(path).content
            response = client.get(path, **self.GZIP)
            assert response["Content-Encoding"] == "gzip"
            assert "Accept-Encoding" in response["Vary"]
            assert len(response.content) < len(plain) / 2
            gzip.decompress(response.content)

    def test_audio_is_not_compressed(self, client: Client, wav_song: Song) -> None:
        response = client.get(f"/songs/{wav_song.pk}/audio", **self.GZIP)
        response.close()
        assert response.status_code == 200
        assert not response.has_header("Content-Encoding")

    def test_answers_that_tell_a_secret_are_not_compressed(
        self, client: Client, user: User
    ) -> None:
        client.force_login(user)
        form = {"name": "phone", "scopes": ["read"], "expires_at": ""}
        response = client.post("/account/tokens", form, **self.GZIP)
        assert response.status_code == 200
        assert not response.has_header("Content-Encoding")
        kept = Playlist.objects.create(user=user, name="Mine", request={}, seed=1)
        response = client.get(f"/playlists/{kept.pk}", **self.GZIP)
        assert response.status_code == 200
        assert not response.has_header("Content-Encoding"), "it has the link that shares the list"
        client.force_login(UserFactory(is_staff=True, is_superuser=True))
        response = client.get("/manage/people", **self.GZIP)
        assert response.status_code == 200
        assert not response.has_header("Content-Encoding"), "it has open invitations"
