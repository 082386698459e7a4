"""Histories of each service are read; what is hostile or damaged is refused by file and line."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from recommender.errors import FileRefusedError
from recommender.listening import streams
from recommender.listening.formats import listens_of
from recommender.listening.heard import Heard, Why, why_in_words
from tests.recommender.listening.histories import (
    ISO,
    MOMENT,
    in_lines,
    lastfm,
    listenbrainz,
    spotify,
    written,
    zipped,
)

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime.fromtimestamp(MOMENT, UTC)
BJORK = ("Björk", "Jóga")
HEAD = "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"

SINGLE: dict[str, Any] = {
    "ListenBrainz, lines": in_lines([listenbrainz(*BJORK)]),
    "ListenBrainz, list": [listenbrainz(*BJORK)],
    "Last.fm, one object a listen": [lastfm(*BJORK)],
    "Last.fm, pages": [{"track": [lastfm(*BJORK)], "@attr": {"page": "1"}}],
    "Last.fm, an answer": json.dumps({"recenttracks": {"track": [lastfm(*BJORK)]}}, indent=1),
    "Last.fm, an answer in one line": json.dumps({"recenttracks": {"track": [lastfm(*BJORK)]}}),
    "Last.fm, plain names": [{"artist": "Björk", "name": "Jóga", "timestamp": MOMENT}],
    "Last.fm, with a heading": f'{HEAD}{MOMENT},"13 Sep 2020, 12:26",Björk,,,,Jóga,\n',
    "Last.fm, seconds quoted": f'{HEAD}"{MOMENT}","x","Björk","","","","Jóga",""\n',
    "Last.fm, without a heading": "Björk,Homogenic,Jóga,13 Sep 2020 12:26\n",
    "lastfm-to-csv": "artist;album;name;date\nBjörk;;Jóga;2020-09-13 12:26:40\n",
    "tabs and a byte order mark": "\ufeffArtist\tTrack\tDate\nBjörk\tJóga\t2020-09-13 12:26\n",
    "milliseconds": [{"artist": "Björk", "name": "Jóga", "timestamp": MOMENT * 1000}],
}


def rows(path: Path, content: Any) -> list[Any]:
    return [one for _, one in listens_of(written(path, content), path.name)]


@pytest.mark.parametrize("case", SINGLE)
def test_a_listen_is_read(case: str, tmp_path: Path) -> None:
    (one,) = rows(tmp_path / "history", SINGLE[case])
    assert isinstance(one, Heard), one
    assert (one.artist, one.title) == BJORK
    assert abs(one.moment - AT) < timedelta(minutes=1)
    assert one.seconds_played is None


def test_spotify_tells_the_end_and_how_long(tmp_path: Path) -> None:
    (extended,) = rows(tmp_path / "a.json", [spotify(*BJORK)])
    short = {"endTime": "2020-09-13 12:26", "artistName": "Björk", "trackName": "Jóga"}
    (brief,) = rows(tmp_path / "b.json", [{**short, "msPlayed": 31_000}])
    assert (extended.moment, extended.seconds_played) == (AT - timedelta(seconds=200), 200.0)
    assert brief.moment == datetime(2020, 9, 13, 12, 25, 29, tzinfo=UTC)
    assert brief.seconds_played == 31.0


def test_podcasts_and_what_plays_now_are_no_listens(tmp_path: Path) -> None:
    podcast = {**spotify("x", "y"), "master_metadata_track_name": None}
    assert rows(tmp_path / "a.json", [podcast]) == []
    playing = {**lastfm(*BJORK), "@attr": {"nowplaying": "true"}}
    assert rows(tmp_path / "b.json", [playing]) == []


def test_recordings_lengths_and_albums_are_kept(tmp_path: Path) -> None:
    listen = listenbrainz(*BJORK, album="Homogenic", mbid="A" * 36)
    listen["track_metadata"]["additional_info"] |= {"duration_ms": 305_000, "duration_played": 9}
    (one,) = rows(tmp_path / "a.jsonl", in_lines([listen]))
    assert (one.album, one.recording_id) == ("Homogenic", "a" * 36)
    assert (one.duration_seconds, one.seconds_played) == (305.0, 9.0)


def test_an_archive_of_listenbrainz_is_read_in_the_order_of_months(tmp_path: Path) -> None:
    data = zipped(
        {
            "user.json": json.dumps({"user_id": 1, "username": "ada"}),
            "feedback.jsonl": in_lines([{"recording_mbid": "x", "feedback": 1}]),
            "listens/2020/10.jsonl": in_lines([listenbrainz("B", "Ten")]),
            "listens/2020/9.jsonl": in_lines([listenbrainz("A", "Nine")]),
            "__MACOSX/listens/2020/9.jsonl": b"\x00\xff",
            "cover.png": b"\x89PNG",
            "read me.txt": b"\xff\xfe no table",
        }
    )
    assert [one.title for one in rows(tmp_path / "export.zip", data)] == ["Nine", "Ten"]


def test_an_archive_of_spotify_has_files_that_are_no_history(tmp_path: Path) -> None:
    members = {
        "my_spotify_data/StreamingHistory0.json": [
            {"endTime": "2020-09-13 12:26", "artistName": "B", "trackName": "J", "msPlayed": 1}
        ],
        "my_spotify_data/Playlist1.json": json.dumps({"playlists": [{"name": "x"}]}, indent=1),
        "my_spotify_data/YourLibrary.json": json.dumps({"tracks": [{"artist": "x"}]}),
    }
    assert len(rows(tmp_path / "my.zip", zipped(members))) == 1


def test_an_archive_has_files_beside_history_that_cannot_be_read(tmp_path: Path) -> None:
    listens = [spotify(*BJORK)]
    playlists = {"playlists": [{"name": "x" * 100}] * 50_000}
    for name, other in {
        "Playlist1.json": json.dumps(playlists, indent=1),
        "readme.json": "Dear listener, this is your data.",
        "page.json": "{ this is no JSON }",
        "notes.txt": b"\xff\xfe",
    }.items():
        data = zipped({name: other, "StreamingHistory_music_0.json": listens})
        assert len(rows(tmp_path / "my.zip", data)) == 1, name
    with pytest.raises(FileRefusedError, match=r"page\.json, line 1: it is no JSON"):
        rows(tmp_path / "my.zip", zipped({"page.json": "{ this is no JSON }", "a.txt": "Hi"}))


def test_the_first_entries_may_be_something_else(tmp_path: Path) -> None:
    episode = {"ts": ISO, "ms_played": 9000, "episode_name": "x"}
    assert len(rows(tmp_path / "a.json", [episode, spotify(*BJORK)])) == 1
    *others, one = rows(tmp_path / "b.json", [None, 1, {"a": 1}, *[[]] * 9, listenbrainz(*BJORK)])
    assert (others, one.title) == ([Why.NO_LISTEN] * 3, "Jóga")
    for first in ({"version": 1}, None):
        *others, one = rows(tmp_path / "c.jsonl", in_lines([first, listenbrainz(*BJORK)]))
        assert (others, one.title) == ([Why.NO_LISTEN], "Jóga")
    with pytest.raises(FileRefusedError, match="no listening history"):
        rows(tmp_path / "d.jsonl", in_lines([*[{"a": 1}] * 50, listenbrainz(*BJORK)]))


@pytest.mark.parametrize("content", ["[]", " [ ]\n", "[[]]", '{"recenttracks": {"track": []}}'])
def test_a_list_of_nothing_is_a_history(content: str, tmp_path: Path) -> None:
    assert rows(tmp_path / "a.json", content) == []
    assert rows(tmp_path / "a.zip", zipped({"a.json": content})) == []


LATE = int((timezone.now() + timedelta(days=2)).timestamp())
LEFT_OUT: dict[str, tuple[dict[str, Any], Why]] = {
    "no artist": (listenbrainz("", "Jóga"), Why.NO_NAMES),
    "a number as the title": ({**lastfm("a", "b"), "name": 7}, Why.NO_NAMES),
    "NaN": (listenbrainz(*BJORK, at=float("nan")), Why.NO_TIME),
    "infinite": (listenbrainz(*BJORK, at=float("inf")), Why.NO_TIME),
    "1e308": (listenbrainz(*BJORK, at=1e308), Why.NO_TIME),
    "true": (listenbrainz(*BJORK, at=True), Why.NO_TIME),
    "no time": (listenbrainz(*BJORK, at=None), Why.NO_TIME),
    "1970": (listenbrainz(*BJORK, at=0), Why.TOO_EARLY),
    "the day after tomorrow": (listenbrainz(*BJORK, at=LATE), Why.IN_FUTURE),
    "a date that is none": ({**lastfm("a", "b"), "date": {"uts": "soon"}}, Why.NO_TIME),
    "the year 99999": ({**lastfm("a", "b"), "date": {"uts": "99999999999999999"}}, Why.NO_TIME),
    "Spotify without a length": ({**spotify("a", "b"), "ms_played": -1}, Why.NO_TIME),
    "10^400 seconds": ({**lastfm("a", "b"), "date": {"uts": 10**400}}, Why.NO_TIME),
    "10^400 as a text": ({**lastfm("a", "b"), "date": {"uts": "1" + "0" * 400}}, Why.NO_TIME),
    "-10^400 seconds": ({**lastfm("a", "b"), "date": {"uts": -(10**400)}}, Why.NO_TIME),
    "10^400 of ListenBrainz": (listenbrainz(*BJORK, at=10**400), Why.NO_TIME),
    "a list as the time": (listenbrainz(*BJORK, at=[MOMENT]), Why.NO_TIME),
    "an object as the time": ({**lastfm("a", "b"), "date": {"uts": {"a": 1}}}, Why.NO_TIME),
    "Spotify in the year 1": (spotify("a", "b", ts="0001-01-01T00:00:00Z"), Why.NO_TIME),
    "Spotify for 10^400 ms": (spotify("a", "b", ms=10**400), Why.NO_TIME),
    "Spotify for true": (spotify("a", "b", ms=True), Why.NO_TIME),
    "a list as metadata": ({"track_metadata": [1], "listened_at": MOMENT}, Why.NO_NAMES),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_a_listen_that_cannot_be_used_is_left_out_with_its_line(case: str, tmp_path: Path) -> None:
    value, why = LEFT_OUT[case]
    good = value if case.startswith("Spotify") else listenbrainz("Good", "One")
    path = written(tmp_path / "a.jsonl", in_lines([value, value]))
    found = list(listens_of(path, "a.jsonl"))
    assert [(place.line, one) for place, one in found] == [(1, why), (2, why)]
    assert good
    assert why_in_words(why, name="a.jsonl", line=2).startswith("a.jsonl, line 2: ")


def test_names_that_no_database_takes_are_cleaned(tmp_path: Path) -> None:
    listen = '{"artist": "A\\u0000\\ud800B", "name": "T", "uts": 1600000000}'
    (one,) = rows(tmp_path / "a", f"[{listen}]")
    assert one.artist == "A?B"


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", in_lines([listenbrainz(*BJORK)]) + " " * 50_000_000)
    return out.getvalue()


def spoilt_zip() -> bytes:
    data = bytearray(zipped({"a.jsonl": in_lines([listenbrainz(*BJORK, at=n) for n in range(9)])}))
    data[60:70] = b"\xff" * 10
    return bytes(data)


def locked_zip() -> bytes:
    data = bytearray(zipped({"a.jsonl": "{}"}))
    start = data.rindex(b"PK\x01\x02")
    data[start + 8] |= 1
    return bytes(data)


REFUSED: dict[str, tuple[Any, Why, str]] = {
    "nothing": (b"", Why.NO_HISTORY, "f:"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\xff", Why.NO_UTF8, "f, line 1:"),
    "a text": (b"Dear diary\n", Why.NO_HISTORY, "f:"),
    "JSON of something else": ([{"a": 1}], Why.NO_HISTORY, "f:"),
    "lists 50,000 deep": (b"[" * 50_000 + b"]" * 50_000, Why.NO_JSON, "f, entry 1:"),
    "objects 50,000 deep": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, Why.NO_JSON, "f, line 1:"),
    "a number of 10,000 digits": (b'[{"a": ' + b"9" * 10_000 + b"}]", Why.NO_JSON, "f, entry 1:"),
    "half a list": (
        json.dumps([lastfm("a", "b"), lastfm("c", "d")])[:-9],
        Why.NO_JSON,
        "f, entry 2:",
    ),
    "a list without commas": (b'[{"artist":"a","name":"b","uts":1} 2]', Why.NO_JSON, "f, entry 2:"),
    "a broken line": (
        in_lines([listenbrainz(*BJORK)]) + '{"listened_at": 1,,}\n',
        Why.NO_JSON,
        "f, line 2:",
    ),
    "a line of 10 MB": (
        in_lines([listenbrainz(*BJORK), listenbrainz("x" * 10_000_000, "y")]),
        Why.LINE_TOO_LONG,
        "f, line 2:",
    ),
    "an entry of 10 MB": (
        [listenbrainz(*BJORK), listenbrainz("x" * 10_000_000, "y")],
        Why.NO_JSON,
        "f, entry 2:",
    ),
    "UTF-16": (json.dumps([lastfm("a", "b")]).encode("utf-16"), Why.NO_UTF8, "f, entry 1:"),
    "Latin-1": ("artist,track,uts\nBjörk,Jóga,1\n".encode("latin-1"), Why.NO_UTF8, "f, line 2:"),
    "Latin-1 within a list": (
        json.dumps([lastfm("Björk", "x")], ensure_ascii=False).encode("latin-1"),
        Why.NO_UTF8,
        "f, entry 1:",
    ),
    "an open quote": (
        'artist,track,uts\n"Björk,Jóga,1\n' + "x\n" * 200_000,
        Why.NO_CSV,
        "f, line ",
    ),
    "no archive": (b"PK\x03\x04" + b"\x00" * 100, Why.ZIP_DAMAGED, "f:"),
    "half an archive": (zipped({"a.jsonl": "{}"})[:60], Why.ZIP_DAMAGED, "f:"),
    "a spoilt archive": (spoilt_zip(), Why.ZIP_DAMAGED, "a.jsonl:"),
    "a locked archive": (locked_zip(), Why.ZIP_LOCKED, "f:"),
    "an empty archive": (zipped({"a.png": b"1"}), Why.NO_HISTORY, "f:"),
    "a broken file of an archive": (
        zipped({"StreamingHistory0.json": b'[{"a": '}),
        Why.NO_JSON,
        "StreamingHistory0.json, entry 1:",
    ),
    "a bomb of spaces": (bomb(), Why.LINE_TOO_LONG, "a.jsonl, line 2:"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_hostile_or_damaged_is_refused(case: str, tmp_path: Path) -> None:
    content, why, where = REFUSED[case]
    path = written(tmp_path / "f", content)
    with pytest.raises(FileRefusedError) as caught:
        list(listens_of(path, "f"))
    assert caught.value.details["why"] == why, caught.value
    assert str(caught.value).startswith(where), caught.value
    assert len(str(caught.value)) < 300


def test_what_an_archive_unpacks_to_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.listening.streams.MOST_UNPACKED", 800_000)
    lines = in_lines([listenbrainz(*BJORK)] * 2000)
    path = written(tmp_path / "f", zipped({f"{n}.jsonl": lines for n in range(3)}))
    with pytest.raises(FileRefusedError, match=r"2\.jsonl"):
        list(listens_of(path, "f"))


def test_the_directory_of_an_archive_is_not_read_if_it_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number:0120}.png", b"")
    tracemalloc.start()
    try:
        with pytest.raises(FileRefusedError, match="too large"):
            list(listens_of(path, "f"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_an_archive_of_many_other_files_is_read(tmp_path: Path) -> None:
    members = {f"{number}.png": b"" for number in range(streams.MOST_MEMBERS + 1)}
    data = zipped({**members, "a.jsonl": in_lines([listenbrainz(*BJORK)])})
    assert len(rows(tmp_path / "f", data)) == 1


def test_no_file_is_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    values = json.dumps([spotify(*BJORK, ts=ISO)] * 20_000)
    path.write_text(values)
    tracemalloc.start()
    try:
        count = sum(1 for _ in listens_of(path, "f"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert len(values) > 5_000_000
    assert peak < 2_000_000
