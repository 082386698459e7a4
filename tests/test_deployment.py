"""The container files, without a container engine: what they name exists, what they run works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from catalog.demo.pieces import PIECES
from tests.integration.stack import Stack, free_port, services_require, wav_write
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
GPU_TEXT = (ROOT / "docker-compose.gpu.yml").read_text()
SECRETS = {"POSTGRES_PASSWORD": "word", "AFFETTI_SECRET_KEY": "key"}
OURS = ("setup", "web", "worker-io", "worker-analysis", "beat")
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}")


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """Do what compose does with ${NAME}, ${NAME:-default}, ${NAME:?complaint} and $$."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if name is None:
            return "$"
        if values.get(name):
            return values[name]
        if kind == "?":
            raise LookupError(rest)
        return rest or ""

    return _VARIABLE.sub(value, text)


def compose(values: Mapping[str, str] = SECRETS) -> dict[str, Any]:
    """Return the compose file as the engine takes it: parsed, then every text interpolated."""

    def walked(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: walked(child) for key, child in node.items()}
        if isinstance(node, list):
            return [walked(child) for child in node]
        return interpolated(node, values) if isinstance(node, str) else node

    return walked(yaml.safe_load(COMPOSE_TEXT))


SERVICES = compose()["services"]


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, arguments) of the Dockerfile, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines()]  # type: ignore[misc]


def stages() -> dict[str, str]:
    return {
        words[2]: words[0]
        for name, rest in instructions()
        if name == "FROM" and (words := rest.split())
    }


def health_command(service: str) -> list[str]:
    kind, *rest = SERVICES[service]["healthcheck"]["test"]
    return ["sh", "-c", *rest] if kind == "CMD-SHELL" else rest


# --- what the files name ------------------------------------------------------------------------


def test_targets_and_stages_exist():
    named = stages()
    assert {"cpu", "cuda"} <= set(named)
    for name, rest in instructions():
        if name == "COPY" and rest.startswith("--from="):
            assert rest.split()[0].removeprefix("--from=") in named
    targets = {SERVICES[name]["build"]["target"] for name in OURS}
    targets |= {s["build"]["target"] for s in yaml.safe_load(GPU_TEXT)["services"].values()}
    assert targets == {"cpu", "cuda"}


def test_image_runs_as_an_ordinary_user_who_owns_the_data_folder():
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users == ["affetti", "root", "affetti"], "root only installs faiss-gpu"
    made = next(rest for name, rest in instructions() if rest.startswith("useradd"))
    assert "--home-dir /var/lib/affetti --create-home affetti" in made


def test_build_context_holds_what_runs_and_nothing_private():
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in rules, "everything is left out but what is named"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert let_in == {
        *("mer", "catalog", "recommender", "templates", "manage.py"),
        *("pyproject.toml", "constraints.txt", "README.md", "LICENSE"),
    }
    for name in let_in:
        assert (ROOT / name).exists(), name


def test_installation_is_that_of_the_makefile():
    """torch, then the encoders without their requirements, then Affetti: every one pinned."""
    makefile = (ROOT / "Makefile").read_text()
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    installs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    assert all("--constraint constraints.txt" in line for line in installs)
    torch, encoders, affetti, faiss = installs
    assert torch.endswith(" torch")
    packages = encoders.partition("--no-deps ")[2].split()
    assert f"--no-deps {' '.join(packages)}" in makefile
    assert {"torch", *packages, "faiss-gpu"} <= pinned
    assert faiss.startswith("pip uninstall --yes faiss-cpu ")
    assert faiss.endswith(" faiss-gpu"), "the extra `gpu`, without faiss-cpu"
    assert affetti.endswith('--editable ".${EXTRAS:+[$EXTRAS]}"')


def test_no_host_is_named_but_this_one():
    for text in (DOCKERFILE, COMPOSE_TEXT, GPU_TEXT):
        assert set(re.findall(r"https?://([\w.]+)", text)) <= {"127.0.0.1"}
    assert "ARG TORCH_INDEX_URL" in DOCKERFILE


def test_a_stopped_worker_has_time_to_end_its_batch_and_give_back_its_songs():
    workers = [name for name, service in SERVICES.items() if "worker" in service.get("command", "")]
    assert workers == ["worker-io", "worker-analysis"]
    assert all(SERVICES[name]["stop_grace_period"] == "2m" for name in workers)


def test_ports_agree():
    web = SERVICES["web"]
    port = next(rest for name, rest in instructions() if name == "EXPOSE")
    command = next(rest for name, rest in instructions() if name == "CMD")
    assert json.loads(command) == web["command"], "the image starts as the service does"
    assert web["command"][web["command"].index("--port") + 1] == port
    assert [str(entry).split(":")[-1] for entry in web["ports"]] == [port]
    assert f"127.0.0.1:{port}/" in " ".join(health_command("web"))
    assert all("ports" not in service for name, service in SERVICES.items() if name != "web")


