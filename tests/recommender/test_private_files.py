"""What Affetti writes, its own account alone can read; what former versions wrote, too."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import os
os.umask(0o022)  # what a shell hands over
import django
django.setup()
from django.core.management import call_command
from catalog.tasks import reconcile
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
reconcile.delay()
"""


def environment(var: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **kept,
        "AFFETTI_VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": "recommender.settings",
        "OMP_NUM_THREADS": "1",
    }


def run(var: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(var),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def open_to_others(var: Path) -> list[str]:
    return [
        f"{stat.S_IMODE(path.lstat().st_mode):o} {path.relative_to(var.parent)}"
        for path in (var, *var.rglob("*"))
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


@pytest.mark.slow
def test_a_run_leaves_nothing_open(tmp_path: Path) -> None:
    var = tmp_path / "var"
    run(var, "-c", SCRIPT)
    names = {path.name for path in var.rglob("*")}
    assert {"affetti.sqlite3", "secret.key", "messages", "affetti.css"} <= names
    assert any(name.endswith(".msg") for name in names), "the broker holds a message"
    assert open_to_others(var) == []


def test_prepare_closes_what_was_open(tmp_path: Path) -> None:
    from recommender.management.commands import prepare  # noqa: PLC0415  # beside its settings

    var = tmp_path / "var"
    (var / "broker" / "messages").mkdir(parents=True)
    (var / "broker" / "messages" / "one.msg").touch()
    (var / "tool").touch()
    outside = tmp_path / "outside"
    outside.touch()
    (var / "link").symlink_to(outside)
    for path, mode in ((var, 0o755), (var / "tool", 0o755), (outside, 0o644)):
        path.chmod(mode)
    prepare._close_to_others([var, *var.rglob("*"), tmp_path / "absent"])
    assert open_to_others(var) == []
    assert stat.S_IMODE((var / "tool").stat().st_mode) == 0o700
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
