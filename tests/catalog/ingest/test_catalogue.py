from __future__ import annotations

import csv
import json
import tempfile
import tracemalloc
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisCase

from catalog.errors import PathError
from catalog.ingest.catalogue import catalogue_import
from catalog.models import BackgroundJob, Library, Song
from catalog.paths import to_stored
from catalog.work.queue import songs_waiting
from tests.catalog.conftest import write_tone
from tests.factories import LibraryFactory, SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

LYRICS = (
    "The river runs below the town\nI carry all my letters down\nAnd every word I wrote to you\n"
    "Is washed away before the blue\nThe evening falls on open doors"
)
MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A library of two analysed songs."""
    library = LibraryFactory(root=to_stored(tmp_path))
    for name in ("a/one.mp3", "two.mp3"):
        SongFactory(
            library=library, relative_path=name, title="T", artist="A", year=None, status="analysed"
        )
    return library


def write(path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def one() -> Song:
    return Song.objects.get(relative_path="a/one.mp3")


def test_each_field_corrects_or_completes(tmp_path: Path, library: Library) -> None:
    row = {
        "path": "a/one.mp3",
        "title": "Café, “Noir”",
        "artist": "Björk",
        "album": "Début",
        "album_artist": "Various",
        "genre": "Trip Hop",
        "year": 1993,
        "language": "Icelandic",
        "explicit": False,
        "bpm": 93.5,
        "musicbrainz_recording_id": MBID.upper(),
        "lyrics": LYRICS,
    }
    file = write(tmp_path / "c.jsonl", json.dumps(row) + "\n")
    report = catalogue_import(file=file, root=tmp_path)
    assert (report.changed, report.refused, report.problems) == (1, 0, [])
    song = one()
    assert (song.title, song.artist, song.album, song.album_artist) == (
        "Café, “Noir”",
        "Björk",
        "Début",
        "Various",
    )
    assert (song.genre, song.year, song.bpm, song.is_explicit) == ("Trip Hop", 1993, 93.5, False)
    assert (song.language, song.musicbrainz_recording_id) == ("is", MBID)
    assert (song.lyrics, song.lyrics_source) == (LYRICS, "admin")
    assert song.album_entry
    assert song.album_entry.title == "Début"
    assert [credit.name for credit in song.credits.all()] == ["Björk"]
    assert list(songs_waiting()) == [song]  # the model reads title, artist and lyrics

    again = catalogue_import(file=file, root=tmp_path)
    assert (again.changed, again.unchanged) == (0, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_as_programs_write_it(
    tmp_path: Path, library: Library, encoding: str, separator: str, end: str
) -> None:
    out = StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end)
    writer.writerow(["Title", "PATH", "lyrics", "year", "artist"])
    writer.writerow(["A; b, c\td “e”", "a/one.mp3", LYRICS, "2001", ""])
    writer.writerow(["", "", "", "", ""])
    file = write(tmp_path / "c.CSV", out.getvalue(), encoding=encoding)
    report = catalogue_import(file=file, root=tmp_path)
    assert (report.changed, report.problems) == (1, [])
    song = one()
    assert (song.title, song.year, song.lyrics) == ("A; b, c\td “e”", 2001, LYRICS)
    assert song.artist == "A"  # an empty field leaves it


def test_each_bad_row_is_named_and_the_others_go_on(tmp_path: Path, library: Library) -> None:
    rows = [
        "path,title,year,bpm,explicit,language,musicbrainz_recording_id,lyrics,mood",
        "a/one.mp3,Good,,,,,,,",
        "absent.mp3,X,,,,,,,",
        "../outside.mp3,X,,,,,,,",
        ",X,,,,,,,",
        "two.mp3,X,19x4,,,,,,",
        "two.mp3,X,,999,,,,,",
        "two.mp3,X,,,maybe,,,,",
        "two.mp3,X,,,,klingonish,,,",
        "two.mp3,X,,,,,123,,",
        f"two.mp3,{'x' * 301},,,,,,,",
        "two.mp3,X,,,,,,,,,",
        "a/one.mp3,Twice,,,,,,,",
        '"two.mp3","Two\nlines",,,,,,,',
        "two.mp3,\udcff,,,,,,,",
    ]
    file = tmp_path / "c.csv"
    file.write_bytes("\n".join(rows).encode("utf-8", "surrogateescape"))
    report = catalogue_import(file=file, root=tmp_path)
    assert (report.changed, report.refused) == (2, 12)
    assert [(problem.line, problem.field) for problem in report.problems[:1]] == [(1, "mood")]
    assert sorted((problem.line, problem.field) for problem in report.problems[1:]) == [
        (3, "path"),
        (4, "path"),
        (5, "path"),
        (6, "year"),
        (7, "bpm"),
        (8, "explicit"),
        (9, "language"),
        (10, "musicbrainz_recording_id"),
        (11, "title"),
        (12, ""),
        (13, "path"),
        (16, "title"),
    ]
    assert "line 2 names it" in next(p.message for p in report.problems if p.line == 13)
    assert one().title == "Good"
    assert Song.objects.get(relative_path="two.mp3").title == "Two\nlines"


def test_bad_lines_of_json(tmp_path: Path, library: Library) -> None:
    lines = ["{", "[1]", '{"path": "two.mp3", "title": ["x"]}', '{"path": "two.mp3", "year": 1999}']
    report = catalogue_import(file=write(tmp_path / "c.jsonl", "\n".join(lines)), root=tmp_path)
    assert (report.changed, report.refused) == (1, 3)
    assert [(p.line, p.field) for p in report.problems] == [(1, ""), (2, ""), (3, "title")]


def test_paths_of_windows_and_absolute_ones(tmp_path: Path, library: Library) -> None:
    text = f"path;year\na\\one.mp3;1990\n{tmp_path}/two.mp3;1991\n"
    assert catalogue_import(file=write(tmp_path / "c.csv", text), root=tmp_path).changed == 2


def test_the_root_may_be_a_folder_of_the_library(tmp_path: Path, library: Library) -> None:
    (tmp_path / "a").mkdir()
    file = write(tmp_path / "c.csv", "path,year\none.mp3,1990\n../two.mp3,1990\n")
    report = catalogue_import(file=file, root=tmp_path / "a")
    assert (report.changed, report.refused) == (1, 1)


def test_files_that_are_no_catalogue(tmp_path: Path, library: Library) -> None:
    with pytest.raises(PathError, match="neither"):
        catalogue_import(file=write(tmp_path / "c.xls", "x"), root=tmp_path)
    with pytest.raises(PathError, match="no column path"):
        catalogue_import(file=write(tmp_path / "c.csv", "title\nx\n"), root=tmp_path)
    with pytest.raises(PathError, match="cannot be read"):
        catalogue_import(file=tmp_path / "absent.csv", root=tmp_path)
    with pytest.raises(PathError, match="in no library"):
        catalogue_import(file=tmp_path / "c.csv", root=tmp_path.parent)


def test_an_ingest_keeps_it_until_the_file_changes(
    music_dir: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    song = write_tone(music_dir / "song.wav")
    ingest()
    file = write(music_dir / "c.csv", f'path,title,lyrics\nsong.wav,Mine,"{LYRICS}"\n')
    out = StringIO()
    call_command("ingest", "--catalogue", str(file), stdout=out)
    assert "      1 songs changed" in out.getvalue()
    ingest()
    kept = Song.objects.get()
    assert (kept.title, kept.lyrics) == ("Mine", LYRICS)
    write_tone(song, hz=900)
    ingest()
    assert Song.objects.get().title == "song"


def test_the_command_names_line_and_field(tmp_path: Path, library: Library) -> None:
    file = write(tmp_path / "c.csv", "path,year\ntwo.mp3,soon\n")
    out = StringIO()
    call_command("ingest", "--catalogue", str(file), stdout=out)
    assert "c.csv, line 2, year: soon: is no year; write it as 1994" in out.getvalue()
    for wrong in ([], [str(tmp_path), "--catalogue", str(file)]):
        with pytest.raises(CommandError, match="not both"):
            call_command("ingest", *wrong)
    with pytest.raises(CommandError) as error:
        call_command("ingest", "--catalogue", str(tmp_path / "absent.csv"))
    assert error.value.returncode == 2


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, library: Library) -> None:
    file = tmp_path / "c.csv"
    with file.open("w") as out:
        out.write("path,title\n")
        out.writelines(f"absent/{number}.mp3,Some title\n" for number in range(20_000))
    tracemalloc.start()
    report = catalogue_import(file=file, root=tmp_path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (report.refused, len(report.problems)) == (20_000, 1000)
    assert most < 10e6


class TestRoundTrip(HypothesisCase):
    """What a program writes is what the song has."""

    words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60).map(
        str.strip
    )

    @settings(max_examples=30, deadline=None)
    @given(
        title=words,
        artist=words,
        year=st.one_of(st.none(), st.integers(1, 9999)),
        separator=st.sampled_from(",;\t"),
        is_json=st.booleans(),
    )
    def test_any_text(
        self, title: str, artist: str, year: int | None, separator: str, is_json: bool
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            library = LibraryFactory(root=to_stored(root))
            SongFactory(
                library=library, relative_path="a/one.mp3", title="T", artist="A", year=None
            )
            row: dict[str, Any] = {
                "path": "a/one.mp3",
                "title": title,
                "artist": artist,
                "year": year,
            }
            if is_json:
                file = write(root / "c.jsonl", json.dumps(row, ensure_ascii=False))
            else:
                out = StringIO()
                writer = csv.DictWriter(out, list(row), delimiter=separator)
                writer.writeheader()
                writer.writerow(row)
                file = write(root / "c.csv", out.getvalue())
            report = catalogue_import(file=file, root=root)
            assert report.problems == []
            song = Song.objects.get(library=library)
            assert (song.title, song.artist) == (title or "T", artist or "A")
            assert song.year == year
            assert catalogue_import(file=file, root=root).changed == 0
