"""The catalogues of translations: whole, and as the sources need them."""

from __future__ import annotations

import gettext
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.utils import translation

from recommender.moods import MOODS
from recommender.terms import shown
from tests.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LOCALE = ROOT / "recommender/locale"
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
DOMAINS = ("django", "djangojs")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd%]")
TAG = re.compile(r"</?\w[^>]*>")
Texts = dict[str | tuple[str, int], str]

catalogues = pytest.mark.parametrize(
    ("language", "domain"), [(code, domain) for code in LANGUAGES for domain in DOMAINS]
)


def texts_of(path: Path) -> Texts:
    """Return the translations of a compiled catalogue, by source text."""
    with path.open("rb") as file:
        found: Texts = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {source: text for source, text in found.items() if source}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, in which `manage.py messages` has run; its folder of catalogues."""
    if shutil.which("xgettext") is None:
        pytest.skip("xgettext (gettext) is not on this machine")
    copy = tmp_path_factory.mktemp("sources")
    without = shutil.ignore_patterns("__pycache__", "weights", "vendor", "var")
    for name in ("catalog", "mer", "recommender", "templates"):
        shutil.copytree(ROOT / name, copy / name, ignore=without, dirs_exist_ok=True)
    (copy / "mer/weights").mkdir(exist_ok=True)
    shutil.copy(ROOT / "manage.py", copy)
    environment = {**os.environ, "PYTHONPATH": str(copy), "AFFETTI_VAR_DIR": str(copy / "var")}
    command = [sys.executable, "manage.py", "messages"]
    run = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return copy / "recommender/locale"


@pytest.mark.integration
@catalogues
def test_every_text_has_a_translation(collected: Path, language: str, domain: str) -> None:
    catalogue = collected / language / "LC_MESSAGES" / f"{domain}.po"
    for kind in ("--untranslated", "--only-fuzzy"):
        left = subprocess.run(
            ["msgattrib", kind, "--no-obsolete", "--no-wrap", str(catalogue)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert re.findall(r'^msgid "[^"]+', left, re.MULTILINE) == [], f"{kind}: manage.py messages"


@pytest.mark.integration
@catalogues
def test_the_committed_catalogue_is_of_these_sources(
    collected: Path, language: str, domain: str
) -> None:
    compiled = f"{language}/LC_MESSAGES/{domain}.mo"
    assert texts_of(LOCALE / compiled) == texts_of(collected / compiled), "run manage.py messages"


@catalogues
def test_a_translation_has_the_parts_of_its_text(language: str, domain: str) -> None:
    texts = texts_of(LOCALE / language / "LC_MESSAGES" / f"{domain}.mo")
    assert len(texts) > 50
    for key, text in texts.items():
        # A plural has its first form as its key; the other forms have the same placeholders.
        source = key[0] if isinstance(key, tuple) else key
        source = source.rpartition("\x04")[2]
        if isinstance(key, tuple):
            assert set(PLACEHOLDER.findall(source)) <= set(PLACEHOLDER.findall(text)) | {"%%"}, key
            continue
        for part in (PLACEHOLDER, TAG):
            assert sorted(part.findall(text)) == sorted(part.findall(source)), source
        for end in (0, -1):
            assert source[end].isspace() == text[end].isspace(), source


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_moods_have_one_name(language: str) -> None:
    with translation.override(language):
        names = [shown(mood) for mood in MOODS]
    assert len(set(names)) == len(names)
