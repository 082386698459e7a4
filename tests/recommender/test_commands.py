from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from catalog.ingest import reading
from recommender.errors import IndexBusyError
from recommender.history import listen_record
from recommender.management.commands import build_index, prepare
from recommender.models import IndexBuild
from tests.factories import LibraryFactory, SongEmotionFactory, UserFactory

pytestmark = pytest.mark.django_db


def run(*arguments: object) -> str:
    out = io.StringIO()
    call_command(*(str(argument) for argument in arguments), stdout=out)
    return out.getvalue()


def songs_of(*arguments: object) -> list[int]:
    plain = json.loads(run("playlist", *arguments, "--seed", 1, "--format", "json"))
    return [entry["song_id"] for entry in plain["entries"]]


def test_build_index() -> None:
    SongEmotionFactory.create_batch(3)
    out = run("build_index")
    assert out.startswith("Index of 3 songs built in ")
    assert IndexBuild.objects.get().directory in out


def test_build_index_of_nothing() -> None:
    assert run("build_index").startswith("Index of 0 songs")


def test_build_index_while_another_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*, is_full: bool) -> None:
        raise IndexBusyError("The index is being built by another process")

    monkeypatch.setattr(build_index, "index_build", busy)
    with pytest.raises(CommandError, match="another process; wait"):
        run("build_index")


def test_every_kind_of_target() -> None:
    songs = [emotion.song_id for emotion in SongEmotionFactory.create_batch(12)]
    user = UserFactory(username="ann")
    listen_record(user=user, song_id=songs[3])
    for target in (
        ["--mood", "calm,sad:0.5", "--mood", "dark"],
        ["--valence", 0.2, "--arousal", 0.9],
        ["--history", "ann"],
    ):
        assert len(songs_of(*target, "--count", 5, "--min-match", 0)) == 5
    assert set(songs_of("--like", songs[0], songs[1])) <= set(songs) - {songs[0], songs[1]}
    assert len(songs_of("--mood", "calm", "--genre", "rock", "--min-match", 0)) == 4


def test_text_table() -> None:
    song = SongEmotionFactory(song__artist="The Somebodies", song__title="A Song").song
    out = run("playlist", "--mood", "calm", "--seed", 7, "--min-match", 0)
    assert f"{song.pk:6}  The Somebodies" in out
    assert "A Song" in out
    assert "Target: valence 0.70, arousal 0.20, calmness 100%" in out
    assert "1 of 20 songs: no more are left." in out
    assert "Seed 7, model affetti-00000000" in out


def test_json_says_how_to_make_it_again() -> None:
    SongEmotionFactory.create_batch(4)
    command = ("playlist", "--mood", "calm:2", "--count", 2, "--min-match", 0)
    plain = json.loads(run(*command, "--format", "json"))
    assert plain["request"] == {
        "moods": [{"name": "calm", "weight": 2.0}],
        "count": 2,
        "min_match": 0.0,
    }
    assert {"song_id", "title", "artist", "score", "reason"} == set(plain["entries"][0])
    again = run(*command, "--seed", plain["seed"], "--format", "json")
    assert json.loads(again)["entries"] == plain["entries"]


def test_m3u8_has_absolute_paths() -> None:
    root = Path(settings.AFFETTI_CATALOG_ROOTS[0])
    root.mkdir()
    (root / "one.flac").write_bytes(b"x")
    SongEmotionFactory(
        song__library=LibraryFactory(root=str(root)),
        song__relative_path="one.flac",
        song__artist="A",
        song__title="B",
    )
    lines = run("playlist", "--mood", "calm", "--min-match", 0, "--format", "m3u8").splitlines()
    assert lines == ["#EXTM3U", "#EXTINF:180,A - B", str(root.resolve() / "one.flac")]


def test_m3u8_leaves_out_a_file_that_is_gone_and_says_so() -> None:
    root = Path(settings.AFFETTI_CATALOG_ROOTS[0])
    root.mkdir()
    library = LibraryFactory(root=str(root))
    for name in ("one.flac", "two.flac", "three.flac"):
        (root / name).write_bytes(b"x")
        SongEmotionFactory(song__library=library, song__relative_path=name)
    (root / "two.flac").unlink()
    out, err = io.StringIO(), io.StringIO()
    command = ("playlist", "--mood", "calm", "--min-match", 0, "--format", "m3u8")
    call_command(*command, stdout=out, stderr=err)
    lines = out.getvalue().splitlines()
    assert lines[1] == "# One song is left out: its file is gone."
    assert {Path(line).name for line in lines if line[0] != "#"} == {"one.flac", "three.flac"}
    assert f"{root / 'two.flac'}: left out" in err.getvalue()

    (root / "one.flac").unlink()
    (root / "three.flac").unlink()
    assert run(*command).splitlines() == [
        "#EXTM3U",
        "# 3 songs are left out: their files are gone.",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "REQUEST_INVALID"),
        (["--valence", "0.5"], "valence and arousal together"),
        (["--valence", "2", "--arousal", "0"], "valence must be"),
        (["--mood", "calm:much"], "'much' is no weight"),
        (["--mood", "calm", "--count", "0"], "count must be from 1"),
        (["--history", "nobody"], "no user 'nobody'"),
        (["--like", "999999"], "SONG_NOT_FOUND"),
    ],
)
def test_mistakes_are_named(arguments: list[str], message: str) -> None:
    SongEmotionFactory()
    with pytest.raises(CommandError, match=message):
        run("playlist", *arguments)


def test_empty_catalogue() -> None:
    with pytest.raises(CommandError, match="CATALOG_EMPTY"):
        run("playlist", "--mood", "calm")


class TestPrepare:
    @pytest.fixture(autouse=True)
    def no_statics(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def run_ingest_only(name: str, *arguments: object, **options: object) -> None:
            if name == "ingest":
                call_command(name, *arguments, **options)

        monkeypatch.setattr(prepare, "call_command", run_ingest_only)
        monkeypatch.setattr(prepare, "_port_check", lambda _: None)

    def test_a_known_folder_that_is_absent_or_empty_is_served_past(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        music = tmp_path / "music"
        SongEmotionFactory(song__library=LibraryFactory(root=str(music)))
        for _ in range(2):
            call_command("prepare", "--music", str(music))
            printed = capsys.readouterr()
            assert "serving what is there" in printed.err
            assert "Affetti plays at" in printed.out
            music.mkdir(exist_ok=True)
        assert "FILES_VANISHED" in printed.err

    def test_a_folder_that_was_never_there_ends_it(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="no such file or folder"):
            call_command("prepare", "--music", str(tmp_path / "mistyped"))

    def test_a_file_that_raises_anything_does_not_stop_it(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "a.mp3").write_bytes(b"x")

        def surprise(*_: object, **__: object) -> object:
            raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte")

        monkeypatch.setattr(reading, "read_file", surprise)
        call_command("prepare", "--music", str(tmp_path))
        printed = capsys.readouterr().out
        assert "a.mp3: FILE_READ_FAILED: reading it raised UnicodeDecodeError" in printed
        assert "Affetti plays at" in printed
