"""Every text of the pages can be translated, and numbers for scripts and drawings stay plain.

In a pseudo language each translated message is within marks. What a page shows outside of them is
not translatable, unless it is data of the site.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.utils import translation
from django.utils.translation import trans_real

from catalog import retold
from recommender import terms
from recommender.first_run import setup_code, setup_forget
from recommender.models import Playlist
from recommender.web.templatetags.affetti import other_languages
from tests.e2e.site import API, site_fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from catalog.models import Song
    from tests.e2e.site import Site

pytestmark = pytest.mark.django_db

BEGIN, END = "⟦", "⟧"
AS_IT_IS: Final = {"Affetti", "API", "English", "Deutsch", "seed"} | {
    *("ListenBrainz", "Spotify", "Last.fm", "Symfonium")
}
"""Texts that are the same in every language, and the name of a field that only addresses have."""
NO_TEXT: Final = {"script", "style"}
CODES: Final = {"code", "kbd", "bdi"}
VOID: Final = {"meta", "link", "input", "img", "br", "hr", "path", "rect", "circle", "line"}
READ: Final = {"aria-label", "aria-roledescription", "title", "placeholder", "alt", "data-head"}
"""Attributes that people read or hear."""
METAS: Final = {"description", "og:title", "og:description"}
DASH: Final = " \N{EN DASH} "
CODE: Final = re.compile(r"[A-Z]+(_[A-Z]+)+")
DECIMAL: Final = re.compile(r"\d[.,]\d")


class Reader(HTMLParser):
    """Collects the texts of a page: what is outside of marks, and what is data of the site."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.data: set[str] = set()
        self.decimals: list[tuple[str, str, str]] = []
        self._open: list[tuple[str, bool]] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            is_data = (
                tag in CODES
                or given.get("dir") == "auto"
                or given.get("translate") == "no"
                or ("lang" in given and tag == "button")
            )
            self._open.append((tag, is_data))
        for name, value in given.items():
            if name in READ or (name == "content" and _meta_of(given) in METAS):
                self.outside += unmarked(value, 0)[0]
            elif DECIMAL.search(value):
                self.decimals.append((tag, name, value))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if any(tag in NO_TEXT for tag, _ in self._open):
            return
        outside, self._depth = unmarked(data, self._depth)
        if any(is_data for _, is_data in self._open):
            self.data |= {data.strip(), *outside}
        else:
            self.outside += outside

    def untranslated(self) -> list[str]:
        """Return the texts that are neither translated nor data."""
        known = self.data | AS_IT_IS
        return [
            text
            for text in self.outside
            if any(part not in known and not CODE.fullmatch(part) for part in text.split(DASH))
        ]


def _meta_of(given: dict[str, str]) -> str:
    return given.get("name") or given.get("property") or ""


def unmarked(text: str, depth: int) -> tuple[list[str], int]:
    """Return the parts outside of marks that have letters, and how many marks stay open."""
    parts, part = [], ""
    for letter in text:
        if (letter == BEGIN and not depth) or letter == END:
            parts.append(part)
            part = ""
        depth += (letter == BEGIN) - (letter == END)
        if not depth and letter != END:
            part += letter
    stripped = [one.strip(f" \n·,;:.(){DASH}") for one in [*parts, part]]
    return [one for one in stripped if re.search(r"[^\W\d_]", one)], depth


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def caches_clear() -> None:
    """Forget what was translated by other catalogues."""
    retold._retold.cache_clear()
    terms._meanings.cache_clear()


