"""Pictures of every page, for whoever changes one.

    python -m benchmarks.screenshots --out FOLDER [--var FOLDER] [--port 8190]
    python -m benchmarks.screenshots --out FOLDER --address http://127.0.0.1:8000 --username ada

The first composes and analyses the demo catalogue below `--var`, which takes minutes once, serves
it, and makes an admin with lists, likes and listens. The second takes the pages of an Affetti that
runs, and asks for the password. Pages are found by following links from the first page, and taken
as a stranger and as the account, on a phone and on a desktop, light and dark. The wizard of the
first run is taken from an empty installation of its own, on the next port.
The first also takes the eight pictures of the documentation, into `docs/` below FOLDER.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import html
import math
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

import django
from django.urls import Resolver404, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import APIResponse, Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = (390, 1440)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
STARTS = ("/", "/playlist?mood=calm&seed=1")
NOWHERE = "/no/such/page"
API_PAGE = "api-docs"
START_SECONDS = 60
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pages_linked(read: Callable[[str], str]) -> dict[str, str]:
    """Return an address of each page that links lead to, by its name in `recommender.urls`.

    `read` returns the HTML at an address of the site.
    """
    from recommender.web.navigation import PAGES  # noqa: PLC0415  # needs Django's settings

    found: dict[str, str] = {}
    waiting = list(STARTS)
    while waiting:
        address = waiting.pop(0)
        name = _name(address)
        if name in found or name not in PAGES | {API_PAGE}:
            continue
        found[name] = address
        links = re.findall(r'<a\b[^>]*?\bhref="([^"#]+)', read(address))
        waiting += [urljoin(address, html.unescape(link)) for link in links]
    return found


def _name(address: str) -> str:
    parts = urlsplit(address)
    try:
        return "" if parts.netloc else resolve(parts.path).url_name or ""
    except Resolver404:
        return ""


def pictures_take(context: BrowserContext, who: str, folder: Path) -> int:
    """Write a picture of every page that `context` may see; return their number."""

    def read(address: str) -> str:
        return context.request.get(address).text()

    addresses = pages_linked(read) | {"error": NOWHERE}
    page = context.new_page()
    taken = 0
    for name, address in addresses.items():
        page.goto(address)
        taken += _page_take(page, folder, f"{name}-{who}")
    page.close()
    return taken


def _page_take(page: Page, folder: Path, name: str) -> int:
    """Write the pictures of an open page, on a phone and on a desktop, light and dark."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            _settle(page)
            picture = folder / f"{name}-{width}-{theme}.png"
            page.screenshot(path=picture, full_page=True, animations="disabled")
    return len(WIDTHS) * len(THEMES)


def _settle(page: Page) -> None:
    """Wait for pictures and data; a page that follows a job never falls silent, so not for long."""
    from playwright.sync_api import TimeoutError as PlaywrightTimeoutError  # noqa: PLC0415

    page.evaluate("document.querySelectorAll('img').forEach((one) => (one.loading = 'eager'))")
    with contextlib.suppress(PlaywrightTimeoutError):
        page.wait_for_load_state("networkidle", timeout=3_000)
    page.wait_for_timeout(200)


def first_run_take(browser: Browser, folder: Path, port: int) -> int:
    """Write pictures of the wizard of an empty installation: the first account, then the music."""
    with empty_served(port) as (address, code):
        context = browser.new_context(base_url=address, reduced_motion="reduce")
        page = context.new_page()
        page.goto(f"/setup?code={code}")
        taken = _page_take(page, folder, "setup-stranger")
        password = secrets.token_urlsafe(12)
        for field in ("Password", "Password again"):
            page.get_by_label(field, exact=True).fill(password)
        page.locator("main button.primary").click()
        page.wait_for_url("**/manage/add?welcome")
        taken += _page_take(page, folder, "welcome-account")
        context.close()
    return taken


def log_in(context: BrowserContext, username: str, password: str) -> None:
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.locator("main button.primary").click()
    page.locator("form[action='/logout']").wait_for(state="attached")
    page.close()


