"""Backup, destruction and restore of whole installations, in both modes."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.integration.stack import Stack, services_require

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.stack import Migrated

pytestmark = pytest.mark.integration

FILL = """
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from recommender.models import Listen, Playlist, PlaylistEntry
from catalog.models import ModelVersion
from tests.factories import MODEL_VERSION, SongEmotionFactory, UserFactory
ModelVersion.objects.create(name=MODEL_VERSION, checkpoint="affetti", is_serving=True)
user = UserFactory(username="ada", is_staff=True)
emotions = SongEmotionFactory.create_batch(12)
song = emotions[3].song
song.title, song.leased_by, song.leased_at = "Ä ' \\\\ \\u4f60 \\n", "w@gone", timezone.now()
song.save()
playlist = Playlist.objects.create(user=user, name="p", request={"moods": ["calm"]}, seed=2**31,
    model_version="m", notes=["a note"])
PlaylistEntry.objects.create(playlist=playlist, position=0, song=song, score=0.5)
Listen.objects.create(user=user, song=song, listened_at=timezone.now())
session = SessionStore(); session["a"] = 1; session.save(); print(session.session_key)
"""
KEPT = (
    *("catalog_library", "catalog_songemotion", "recommender_playlist"),
    *("recommender_playlistentry", "recommender_listen", "auth_user", "django_migrations"),
)


def fill(stack: Stack) -> str:
    return stack.manage("shell", "--no-imports", "-c", FILL).split()[-1]


def everything(stack: Stack) -> dict[str, list[str]]:
    """Return every row of the tables that a backup keeps, but when each migration was applied."""
    found = {}
    for table in KEPT:
        columns = "app, name" if table == "django_migrations" else "*"
        rows = stack.rows(f"SELECT {columns} FROM {table}")
        found[table] = sorted(
            repr([bytes(v) if isinstance(v, memoryview) else v for v in row]) for row in rows
        )
    found["songs"] = sorted(map(repr, stack.rows("SELECT id, title, artist FROM catalog_song")))
    return found


def destroy(stack: Stack) -> None:
    """As after the loss of the disk: nothing is left, not even tables."""
    shutil.rmtree(stack.folder / "var")
    if "DATABASE_URL" in stack.env:
        with psycopg.connect(stack.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")


def failure(stack: Stack, *arguments: str) -> str:
    with pytest.raises(AssertionError) as caught:
        stack.manage(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("options", [(), ("--portable",)], ids=["own form", "portable"])
def test_a_destroyed_installation_is_restored(stack: Stack, options: tuple[str, ...]) -> None:
    session = fill(stack)
    before, file = everything(stack), stack.folder / "affetti.backup"
    stack.manage("backup", str(file), *options)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in stack.folder.iterdir()) == ["affetti.backup", "var"]
    with zipfile.ZipFile(file) as archive:
        assert all(session.encode() not in archive.read(name) for name in archive.namelist())
        settings = json.loads(archive.read("manifest.json"))["settings"]
        assert settings["AFFETTI_ANALYSIS_BATCH_SIZE"] == "4"
        assert not {"AFFETTI_SECRET_KEY", "DATABASE_URL", "REDIS_URL"} & settings.keys()
    destroy(stack)
    said = stack.manage("restore", str(file))
    assert "Restored 12 songs and 1 accounts" in said
    assert everything(stack) == before
    assert stack.count("django_session") == 0
    assert stack.count("recommender_indexbuild") == 0
    assert stack.count("catalog_song", "leased_by <> ''") == 0
    stack.manage("migrate", "--check")
    # Ids go on where they were.
    stack.manage(
        "shell", "--no-imports", "-c", "from tests.factories import *; LibraryFactory(root='/new')"
    )
    assert stack.count("catalog_library") == len(before["catalog_library"]) + 1


def test_what_is_there_is_replaced_only_by_name(stack: Stack) -> None:
    fill(stack)
    stack.manage("build_index")
    before, file = everything(stack), stack.folder / "affetti.backup"
    stack.manage("backup", str(file))
    assert "BACKUP_EXISTS" in failure(stack, "backup", str(file))
    stack.rows("UPDATE auth_user SET username = 'eve'")
    stack.rows("CREATE TABLE catalog_later (id integer)")
    assert "BACKUP_TARGET_NOT_EMPTY" in failure(stack, "restore", str(file))
    assert stack.count("auth_user", "username = 'eve'") == 1
    stack.manage("restore", str(file), "--replace")
    assert everything(stack) == before
    # The index is of other rows, so it is gone, too.
    folder = stack.folder / "var/indexes"
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []
    assert "12 songs" in stack.manage("build_index")


def test_a_damaged_backup_changes_nothing(stack: Stack) -> None:
    fill(stack)
    before, file = everything(stack), stack.folder / "affetti.backup"
    stack.manage("backup", str(file))
    whole = file.read_bytes()
    for name, data in {
        "middle": whole[: len(whole) // 2] + b"\0" * 64 + whole[len(whole) // 2 + 64 :],
        "short": whole[:-2000],
    }.items():
        damaged = stack.folder / name
        damaged.write_bytes(data)
        assert "BACKUP_DAMAGED" in failure(stack, "restore", str(damaged), "--replace")
    assert everything(stack) == before


KILLED = """
import os, signal, sqlite3
from pathlib import Path
from types import SimpleNamespace
from recommender.backup import backup_write, databases, restore_read, run