def test_every_setting_is_read_and_documented():
    read = set(re.findall(r"\"([A-Z_]+)\"", (ROOT / "recommender/settings.py").read_text()))
    example = (ROOT / ".env.example").read_text()
    documented = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
    environments = [SERVICES[name]["environment"] for name in OURS]
    environments += [
        service["environment"] for service in yaml.safe_load(GPU_TEXT)["services"].values()
    ]
    named = {key for environment in environments for key in environment}
    named |= set(re.findall(r"\b(AFFETTI_\w+)=", DOCKERFILE))
    assert named <= read
    assert named <= documented
    for text in (COMPOSE_TEXT, GPU_TEXT):
        assert {m[1] for m in _VARIABLE.finditer(text) if m[1]} <= documented


NOT_PASSED = {
    # What the compose file itself says.
    *("DATABASE_URL", "REDIS_URL", "AFFETTI_VAR_DIR", "AFFETTI_CATALOG_ROOTS"),
    # Below AFFETTI_VAR_DIR, in the volume that every service has.
    *("AFFETTI_UPLOAD_DIR", "AFFETTI_STORE_DIR"),
    # Of `manage.py mcp`, which runs where the language model's program does.
    *("AFFETTI_MCP_ADDRESS", "AFFETTI_MCP_TOKEN"),
    # Never in a container; and a former name, which stops the start.
    *("AFFETTI_DEBUG", "AFFETTI_SECURE_COOKIES"),
}
OWN_DEFAULTS = {"AFFETTI_ALLOWED_HOSTS": "127.0.0.1,localhost", "AFFETTI_SECRET_KEY": None}
"""Those of the containers: IPv6 is not published, and a secret has to be given."""


def test_every_documented_setting_is_passed_on_with_its_default():
    page, _, _ = (ROOT / "docs/settings.md").read_text().partition("## Read by docker-compose.yml")
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)?", page, re.MULTILINE))
    example = dict(
        re.findall(r"^# ([A-Z_]+)=(\S*)", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )
    passed = yaml.safe_load(COMPOSE_TEXT)["services"]["web"]["environment"]
    assert (
        set(passed) | NOT_PASSED
        == set(documented)
        == set(documented) & set(example) | {"AFFETTI_SECURE_COOKIES"}
    )
    for name in sorted(set(documented) - NOT_PASSED - set(OWN_DEFAULTS)):
        assert passed[name] == f"${{{name}:-{documented[name]}}}", name
        assert example[name] == documented[name], name
    for name, default in OWN_DEFAULTS.items():
        assert default is None or passed[name] == f"${{{name}:-{default}}}"


def test_the_image_has_the_client_of_the_servers_postgresql():
    (server,) = re.findall(r"image: postgres:(\d+)", COMPOSE_TEXT)
    runs = " ".join(rest for name, rest in instructions() if name == "RUN")
    assert re.findall(r"postgresql-client-(\d+)", runs) == [server]
    # The release of Debian decides which clients there are: 13 (trixie) has 17.
    bases = {words.split()[0] for name, words in instructions() if name == "FROM"}
    assert "python:${PYTHON_VERSION}-slim-${DEBIAN}" in bases
    assert ("ARG", "DEBIAN=trixie") in instructions()


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_a_missing_secret_is_refused(secret):
    with pytest.raises(LookupError, match=secret):
        compose({name: value for name, value in SECRETS.items() if name != secret})


def test_order_health_and_volumes():
    volumes = compose()["volumes"]
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) == (name != "setup"), name
        for other, how in service.get("depends_on", {}).items():
            is_one_shot = how["condition"] == "service_completed_successfully"
            assert is_one_shot == (other == "setup")
            assert is_one_shot or "healthcheck" in SERVICES[other]
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            if target == "/music":
                assert mode == ["ro"], "music is never written to"
            else:
                assert source in volumes
    waiting = {name for name in OURS if "setup" in SERVICES[name]["depends_on"]}
    assert waiting == set(OURS) - {"setup"}


def test_every_queue_has_a_worker_and_there_is_one_beat(settings):
    served = set()
    for name in OURS:
        command = SERVICES[name]["command"]
        if "--queues" in command:
            served |= set(command[command.index("--queues") + 1].split(","))
    sent = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert served == sent | {settings.CELERY_TASK_DEFAULT_QUEUE}
    assert sum("beat" in SERVICES[name]["command"] for name in OURS) == 1


