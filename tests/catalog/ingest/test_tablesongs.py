from __future__ import annotations

import csv
import json
import threading
import tracemalloc
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisCase

from catalog.analysis import songs_analyse
from catalog.errors import PathError
from catalog.estimates import songs_without_estimate
from catalog.ingest.catalogue import catalogue_take
from catalog.ingest.editing import songs_correct, songs_remove, songs_restore
from catalog.ingest.libraries import (
    LibrarySettings,
    library_change,
    library_remove,
    library_rescan,
    removed_delete,
    rescans_start,
)
from catalog.ingest.tablelock import table_held
from catalog.ingest.tables import MAX_ROW_CHARS
from catalog.ingest.tablesongs import SongTableReport, table_import, table_library, table_take
from catalog.models import Album, Artist, Genre, Library, Song, SongEmotion
from catalog.recordings import recordings_link
from catalog.selectors import roots_allowed, song_open, song_path
from catalog.tasks import analyse_songs
from catalog.waveforms import songs_without_waveform
from catalog.work.queue import songs_waiting
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tests.catalog.conftest import Sent
    from tests.fakes import FakePipeline

pytestmark = pytest.mark.django_db

LYRICS = (
    "The river runs below the town\nI carry all my letters down\nAnd every word I wrote to you\n"
    "Is washed away before the blue\nThe evening falls on open doors"
)
MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


@pytest.fixture
def library() -> Library:
    return table_library(name="Research")


def take(library: Library, *rows: Mapping[str, Any], **options: Any) -> SongTableReport:
    text = "\n".join(json.dumps(row) for row in rows)
    return table_take(library=library, text=text, kind="jsonl", **options)


def titles(**condition: Any) -> list[str]:
    songs = Song.objects.filter(is_available=True, **condition)
    return sorted(songs.values_list("title", flat=True))


def analyse_all() -> None:
    songs_analyse(song_ids=list(songs_waiting().values_list("pk", flat=True)), worker="w")


def test_a_row_becomes_a_song_with_all_that_it_says(library: Library) -> None:
    row = {
        "id": "spot:1/2",
        "title": "Café Noir",
        "artist": "Björk & Thom",
        "album": "Début",
        "album_artist": "Björk",
        "year": 1993,
        "genres": ["Trip Hop", "Pop"],
        "moods": "sad; slow",
        "duration_seconds": "3:25",
        "language": "Icelandic",
        "explicit": False,
        "bpm": "93,5",
        "key": "8A",
        "replaygain_db": "-7.5 dB",
        "track_number": 3,
        "disc_number": 1,
        "musicbrainz_recording_id": MBID.upper(),
        "lyrics": LYRICS,
    }
    report = take(library, row)
    assert (report.added, report.refused, report.problems) == (1, 0, [])
    song = Song.objects.get()
    assert not song.has_audio
    assert not library.has_audio
    assert song.relative_path == "id/spot:1/2"
    assert (song.title, song.artist, song.album, song.year) == (
        "Café Noir",
        "Björk & Thom",
        "Début",
        1993,
    )
    assert (song.genre, song.mood_tags) == ("Trip Hop; Pop", ["sad", "slow"])
    assert sorted(song.genres.values_list("name", flat=True)) == ["Pop", "Trip Hop"]
    assert (song.duration_seconds, song.language, song.is_explicit) == (205.0, "is", False)
    assert (song.tempo_bpm, song.tempo_source, song.key_name) == (93.5, "tag", "A minor")
    assert (song.replaygain_db, song.track_number, song.disc_number) == (-7.5, 3, 1)
    assert (song.musicbrainz_recording_id, song.lyrics) == (MBID, LYRICS)
    assert song.lyrics_source == "table"
    assert song.album_entry is not None
    assert song.album_entry.artist is not None
    assert song.album_entry.artist.name == "Björk"
    assert [credit.name for credit in song.credits.all()] == ["Björk & Thom"]
    assert song.artist_key == song.credits.get().artist.key
    assert "cafe" in song.search_text
    assert song.status == Song.Status.PENDING


