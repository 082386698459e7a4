"""What is refused as a backup; `tests/integration/test_backup.py` makes and restores real ones."""

from __future__ import annotations

import io
import json
import re
import stat
import tarfile
import zipfile
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Library
from recommender.backup import backup_write, databases, restore_read
from recommender.backup.archive import archive_write, manifest_read, member_extract
from recommender.backup.run import NEVER_KEPT, SECRETS, _facts
from recommender.errors import BackupError
from tests.factories import SongEmotionFactory
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

    from recommender.backup import Manifest

pytestmark = pytest.mark.django_db


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A backup with a copy that is no database: whoever opens the copy has gone too far."""
    copy = tmp_path / "copy"
    copy.write_bytes(b"not a database " * 1000)
    archive_write(tmp_path / "a.backup", copy, _facts("portable", ()))
    copy.unlink()
    return tmp_path / "a.backup"


def code_of(path: Path) -> str:
    with pytest.raises(BackupError) as caught:
        restore_read(path)
    assert str(path) in str(caught.value)
    return caught.value.code


def rewrite(path: Path, change: Callable[[Manifest], Manifest]) -> None:
    """Give an archive another manifest, with the right checksum."""
    manifest = change(manifest_read(path))
    with zipfile.ZipFile(path) as old:
        data = old.read("database.jsonl")
    with zipfile.ZipFile(path, "w") as new:
        new.writestr("manifest.json", manifest.to_bytes())
        new.writestr("database.jsonl", data)


def tar_bytes() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/passwd"))
    return held.getvalue()


def zip_bytes(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"some text",
        b"SQLite format 3\0" + bytes(100),
        tar_bytes(),
        zip_bytes(other=b"1"),
        zip_bytes(**{"manifest.json": b"[]"}),
        zip_bytes(**{"manifest.json": b'{"format": "other"}'}),
        zip_bytes(**{"manifest.json": b" " * 5_000_000}),
    ],
    # Archives hold the time; names made from them would differ between processes.
    ids=["empty", "text", "sqlite", "tar", "bare", "list", "other format", "large manifest"],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert code_of(path) == "BACKUP_FOREIGN"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert code_of(tmp_path / "nothing") == "BACKUP_MISSING"
    assert code_of(tmp_path) == "BACKUP_UNREADABLE"


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "manifest.json", "database.sqlite3", "x/"]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_members_are_refused(archive: Path, name: str) -> None:
    with zipfile.ZipFile(archive, "a") as held:
        held.writestr(name, b"1")
    assert code_of(archive) in ("BACKUP_FOREIGN", "BACKUP_DAMAGED")


def test_any_damage_is_found(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    for at in range(0, len(whole), 7):
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        target = tmp_path / f"copy-{at}"
        try:
            member_extract(archive, manifest_read(archive), target)
        except BackupError:
            continue
        # Harmless: a date or an attribute of a member. Every byte of the copy was verified.
        assert target.read_bytes() == b"not a database " * 1000
    for size in range(0, len(whole), 97):
        archive.write_bytes(whole[:size])
        assert code_of(archive) in ("BACKUP_FOREIGN", "BACKUP_DAMAGED")


def test_a_longer_copy_than_promised_is_not_unpacked(archive: Path, tmp_path: Path) -> None:
    rewrite(archive, lambda manifest: replace(manifest, size=10))
    assert code_of(archive) == "BACKUP_DAMAGED"


def test_newer_ones_are_refused(archive: Path) -> None:
    rewrite(archive, lambda m: replace(m, migrations={**m.migrations, "catalog": ["9999_later"]}))
    assert code_of(archive) == "BACKUP_NEWER"
    rewrite(archive, lambda m: replace(m, format_version=2))
    assert code_of(archive) == "BACKUP_NEWER"


def test_a_newer_format_with_other_fields_is_called_newer(archive: Path) -> None:
    plain = {"format": "affetti-backup", **asdict(manifest_read(archive))}
    plain |= {"format_version": 7, "extra": 1}
    with zipfile.ZipFile(archive, "w") as held:
        held.writestr("manifest.json", json.dumps(plain))
    assert code_of(archive) == "BACKUP_NEWER"


def test_a_portable_one_of_an_earlier_release_names_the_way(archive: Path) -> None:
    rewrite(archive, lambda m: replace(m, migrations={}))
    assert code_of(archive) == "BACKUP_OLDER"


def test_a_filled_database_is_kept(archive: Path) -> None:
    SongEmotionFactory()
    with pytest.raises(CommandError, match=r"BACKUP_TARGET_NOT_EMPTY.*--replace"):
        call_command("restore", str(archive))
    assert Library.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_is_no_database_changes_nothing(
    archive: Path, settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path
    SongEmotionFactory()
    with pytest.raises(CommandError, match="BACKUP_DAMAGED"):
        call_command("restore", str(archive), "--replace")
    assert Library.objects.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.django_db(transaction=True)
def test_secrets_are_kept_by_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": "postgres://u:geheim@h/d",
        "AFFETTI_SECRET_KEY": "geheim",
        "AFFETTI_SECRET_KEY_FALLBACKS": "auch geheim",
        "AFFETTI_OIDC_SECRET": "geheim",
        "AFFETTI_STORE_OPTIONS": '{"s3://a": {"secret": "geheim"}}',
        "AFFETTI_SIGNUP": "false",
    }.items():
        monkeypatch.setenv(name, value)
    plain = backup_write(tmp_path / "1", is_portable=True)
    assert plain.settings["AFFETTI_SIGNUP"] == "false"
    assert "geheim" not in str(plain.settings)
    named = backup_write(tmp_path / "2", is_portable=True, with_settings=["DATABASE_URL"])
    assert named.settings["DATABASE_URL"] == "postgres://u:geheim@h/d"
    assert "AFFETTI_SECRET_KEY" not in named.settings
    assert stat.S_IMODE((tmp_path / "2").stat().st_mode) == 0o600
    with pytest.raises(CommandError):
        call_command("backup", str(tmp_path / "3"), "--with-setting", "AFFETTI_SECRET_KEY")
    with pytest.raises(CommandError, match="BACKUP_EXISTS"):
        call_command("backup", str(tmp_path / "2"))


def test_every_setting_that_sounds_secret_counts_as_one() -> None:
    read = (ROOT / "recommender/settings.py").read_text()
    names = set(re.findall(r'"(AFFETTI_[A-Z_]*(?:KEY|KEYS|SECRET|TOKEN|PASSWORD|OPTIONS))"', read))
    assert "AFFETTI_BUNDLE_KEY" in names
    assert names - {"AFFETTI_THROTTLE_KEYS"} <= {*SECRETS, *NEVER_KEPT}


def test_without_pg_dump_a_backup_is_portable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases.shutil, "which", lambda name: None)
    monkeypatch.setattr(databases, "connection", SimpleNamespace(vendor="postgresql"))
    assert databases.form_of(is_portable=False) == "portable"
