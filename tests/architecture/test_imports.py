"""Who may import whom, and what the web process must not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.places import ROOT


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


def test_import_rules_hold():
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