def test_names_that_become_known_split_as_those_of_files_do(library: Library) -> None:
    take(library, {"title": "One", "artist": "Ann & Bob"})
    take(library, {"title": "Two", "artist": "Ann"}, is_whole=False)
    assert [c.name for c in Song.objects.get(title="One").credits.all()] == ["Ann", "Bob"]


def test_the_same_table_changes_nothing_and_a_changed_row_only_its_song(
    library: Library, fake_pipeline: FakePipeline
) -> None:
    rows: list[dict[str, Any]] = [
        {"id": n, "title": f"T{n}", "artist": "A", "year": 2000} for n in range(3)
    ]
    assert take(library, *rows).added == 3
    analyse_all()
    stamps = dict(Song.objects.values_list("pk", "updated_at"))
    emotions = dict(SongEmotion.objects.values_list("song", "updated_at"))

    again = take(library, *rows)
    assert (again.unchanged, again.added, again.changed, again.missing) == (3, 0, 0, 0)
    assert dict(Song.objects.values_list("pk", "updated_at")) == stamps

    rows[1]["year"] = 2001  # the model does not read it
    rows[2]["lyrics"] = LYRICS
    assert take(library, *rows).changed == 2
    assert Song.objects.get(title="T1").year == 2001
    assert [song.title for song in songs_waiting()] == ["T2"]
    analyse_all()
    now = dict(SongEmotion.objects.values_list("song", "updated_at"))
    assert [pk for pk in now if now[pk] != emotions[pk]] == [Song.objects.get(title="T2").pk]
    assert [one.lyrics for one in fake_pipeline.seen] == [None, None, None, LYRICS]


def test_what_a_song_is_told_by_its_id_else_ids_else_its_names(library: Library) -> None:
    take(
        library,
        {"id": "a", "title": "One", "musicbrainz_recording_id": MBID},
        {"title": "Two", "musicbrainz_recording_id": MBID},
        {"title": "Three", "isrc": "us-rc1-76-07839"},
        {"title": "Four", "artist": "Ö", "album": "X"},
        {"title": "Four", "artist": "Ö", "album": "Y"},
    )
    keys = [path.split("/")[0] for path in Song.objects.values_list("relative_path", flat=True)]
    assert sorted(keys) == ["id", "isrc", "mbid", "name", "name"]
    assert Song.objects.filter(relative_path="isrc/USRC17607839").exists()
    report = take(library, {"title": "four ", "artist": "ö", "album": "x"}, is_whole=False)
    assert (report.added, report.changed) == (0, 1), "case and accents make no other song"


def test_songs_that_leave_the_table_go_and_come_back(
    library: Library, fake_pipeline: FakePipeline
) -> None:
    rows = [{"id": n, "title": f"T{n}"} for n in range(4)]
    take(library, *rows)
    analyse_all()
    report = take(library, *rows[:3])
    assert (report.missing, report.kept, report.unchanged) == (1, 0, 3)
    assert titles() == ["T0", "T1", "T2"]
    back = take(library, *rows)
    assert (back.restored, back.unchanged) == (1, 3)
    assert titles() == ["T0", "T1", "T2", "T3"]
    assert not songs_waiting().exists(), "its emotion still holds"
    part = take(library, rows[0], is_whole=False)
    assert (part.missing, part.kept) == (0, 0)


def test_most_of_a_table_does_not_go_by_mistake(library: Library) -> None:
    rows = [{"id": n, "title": f"T{n}"} for n in range(5)]
    take(library, *rows)
    report = take(library, rows[0])
    assert (report.missing, report.kept) == (0, 4)
    assert report.kept_reason
    assert len(titles()) == 5
    assert take(library, rows[0], accept_empty=True).missing == 4
    assert titles() == ["T0"]


def test_a_row_that_cannot_be_used_takes_its_song_not_away(library: Library) -> None:
    rows: list[dict[str, Any]] = [{"id": n, "title": f"T{n}"} for n in range(4)]
    take(library, *rows)
    rows[1]["year"] = "soon"
    report = take(library, *rows)
    assert (report.refused, report.missing, report.kept) == (1, 0, 0)
    # A row whose song is not known may be of any.
    text = "\n".join([json.dumps(row) for row in rows[:2]] + ["{broken"])
    blind = table_take(library=library, text=text, kind="jsonl")
    assert (blind.refused, blind.missing, blind.kept) == (2, 0, 2)
    assert len(titles()) == 4


