"""Drawings for paper: valid XML, every song counted, and named axes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from django.utils import translation

from mer.affect import EMOTIONS, AffectPoint
from recommender.index import reader
from recommender.web import charts, plots
from tests.factories import SongEmotionFactory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

NS = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def fresh_index() -> Iterator[None]:
    reader.index_snapshot_forget()
    yield
    reader.index_snapshot_forget()


def parsed(svg: str) -> ET.Element:
    # Of our own making, so no bomb.
    return ET.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{NS}text")]


def places(count: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, 2))


def test_every_song_is_a_dot_and_counted_by_quadrant() -> None:
    at = places(300)
    svg = plots.map_plot(at, 300)
    dots = "".join(path.get("d", "") for path in parsed(svg).iter(f"{NS}path"))
    assert dots.count("h0") == 300
    happy = sum(1 for place in at if AffectPoint(*place).quadrant == "Q1")
    assert f"happy ({happy})" in texts(svg)
    counted = [re.search(r"\((\d+)\)", text) for text in texts(svg)]
    assert sum(int(found[1]) for found in counted if found) == 300
    assert {"300 songs", "Unpleasant to pleasant", "Quiet to lively", "0.5"} <= set(texts(svg))


@pytest.mark.parametrize("count", [plots.MOST_DOTS, plots.MOST_DOTS + 1, 150_000])
def test_a_file_stays_small_and_counts_all(count: int) -> None:
    svg = plots.map_plot(places(count), count)
    assert len(svg.encode()) < 1_000_000
    if count > plots.MOST_DOTS:
        titles = [element.text or "" for element in parsed(svg).iter(f"{NS}title")][1:]
        assert sum(int(title.replace(",", "")) for title in titles) == count


def test_a_place_on_a_border_counts_as_the_model_says() -> None:
    sides = (0.0, 0.4999, 0.5, 1.0)
    at = np.array([(valence, arousal) for valence in sides for arousal in sides], np.float32)
    for quadrant, found in plots._by_quadrant(at).items():
        assert {AffectPoint(*place).quadrant for place in found.tolist()} == {quadrant}
        assert len(found) == 4


def test_numbers_follow_the_language(db: None) -> None:
    emotion = SongEmotionFactory(emotions=dict.fromkeys(EMOTIONS, 0.25))
    with translation.override("de"):
        place = charts.plane_place(emotion)
        said = texts(plots.song_plot(title="T", artist="A", emotion=emotion, place=place))
        assert "0,5" in said
        assert "0.5" not in said
        assert "25\N{NO-BREAK SPACE}%" in said


def test_a_choice_of_songs_says_that_it_is_one() -> None:
    assert "10 of 1,000 songs, evenly chosen" in texts(plots.map_plot(places(10), 1000))


def test_an_empty_map_is_a_drawing() -> None:
    assert "happy (0)" in texts(plots.map_plot(np.empty((0, 2)), 0))


def test_no_name_breaks_the_xml() -> None:
    svg = plots.list_plot(title='<b>&"\x00\x0b' + "x" * 200, places=[AffectPoint(1.0, 0.0), None])
    title = next(parsed(svg).iter(f"{NS}title")).text or ""
    assert title.startswith('<b>&"x')
    assert "calm (1)" in texts(svg)
    assert "2 songs" in texts(svg)


def test_the_map_is_downloaded(client: Client, songs: list[Song]) -> None:
    response = client.get("/map.svg")
    assert response["Content-Type"] == "image/svg+xml"
    assert response["Content-Disposition"] == 'attachment; filename="map.svg"'
    assert f"{len(songs)} songs" in texts(response.content.decode())
    assert 'href="/map.svg"' in client.get("/").content.decode()


def test_the_map_is_drawn_once_for_each_snapshot_and_language(
    client: Client, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    draw = plots.map_plot

    def noted(at: np.ndarray, total: int) -> str:
        drawn.append(total)
        return draw(at, total)

    monkeypatch.setattr(plots, "map_plot", noted)

    def answer(language: str) -> str:
        return client.get("/map.svg", headers={"Accept-Language": language}).content.decode()

    assert answer("en") == answer("en")
    assert answer("de") == answer("de") != answer("en")
    assert drawn == [len(songs)] * 2
    songs[0].delete()
    assert f"{len(songs) - 1} songs" in texts(answer("en"))
    assert drawn == [len(songs)] * 2 + [len(songs) - 1]


def test_a_song_has_its_place_and_emotions(client: Client, db: None) -> None:
    emotion = SongEmotionFactory(valence=0.2, arousal=0.9)
    response = client.get(f"/songs/{emotion.song_id}/mood.svg")
    said = texts(response.content.decode())
    assert emotion.song.shown_title in said
    assert len([text for text in said if text.endswith("%")]) == 8
    page = client.get(f"/songs/{emotion.song_id}").content.decode()
    assert f'href="/songs/{emotion.song_id}/mood.svg"' in page


def test_a_song_without_emotion_has_none(client: Client, wav_song: Song) -> None:
    assert client.get(f"/songs/{wav_song.pk}/mood.svg").status_code == 404


def test_a_private_installation_shows_none(
    client: Client, songs: list[Song], settings: SettingsWrapper
) -> None:
    settings.AFFETTI_PUBLIC = False
    for address in ("/map.svg", f"/songs/{songs[0].pk}/mood.svg"):
        assert client.get(address).status_code == 302