@pytest.fixture
def pseudo(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put marks around every message in German: English is what sentences are stored in."""
    catalog = trans_real.translation("de")
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    plain, plural = catalog.gettext, catalog.ngettext

    def marked(text: str) -> str:
        return f"{BEGIN}{text.rpartition(chr(4))[2]}{END}" if text else text

    monkeypatch.setattr(catalog, "gettext", lambda message: marked(plain(message)))
    monkeypatch.setattr(catalog, "ngettext", lambda one, many, n: marked(plural(one, many, n)))
    caches_clear()
    yield
    caches_clear()


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """Leave no language behind: the one of a request stays until the next."""
    yield
    translation.deactivate()


def parts_of_pages(site: Site, songs: list[Song]) -> dict[str, str]:
    """Return addresses of what scripts load into a page."""
    job = site.of_admin["job"]
    return {
        "panel": "/playlist/panel?text=calm+rain&seed=1&min_match=0",
        "panel of nothing": "/playlist/panel?mood=calm&seed=1&min_match=1",
        "suggestions": "/suggestions?q=ca",
        "chosen": f"/songs/chosen?ids={songs[0].pk}",
        "chosen songs": f"/songs/chosen?ids={songs[0].pk},{songs[1].pk}",
        "songs to add": "/playlist/songs?find=Title",
        "no songs to add": "/playlist/songs?find=zzzz",
        "journey": "/playlist?journey=tense&journey=calm&seed=1&min_match=0",
        "refused list": "/playlist?mood=calm&seed=1&genre=nothing",
        "day": "/history?day=2020-01-01",
        "kind of feedback": "/account/feedback?kind=rating",
        "live job": f"{job}?live=1",
        "live jobs": "/manage/jobs?live=1",
        "live overview": "/manage?live=1",
        "rows of songs": "/manage/songs?rows=1",
        "welcome": "/manage/add?welcome",
        "job after the welcome": f"{job}?welcome",
    }


def forms_with_errors(site: Site) -> dict[str, tuple[str, dict[str, str]]]:
    """Return forms that are refused, and ones that answer with a message."""
    own = Playlist.objects.filter(user=site.admin).first()
    assert own is not None
    return {
        "token": ("/account/tokens", {}),
        "password": ("/account/password", {"old_password": "no"}),
        "deletion": ("/account/delete", {"password": "no"}),
        "folder": ("/manage/add", {"path": "/no/such/place"}),
        "no folder": ("/manage/add", {}),
        "invitation": ("/manage/invitations", {}),
        "songs": ("/manage/songs/edit", {}),
        "year": ("/manage/songs/edit", {"new-year": "no"}),
        "undo": (f"/playlists/{own.pk}/edit", {"edit": "redo"}),
        "name": (f"/playlists/{own.pk}/rename", {"name": "x"}),
    }


def assert_translatable(pages: dict[str, str]) -> None:
    left = {name: found for name, page in pages.items() if (found := read(page).untranslated())}
    assert not left, "\n".join(f"{name}: {texts}" for name, texts in left.items())


def shown(client: Client, addresses: dict[str, str]) -> dict[str, str]:
    return {name: client.get(path).content.decode() for name, path in addresses.items()}


def test_pages_of_a_stranger_are_translatable(
    client: Client, songs: list[Song], pseudo: None
) -> None:
    setup_forget()
    pages = {"setup": client.get(f"/setup?code={setup_code()}").content.decode()}
    pages["setup without a code"] = client.get("/setup").content.decode()
    site = site_fill(songs)
    pages |= shown(client, site.of_stranger)
    wrong = {"username": "a", "password": "b"}
    pages["wrong password"] = client.post("/login", wrong).content.decode()
    pages["bad name"] = client.post("/signup", {"username": "a b"}).content.decode()
    pages["refused"] = client.get("/playlist?mood=calm&seed=x").content.decode()
    assert_translatable(pages)


def test_pages_of_an_admin_are_translatable(
    client: Client, songs: list[Song], pseudo: None
) -> None:
    site = site_fill(songs)
    client.force_login(site.admin)
    pages = shown(client, site.of_admin | parts_of_pages(site, songs))
    del pages["API"]  # Swagger UI has no other language
    for name, (path, data) in forms_with_errors(site).items():
        pages[f"form: {name}"] = client.post(path, data, follow=True).content.decode()
    assert_translatable(pages)


def test_the_check_finds_what_is_not_translated(client: Client, songs: list[Song]) -> None:
    left = read(client.get("/").content.decode()).untranslated()
    assert "How should the music feel?" in left
    assert "Search" in read("<button>Search</button>").untranslated()
    assert "Search" in read('<input placeholder="Search">').untranslated()
    assert read("<p>⟦Log <a>in</a> to⟧ <bdi>Ada</bdi> now</p>").untranslated() == ["now"]
    assert not read("<p>⟦Log <a>in</a> to ⟦save⟧ it⟧ 12 · <code>API</code></p>").untranslated()


def test_numbers_for_scripts_and_drawings_are_plain_in_german(
    client: Client, songs: list[Song]
) -> None:
    site = site_fill(songs)
    client.force_login(site.admin)
    for name, path in (site.of_admin | parts_of_pages(site, songs)).items():
        if path == API:
            continue
        english, german = (
            read(client.get(path, headers={"accept-language": language}).content.decode())
            for language in ("en-gb", "de")
        )
        assert german.decimals == english.decimals, name


def test_what_people_read_follows_the_language(client: Client, songs: list[Song]) -> None:
    site = site_fill(songs)
    client.force_login(site.admin)
    page = client.get(site.of_admin["song"], headers={"accept-language": "de"}).content.decode()
    assert '<html lang="de">' in page
    assert "0,30" in page
    assert "0.30" not in re.sub(r"<[^>]*>", "", page)


def test_a_choice_of_language_leads_back_and_holds(client: Client) -> None:
    page = client.get("/songs?q=rain").content.decode()
    assert 'name="language" value="de" lang="de">Deutsch</button>' in page
    sent = client.post(
        "/language", {"language": "de"}, headers={"referer": "http://testserver/songs?q=rain"}
    )
    assert sent["Location"] == "http://testserver/songs?q=rain"
    german = client.get("/songs", headers={"accept-language": "en"}).content.decode()
    assert '<html lang="de">' in german
    assert 'value="en-gb" lang="en-gb">English</button>' in german


def test_it_is_chosen_at_the_login_of_a_private_site(client: Client, settings: Any) -> None:
    settings.AFFETTI_PUBLIC = False
    sent = client.post(
        "/language", {"language": "de"}, headers={"referer": "http://testserver/login"}
    )
    assert sent["Location"] == "http://testserver/login"
    assert '<html lang="de">' in client.get("/login").content.decode()


@pytest.mark.parametrize(
    ("sender", "page"), [("/account/tokens", "/account"), ("/manage/invitations", "/manage/people")]
)
def test_after_a_page_that_answered_a_form_it_leads_to_the_form(
    client: Client, sender: str, page: str
) -> None:
    referer = {"referer": f"http://testserver{sender}"}
    sent = client.post("/language", {"language": "de"}, headers=referer)
    assert sent["Location"] == page
    assert client.cookies["language"].value == "de"


@pytest.mark.parametrize("path", ["/login", "/manifest.webmanifest", "/api/v1/nothing/"])
def test_an_answer_in_words_depends_on_the_choice(client: Client, path: str) -> None:
    vary = client.get(path)["Vary"]
    assert {"Accept-Language", "Cookie"} <= set(vary.split(", "))


def test_each_language_but_that_of_the_page_is_offered() -> None:
    assert other_languages() == [("de", "Deutsch")]