HOSTILE: list[tuple[str, str]] = [
    ('{"id": 1, "title": ["a"]}', "title"),
    ('{"id": {"a": 1}, "title": "x"}', "id"),
    ('{"id": 1, "title": ""}', "title"),
    ('{"artist": "nobody"}', "title"),
    ('{"id": 1, "title": "a\\u0000b"}', "title"),
    ('{"id": 1, "title": "a\\ud800b"}', "title"),
    ('{"id": "a\\u0000", "title": "x"}', "id"),
    (json.dumps({"id": "i" * 301, "title": "x"}), "id"),
    (json.dumps({"id": 1, "title": "x" * 301}), "title"),
    ('{"id": 1, "title": "x", "year": 99999}', "year"),
    ('{"id": 1, "title": "x", "year": -3}', "year"),
    ('{"id": 1, "title": "x", "bpm": NaN}', "bpm"),
    ('{"id": 1, "title": "x", "bpm": 1e400}', "bpm"),
    ('{"id": 1, "title": "x", "duration_seconds": -1}', "duration_seconds"),
    ('{"id": 1, "title": "x", "duration_seconds": Infinity}', "duration_seconds"),
    ('{"id": 1, "title": "x", "duration_seconds": "999:99:99"}', "duration_seconds"),
    ('{"id": 1, "title": "x", "key": "H sharp"}', "key"),
    ('{"id": 1, "title": "x", "isrc": 5}', ""),
    ('{"title": "x", "isrc": "nonsense"}', "isrc"),
    ('{"title": "x", "musicbrainz_recording_id": "nonsense"}', "musicbrainz_recording_id"),
    ('{"id": 1, "title": "x", "genres": [["a"]]}', "genres"),
    ('{"id": 1, "title": "x", "genres": {"a": 1}}', "genres"),
    (json.dumps({"id": 1, "title": "x", "genres": ["g" * 101]}), "genres"),
    ('{"id": 1, "title": "x", "track_number": 3.5}', "track_number"),
    ('{"id": 1, "title": "x", "replaygain_db": "loud"}', "replaygain_db"),
    (json.dumps({"id": 1, "title": "x", "lyrics": "a" * 1_000_001}), "lyrics"),
    ("[1]", ""),
    ("null", ""),
    ("{", ""),
    ("[" * 100_000, ""),
    ('{"id": ' + "9" * 5000 + ', "title": "x"}', ""),
]


@pytest.mark.parametrize(("row", "field"), HOSTILE)
def test_a_hostile_row_is_refused_alone(library: Library, row: str, field: str) -> None:
    text = f'{row}\n{{"id": "good", "title": "Good"}}'
    report = table_take(library=library, text=text, kind="jsonl")
    assert Song.objects.filter(title="Good").exists()
    if "isrc" in row and '"id"' in row:
        return  # the id is enough, and an ISRC is not stored
    assert (report.added, report.refused) == (1, 1)
    (problem,) = report.problems
    assert (problem.line, problem.field) == (1, field)
    assert len(problem.message) < 300
    problem.message.encode()


