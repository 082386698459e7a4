from __future__ import annotations

import json
import os
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.ingest.editing import songs_remove
from catalog.ingest.rehearsal import ingest_rehearse
from catalog.models import BackgroundJob, Song
from tests.catalog.conftest import write_tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.catalog.conftest import Sent

pytestmark = pytest.mark.django_db(transaction=True)


def every_row() -> dict[str, list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        rows = {}
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}" ORDER BY 1')
            rows[model._meta.db_table] = cursor.fetchall()
    return rows


def disturb(music: Path) -> None:
    """Change a library that has been ingested in every way that an ingest tells apart."""
    write_tone(music / "new.wav", hz=1000)
    write_tone(music / "z/twin of new.wav", hz=1000)  # of a file that is new itself, batches later
    for number in range(20):
        write_tone(music / f"many/{number}.wav", hz=1100 + 10 * number)
    write_tone(music / "changed.wav", hz=2000)
    (music / "moved.wav").rename(music / "b moved.wav")
    (music / "gone.wav").unlink()
    (music / "copy.wav").write_bytes((music / "kept.wav").read_bytes())
    (music / "words.txt").write_text(
        "The river runs below the town\nI carry all my letters down\nAnd every word I wrote to "
        "you\nIs washed away before the blue\nThe evening falls on open doors\n"
    )
    (music / "bad.mp3").write_text("no audio")
    (music / "old.ape3").write_text("nothing")
    (music / "old.wma2").write_text("nothing")
    (music / "tune.mid").write_bytes(b"MThd")
    (music / "@eaDir").mkdir()
    one, two = (music / "swap1.wav").read_bytes(), (music / "swap2.wav").read_bytes()
    (music / "swap1.wav").write_bytes(two)
    (music / "swap2.wav").write_bytes(one)
    for name in ("swap1.wav", "swap2.wav"):
        os.utime(music / name, ns=(1, 10**18))


@pytest.fixture
def library(music_dir: Path, ingest: Callable[..., BackgroundJob]) -> Path:
    names = ["changed", "gone", "kept", "moved", "removed", "swap1", "swap2", "words"]
    for number, name in enumerate(names):
        write_tone(music_dir / f"{name}.wav", hz=200 + 50 * number)
    ingest()
    songs_remove(song_ids=[Song.objects.get(relative_path="removed.wav").pk])
    disturb(music_dir)
    return music_dir


def test_a_dry_run_counts_what_the_real_run_counts(
    library: Path, ingest: Callable[..., BackgroundJob], sent: Sent
) -> None:
    before = every_row()

    (found,) = ingest_rehearse(path=library)

    assert every_row() == before
    assert sent == []
    real = ingest().result
    assert found.counts == {name: real[name] for name in found.counts}
    assert {
        name: found.counts[name]
        for name in ("added", "changed", "moved", "duplicates", "missing", "removed", "failed")
    } == {
        "added": 21,
        "changed": 2,
        "moved": 3,
        "duplicates": 2,
        "missing": 1,
        "removed": 1,
        "failed": 1,
    }
    by_name = {one.name: one for one in found.files}
    assert by_name["bad.mp3"].code == "AUDIO_CORRUPT"
    assert by_name["@eaDir"].what == "left_out"
    assert by_name["@eaDir"].reason
    assert by_name["gone.wav"].what == "missing"
    assert by_name["z/twin of new.wav"].what == "duplicates"


def test_the_tables_are_the_stored_ones_again(library: Path) -> None:
    count = Song.objects.count()
    ingest_rehearse(path=library)
    assert Song.objects.count() == count
    assert not BackgroundJob.objects.filter(worker__contains="dry").exists()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            assert cursor.execute("PRAGMA foreign_keys").fetchone() == (1,)
            assert cursor.execute("SELECT name FROM temp.sqlite_master").fetchall() == []


def test_it_says_what_would_end_the_ingest(
    library: Path, ingest: Callable[..., BackgroundJob]
) -> None:
    ingest()
    for path in library.glob("*.wav"):
        path.unlink()
    for path in (library / "many").iterdir():
        path.unlink()
    (found,) = ingest_rehearse(path=library)
    assert found.code == "FILES_VANISHED"
    (found,) = ingest_rehearse(path=library, accept_empty=True)
    assert found.code == ""
    assert found.counts["missing"] > 20


def test_a_folder_behind_a_link_is_told_too(tmp_path: Path, music_dir: Path) -> None:
    write_tone(music_dir / "a.wav")
    write_tone(tmp_path / "elsewhere/b.wav", hz=300)
    (music_dir / "link").symlink_to(tmp_path / "elsewhere")
    first, second = ingest_rehearse(path=music_dir)
    assert (first.counts["added"], second.counts["added"]) == (1, 1)
    assert second.path == str(tmp_path / "elsewhere")


def test_the_command_tells_it_in_words_and_as_json(library: Path) -> None:
    out = StringIO()
    call_command("ingest", str(library), "--dry-run", stdout=out)
    assert "     21 new songs" in out.getvalue()
    assert "  new songs: and 1 more; --json names all" in out.getvalue()
    assert "  failed: bad.mp3: AUDIO_CORRUPT: " in out.getvalue()
    out = StringIO()
    call_command("ingest", str(library), "--dry-run", "--json", stdout=out)
    (told,) = json.loads(out.getvalue())["dry_run"]
    assert told["counts"]["added"] == 21
    assert {"what": "added", "name": "new.wav", "code": "", "reason": ""} in told["files"]


def test_a_path_that_is_absent_ends_with_two(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as error:
        call_command("ingest", str(tmp_path / "absent"), "--dry-run")
    assert error.value.returncode == 2
    with pytest.raises(CommandError, match="--dry-run"):
        call_command("ingest", str(tmp_path), "--json")
