"""Settings that decide who reaches the site, and how safely."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FULL = {
    "DATABASE_URL": "postgres://affetti:word@127.0.0.1:5432/affetti",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "AFFETTI_SECRET_KEY": "q8Zt-4kV_wN2xRyB7uLsE9mPaGhJcD0fToQ1iKvXbWnY5z6S3eHrMgUA",
    "AFFETTI_ALLOWED_HOSTS": "music.example.org",
}
PRINT = "import django; django.setup(); from django.conf import settings as s; print({})"


def python(tmp_path: Path, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **kept,
            "AFFETTI_VAR_DIR": str(tmp_path / "var"),
            "DJANGO_SETTINGS_MODULE": "recommender.settings",
            **changes,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_full_mode_over_https_is_ready_to_deploy(tmp_path: Path) -> None:
    command = ("manage.py", "check", "--deploy", "--fail-level", "INFO")
    done = python(tmp_path, *command, **FULL, AFFETTI_HTTPS="true")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
    plain = python(tmp_path, *command, **FULL)
    assert plain.returncode == 1
    for code in ("W004", "W008", "W012", "W016"):
        assert f"security.{code}" in plain.stderr


def test_former_secret_keys_are_known(tmp_path: Path) -> None:
    words = PRINT.format("s.SECRET_KEY_FALLBACKS")
    for given, known in (("", "[]"), ("old,older", "['old', 'older']")):
        done = python(tmp_path, "-c", words, AFFETTI_SECRET_KEY_FALLBACKS=given)
        assert done.stdout.strip() == known, done.stderr


def test_https_by_one_setting(tmp_path: Path) -> None:
    words = (
        "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT,"
        " s.SECURE_HSTS_SECONDS > 0"
    )
    for value in ("true", "false"):
        done = python(tmp_path, "-c", PRINT.format(words), AFFETTI_HTTPS=value)
        assert done.stdout.split() == [value.title()] * 4, done.stderr
    former = python(tmp_path, "manage.py", "check", AFFETTI_SECURE_COOKIES="true")
    assert former.returncode != 0
    assert "set AFFETTI_HTTPS=true in its place" in former.stderr


@pytest.mark.parametrize(
    ("public", "signup", "is_open", "is_warned"),
    [
        ("true", "", True, False),
        ("true", "false", False, False),
        ("false", "", False, False),
        ("false", "false", False, False),
        ("false", "true", True, True),
    ],
)
def test_a_private_site_has_no_signup_unless_it_is_opened(
    tmp_path: Path, public: str, signup: str, is_open: bool, is_warned: bool
) -> None:
    script = (
        "import django; django.setup(); from django.conf import settings as s;"
        "from recommender.checks import check_signup;"
        "print(s.AFFETTI_SIGNUP, bool(check_signup()))"
    )
    done = python(tmp_path, "-c", script, AFFETTI_PUBLIC=public, AFFETTI_SIGNUP=signup)
    assert done.stdout.split() == [str(is_open), str(is_warned)], done.stderr
