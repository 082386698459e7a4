"""Backup and restore of an installation."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from catalog import analysis
from catalog.changes import everything_changed
from catalog.models import Song
from mer.errors import CheckpointError
from recommender.backup.archive import archive_write, manifest_read, member_extract
from recommender.backup.databases import (
    copy_check,
    copy_restore,
    copy_write,
    form_of,
    portable_models,
)
from recommender.backup.workplace import restore_noted, workplace
from recommender.errors import BackupError
from recommender.index.builds import builds_forget
from recommender.settings import env

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from recommender.backup.archive import Manifest

NEVER_KEPT: Final = frozenset({"AFFETTI_SECRET_KEY", "AFFETTI_SECRET_KEY_FALLBACKS"})
SECRETS: Final = (
    *("DATABASE_URL", "REDIS_URL", "AFFETTI_BUNDLE_KEY", "AFFETTI_MCP_TOKEN"),
    *("AFFETTI_METRICS_TOKEN", "AFFETTI_OIDC_SECRET", "AFFETTI_QDRANT_API_KEY"),
    "AFFETTI_STORE_OPTIONS",
)
"""Settings that hold passwords or keys; they are in a backup only if asked for by name."""


def backup_write(
    path: Path, *, is_portable: bool = False, with_settings: Iterable[str] = ()
) -> Manifest:
    """Write a backup to `path`, a new file that only its owner may read.

    Raises `BackupError`. `with_settings` are names of `SECRETS`.
    """
    if path.exists():
        raise BackupError("BACKUP_EXISTS", f"{path} exists; a backup is never written over")
    form = form_of(is_portable=is_portable)
    try:
        with workplace(path.parent) as folder:
            copy, archive = folder / "copy", folder / "archive"
            copy_write(form, copy)
            manifest = archive_write(archive, copy, _facts(form, with_settings))
            archive.rename(path)
            return manifest
    except OSError as error:
        raise BackupError("BACKUP_UNWRITABLE", f"{path} cannot be written: {error}") from error


def restore_read(path: Path, *, is_replacing: bool = False) -> Manifest:
    """Put the backup `path` in the place of the database, after all checks have passed.

    Raises `BackupError`, and has then changed nothing. Without `is_replacing` it refuses a database
    that holds anything. Index builds are deleted; the scheduler builds a new one.
    """
    manifest = manifest_read(path)
    _migrations_check(path, manifest)
    if not is_replacing and (label := _first_filled()):
        raise BackupError(
            "BACKUP_TARGET_NOT_EMPTY",
            f"The database here holds rows of {label}. Give --replace to lose them",
        )
    _space_check(path, manifest)
    with workplace(settings.VAR_DIR) as folder:
        copy = folder / ("copy.jsonl" if manifest.form == "portable" else "copy")
        member_extract(path, manifest, copy)
        copy_check(manifest.form, copy)
        if manifest.form == "portable":
            call_command("migrate", verbosity=0)
        with restore_noted(path):
            copy_restore(manifest.form, copy)
            _settle()
    return manifest


def _settle() -> None:
    """Bring the database that was restored up to this release, and to a time without workers."""
    call_command("migrate", verbosity=0)
    builds_forget()
    everything_changed()
    # Whoever held a song is gone.
    Song.objects.exclude(leased_by="").update(leased_by="", leased_at=None)
    Song.objects.exclude(queued_at=None).update(queued_at=None)


def _facts(form: str, with_settings: Iterable[str]) -> dict[str, Any]:
    try:
        serving = analysis.serving_version()
    except CheckpointError:
        serving = ""
    return {
        "app_version": _app_version(),
        "created_at": timezone.now().isoformat(),
        "form": form,
        "migrations": _applied(),
        "serving_version": serving,
        "settings": _settings(with_settings),
        "counts": {m._meta.label: m._default_manager.count() for m in portable_models()},
    }


def _app_version() -> str:
    try:
        return version("affetti")
    except PackageNotFoundError:
        return "unknown"


def _settings(with_settings: Iterable[str]) -> dict[str, str]:
    """Return the settings that are not at their defaults, without secrets."""
    names = {name for name in env.ENVIRON if name.startswith("AFFETTI_")}
    names -= {*NEVER_KEPT, *SECRETS}
    names = {name for name in names if not name.startswith("AFFETTI_TEST_")}
    return {name: env.ENVIRON[name] for name in sorted({*names, *with_settings} & {*env.ENVIRON})}


def _applied() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for app, name in sorted(MigrationRecorder(connection).applied_migrations()):
        found.setdefault(app, []).append(name)
    return found


def _migrations_check(path: Path, manifest: Manifest) -> None:
    """Refuse a database of a later release, and a portable one of any other release."""
    loader = MigrationLoader(None)
    known = {*loader.disk_migrations, *loader.graph.nodes}
    known |= {key for each in loader.disk_migrations.values() for key in each.replaces}
    theirs = {(app, name) for app, names in manifest.migrations.items() for name in names}
    if unknown := sorted(theirs - known):
        raise BackupError(
            "BACKUP_NEWER",
            f"{path} is of a later release (Affetti {manifest.app_version}): the migration "
            f"{'.'.join(unknown[0])} is not known here. Upgrade first",
        )
    if manifest.form == "portable" and not {*loader.graph.leaf_nodes()} <= theirs:
        raise BackupError(
            "BACKUP_OLDER",
            f"{path} is portable and of an earlier release. Restore it with Affetti "
            f"{manifest.app_version}, then upgrade",
        )


def _first_filled() -> str:
    """Return the name of a model of which the database holds rows, or nothing."""
    tables = connection.introspection.table_names()
    for model in portable_models():
        if model._meta.db_table in tables and model._default_manager.exists():
            return str(model._meta.verbose_name)
    return ""


def _space_check(path: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(settings.VAR_DIR).free
    needed = 2 * manifest.size
    if free < needed:
        raise BackupError(
            "DISK_SHORT", f"{path} needs {needed} bytes in {settings.VAR_DIR}; {free} are free"
        )
