"""`manage.py playlist_docs`: the tables of request fields in the docs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import BaseCommand

from recommender.exports import FORMATS
from recommender.playlists import FIELDS
from recommender.playlists.fields import Group

if TYPE_CHECKING:
    from collections.abc import Callable

    from recommender.playlists.fields import Field

ROOT: Final = Path(__file__).resolve().parents[3]
_BLOCK: Final = re.compile(r"(<!-- playlist_docs -->\n).*?(<!-- /playlist_docs -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the docs with a block that is generated."""

    path: str
    block: Callable[[], str]

    def filled(self, text: str) -> str:
        """Return the text of the page with its block as it is now."""
        return _BLOCK.sub(lambda found: f"{found[1]}{self.block()}{found[2]}", text)


class Command(BaseCommand):
    help = "Write the tables of playlist requests in docs/; works in a checkout only."

    def handle(self, *args: object, **options: Any) -> None:
        for page in PAGES:
            path = ROOT / page.path
            path.write_text(page.filled(path.read_text()))
            self.stdout.write(page.path)


def fields_table() -> str:
    """Return a table of every field of a request: what it means, its values, its default."""
    lines = ["| field | meaning | values | default |", "|---|---|---|---|"]
    for group in Group:
        lines += [
            f"| `{field.name}` | {field.help} | {field.kind.limits()} | {_default(field)} |"
            for field in FIELDS.values()
            if field.group is group
        ]
    return "\n".join(lines) + "\n"


def options_tables() -> str:
    """Return tables of the options of `manage.py playlist` that are fields, by group."""
    titles = {Group.TARGET: "target", Group.CHOICE: "choice", Group.CONSTRAINT: "constraint"}
    tables = []
    for group, title in titles.items():
        rows = [row for field in FIELDS.values() if field.group is group for row in _rows(field)]
        tables.append("\n".join([f"| {title} | what it does |", "|---|---|", *rows]))
    formats = "\\|".join(["text", "json", *FORMATS])
    listener = "User whose listening history the constraints use. Default: the user of `--history`."
    more = [
        "| option | what it does |",
        "|---|---|",
        f"| `--listener USERNAME` | {listener} |",
        f"| `--format {formats}` | How the list is printed. |",
    ]
    return "\n\n".join([*tables, "\n".join(more)]) + "\n"


def _rows(field: Field[Any]) -> list[str]:
    more = f" [{field.metavar} …]" if field.kind.is_list else ""
    return [
        f"| `--{name.replace('_', '-')} {field.metavar}{more}` "
        f"| {field.kind.parts.get(name) or field.help}. |"
        for name in field.inputs
    ]


def _default(field: Field[Any]) -> str:
    return " ".join(field.kind.words(field.default)) if field.default else ""


PAGES: Final = (Page("docs/playlists.md", fields_table), Page("docs/cli.md", options_tables))
