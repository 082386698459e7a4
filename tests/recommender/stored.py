"""Finds in the source the sentences that code stores: of jobs, files, songs, lists, stations."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PLACES: Final = (
    *("catalog/*.py", "catalog/files/*.py", "catalog/ingest/*.py", "catalog/work/*.py"),
    *("catalog/models/*.py", "catalog/tagwriting/*.py", "recommender/stations.py"),
    *("mer/audio/*.py", "mer/lyrics/cleaning.py"),
    *("recommender/playlists/*.py", "recommender/playlists/constraints/*.py"),
)
ERRORS: Final = re.compile(r"(Path|FilesVanished|FileUnusable|Audio\w*|Lyrics)Error")
"""Their last argument is stored as the message of a job, a file or a song."""
FIELDS: Final = {"failure_message", "message", "failure", "change", "notes"}
"""Fields of the database, and parameters of what writes them."""
LISTS: Final = {"nouns", "notes", "failed"}
NAMES: Final = {"reason", "message", "notes", "note", "noun", "what", "removed"}
"""Names of what is stored or listed a little later."""
MAKERS: Final = {"_reason", "cue_note", "link_refusal", "song_kept"}
"""Functions that return what is stored."""
NOT_STORED: Final = (
    *("catalog/folders.py", "catalog/lrclib.py"),
    *("catalog/ingest/catalogue.py", "catalog/ingest/libraries.py", "catalog/ingest/uploads.py"),
    *("catalog/ingest/tables.py", "catalog/ingest/tablesongs.py"),
)
"""What they raise is told at once: on a page, by the API or by a command."""
WRAPPERS: Final = {"gettext", "gettext_noop", "kept", "storable_text"}
ANY: Final = "7"
"""Stands for a value in a sentence."""


def stored_sentences() -> dict[str, str]:
    """Return an example of each sentence that is stored, with the place that makes it."""
    found: dict[str, str] = {}
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if name in NOT_STORED:
                continue
            tree = ast.parse(path.read_text())
            for made in _stored(tree):
                for text in _texts(made):
                    if " " in text.strip() and re.search("[a-z]", text):
                        found.setdefault(text, f"{name}:{made.lineno}")
    return found


def _stored(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="note")):
                yield from node.args
            case ast.Call(func=ast.Attribute(attr="append", value=owner)) if _name(owner) in LISTS:
                yield from node.args
            case ast.Call(func=called, args=[*_, last]) if ERRORS.fullmatch(_name(called)):
                yield last
            case ast.Dict(keys=keys, values=values):
                yield from (
                    value
                    for key, value in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant) and key.value in FIELDS
                )
            case ast.FunctionDef(name=name) if name in MAKERS:
                yield from (
                    made.value
                    for made in ast.walk(node)
                    if isinstance(made, ast.Return) and made.value is not None
                )
            case ast.Assign(targets=[target], value=value) if _name(target) in NAMES:
                yield value
        if isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg in FIELDS)


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _texts(made: ast.expr) -> list[str]:
    """Return what an expression may come to, as far as its text stands there."""
    match made:
        case ast.Constant(value=str(text)):
            return [re.sub(r"%\(\w+\)\w", ANY, text)]
        case ast.JoinedStr(values=parts):
            return ["".join(p.value if isinstance(p, ast.Constant) else ANY for p in parts)]
        case ast.BinOp(left=left, op=ast.Mod()):
            return _texts(left)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [a + b for a in _texts(left) for b in _texts(right)]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [text for part in parts for text in _texts(part)]
        case ast.IfExp(body=body, orelse=other):
            return [*_texts(body), *_texts(other)]
        case ast.Call(func=called, args=[text]) if _name(called) in WRAPPERS:
            return _texts(text)
    return []
