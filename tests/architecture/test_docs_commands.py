"""Every command of the pages works: each is run, or else read by the parser that would read it.

A command has the first of these levels that fits. What no rule covers fails
`test_every_command_has_a_rule`.

| level  | commands | what is done |
|--------|----------|--------------|
| RUN    | `make help` | the command itself |
| RUN    | `manage.py playlist` | in this process, on 60 songs and a stand-in for the model |
| RUN    | `python -m mer analyze` | in this process, with the packaged model, on a tone |
| RUN    | `curl` to this host | Django's test client asks the same, as a user with a token |
| RUN    | `cat > FILE <<END` | bash, in an empty folder; the names written must be documented |
| PARSED | other `manage.py`, `python -m mer`, `python -m mer.research` | by their own parsers |
| PARSED | `pytest` | by its own parser; files named exist |
| PARSED | `make TARGET NAME=…` | by `make -n`; the Makefile reads each NAME |
| PARSED | `bash SCRIPT` | by `bash -n` |
| NAMED  | `docker compose` | files, services and sub-command exist; inner commands are PARSED |
| NAMED  | `pip`, `celery`, `python -m benchmarks.NAME` | sub-command, files and options exist |
| NAMED  | `export NAME=…`, `cp`, `cd` | the setting is documented, the file exists |
| NAMED  | a synopsis (`FILE…`, `[--option]`), code in sentences | every option exists |
| NONE   | those in `UNCHECKED`, each with its reason | |
"""

from __future__ import annotations

import argparse
import ast
import functools
import io
import itertools
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest
import soundfile
import yaml
from celery.bin.celery import celery
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.test import Client

import mer.cli
import mer.research.cli
from mer.pipeline import EmotionPipeline
from recommender.celery import app as celery_app  # noqa: F401  # celery reads its settings
from recommender.history import listen_record
from recommender.index import reader
from tests.architecture.pages import Command, pages
from tests.factories import (
    LibraryFactory,
    SongEmotionFactory,
    SongFactory,
    UserFactory,
    some_alone,
    token_secret,
)
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.fakes import FakePipeline

GUIDE: Final = "docs/client-guide.md"
"""Its commands need one another; `tests/recommender/api/test_client_guide.py` runs them."""
COMMANDS: Final = [command for page in pages() if page.name != GUIDE for command in page.commands]
SPANS: Final = [
    command for page in pages() if page.name != "CHANGELOG.md" for command in page.spans
]
"""Code spans; the changelog names commands of the past."""
SYNOPSES: Final = [command for page in pages() for command in page.synopses]
"""Lines of fences of other languages that begin as a command does."""
UNCHECKED: Final = {"git": "the address of the repository is its host's business"}
PYTHONS: Final = {"python", "python3", ".venv/bin/python"}
SONGS: Final = 60
MAKEFILE: Final = (ROOT / "Makefile").read_text()
SETTINGS: Final = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))


