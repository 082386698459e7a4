"""Every environment name that is read is documented, and only settings.py reads the environment."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.places import ROOT

READ = set(
    re.findall(
        r'env\.\w+\(\s*"([A-Z_]+)"|env\.\w+\("([A-Z_]+)"',
        (ROOT / "recommender/settings.py").read_text(),
    )
)
NAMES = {first or second for first, second in READ} | {"DATABASE_URL"}


def test_settings_are_found():
    assert {"REDIS_URL", "AFFETTI_VAR_DIR", "AFFETTI_DEVICE"} <= NAMES


@pytest.mark.parametrize("document", [".env.example", "docs/settings.md"])
def test_page_lists_exactly_the_names_that_are_read(document):
    listed = set(
        re.findall(r"\b(AFFETTI_[A-Z_]+|DATABASE_URL|REDIS_URL)\b", (ROOT / document).read_text())
    )
    assert listed == NAMES


def test_only_settings_reads_the_environment():
    sources = [
        path
        for package in ("mer", "catalog", "recommender")
        for path in (ROOT / package).rglob("*.py")
        if path != ROOT / "recommender/settings.py"
        # Its child processes get a few variables handed on; it uses none itself.
        and path != ROOT / "mer/audio/child.py"
    ]
    assert len(sources) > 20
    readers = [
        str(path.relative_to(ROOT))
        for path in sources
        if re.search(r"os\.(environ\[|environ\.get|getenv)", path.read_text())
    ]
    assert readers == []


def test_full_mode_without_a_secret_is_refused(tmp_path):
    result = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "REDIS_URL": "redis://127.0.0.1:6379/9",
            "AFFETTI_VAR_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "AFFETTI_SECRET_KEY is not set" in result.stderr