def test_gpu_file_changes_the_analysis_worker_alone():
    services = yaml.safe_load(GPU_TEXT)["services"]
    assert set(services) == {"worker-analysis"}
    devices = services["worker-analysis"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["capabilities"] == ["gpu"]
    assert "deploy" not in SERVICES["worker-analysis"], "without it, the worker starts on a CPU"


def test_settings_take_the_environment_of_compose(tmp_path):
    """Every process reads it as meant, without touching a service."""
    code = (
        "import json; from recommender import settings as s; d = s.DATABASES['default'];"
        "print(json.dumps([d['ENGINE'], d['HOST'], d['NAME'], d['PASSWORD'], s.CELERY_BROKER_URL,"
        "s.IS_EMBEDDED, s.ALLOWED_HOSTS, s.CSRF_TRUSTED_ORIGINS, s.SESSION_COOKIE_SECURE,"
        "[str(root) for root in s.AFFETTI_CATALOG_ROOTS], s.SECRET_KEY]))"
    )
    stack = Stack(tmp_path, is_full=False)
    stack.env |= SERVICES["web"]["environment"] | {"AFFETTI_VAR_DIR": str(tmp_path)}
    said = stack.run("python", "-c", code, seconds=60)
    assert json.loads(said) == [
        "recommender.postgresql",
        *("postgres", "affetti", "word", "redis://redis:6379/0"),
        *(False, ["127.0.0.1", "localhost"], [], False),
        *(["/var/lib/affetti/demo", "/music"], "key"),
    ]


# --- what the files run -------------------------------------------------------------------------


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """The services' environment, but this machine's PostgreSQL, Redis and folders."""
    services_require()
    installation = Stack(tmp_path, is_full=True)
    own = {"DATABASE_URL", "REDIS_URL", "AFFETTI_VAR_DIR", "AFFETTI_CATALOG_ROOTS"}
    named = SERVICES["web"]["environment"]
    installation.env |= {name: named[name] for name in named if name not in own}
    (tmp_path / "var").mkdir()
    try:
        yield installation
    finally:
        installation.close()


def is_healthy(stack: Stack, command: list[str], timeout: float) -> bool:
    done = subprocess.run(
        command, cwd=ROOT, env=stack.env, capture_output=True, timeout=timeout, check=False
    )
    return done.returncode == 0


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


@pytest.mark.integration
@pytest.mark.parametrize("name", [name for name in OURS if name != "setup"])
def test_service_starts_and_its_health_check_tells(stack, migrated, name):
    stack.migrate(migrated)
    port = str(free_port())
    command = [port if word == "8000" else word for word in SERVICES[name]["command"]]
    check = [word.replace(":8000/", f":{port}/") for word in health_command(name)]
    timeout = seconds(SERVICES[name]["healthcheck"]["timeout"])
    # Asked impatiently while nobody can answer yet.
    quick = [re.sub(r"--timeout \d+", "--timeout 1", word) for word in check]
    assert not is_healthy(stack, quick, timeout), "healthy before it was started"
    process = stack.start(*command)
    stack.wait_until(lambda: is_healthy(stack, quick, timeout), f"{name} healthy", seconds=90)
    assert is_healthy(stack, check, timeout), "as written, too"
    assert process.poll() is None
    stack.kill(process)
    # Their checks see one that hangs, after minutes.
    if name not in {"beat", "watch"}:
        assert not is_healthy(stack, quick, timeout), "healthy after it was killed"


@pytest.mark.integration
def test_setup_prepares_a_catalogue_and_ends(stack, tmp_path):
    demo = tmp_path / "music"
    demo.mkdir()
    tone = tmp_path / "tone.wav"
    wav_write(tone, number=1)
    for piece in PIECES:  # composed already, as far as the command can see
        shutil.copy(tone, demo / f"{piece.artist} - {piece.title}.ogg")
    port = str(free_port())
    command = compose({**SECRETS, "PORT": port})["services"]["setup"]["command"]
    said = stack.run(*command)
    assert f"127.0.0.1:{port} " in said, "the address that the web service is published at"
    assert f"http://127.0.0.1:{port}/setup?code=" in said
    assert stack.count("auth_user", "is_superuser") == 0
    assert stack.count("catalog_backgroundjob", "kind = 'ingest'") == 1
    assert "/setup?code=" in stack.run(*command), "until there is an admin"


@pytest.mark.integration
def test_redis_starts_as_told_and_its_health_check_tells(stack):
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed here, only reachable")
    port = str(free_port())
    check = [port if word == "6379" else word for word in health_command("redis")]
    assert not is_healthy(stack, check, 5)
    stack.start(*SERVICES["redis"]["command"], "--port", port)
    stack.wait_until(lambda: is_healthy(stack, check, 5), "redis healthy", seconds=10)


@pytest.mark.integration
def test_postgres_health_check_tells(stack):
    _, _, shell = health_command("postgres")
    words = shlex.split(shell)
    if shutil.which(words[0]) is None:
        pytest.skip("pg_isready is not installed here")
    where = re.search(r"@([\w.]+):(\d+)/", stack.env["DATABASE_URL"])
    assert where is not None
    words[words.index("--host") + 1] = where[1]
    port = words.index("--port") + 1
    words[port] = where[2]
    assert is_healthy(stack, words, 5)
    words[port] = str(free_port())
    assert not is_healthy(stack, words, 5)