def account_fill(context: BrowserContext, base: str) -> None:
    """Give an account what its pages show: listens, feedback, a list, a station, a token."""
    token = next(one["value"] for one in context.cookies() if one["name"] == "csrftoken")
    headers = {"X-CSRFToken": token, "Referer": base}

    def post(path: str, **form: str) -> None:
        _check(context.request.post(path, headers=headers, form=form))

    found = context.request.get("/api/v1/songs/?page_size=100").json()["results"]
    songs = [song["id"] for song in found]
    for song, moment in listens_of_a_year(found):
        data = {"song_id": song, "seconds_played": 60, "listened_at": moment.isoformat()}
        _check(context.request.post("/api/v1/listens/", headers=headers, data=data))
    for song in songs[:3]:
        post(f"/songs/{song}/like", next="/")
    post(f"/songs/{songs[3]}/rating", stars="4", next="/")
    post(f"/songs/{songs[4]}/ban", next="/")
    for mood in ("calm", "happy", "nostalgic"):
        post("/playlists/save", query=f"mood={mood}", name=f"{mood.capitalize()} evening")
    post("/stations/save", query="mood=dreamy&min_match=0", name="Dreamy mornings")
    _check(
        context.request.post(
            "/api/v1/tokens/", headers=headers, data={"name": "Phone", "scopes": ["read"]}
        )
    )
    tags_preview(context, headers)


def tags_preview(context: BrowserContext, headers: dict[str, str]) -> None:
    """Let the page of a run of tags have something to show: what would change."""
    library = context.request.get("/api/v1/libraries/").json()["results"][0]["url"]
    _check(context.request.patch(library, headers=headers, data={"is_writable": True}))
    answer = context.request.post("/api/v1/tag-runs/", headers=headers, data={})
    _check(answer)
    deadline = time.monotonic() + START_SECONDS
    while context.request.get(answer.json()["url"]).json()["state"] != "planned":
        if time.monotonic() > deadline:
            sys.exit("no worker made the preview of tags")
        time.sleep(1)


def listens_of_a_year(songs: list[dict[str, Any]]) -> Iterator[tuple[int, datetime]]:
    """Yield songs, each with when it was heard: lively at noon, calm at night, sadder in winter."""
    chance = random.Random(12)
    by_mood: dict[str, list[int]] = {}
    for song in songs:
        by_mood.setdefault(song["emotion"]["quadrant"], []).append(song["id"])
    now = datetime.now(tz=UTC)
    for days in range(360, -1, -1):
        if chance.random() < 0.55:
            continue
        hour = chance.choice((7, 8, 12, 17, 18, 20, 21, 22, 23))
        start = (now - timedelta(days=days)).replace(hour=hour, minute=chance.randrange(60))
        winter = 0.5 + 0.5 * math.cos(2 * math.pi * (start.timetuple().tm_yday - 15) / 365)
        weights = {
            "Q1": 3.0 if hour < 19 else 1.0,
            "Q2": 1.2 if 12 <= hour < 19 else 0.3,
            "Q3": 0.3 + 1.5 * winter,
            "Q4": 3.0 if hour >= 20 else 0.8,
        }
        moods = [mood for mood in weights if mood in by_mood]
        for number in range(chance.randrange(2, 7)):
            moment = start + timedelta(minutes=4 * number)
            if moment < now:
                mood = chance.choices(moods, [weights[one] for one in moods])[0]
                yield chance.choice(by_mood[mood]), moment


def _check(answer: APIResponse) -> None:
    if not answer.ok:
        sys.exit(f"{answer.url} answered {answer.status}: {answer.text()[:300]}")


@contextlib.contextmanager
def demo_served(folder: Path, port: int) -> Iterator[tuple[str, str, str]]:
    """Serve the demo catalogue below `folder`; yield the address and an admin's name and word."""
    password = secrets.token_urlsafe(12)
    username = f"admin-{secrets.token_hex(3)}"
    run = _surroundings(folder, DJANGO_SUPERUSER_PASSWORD=password)
    subprocess.run(_manage("prepare", "--port", str(port)), check=True, **run)
    admin = ("createsuperuser", "--no-input", "--username", username, "--email", "")
    subprocess.run(_manage(*admin), check=True, **run)
    with _served(("run", "--port", str(port)), run, port) as address:
        yield address, username, password


@contextlib.contextmanager
def empty_served(port: int) -> Iterator[tuple[str, str]]:
    """Serve an installation without songs and accounts; yield its address and setup code."""
    with tempfile.TemporaryDirectory() as folder:
        run = _surroundings(Path(folder))
        subprocess.run(_manage("migrate", "--verbosity", "0"), check=True, **run)
        subprocess.run(
            _manage("collectstatic", "--no-input", "--verbosity", "0"), check=True, **run
        )
        code = "from recommender.first_run import setup_code; print(setup_code())"
        shell = _manage("shell", "--verbosity", "0", "-c", code)
        told = subprocess.run(shell, check=True, capture_output=True, text=True, **run)
        with _served(("run", "--port", str(port)), run, port) as address:
            yield address, told.stdout.split()[-1]