def program(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the program, the same however it is spelled, and its arguments."""
    first, *rest = words
    while rest and re.match(r"[A-Z_]+=", first):  # NAME=value before a command
        assert first.partition("=")[0] in SETTINGS, first
        first, *rest = rest
    if first in PYTHONS and rest[:1] == ["-m"] and len(rest) > 1:
        return (
            ("benchmarks", rest[1:]) if rest[1].startswith("benchmarks.") else (rest[1], rest[2:])
        )
    if first in PYTHONS and rest[:1] == ["manage.py"]:
        return "manage.py", rest[1:]
    name = first.removeprefix(".venv/bin/").removeprefix("./")
    return ("manage.py" if name == "affetti" else name), rest


# --- the catalogue that commands are run on


@dataclass
class Stage:
    """What a command that is run needs: songs, a listener, a folder, the addresses."""

    folder: Path
    client: Client
    token: str


@pytest.fixture
def stage(
    tmp_path: Path, db: None, fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """Sixty analysed songs with the ids 1 to 60, heard by whoever a command names."""
    reader.index_snapshot_forget()
    (tmp_path / "music").mkdir()
    library = LibraryFactory(root=str(tmp_path / "music"))
    for number in range(1, SONGS + 1):
        path = tmp_path / "music" / f"{number}.flac"
        path.touch()
        song = SongFactory(
            pk=number, library=library, relative_path=path.name, artist=f"Artist {number % 20}"
        )
        SongEmotionFactory(
            song=song,
            valence=(number % 8) / 8 + 0.05,
            arousal=(number % 7) / 7 + 0.05,
            alone=some_alone(number),
        )
    user = UserFactory(username="listener", is_staff=True)
    monkeypatch.chdir(tmp_path)
    yield Stage(tmp_path, Client(), token_secret(user))
    reader.index_snapshot_forget()


@pytest.fixture(scope="module")
def packaged_pipeline() -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(device="cpu")


def write_tone(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = [((n * 440 // 8000) % 2) * 0.2 - 0.1 for n in range(4 * 8000)]
    soundfile.write(path, samples, 8000)


# --- RUN


def run_make_help(command: Command, stage: Stage) -> None:
    done = subprocess.run(command.words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make test" in done.stdout


def run_playlist(command: Command, stage: Stage) -> None:
    _, (name, *arguments) = program(command.words)
    parser = load_command_class("recommender", name).create_parser("manage.py", name)
    options = parser.parse_args(arguments)
    for username in {options.history, options.listener} - {None, "listener"}:
        listen_record(user=UserFactory(username=username), song_id=1)
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    assert out.getvalue().strip()
    if options.format == "json":
        assert json.loads(out.getvalue())["entries"]
    if options.format == "m3u8":
        assert out.getvalue().startswith("#EXTM3U\n")


def run_analyze(command: Command, stage: Stage) -> None:
    _, arguments = program(command.words)
    options = mer.cli._parse(arguments)
    for path in options.files:
        write_tone(stage.folder / path)
    if options.lyrics:
        (stage.folder / options.lyrics).write_text("[00:01.00]Far from home\n")
    out = io.StringIO()
    with redirect_stdout(out):
        assert mer.cli.main(arguments) == 0, out.getvalue()
    assert len(out.getvalue().splitlines()) == (len(options.files) or 1)
    if options.json:
        assert 0 <= json.loads(out.getvalue().splitlines()[0])["valence"] <= 1


def curl_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="curl")
    parser.add_argument("url")
    for flags in (("-s", "--silent"), ("-f", "--fail"), ("-L", "--location"), ("-O",), ("-OJ",)):
        parser.add_argument(*flags, action="store_true")
    parser.add_argument("-X", "--request")
    parser.add_argument("-d", "--data")
    parser.add_argument("-o", "--output")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-F", "--form", action="append", default=[])
    return parser


def run_curl(command: Command, stage: Stage) -> None:
    text = [re.sub(r"\$\{?TOKEN\}?", stage.token, word) for word in command.words[1:]]
    options = curl_parser().parse_args(text)
    url = urlsplit(options.url)
    assert url.netloc in ("127.0.0.1:8000", "localhost:8000"), "no other host is asked"
    headers = dict(header.split(": ", 1) for header in options.header)
    method = options.request or ("POST" if options.data or options.form else "GET")
    data: object = options.data or ""
    content_type = headers.pop("Content-Type", "application/json")
    if options.form:
        data, content_type = _form(options.form, stage), None
    response = stage.client.generic(
        method,
        f"{url.path}?{url.query}".rstrip("?"),
        data,
        **({"content_type": content_type} if content_type else {}),
        headers=headers,
    )
    body = b"".join(response) if response.streaming else response.content
    assert response.status_code < 400, body
    if response.headers.get("Content-Type", "").startswith("application/json"):
        json.loads(body)


def _form(fields: Sequence[str], stage: Stage) -> dict[str, object]:
    form: dict[str, object] = {}
    for field in fields:
        name, _, value = field.partition("=")
        if value.startswith("@"):
            write_tone(stage.folder / value[1:])
            form[name] = (stage.folder / value[1:]).open("rb")
        else:
            form[name] = value
    return form


def run_here_document(command: Command, stage: Stage) -> None:
    path = {"PATH": os.environ["PATH"]}
    subprocess.run(["bash", "-euc", command.script], cwd=stage.folder, env=path, check=True)
    lines = (stage.folder / command.output).read_text().splitlines()
    written = dict(line.split("=", 1) for line in lines if line)
    assert set(written) <= SETTINGS
    assert all(written.values())


# --- PARSED


class Parser(argparse.ArgumentParser):
    """Complains by an assertion, not by ending the process."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise AssertionError(f"{self.prog}: {message}")


def parsed(parse: Callable[[list[str]], object], arguments: list[str]) -> None:
    errors = io.StringIO()
    try:
        with redirect_stderr(errors):
            parse(arguments)
    except (SystemExit, CommandError) as error:
        raise AssertionError(f"{error} {errors.getvalue()}") from error


def parse_manage(arguments: list[str]) -> None:
    name, *rest = arguments
    assert name in get_commands(), f"manage.py has no command {name}"
    command = load_command_class(get_commands()[name], name)
    parsed(command.create_parser("manage.py", name).parse_args, rest)


def parse_pytest(arguments: list[str], config: pytest.Config) -> None:
    options = config._parser.parse(arguments)
    for path in options.file_or_dir:
        assert (ROOT / path.partition("::")[0]).exists(), path


def parse_make(arguments: list[str]) -> None:
    for word in arguments:
        name, sign, _ = word.partition("=")
        if sign:
            assert f"$({name})" in MAKEFILE, f"the Makefile does not read {name}"
        else:
            assert re.search(rf"^{word}:", MAKEFILE, re.M), f"the Makefile has no target {word}"
    done = subprocess.run(
        ["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def parse_bash(arguments: list[str]) -> None:
    (script,) = arguments
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


# --- NAMED


def options_of(arguments: Sequence[str]) -> set[str]:
    """Return the options, without values, of arguments or of a synopsis."""
    words = [word.strip("[]()…,") for word in arguments]
    return {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}


def named(arguments: Sequence[str], known: set[str]) -> None:
    assert options_of(arguments) <= known, f"unknown: {options_of(arguments) - known}"


def name_manage(arguments: list[str]) -> None:
    name, *rest = arguments or ["COMMAND"]
    if name == "COMMAND":
        return
    assert name in get_commands(), f"manage.py has no command {name}"
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    named(rest, set(parser._option_string_actions))


@functools.cache
def help_of(main: Callable[[list[str]], int], name: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out), pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0, out.getvalue()
    return out.getvalue()


def name_mer(main: Callable[[list[str]], int], arguments: list[str]) -> None:
    name, *rest = arguments or ["COMMAND"]
    if name != "COMMAND":
        named(rest, set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", help_of(main, name))))


@functools.cache
def pip_help(name: str) -> str:
    command = [sys.executable, "-m", "pip", name, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def name_pip(arguments: list[str]) -> None:
    name, *rest = arguments
    named(rest, set(re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", pip_help(name))))
    for option, value in itertools.pairwise(rest):
        if option in ("--constraint", "-c", "--requirement", "-r"):
            assert (ROOT / value).exists(), value


def name_celery(arguments: list[str]) -> None:
    subcommand = next(word for word in arguments if word in celery.commands)
    known = [*celery.params, *celery.commands[subcommand].params]
    named(arguments, {name for option in known for name in (*option.opts, *option.secondary_opts)})


def name_benchmark(arguments: list[str]) -> None:
    module, *rest = arguments
    path = ROOT / f"{module.replace('.', '/')}.py"
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    known = {
        node.args[0].value
        for node in calls
        if isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
        and isinstance(node.args[0], ast.Constant)
    }
    named(rest, {str(name) for name in known})


COMPOSE_OPTIONS: Final = {
    "up": {"--detach", "-d", "--scale", "--build", "--wait"},
    "down": {"--volumes"},
    "logs": {"--follow", "-f"},
    "exec": {"-T", "-it"},
    "run": {"--rm"},
    "build": {"--pull"},
    "pull": set(),
    "ps": set(),
    "restart": set(),
    "config": set(),
    "stop": set(),
}


def name_docker(arguments: list[str]) -> None:
    assert arguments[:1] == ["compose"], "docker compose alone is documented"
    rest = arguments[1:]
    files = ["docker-compose.yml"]
    if rest[:1] == ["-f"]:
        files = []
    while rest[:1] == ["-f"]:
        files.append(rest[1])
        rest = rest[2:]
    services = {
        name for file in files for name in yaml.safe_load((ROOT / file).read_text())["services"]
    }
    name, *rest = rest
    assert name in COMPOSE_OPTIONS, f"docker compose {name}: write it into COMPOSE_OPTIONS"
    own = rest
    if name in ("exec", "run"):
        place = next(i for i, word in enumerate(rest) if not word.startswith("-"))
        own, inner = rest[: place + 1], rest[place + 1 :]
        check_inner(inner)
    named(own, COMPOSE_OPTIONS[name])
    plain = [word.partition("=")[0] for word in own if not word.startswith("-")]
    assert set(plain) <= services, f"no such service: {set(plain) - services}"


def check_inner(words: list[str]) -> None:
    """Check what is run inside a container."""
    name, arguments = program(words)
    if name == "manage.py":
        parse_manage(arguments)
    else:
        assert name in ("pg_dump", "psql", "redis-cli", "sh"), f"no rule for {name} in a container"


def name_export(arguments: list[str]) -> None:
    assert {word.partition("=")[0] for word in arguments} <= {*SETTINGS, "TOKEN"}


def name_cp(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).exists(), arguments[0]


# --- which command gets which


def is_synopsis(command: Command) -> bool:
    return any("…" in word or re.match(r"\[-", word) for word in command.words)


def rule(command: Command) -> tuple[str, Callable[..., None]]:
    """Return the level of a command and its check, or raise LookupError."""
    if command.output and command.words[0] == "cat":
        return "RUN", run_here_document
    name, arguments = program(command.words)
    first = arguments[0] if arguments else ""
    if is_synopsis(command):
        return "NAMED", NAMED[name]
    if (run := RUN.get((name, first)) or RUN.get((name, "*"))) is not None:
        return "RUN", run
    for level, checks in (("PARSED", PARSED), ("NAMED", NAMED)):
        if name in checks:
            return level, checks[name]
    if name in UNCHECKED:
        return "NONE", lambda arguments: None
    raise LookupError(f"{command}: no rule covers {name}; add one, or another command")


RUN: Final[dict[tuple[str, str], Callable[[Command, Stage], None]]] = {
    ("make", "help"): run_make_help,
    ("manage.py", "playlist"): run_playlist,
    ("mer", "analyze"): run_analyze,
    ("curl", "*"): run_curl,
}
PARSED: Final[dict[str, Callable[..., None]]] = {
    "manage.py": parse_manage,
    "mer": lambda arguments: parsed(mer.cli._parse, arguments),
    "mer.research": lambda arguments: parsed(mer.research.cli._parse, arguments),
    "pytest": parse_pytest,
    "make": parse_make,
    "bash": parse_bash,
}
NAMED: Final[dict[str, Callable[[list[str]], None]]] = {
    "manage.py": name_manage,
    "mer": lambda arguments: name_mer(mer.cli.main, arguments),
    "mer.research": lambda arguments: name_mer(mer.research.cli.main, arguments),
    "pip": name_pip,
    "celery": name_celery,
    "benchmarks": name_benchmark,
    "docker": name_docker,
    "export": name_export,
    "cp": name_cp,
}


def of_level(*levels: str) -> list[Command]:
    found = []
    for command in COMMANDS:
        try:
            level, _ = rule(command)
        except LookupError:
            continue
        if level in levels:
            found.append(command)
    return found


def test_commands_are_found():
    names = {program(command.words)[0] for command in COMMANDS}
    assert {"make", "manage.py", "mer", "curl", "docker"} <= names


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_command_has_a_rule(command: Command):
    assert rule(command)[0] in ("RUN", "PARSED", "NAMED", "NONE")


@pytest.mark.parametrize("command", of_level("RUN"), ids=str)
def test_command_runs(
    command: Command,
    stage: Stage,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
):
    _, run = rule(command)
    if run is run_analyze:  # the packaged model, loaded once for all commands
        pipeline = request.getfixturevalue("packaged_pipeline")
        monkeypatch.setattr(EmotionPipeline, "from_pretrained", lambda *_, **__: pipeline)
    run(command, stage)


@pytest.mark.parametrize("command", of_level("PARSED", "NAMED"), ids=str)
def test_command_is_read(command: Command, pytestconfig: pytest.Config):
    _, check = rule(command)
    arguments = program(command.words)[1]
    if check is parse_pytest:
        check(arguments, pytestconfig)
    else:
        check(arguments)


def test_commands_in_sentences_exist():
    wrong = []
    for span in SPANS:
        name, arguments = program(span.words)
        checks: dict[str, Callable[[list[str]], None]] = {**NAMED, "make": parse_make}
        if len(span.words) == 1 or name not in checks or name in ("pip", "cp", "export", "celery"):
            continue
        try:
            checks[name](arguments)
        except (AssertionError, LookupError) as error:
            wrong.append(f"{span}: {error}")
    assert wrong == []


@pytest.mark.parametrize("command", SYNOPSES, ids=str)
def test_synopsis_names_what_exists(command: Command):
    name, arguments = program(command.words)
    NAMED[name](arguments)


def test_a_wrong_command_is_found(pytestconfig: pytest.Config):
    """The checks themselves: each of these is wrong in one word."""
    for words in (
        "make runn",
        "make run MUSIK=/music",
        "python manage.py ingests /music",
        "python manage.py ingest /music --forever",
        "python -m mer analyse song.mp3",
        "python -m mer.research compare --dat ../shared --thread 1 --sped",
        "python -m benchmarks.bench_playlist --song 3",
        "pip install --constraint constraint.txt --editable .",
        "docker compose logs set-up",
        "docker compose up --scale worker=2",
        "docker compose exec web python manage.py ingests /music",
        "celery -A recommender worker --queue-names ingest",
        "python manage.py serve --bind 0.0.0.0:8000",
        "python -m pytest tests/nowhere",
        "bash .ci/runs",
        "export AFFETTI_VAR=var",
    ):
        command = Command("here", words, tuple(words.split()))
        _, check = rule(command)
        more = (pytestconfig,) if check is parse_pytest else ()
        with pytest.raises((AssertionError, subprocess.CalledProcessError, SystemExit)):
            check(program(command.words)[1], *more)
    with pytest.raises(LookupError, match="no rule covers mpv"):
        rule(Command("here", "mpv a.mp3", ("mpv", "a.mp3")))
