"""The Markdown pages, read: their lines, links, anchors and commands."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LANGUAGES: Final = {
    "sh": "commands, one a line",
    "console": "commands after `$ `, and what they print",
    "text": "anything else; a line that begins as a command does is a synopsis",
    **dict.fromkeys(("json", "python", "yaml", "ini", "csv", "html", "mermaid"), "itself"),
}
"""What a code fence may hold, by its language."""

_LINK: Final = re.compile(r"!?\[(?:[^][]|\[[^]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_REFERENCE: Final = re.compile(r"^\[[^]]+\]:\s*(\S+)", re.MULTILINE)
_SOURCE: Final = re.compile(r"<(?:img|a)\s[^>]*?(?:src|href)=\"([^\"]+)\"")
_SPAN: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_BEGINNING: Final = re.compile(
    r"\s*(?:\.venv/bin/|manage\.py|(?:python3?|affetti|make|docker|curl|pip|celery) )"
)
_OPERATORS: Final = {"|", "&&", "||", ";", "&"}


@dataclass(frozen=True, slots=True)
class Fence:
    language: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page; `script` is the whole of what a shell would be given."""

    where: str
    script: str
    words: tuple[str, ...]
    output: str = ""
    """The file that `>` names, if any."""

    def __str__(self) -> str:
        return f"{self.where}: {self.script.splitlines()[0]}"


class Page:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.lines = path.read_text().splitlines()

    @cached_property
    def _split(self) -> tuple[list[Fence], list[tuple[int, str]]]:
        """Return the code fences, and the numbered lines outside of them."""
        fences: list[Fence] = []
        prose: list[tuple[int, str]] = []
        inside: Fence | None = None
        for number, line in enumerate(self.lines, start=1):
            mark = re.match(r"\s*```\s*(\S*)", line)
            if inside is None and mark:
                inside = Fence(mark[1], number, "")
            elif inside is None:
                prose.append((number, line))
            elif mark:
                fences.append(inside)
                inside = None
            else:
                inside = replace(inside, text=f"{inside.text}{line}\n")
        assert inside is None, f"{self.name}: the code fence of line {inside.line} has no end"
        return fences, prose

    @property
    def fences(self) -> list[Fence]:
        return self._split[0]

    @property
    def prose(self) -> list[tuple[int, str]]:
        return self._split[1]

    @cached_property
    def anchors(self) -> set[str]:
        """What `#…` may name: headings as GitHub names them, and explicit ids."""
        found: dict[str, int] = {}
        anchors = set()
        for _, line in self.prose:
            anchors |= set(re.findall(r"<\w+\s[^>]*?(?:id|name)=\"([^\"]+)\"", line))
            if heading := re.match(r"#{1,6}\s+(.*?)\s*#*$", line):
                slug = _slug(heading[1])
                count = found[slug] = found.get(slug, -1) + 1
                anchors.add(f"{slug}-{count}" if count else slug)
        return anchors

    @cached_property
    def links(self) -> list[str]:
        text = "\n".join(_SPAN.sub("", line) for _, line in self.prose)
        return [found for kind in (_LINK, _REFERENCE, _SOURCE) for found in kind.findall(text)]

    def long_lines(self, limit: int) -> list[str]:
        """Name the lines beyond the limit that are no table, image or bare link."""
        return [
            f"{self.name}:{number}: {len(line)} characters"
            for number, line in self.prose
            if len(line) > limit and not _is_unbreakable(line)
        ]

    @cached_property
    def commands(self) -> list[Command]:
        """Every command of a `sh` or `console` fence."""
        return [
            command
            for fence in self.fences
            if fence.language in ("sh", "console")
            for number, script in _scripts(fence)
            for command in _commands(f"{self.name}:{number}", script)
        ]

    @cached_property
    def synopses(self) -> list[Command]:
        """Every line of another fence that begins as a command does."""
        return [
            command
            for fence in self.fences
            if fence.language not in ("sh", "console")
            for number, line in enumerate(fence.text.splitlines(), start=fence.line + 1)
            if _BEGINNING.match(line)
            for command in _commands(f"{self.name}:{number}", line.strip())
        ]

    @cached_property
    def spans(self) -> list[Command]:
        """Every code span, as if it were a command."""
        found = []
        for number, line in self.prose:
            for span in _SPAN.findall(line):
                try:
                    found += _commands(f"{self.name}:{number}", span)
                except ValueError:  # an apostrophe: no command
                    continue
        return found


def pages() -> list[Page]:
    paths = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    folders = [ROOT / name for name in ("docs", "integrations")]
    found = [path for folder in folders for path in sorted(folder.rglob("*.md"))]
    return [Page(path) for path in [*paths, *found]]


def _is_unbreakable(line: str) -> bool:
    text = line.strip()
    if text.startswith("|"):
        return True
    return not re.sub(r"[-*\s>.,]", "", _LINK.sub("", re.sub(r"<https?:[^>]+>", "", text)))


def _slug(heading: str) -> str:
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _scripts(fence: Fence) -> Iterator[tuple[int, str]]:
    """Yield (line number, command) with continued lines and here-documents whole."""
    lines = enumerate(fence.text.splitlines(), start=fence.line + 1)
    for number, line in lines:
        script = line.strip()
        if fence.language == "console":
            if not script.startswith("$ "):
                continue
            script = script.removeprefix("$ ")
        while script.endswith("\\"):
            script = script.removesuffix("\\") + next(lines)[1].strip()
        if end := re.search(r"<<-?\s*['\"]?(\w+)", script):
            for _, text in lines:
                script += f"\n{text}"
                if text.strip() == end[1]:
                    break
        if script and not script.startswith("#"):
            yield number, script


def _commands(where: str, script: str) -> list[Command]:
    """Split at the shell's operators; `NAME=value` before a command stays its first word."""
    found: list[list[str]] = [[]]
    for word in shlex.split(script.partition("\n")[0], comments=True):
        if word in _OPERATORS:
            found.append([])
        else:
            found[-1].append(word)
    return [_redirected(Command(where, script, tuple(words))) for words in found if words]


def _redirected(command: Command) -> Command:
    words = list(command.words)
    for sign in (">", ">>"):
        if sign in words[:-1]:
            place = words.index(sign)
            output = words[place + 1]
            del words[place : place + 2]
            return replace(command, words=tuple(words), output=output)
    return command
