"""Who may import whom, and what the web process must not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tests.places import ROOT

MOST_PRODUCT_MODULES = 32  # of them eight read audio, eight lyrics
MOST_LINES = 500
MOST_FILES_OF_MER = 16


@pytest.fixture(scope="module")
def graph():
    """Imports of the three packages; those in functions and for types alone count, too."""
    return grimp.build_graph("mer", "catalog", "recommender", cache_dir=None)


def run_python(code: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "AFFETTI_VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_web_process_starts_without_torch(tmp_path):
    result = run_python(
        "import sys, recommender.wsgi, recommender.urls, recommender.api.urls;"
        "print(sorted({'torch', 'transformers', 'librosa'} & set(sys.modules)))",
        tmp_path,
    )
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_mer_needs_no_django_and_no_audio_library_to_import(tmp_path):
    result = run_python(
        "import sys;"
        "import mer.pipeline, mer.encoders.musicnn, mer.audio.patches, mer.network;"
        "banned = {'django', 'celery', 'librosa', 'soundfile', 'soxr', 'av', 'sklearn', 'mutagen'};"
        "print(sorted(banned & set(sys.modules)))",
        tmp_path,
    )
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_the_product_loads_few_modules_of_mer_and_none_of_research(graph):
    needed = set()
    for package in ("catalog", "recommender"):
        needed |= graph.find_upstream_modules(package, as_package=True)
    of_mer = sorted(name for name in needed if name.partition(".")[0] == "mer")
    assert "mer.pipeline" in of_mer
    assert not [name for name in of_mer if name.startswith("mer.research")]
    assert len(of_mer) <= MOST_PRODUCT_MODULES, of_mer


def test_mer_stays_a_library_that_fits_one_screen():
    files = sorted(path.name for path in (ROOT / "mer").glob("*.py"))
    assert "pipeline.py" in files
    assert len(files) <= MOST_FILES_OF_MER, files


def test_no_file_of_mer_is_long():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "mer").rglob("*.py")
        if (lines := len(path.read_text("utf-8").splitlines())) > MOST_LINES
    }
    assert not long, f"split or shorten these: {long}"


def test_import_rules_hold():
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