def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

class HalfWay(sqlite3.Connection):
    def backup(self, target):
        at_half = lambda _, left, total: killed() if left < total / 2 else None
        super().backup(target, pages=5, progress=at_half)

def half_way(path):
    return sqlite3.connect(path, factory=HalfWay)
"""
BACKUPS_KILLED = {
    "before it is written": "run.archive_write = killed",
    "before it has its name": "Path.rename = killed",
}
RESTORES_KILLED = {
    "before the database": "run.copy_check = killed",
    "with the database untouched": "run.copy_restore = killed",
    "in the database": "databases.sqlite3 = SimpleNamespace(connect=half_way, "
    "OperationalError=sqlite3.OperationalError, DatabaseError=sqlite3.DatabaseError)",
    "after the database": "run._settle = killed",
}


def kill(stack: Stack, fault: str, call: str) -> None:
    code = f"{KILLED}\n{fault}\n{call}"
    process = stack.start("python", "manage.py", "shell", "--no-imports", "-c", code)
    assert process.wait(timeout=120) == -9


@pytest.mark.parametrize("when", BACKUPS_KILLED)
def test_a_killed_backup_leaves_nothing_for_long(stack: Stack, when: str) -> None:
    fill(stack)
    file = stack.folder / "affetti.backup"
    (stack.folder / ".affetti-notes").mkdir()
    kill(stack, BACKUPS_KILLED[when], f"backup_write(Path({str(file)!r}))")
    assert not file.exists()
    assert len(list(stack.folder.glob(".affetti-work-*"))) == 1
    stack.manage("backup", str(file))
    left = sorted(path.name for path in stack.folder.iterdir() if path.suffix != ".log")
    assert left == [".affetti-notes", "affetti.backup", "var"]


def check(stack: Stack) -> str:
    return stack.run("sh", "-c", "python manage.py check 2>&1")


# In full mode psql is another process, which ends its one transaction or does not begin it.
@pytest.mark.parametrize(
    ("stack", "when"),
    [
        (mode, when)
        for mode in ("full", "embedded")
        for when in RESTORES_KILLED
        if (mode, when) != ("full", "in the database")
    ],
    indirect=["stack"],
)
def test_a_killed_restore_loses_nothing(stack: Stack, when: str) -> None:
    fill(stack)
    kept, file = everything(stack), stack.folder / "affetti.backup"
    stack.manage("backup", str(file))
    stack.rows("UPDATE auth_user SET username = 'eve'")
    changed = everything(stack)
    kill(stack, RESTORES_KILLED[when], f"restore_read(Path({str(file)!r}), is_replacing=True)")
    assert everything(stack) == (kept if when == "after the database" else changed)
    hint = f"manage.py restore {file} --replace"
    assert (hint in check(stack)) == (when != "before the database")
    stack.manage("restore", str(file), "--replace")
    assert everything(stack) == kept
    assert "recommender.W002" not in check(stack)
    var = stack.folder / "var"
    assert [path.name for path in var.iterdir() if "affetti-work" in path.name] == []


def test_a_backup_is_of_one_moment(stack: Stack) -> None:
    """A process writes pairs meanwhile; no backup holds half a pair."""
    code = (
        "from django.db import transaction\n"
        "from tests.factories import LibraryFactory\n"
        "for n in range(100_000):\n"
        "    with transaction.atomic():\n"
        "        LibraryFactory(root=f'/a{n}'); LibraryFactory(root=f'/b{n}')\n"
    )
    writer = stack.start("python", "manage.py", "shell", "--no-imports", "-c", code)
    stack.wait_until(lambda: stack.count("catalog_library") > 20, "the writer writes", seconds=60)
    for number, options in enumerate([(), ("--portable",)]):
        stack.manage("backup", str(stack.folder / f"{number}.backup"), *options)
    stack.kill(writer)
    for number in range(2):
        stack.manage("restore", str(stack.folder / f"{number}.backup"), "--replace")
        pairs = stack.rows("SELECT root FROM catalog_library")
        names = [root for (root,) in pairs]
        assert len(names) > 20
        assert {name[2:] for name in names if name[1] == "a"} == {
            name[2:] for name in names if name[1] == "b"
        }


def test_from_one_database_to_the_other(tmp_path: Path, migrated: Migrated) -> None:
    services_require()
    stacks = [Stack(tmp_path / name, is_full=name == "full") for name in ("embedded", "full")]
    try:
        for stack in stacks:
            stack.folder.mkdir(exist_ok=True)
            stack.migrate(migrated)
        here, there = stacks
        fill(here)
        own, portable = tmp_path / "own.backup", tmp_path / "portable.backup"
        here.manage("backup", str(own))
        here.manage("backup", str(portable), "--portable")
        assert "BACKUP_OTHER_DATABASE" in failure(there, "restore", str(own))
        there.manage("restore", str(portable))
        query = "SELECT id, title, artist, year FROM catalog_song ORDER BY id"
        assert there.rows(query) == here.rows(query)
        assert there.count("recommender_playlistentry") == 1
    finally:
        for stack in stacks:
            stack.close()
