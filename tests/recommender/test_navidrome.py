"""Smart playlists of Navidrome: rules that its reader takes, and files that are replaced or not."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from recommender.moods import MOODS, said
from recommender.navidrome import smart_playlist

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> str:
    out = io.StringIO()
    call_command("navidrome_playlists", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_rules() -> None:
    playlist = json.loads(smart_playlist("calm", bpm=(60, 90), count=50))
    assert playlist == {
        "name": "Calm",
        "comment": "Made by Affetti: songs whose tag says calm",
        "all": [{"is": {"mood": "calm"}}, {"inTheRange": {"bpm": [60, 90]}}],
        "sort": "random",
        "limit": 50,
    }


def test_a_file_for_every_mood_with_the_words_that_are_written(tmp_path: Path) -> None:
    out = run(tmp_path)
    words = {said(mood) for mood in MOODS.values()}
    assert {path.name for path in tmp_path.iterdir()} == {f"affetti-{word}.nsp" for word in words}
    assert "write_tags" in out
    for path in tmp_path.iterdir():
        (rule,) = json.loads(path.read_text())["all"]
        assert rule["is"]["mood"] in words


def test_an_alias_and_a_tempo(tmp_path: Path) -> None:
    run(tmp_path, "--mood", "chilled", "--bpm", "60-90", "--count", "500")
    playlist = json.loads((tmp_path / "affetti-calm.nsp").read_text())
    assert playlist["limit"] == 500
    assert playlist["all"][1] == {"inTheRange": {"bpm": [60, 90]}}


def test_ours_is_replaced_and_another_is_not(tmp_path: Path) -> None:
    run(tmp_path, "--mood", "calm")
    run(tmp_path, "--mood", "calm", "--count", "7")
    path = tmp_path / "affetti-calm.nsp"
    assert json.loads(path.read_text())["limit"] == 7
    for other in ("{}", "no json", '{"comment": "mine"}'):
        path.write_text(other)
        with pytest.raises(CommandError, match="not of Affetti"):
            run(tmp_path, "--mood", "calm")
        assert path.read_text() == other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mood", "nothing"], "no mood nothing"),
        (["--bpm", "120-90"], "no range"),
        (["--bpm", "fast"], "no range"),
        (["--count", "0"], "from 1 to 500"),
        (["--count", "9" * 5000], "from 1 to 500"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(tmp_path, *arguments)
    assert not list(tmp_path.iterdir())


def test_an_absent_folder(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        run(tmp_path / "absent", "--mood", "calm")
