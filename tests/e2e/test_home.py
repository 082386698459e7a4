"""The map and the box for words, in a real browser."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import PIL.Image
import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from catalog.models import Song

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PATIENCE_SECONDS = 15


@pytest.fixture
def plane(page: Page, songs: list[Song]) -> Locator:
    # The first covers take a while: a process that reads pictures is started.
    page.goto("/", wait_until="domcontentloaded")
    expect(page.locator("[data-map-total]")).to_have_text("8 songs on the map")
    return page.locator("[data-plane]")


def at(plane: Locator, across: float, up: float) -> tuple[float, float]:
    """Return where a place of the plane lies on the page; its margin is 3 in 106 on each side."""
    box = plane.bounding_box()
    assert box is not None
    x, y = ((value + 0.03) / 1.06 for value in (across, 1 - up))
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def wait_until_it_plays(page: Page) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate("document.querySelector('audio').currentTime > 0.2"):
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_a_click_plays_and_lists_without_a_new_page(page: Page, plane: Locator) -> None:
    page.evaluate("window.isSamePage = true")
    page.mouse.click(*at(plane, 0.6, 0.6))
    panel = page.locator("[data-panel]")
    expect(panel.get_by_role("heading", level=2)).to_contain_text("Near")
    assert panel.locator("[data-entry]").count() == 8
    expect(panel.locator("[data-entry]").first).to_have_class(re.compile("is-playing"))
    wait_until_it_plays(page)
    assert page.evaluate("window.isSamePage && location.pathname") == "/"
    points = page.locator("[data-map-path]").get_attribute("points") or ""
    assert len(points.split()) == 8
    panel.get_by_role("link", name="Open as a page").click()
    expect(page).to_have_url(
        re.compile(r"/playlist\?valence=0\.(6|59)\d*&arousal=0\.\d+&.*seed=\d+")
    )
    assert page.evaluate("window.isSamePage") is True


def test_a_drag_draws_a_journey(page: Page, plane: Locator) -> None:
    page.mouse.move(*at(plane, 0.3, 0.75))
    page.mouse.down()
    page.mouse.move(*at(plane, 0.7, 0.2), steps=5)
    assert page.locator("[data-map-journey]").get_attribute("d")
    page.mouse.up()
    expect(page.locator("[data-panel-name]")).to_have_text("From tense to calm")
    wait_until_it_plays(page)


def test_a_journey_by_keys_alone(page: Page, plane: Locator) -> None:
    plane.focus()
    for key in ("Shift+ArrowLeft", "ArrowRight", "Shift+ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    reading = page.locator("[data-plane-reading]")
    expect(reading).to_have_text("Nearest mood: romantic (pleasant 62%, lively 43%)")
    page.keyboard.press("j")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")
    expect(reading).to_contain_text("A journey from romantic to here")
    page.keyboard.press("Enter")
    expect(page.locator("[data-panel-name]")).to_contain_text("From romantic to")
    wait_until_it_plays(page)


def test_songs_in_a_circle_are_played(page: Page, plane: Locator) -> None:
    page.get_by_role("button", name="Circle some songs").click()
    page.mouse.move(*at(plane, 0.1, 0.1))
    page.mouse.down()
    for place in ((0.4, 0.1), (0.4, 0.9), (0.1, 0.9)):
        page.mouse.move(*at(plane, *place), steps=3)
    page.mouse.up()
    expect(page.locator("[data-map-chosen-count]")).to_have_text("4 songs")
    page.get_by_role("button", name="Play them", exact=True).click()
    entries = page.locator("[data-panel] [data-entry]")
    expect(entries).to_have_count(4)
    names = {name.strip() for name in entries.locator(".title").all_inner_texts()}
    assert names == {f"Tone {number}" for number in (0, 2, 4, 6)}
    wait_until_it_plays(page)


def test_zooming_names_songs(page: Page, plane: Locator) -> None:
    expect(page.locator(".map-song.is-shown text").first).to_contain_text("Tone")
    page.mouse.move(*at(plane, 0.25, 0.25))
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(400)
    expect(page.locator(".map-song")).to_have_count(2)
    expect(page.locator("[data-plane-nearest]")).to_contain_text("Tone")


OVERLAPS = """() => {
  const boxes = (query) => [...document.querySelectorAll(query)]
    .map((one) => [one.textContent.trim() || one.className, one.getBoundingClientRect()]);
  const words = boxes('[data-map] .mood-label.is-shown');
  const fixed = boxes('[data-map] .axis-name, [data-map-tools] > *');
  const meet = (a, b) => a.left < b.right && b.left < a.right
    && a.top < b.bottom && b.top < a.bottom;
  const found = [];
  [...words, ...fixed].forEach(([name, box], n, all) => all.slice(0, n).forEach(([other, of]) => {
    if (meet(box, of)) found.push(`${name} and ${other}`);
  }));
  return found;
}"""


@pytest.mark.parametrize("width", [390, 1440])
def test_words_and_tools_of_the_map_do_not_overlap(page: Page, plane: Locator, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(500)
    assert page.locator(".mood-label.is-shown").count() >= 8
    assert page.evaluate(OVERLAPS) == []


def test_the_point_says_what_the_list_says(page: Page, plane: Locator) -> None:
    reading, cursor = page.locator("[data-plane-reading]"), page.locator("[data-cursor]")
    expect(reading).to_have_text("Tap the map to hear that mood.")
    page.locator(".big-moods").get_by_role("button", name="Calm", exact=True).click()
    expect(page.locator("[data-panel-name]")).to_have_text("Calm")
    expect(reading).to_contain_text("Nearest mood: calm")
    expect(cursor).to_be_visible()
    page.mouse.move(*at(plane, 0.3, 0.75))
    page.mouse.down()
    page.mouse.move(*at(plane, 0.7, 0.2), steps=5)
    page.mouse.up()
    expect(page.locator("[data-panel-name]")).to_have_text("From tense to calm")
    expect(reading).to_have_text("")
    expect(cursor).to_be_hidden()
    page.mouse.click(*at(plane, 0.6, 0.6))
    expect(cursor).to_be_visible()
    expect(reading).to_contain_text("Nearest mood:")


CROSSED = """() => {
  const map = document.querySelector('[data-map]');
  const {left, top} = map.getBoundingClientRect();
  const line = map.querySelector('[data-map-path]');
  const points = [...line.points].map(({x, y}) => [x + left, y + top]);
  const rings = [...map.querySelectorAll('.map-playing, [data-cursor]')]
    .map((one) => one.getBoundingClientRect());
  return [...map.querySelectorAll('.mood-label.is-shown')].filter((word) => {
    const box = word.getBoundingClientRect();
    const isIn = ([x, y]) => x > box.left && x < box.right && y > box.top && y < box.bottom;
    const between = points.flatMap(([x, y], n) => n === 0 ? [] : [...Array(200).keys()].map((k) =>
      [x + (points[n - 1][0] - x) * k / 200, y + (points[n - 1][1] - y) * k / 200]));
    const meets = (ring) => ring.left < box.right && box.left < ring.right
      && ring.top < box.bottom && box.top < ring.bottom;
    return between.some(isIn) || rings.some(meets);
  }).map((word) => word.textContent);
}"""


def test_words_of_the_map_keep_clear_of_the_list_beside_it(page: Page, plane: Locator) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.mouse.move(*at(plane, 0.2, 0.2))
    page.mouse.down()
    page.mouse.move(*at(plane, 0.8, 0.8), steps=5)
    page.mouse.up()
    expect(page.locator("[data-panel-name]")).to_be_visible()
    expect(page.locator("[data-map-playing]")).to_be_visible()
    page.wait_for_timeout(700)  # the map is narrower, and the names have moved
    assert len((page.locator("[data-map-path]").get_attribute("points") or "").split()) == 8
    assert page.locator(".mood-label.is-shown").count() >= 8
    assert page.evaluate(CROSSED) == []


def test_words_make_way_for_songs(page: Page, plane: Locator, songs: list[Song]) -> None:
    page.wait_for_timeout(500)
    words = page.locator(".mood-label.is-shown").all()
    boxes = [box for word in words if (box := word.bounding_box())]
    assert len(boxes) >= 8
    for song in songs:
        emotion = song.emotions.get()
        x, y = at(plane, emotion.valence, emotion.arousal)
        for box in boxes:
            is_in = 0 < x - box["x"] < box["width"] and 0 < y - box["y"] < box["height"]
            assert not is_in, (x, y, box)


def test_words_become_chips_that_can_be_taken_away(page: Page, plane: Locator) -> None:
    box = page.get_by_role("combobox")
    box.fill("calm, not angry")
    box.press("Enter")
    chips = page.locator("[data-panel] .chip")
    expect(chips).to_have_count(2)
    page.get_by_role("link", name="Ask without “angry”").click()
    expect(chips).to_have_count(1)
    expect(page.locator("[data-panel-name]")).to_contain_text("calm")


def test_a_title_is_offered_while_one_types(page: Page, plane: Locator) -> None:
    box = page.get_by_role("combobox")
    box.press_sequentially("tone 3", delay=20)
    offered = page.get_by_role("option", name=re.compile("Tone 3"))
    expect(offered).to_be_visible()
    box.press("ArrowDown")
    expect(offered).to_have_attribute("aria-selected", "true")
    box.press("Enter")
    expect(page.locator("[data-panel-name]")).to_have_text("Tone 3 and songs like it")
    wait_until_it_plays(page)


def test_without_webgl_the_songs_are_drawn(page: Page, songs: list[Song]) -> None:
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind === 'webgl' ? null : get.call(this, kind, ...rest); };"
    )
    page.goto("/")
    drawn = page.locator('[data-dots="Q1"]')
    expect(drawn).to_have_attribute("d", re.compile("^M0.75"))


def test_the_map_is_downloaded_for_print(page: Page, plane: Locator) -> None:
    page.get_by_text("More ways to choose").click()
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG, 300 dpi").click()
    assert download.value.suggested_filename == "map.png"
    with PIL.Image.open(download.value.path()) as picture:
        assert picture.size == (2126, 1795)  # 180 mm, 152 mm
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        colours = picture.convert("RGB").getcolors(10**6) or []
    assert len(colours) > 4
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="SVG, for print").click()
    assert download.value.suggested_filename == "map.svg"