def _manage(*words: str) -> tuple[str, ...]:
    return (sys.executable, str(ROOT / "manage.py"), *words)


def _surroundings(folder: Path, **settings: str) -> dict[str, Any]:
    """Return how a command of an installation below `folder` is run."""
    return {
        "env": {**os.environ, "AFFETTI_VAR_DIR": str(folder.resolve()), **settings},
        "cwd": ROOT,
    }


@contextlib.contextmanager
def _served(words: tuple[str, ...], run: dict[str, Any], port: int) -> Iterator[str]:
    server = subprocess.Popen(_manage(*words), **run)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/healthz")
        yield address
    finally:
        server.terminate()
        server.wait(60)


def _wait(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                sys.exit(f"{address} did not answer within {START_SECONDS} seconds")
            time.sleep(0.5)
        else:
            return


@dataclass(frozen=True)
class Shot:
    """A picture of the documentation: a page in a window, after some elements are pressed."""

    name: str
    address: str
    width: int
    theme: Literal["light", "dark"]
    presses: tuple[str, ...] = ()


JOURNEY = "/playlist?journey=sad&journey=happy&count=14&seed=3&min_match=0"
CALM = "/playlist?mood=calm&seed=1&count=12"
SUNG = "/songs/{sung}"
SHOTS = (
    Shot("home", "/", 1440, "light", (".big-mood[value=calm]",)),
    Shot("journey", JOURNEY, 1440, "dark", ("[data-play-all]",)),
    Shot("song", SUNG, 1440, "light", ("main [data-play]",)),
    Shot("moods", "/you", 1440, "dark"),
    Shot("manage", "/manage", 1440, "light"),
    Shot("phone-home", "/", 390, "dark"),
    Shot("phone-player", CALM, 390, "light", ("[data-play-all]", "[data-open]")),
    Shot("phone-playlist", JOURNEY, 390, "dark"),
)


def shots_take(browser: Browser, context: BrowserContext, folder: Path) -> None:
    """Write the pictures of the README and the documentation, from the demo catalogue."""
    sung = context.request.get("/api/v1/songs/?q=Letters+to+Nobody").json()["results"][0]
    state = context.storage_state()
    for shot in SHOTS:
        height = 900 if shot.width > WIDTHS[0] else 844
        view = browser.new_context(
            base_url=sung["audio_url"].partition("/songs/")[0],
            storage_state=state,
            color_scheme=shot.theme,
            viewport={"width": shot.width, "height": height},
            reduced_motion="reduce",
        )
        page = view.new_page()
        page.goto(shot.address.format(sung=sung["id"]))
        _settle(page)
        for selector in shot.presses:
            page.locator(selector).first.click()
            _settle(page)
        page.mouse.move(0, 0)  # no button looks hovered over
        page.wait_for_timeout(4000 if shot.presses else 0)
        page.screenshot(path=folder / f"{shot.name}.png")
        view.close()


def all_taken(browser: Browser, site: tuple[str, str, str], out: Path, *, is_demo: bool) -> int:
    base, username, password = site
    settings: dict[str, Any] = {"base_url": base, "reduced_motion": "reduce"}
    stranger = browser.new_context(**settings)
    taken = pictures_take(stranger, "stranger", out)
    account = browser.new_context(**settings)
    log_in(account, username, password)
    if is_demo:
        account_fill(account, base)
        shots = out / "docs"
        shots.mkdir(exist_ok=True)
        shots_take(browser, account, shots)
        taken += len(SHOTS)
    return taken + pictures_take(account, "account", out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--var", type=Path, default=ROOT / "var/screenshots")
    parser.add_argument("--port", type=int, default=8190)
    parser.add_argument("--address", help="an Affetti that runs, in place of the demo")
    parser.add_argument("--username", help="an account there")
    arguments = parser.parse_args()
    if bool(arguments.address) != bool(arguments.username):
        parser.error("--address and --username go together")
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        sys.exit(f"no Chromium is on the PATH (looked for {', '.join(BROWSERS)})")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recommender.settings")
    django.setup()
    arguments.out.mkdir(parents=True, exist_ok=True)
    site = (
        contextlib.nullcontext((arguments.address, arguments.username, getpass.getpass()))
        if arguments.address
        else demo_served(arguments.var, arguments.port)
    )
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # a development tool

    with site as found, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        taken = all_taken(browser, found, arguments.out, is_demo=not arguments.address)
        if not arguments.address:
            taken += first_run_take(browser, arguments.out, arguments.port + 1)
        browser.close()
    print(f"{taken} pictures in {arguments.out}")


if __name__ == "__main__":
    main()
