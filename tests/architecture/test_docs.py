"""The pages keep their form: short lines, working links, fences that say what they hold."""

from __future__ import annotations

import re

import pytest

from tests.architecture.pages import LANGUAGES, Page, pages
from tests.places import ROOT

LIMIT = 120
PAGES = {page.name: page for page in pages()}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def test_pages_are_found():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md"} <= set(PAGES)
    assert len(PAGES) > 20


@every_page
def test_lines_are_short(page: Page):
    assert page.long_lines(LIMIT) == []


@every_page
def test_fences_say_their_language(page: Page):
    unknown = [
        f"{page.name}:{fence.line}" for fence in page.fences if fence.language not in LANGUAGES
    ]
    assert unknown == [], f"name one of {', '.join(LANGUAGES)}"


@every_page
def test_links_lead_somewhere(page: Page):
    broken = []
    for link in page.links:
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
        if not name or not path.exists() or (anchor and not _has_anchor(name, anchor)):
            broken.append(link)
    assert broken == []


def _has_anchor(name: str, anchor: str) -> bool:
    return name in PAGES and anchor in PAGES[name].anchors


# --- the reading of pages itself


@pytest.fixture
def page(tmp_path, monkeypatch):
    def write(text: str) -> Page:
        monkeypatch.setattr("tests.architecture.pages.ROOT", tmp_path)
        (tmp_path / "page.md").write_text(text)
        return Page(tmp_path / "page.md")

    return write


def test_long_lines_are_found_outside_of_tables_fences_and_links(page):
    long = "word " * 30
    assert page(f"{long}\n").long_lines(LIMIT) == ["page.md:1: 150 characters"]
    assert page(f"- {long}[link](there.md)\n").long_lines(LIMIT) != []
    for kept in (
        f"| {long} |",
        f"```text\n{long}\n```",
        f"- [{long}](there.md)",
        f"![{long}](a.png)",
    ):
        assert page(f"{kept}\n").long_lines(LIMIT) == []


def test_anchors_are_those_of_github(page):
    found = page(
        '# A `Title`, twice!\n## Same\n## Same\n<a id="own"></a>\n```sh\n# none\n```\n'
    ).anchors
    assert found == {"a-title-twice", "same", "same-1", "own"}


def test_links_are_found(page):
    found = page('[a](b.md) ![c](d.png "e") <img src="f.png"> `[no](link)`\n\n[g]: h.md\n').links
    assert found == ["b.md", "d.png", "h.md", "f.png"]


def test_commands_are_split_as_a_shell_does(page):
    text = (
        "```sh\n# a comment\nmake help  # another\ncurl -s there \\\n  -d 'a b'\n"
        "cat > .env <<EOF\nA=1\nEOF\none | two && three > file\n```\n"
        "```console\n$ four\nfive\n```\n```text\nsix\n```\n"
    )
    assert [(c.words, c.output) for c in page(text).commands] == [
        (("make", "help"), ""),
        (("curl", "-s", "there", "-d", "a b"), ""),
        (("cat", "<<EOF"), ".env"),
        (("one",), ""),
        (("two",), ""),
        (("three",), "file"),
        (("four",), ""),
    ]


def test_the_comparison_names_tests_that_exist():
    page = (ROOT / "docs/comparison.md").read_text()
    named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", page)
    assert len(named) >= 20
    for place, name in named:
        assert (ROOT / place).exists(), place
        if name:
            assert f"def {name}(" in (ROOT / place).read_text(), f"{place}::{name}"
