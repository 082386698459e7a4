"""Names of songs and people may be written from right to left in a page that is not."""

from __future__ import annotations

import re

import pytest

from tests.places import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
NAMES = re.compile(
    r"\{\{ (?:[\w.]*\b(?:shown_title|artist|album|genre|username|corrected_by_name|ended_by_name)"
    r"|(?:playlist|station|item|credit|token|new_token|card|one\.row|copy|shared)\.(?:name|note)"
    r"|one\.note|failure\.path|new_link_for|job\.arguments\.path)(?:\|[^}]*)? \}\}"
)
NOT_SHOWN = re.compile(
    r"\{% block title %\}.*?\{% endblock %\}|\{#.*?#\}|<(title|option|textarea)\b.*?</\1>",
    re.DOTALL,
)
TAG = re.compile(r"<[a-z/!](?:\{[%{].*?[%}]\}|[^<>{])*>", re.DOTALL)
IS_ISOLATED = re.compile(r"<bdi[^>]*>$|dir=\"auto\"[^>]*>$")


def names_not_isolated(template: str) -> list[str]:
    """Return the names outside of tags that no element isolates from the text around them."""
    text = NOT_SHOWN.sub("", template)
    tags = [match.span() for match in TAG.finditer(text)]
    return [
        match[0]
        for match in NAMES.finditer(text)
        if not any(start < match.start() < end for start, end in tags)
        and not IS_ISOLATED.search(text[: match.start()])
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_names_are_isolated(path):
    assert names_not_isolated(path.read_text()) == []


def test_the_check_finds_what_it_looks_for():
    name = "{{ song.shown_title }}"
    assert names_not_isolated(f"<p>{name}</p>") == [name]
    assert not names_not_isolated(f'<p title="{name}"><bdi>{name}</bdi></p>')
    assert not names_not_isolated(f'<p class="x" dir="auto">{name}</p>')
