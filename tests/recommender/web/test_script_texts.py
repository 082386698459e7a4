"""Every text of the JavaScript modules can be translated.

A small lexer reads the modules. A literal that a person reads stands inside a function of Django's
JavaScript catalogue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULES = sorted((ROOT / "recommender/web/static/recommender").rglob("*.js"))
TRANSLATING = {"gettext", "ngettext", "pgettext", "npgettext"}
SHOWING = {"notify", "refuse", "alert", "confirm", "Option", "Error"}
"""Calls whose arguments are shown."""
SHOWN = {"textContent", "innerText", "title", "ariaLabel", "alt", "placeholder"}
"""Properties that are shown."""
SHOWN_ATTRIBUTES = {"aria-label", "aria-valuetext", "aria-description", "title", "alt"}
NO_TEXTS = (
    *("\n  attribute float", "\n  precision mediump"),  # shaders
    *("time_zone=", "; Secure"),  # a cookie
    "status \N{REPLACEMENT CHARACTER}",  # an error that is caught where it is raised
)
"""Literals that look like texts, by their beginning."""

WORDS = re.compile(r"[^\W\d_]{2,}")
TEXT = re.compile(
    r"(?s)(?=.*[^\W\d_]{2})([A-Z][a-z]*[:,]?\s.*|.*\s[A-Z][a-z].*|[A-Z][a-z]+[.…!?]?)"
)
TOKENS = re.compile(
    r"(?P<space>\s+|//[^\n]*|/\*.*?\*/)"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<template>`)"
    r"|(?P<regex>(?<![\w)\]] )(?<![\w)\]])/(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*)"
    r"|(?P<name>[\w$]+)"
    r"|(?P<sign>=>|[=!]==?|.)",
    re.DOTALL,
)


class Token(NamedTuple):
    """A part of a module; what a template fills in stands in brackets after it."""

    kind: str
    value: str


def tokens(source: str, start: int = 0) -> tuple[list[Token], int]:
    """Return the tokens up to the end, or to the brace that closes nothing; and where that is."""
    found: list[Token] = []
    at, depth = start, 0
    while at < len(source):
        match = TOKENS.match(source, at)
        assert match is not None
        kind, value, at = str(match.lastgroup), match[0], match.end()
        if kind == "template":
            inside, at = template(source, at)
            found += inside
        elif kind != "space":
            depth += (value == "{") - (value == "}")
            if depth < 0:
                break
            found.append(Token(kind, value[1:-1] if kind == "text" else value))
    return found, at


def template(source: str, start: int) -> tuple[list[Token], int]:
    """Return the tokens of a template whose text starts there, and where it ends."""
    text, filled, at = "", [], start
    while source[at] != "`":
        if source.startswith("${", at):
            text += "\N{REPLACEMENT CHARACTER}"
            inside, at = tokens(source, at + 2)
            filled += [Token("sign", "("), *inside, Token("sign", ")")]
        else:
            length = 2 if source[at] == "\\" else 1
            text, at = text + source[at : at + length], at + length
    return [Token("template", text), *filled], at + 1


@dataclass(slots=True)
class Bracket:
    """What an open bracket means for the literals in it."""

    caller: str = ""
    is_body: bool = False  # of a function or of a branch
    is_shown: bool = False


def unwrapped(source: str) -> Iterator[str]:
    """Yield the literals of a module that a person reads and nobody can translate."""
    brackets = [Bracket(is_body=True)]
    read = tokens(source)[0]
    for n, (kind, value) in enumerate(read):
        before = [token.value for token in read[max(0, n - 2) : n]]
        last = before[-1] if before else ""
        if kind in {"text", "template"}:
            after = read[n + 1].value if n + 1 < len(read) else ""
            if _is_wrong(
                kind, value, brackets, is_compared={last, after} & {"===", "!=="} != set()
            ):
                yield value
            if brackets[-1].caller == "setAttribute" and value in SHOWN_ATTRIBUTES:
                brackets[-1].is_shown = True
        elif value in {"(", "[", "{"}:
            is_body = value == "{" and last in {")", "=>", "else", "try", "finally", "catch"}
            caller = last if value == "(" else ""
            brackets.append(Bracket(caller, is_body, caller in SHOWING))
        elif value in {")", "]", "}"}:
            brackets.pop()
        elif value == "=" and last in SHOWN and before[0] == ".":
            brackets[-1].is_shown = True
        elif value == ";":
            brackets[-1].is_shown = False


def _is_wrong(kind: str, value: str, brackets: list[Bracket], *, is_compared: bool) -> bool:
    body = max(n for n, one in enumerate(brackets) if one.is_body)
    around = brackets[body:]
    if any(one.caller in TRANSLATING for one in around):
        return kind == "template"
    if is_compared or value.startswith(NO_TEXTS):
        return False
    is_shown = any(one.is_shown for one in around) and WORDS.search(value)
    return bool(is_shown or TEXT.fullmatch(value))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_every_text_of_a_module_can_be_translated(module: Path) -> None:
    assert list(unwrapped(module.read_text())) == []


WRONG = r"""
import { notify } from "./page.js";
const LABEL = "Repeat: off";
const pattern = /it's "quoted"/;
notify(`Removed ${count} of ${list.map((one) => `all ${one}`).join()}`);
element.textContent = isOn ? "on" : gettext("off");
element.setAttribute("aria-label", "close");
if (isLast) element.title = "last";
const known = { title: title || "Untitled" };
gettext(`Hello ${name}`);
"""
RIGHT = r"""
import { notify } from "./page.js"; // "A comment" is no text.
const LABEL = gettext("Repeat: off");
notify(interpolate(ngettext("%(count)s song", "%(count)s songs", count), { count }, true));
element.textContent = event.key === "Escape" ? gettext("off") : `${count} %`;
element.setAttribute("aria-expanded", "true");
path.setAttribute("d", `M${x} ${y}L${a} ${b}`);
fetch(url, { method: "POST", headers: { "Content-Type": "application/json" } });
htmx.ajax({ swap: "outerSync show:none", half: width / 2, other: height / 2 });
"""


def test_a_text_that_cannot_be_translated_is_found() -> None:
    gap = "\N{REPLACEMENT CHARACTER}"
    wrong = ["Repeat: off", f"Removed {gap} of {gap}", f"all {gap}", "on", "close", "last"]
    assert list(unwrapped(WRONG)) == [*wrong, "Untitled", f"Hello {gap}"]
    assert list(unwrapped(RIGHT)) == []