def test_a_line_of_ten_megabytes_and_its_field_of_many_lines_are_refused_alone(
    tmp_path: Path, library: Library
) -> None:
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "title", "lyrics"])
    writer.writerow(["1", "x" * 10_000_000, ""])
    writer.writerow(["2", "Huge", "one, two\n" * (MAX_ROW_CHARS // 4)])
    writer.writerow(["3", "Good", ""])
    file = tmp_path / "c.csv"
    file.write_text(out.getvalue())
    report = table_import(library=library, file=file)
    assert [(one.line, one.field) for one in report.problems] == [(2, ""), (3, "")]
    assert titles() == ["Good"], "no line of the lyrics became a song"
    lines = tmp_path / "c.jsonl"
    lines.write_text('{"id": 4, "title": "' + "y" * 10_000_000 + '"}\n{"id": 3, "title": "Good"}')
    again = table_import(library=library, file=lines)
    assert ([one.line for one in again.problems], again.unchanged) == ([1], 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\xff\xfei\x00d\x00",
        b"PK\x03\x04\x00\x00",
        b"path,artist\na,b\n",
    ],
)
def test_a_file_that_is_no_table_is_refused_with_a_sentence(
    tmp_path: Path, library: Library, data: bytes
) -> None:
    file = tmp_path / "c.csv"
    file.write_bytes(data)
    with pytest.raises(PathError) as error:
        table_import(library=library, file=file)
    str(error.value).encode()
    assert not Song.objects.exists()


def test_bytes_that_are_no_utf_8_spoil_their_row_alone(tmp_path: Path, library: Library) -> None:
    file = tmp_path / "c.csv"
    file.write_bytes(b"\xef\xbb\xbfTitle;Artist\r\nCaf\xe9;A\r\nGood;B\r\n")
    report = table_import(library=library, file=file)
    assert [(one.line, one.field) for one in report.problems] == [(2, "title")]
    assert titles() == ["Good"]


def test_the_second_row_of_a_song_is_refused(library: Library) -> None:
    report = take(library, *[{"id": 1, "title": title} for title in ("One", "Two")])
    assert (report.added, report.refused) == (1, 1)
    assert (report.problems[0].line, titles()) == (2, ["One"])


def test_the_model_reads_the_texts_alone(
    library: Library,
    fake_pipeline: FakePipeline,
    sent: Sent,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    one = {"id": 1, "title": "One", "artist": "A", "lyrics": LYRICS}
    with django_capture_on_commit_callbacks(execute=True):
        take(library, one, {"title": "Two"})
    ids = list(Song.objects.order_by("pk").values_list("pk", flat=True))
    assert ("catalog.analyse_songs", (ids,)) in sent
    assert analyse_songs.apply(args=[ids]).get() == {"analysed": 2, "failed": 0, "skipped": 0}
    assert [(one.path, one.title, one.artist, one.lyrics) for one in fake_pipeline.seen] == [
        (None, "One", "A", LYRICS),
        (None, "Two", None, None),
    ]
    assert set(Song.objects.values_list("status", "is_available")) == {("analysed", True)}


def test_no_code_for_files_touches_a_song_of_a_table(
    library: Library, fake_pipeline: FakePipeline
) -> None:
    take(library, {"id": 1, "title": "Same", "artist": "A", "duration_seconds": 180})
    song = Song.objects.get()
    analyse_all()
    for opens in (song_path, song_open):
        with pytest.raises(PathError, match="no audio"):
            opens(song)
    assert library.path not in roots_allowed()
    assert not songs_without_waveform().exists()
    assert not songs_without_estimate().exists()
    version = SongEmotion.objects.get().model_version
    other = SongFactory(
        title="Same", artist="A", album="", duration_seconds=180.0, status="analysed"
    )
    vector = SongEmotion.objects.get().fused_embedding
    SongEmotionFactory(song=other, model_version=version, fused_embedding=vector)
    Song.objects.update(is_recording_checked=False)
    recordings_link(model_version=version)
    assert set(Song.objects.values_list("recording", "fingerprint")) == {(None, b"")}
    with pytest.raises(PathError):
        library_rescan(library=library, user=None)
    for watch, hours in (("events", None), ("off", 3)):
        with pytest.raises(PathError):
            library_change(library=library, chosen=LibrarySettings("X", watch, hours))
    library_change(library=library, chosen=LibrarySettings("Renamed", "off", None))
    assert rescans_start() == 0
    with pytest.raises(PathError):
        catalogue_take(library=library, text="path,title\na,b", kind="csv")


def test_corrections_stay_until_the_row_changes(
    library: Library, fake_pipeline: FakePipeline
) -> None:
    row = {"id": 1, "title": "Wrong", "artist": "A"}
    take(library, row)
    songs_correct(song_ids=[Song.objects.get().pk], changes={"title": "Right"})
    assert take(library, row).unchanged == 1
    assert titles() == ["Right"]
    assert take(library, {**row, "artist": "B"}).changed == 1
    assert titles(artist="B") == ["Wrong"]


def test_a_song_that_staff_removed_stays_away_until_they_restore_it(library: Library) -> None:
    row = {"id": 1, "title": "One"}
    take(library, row)
    pk = Song.objects.get().pk
    songs_remove(song_ids=[pk])
    report = take(library, {**row, "title": "Uno"})
    assert (report.removed, report.added, titles()) == (1, 0, [])
    assert songs_restore(song_ids=[pk]) == 1
    assert titles() == ["One"]


def test_lyrics_that_are_none_leave_the_song_with_a_note(library: Library) -> None:
    assert take(library, {"id": 1, "title": "One", "lyrics": "[Instrumental]"}).added == 1
    song = Song.objects.get()
    assert (song.lyrics, song.lyrics_source, bool(song.lyrics_note)) == ("", "", True)


def test_lyrics_found_online_stay_while_the_table_has_none(library: Library) -> None:
    take(library, {"id": 1, "title": "One", "artist": "A"})
    Song.objects.update(lyrics=LYRICS, lyrics_source="lrclib")
    take(library, {"id": 1, "title": "One", "artist": "A", "year": 1999})
    assert Song.objects.get().lyrics == LYRICS
    take(library, {"id": 1, "title": "Other", "artist": "A", "year": 1999})
    assert Song.objects.get().lyrics == ""


def test_a_library_has_one_table_by_name_and_goes_with_its_songs(library: Library) -> None:
    assert table_library(name=" Research ") == library
    assert table_library(name="Other") != library
    with pytest.raises(PathError):
        table_library(name=" \0 ")
    take(library, {"id": 1, "title": "One", "artist": "A", "album": "B"})
    library_remove(library=library)
    with pytest.raises(PathError):
        take(library, {"id": 2, "title": "Two"})
    removed_delete(seconds=10)
    assert not Library.objects.filter(pk=library.pk).exists()
    for model in (Song, Artist, Album):
        assert not model.objects.exists()


def test_a_folder_is_no_table() -> None:
    with pytest.raises(PathError):
        take(LibraryFactory(), {"title": "One"})


def many(count: int) -> Iterable[str]:
    yield "id,title,artist,album,genres,lyrics\n"
    for n in range(count):
        yield f"{n},Title {n},Artist {n // 40},Album {n // 10},Rock; Pop,\n"


def test_queries_and_memory_do_not_grow_with_the_rows(
    tmp_path: Path, library: Library, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    file = tmp_path / "c.csv"
    file.write_text("".join(many(2000)))
    with django_assert_max_num_queries(1400) as first:
        assert table_import(library=library, file=file).added == 2000
    assert len(first.captured_queries) < 2000, "less than one for each song"
    tracemalloc.start()
    with django_assert_max_num_queries(60):
        assert table_import(library=library, file=file).unchanged == 2000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert Genre.objects.count() == 2


def test_the_command_imports_analyses_and_names_what_is_wrong(
    tmp_path: Path, fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.management.commands.ingest.GRACE_SECONDS", 0.0)
    file = tmp_path / "million.csv"
    file.write_text("id,title,year\n1,One,1999\n2,Two,soon\n")
    out = StringIO()
    call_command("ingest", str(file), "--wait", stdout=out)
    assert Library.objects.get().name == "million"
    assert "1 new songs" in out.getvalue()
    assert "million.csv, line 3, year: soon: is no year" in out.getvalue()
    assert "0 wait to be analysed" in out.getvalue()
    assert SongEmotion.objects.count() == 1
    for arguments in ([str(tmp_path / "absent.csv")], [str(tmp_path), "--name", "X"]):
        with pytest.raises(CommandError):
            call_command("ingest", *arguments)
    with pytest.raises(CommandError):
        call_command("ingest", str(file), "--dry-run")


class AnyTable(HypothesisCase):
    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=400), st.sampled_from(["csv", "jsonl"]))
    def test_any_text_is_taken_or_refused_with_sentences(self, text: str, kind: str) -> None:
        library = table_library(name="Any")
        if kind == "csv":
            text = "title,artist,year,genres\n" + text
        report = table_take(library=library, text=text, kind=kind)
        assert report.added == Song.objects.filter(library=library).count()
        for problem in report.problems:
            problem.message.encode()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('2,"Two,A', "up to line 6"),
        ('2,"Two" too,A', "up to line 3"),
        ('2,Two,"A', "up to line 6"),
        ('2,"Two,A\n3,Three 12",A', "its title goes on up to line 4"),
    ],
)
def test_a_quote_too_many_takes_no_song_away(library: Library, wrong: str, words: str) -> None:
    names = ("One", "Two", "Three", "Four", "Five")
    rows = [f"{n},{name},A" for n, name in enumerate(names, 1)]
    table_take(library=library, text="\n".join(["id,title,artist", *rows]), kind="csv")

    rows[1:2] = [wrong]
    report = table_take(
        library=library,
        text="\n".join(["id,title,artist", *rows]),
        kind="csv",
        accept_empty=True,
    )

    assert report.missing == 0
    assert titles() == sorted(names)
    assert any(problem.line == 3 and words in problem.message for problem in report.problems)


def test_a_header_with_an_open_quote_is_none(library: Library) -> None:
    with pytest.raises(PathError, match="names no columns"):
        table_take(library=library, text='id,"title\n1,One', kind="csv")


def test_a_new_column_of_ids_makes_no_song_another_one(
    library: Library, fake_pipeline: FakePipeline
) -> None:
    rows: list[dict[str, Any]] = [{"title": f"T{n}", "artist": "A"} for n in range(3)]
    take(library, *rows)
    analyse_all()
    songs = dict(Song.objects.values_list("title", "pk"))

    isrcs = [{**row, "isrc": f"USRC1760783{n}"} for n, row in enumerate(rows)]
    report = take(library, *isrcs)
    assert (report.added, report.missing) == (0, 0)
    ids = [{**row, "id": f"new-{n}"} for n, row in enumerate(isrcs)]
    report = take(library, *ids)
    assert (report.added, report.missing) == (0, 0)

    assert dict(Song.objects.values_list("title", "pk")) == songs
    assert set(Song.objects.values_list("status", flat=True)) == {"analysed"}
    assert sorted(Song.objects.values_list("relative_path", flat=True)) == [
        f"id/new-{n}" for n in range(3)
    ]
    assert take(library, *ids).unchanged == 3
    # The former keys are free again.
    assert take(library, *rows, is_whole=False).added == 3


def test_a_row_takes_no_song_of_another_row(library: Library) -> None:
    take(library, {"title": "One", "artist": "A"})
    pk = Song.objects.get().pk

    # The second has the key of the song itself; the first has it only besides.
    report = take(
        library, {"id": 1, "title": "One", "artist": "A"}, {"title": "One", "artist": "A"}
    )

    assert (report.added, report.unchanged, report.refused) == (1, 1, 0)
    assert Song.objects.get(pk=pk).relative_path.startswith("name/")


def test_a_new_column_keeps_the_song_of_a_row_that_cannot_be_used(library: Library) -> None:
    rows: list[dict[str, Any]] = [{"title": f"T{n}", "artist": "A"} for n in range(3)]
    take(library, *rows)

    report = take(library, *({**row, "id": n, "year": "soon"} for n, row in enumerate(rows)))

    assert (report.refused, report.missing, report.kept) == (3, 0, 0)
    assert titles() == ["T0", "T1", "T2"]


def test_lyrics_that_staff_typed_stay_when_the_row_changes(library: Library) -> None:
    row = {"id": 1, "title": "One", "artist": "A", "lyrics": LYRICS}
    take(library, row)
    Song.objects.update(lyrics="mine are better\nby far\n", lyrics_source="admin")

    assert take(library, {**row, "year": 1999}).changed == 1

    song = Song.objects.get()
    assert (song.year, song.lyrics_source) == (1999, "admin")
    assert "mine are better" in song.lyrics


def test_one_import_of_a_table_at_a_time(library: Library) -> None:
    other = table_library(name="Other")
    is_held, is_done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with table_held(library):
                is_held.set()
                is_done.wait(30)
        finally:
            connection.close()  # of this thread

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert is_held.wait(30)
        with pytest.raises(PathError, match="is being imported already"):
            take(library, {"id": 1, "title": "One"})
        assert take(other, {"id": 1, "title": "One"}).added == 1
    finally:
        is_done.set()
        holder.join()
    assert take(library, {"id": 1, "title": "One"}).added == 1
