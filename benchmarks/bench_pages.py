"""What a visitor waits for in a large catalogue: the home page, its map, and late pages of songs.

    python -m benchmarks.bench_pages [--songs 100000] [--loads 5] [--kept FOLDER]

It fills a temporary database with synthetic songs, builds the index, starts the web server, and
opens the home page in a headless Chromium with an empty cache. WebGL is computed by the processor
there, as on a computer without a graphics card. The map is then moved with the mouse for some
seconds while pictures are counted. The database is chosen as in `benchmarks.bench_playlist`.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

import django
from django.core.management import call_command
from django.db import connection
from playwright.sync_api import sync_playwright

from benchmarks.bench_playlist import database, is_built, note, timed_build, web_server
from benchmarks.catalogues import Songs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

from pathlib import Path

WIDE: Final = {"width": 1440, "height": 900}
PAN_SECONDS: Final = 4.0
READY_MS: Final = 60_000
_COUNT_FRAMES: Final = """() => {
  window.pictures = 0;
  const count = () => { window.pictures += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=100_000)
    parser.add_argument("--loads", type=int, default=5)
    parser.add_argument("--kept", type=Path, help="a folder; its index and the database stay")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
    with database(options.kept):
        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        fill(options.songs, is_kept=options.kept is not None)
        with web_server(1) as (port, _, _):
            found = measured(port, options.loads) | pages_timed(port, options.songs, options.loads)
        connection.close()
    print(as_table(found, options.songs))


def fill(count: int, *, is_kept: bool) -> None:
    songs = Songs()
    songs.add(max(0, count - len(songs)), artists=max(1, count // 10))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    if not (is_kept and is_built(count)):
        timed_build("--full")
    note(f"{count} songs")


def measured(port: int, loads: int) -> dict[str, float]:
    """Return the medians of several loads of the home page, and the pictures a second."""
    executable = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        every = [loaded(browser, port) for _ in range(loads)]
        browser.close()
    return {name: statistics.median(one[name] for one in every) for name in every[0]}


def loaded(browser: Browser, port: int) -> dict[str, float]:
    """Load the home page with an empty cache, and move its map."""
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    received = received_bytes(page)
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator("[data-map][data-ready]").wait_for(timeout=READY_MS)
    first = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"
    )
    ready = page.evaluate("performance.getEntriesByName('affetti:map')[0].startTime")
    page.wait_for_load_state("networkidle")
    transferred = sum(received)
    rate = pictures_a_second(page)
    context.close()
    note(f"{first:.0f} ms, {ready:.0f} ms, {transferred / 1e6:.2f} MB, {rate:.0f} a second")
    return {
        "first contentful paint, s": first / 1_000,
        "map ready, s": ready / 1_000,
        "transferred, MB": transferred / 1e6,
        "pictures a second while the map moves": rate,
    }


def received_bytes(page: Page) -> list[float]:
    """Return a list that grows by the bytes of each answer as they came over the network."""
    received: list[float] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda done: received.append(done["encodedDataLength"]))
    return received


def pictures_a_second(page: Page) -> float:
    page.locator('[data-tool="move"]').click()
    for _ in range(2):
        page.locator('[data-zoom="2"]').click()
    box = page.locator("[data-plane]").bounding_box()
    if box is None:
        raise SystemExit("The map is not to be seen")
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.evaluate(_COUNT_FRAMES)
    started, number = time.perf_counter(), 0
    while time.perf_counter() - started < PAN_SECONDS:
        number += 1
        away = 4 * (number % 50 - 25) * (1 if number // 50 % 2 else -1)
        page.mouse.move(middle[0] + away, middle[1] + away / 2)
    rate = page.evaluate("window.pictures") / (time.perf_counter() - started)
    page.mouse.up()
    return float(rate)


def pages_timed(port: int, songs: int, loads: int) -> dict[str, float]:
    """Return the median time of the first, a middle and the last page of songs, in seconds."""
    found = {}
    for path, size in (("/songs?page={}", 50), ("/api/v1/songs/?page={}", 50)):
        last = -(-songs // size)
        for name, number in (("first", 1), ("middle", last // 2), ("last", last)):
            times = [answered(port, path.format(number)) for _ in range(loads)]
            found[f"{path.partition('?')[0]}, {name} page, s"] = statistics.median(times)
    return found


def answered(port: int, path: str) -> float:
    started = time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("GET", path)
    response = client.getresponse()
    response.read()
    client.close()
    if response.status != 200:
        raise SystemExit(f"{path} answered with status {response.status}")
    return time.perf_counter() - started


def as_table(found: dict[str, Any], songs: int) -> str:
    lines = [f"| {songs:,} songs, {connection.vendor} | median |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value:.2f} |" for name, value in found.items())])


if __name__ == "__main__":
    main()
