"""The wheel, away from the checkout: installed in its own environment, it migrates and serves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING

import pytest

from tests.integration.stack import free_port
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PACKAGES = ("mer", "catalog", "recommender")
PATIENCE_SECONDS = 60


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without any of Affetti's settings; it must succeed."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "OMP_NUM_THREADS")
    return {name: os.environ[name] for name in kept if name in os.environ}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("affetti-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of an environment that holds the wheel and sees our dependencies.

    A path that a .pth file names is searched, but its own .pth files are not read, so an editable
    installation of this checkout is out of sight.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    names = {"base": str(folder), "platbase": str(folder)}
    packages = folder / os.path.relpath(sysconfig.get_path("purelib", "venv", names), folder)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = folder / "bin/python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--no-index", "--force-reinstall", wheel, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def home(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty folder, migrated and with its static files collected."""
    folder = tmp_path_factory.mktemp("home")
    run(installed / "affetti", "migrate", "--verbosity", "0", cwd=folder)
    run(installed / "affetti", "collectstatic", "--no-input", "--verbosity", "0", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def port(installed: Path, home: Path) -> Iterator[int]:
    """Return the port of a web process that answers."""
    port = free_port()
    command = (installed / "affetti", "serve")
    with (home / "web.log").open("wb") as log:
        process = subprocess.Popen(
            (*command, "--port", str(port)),
            cwd=home,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while not answers(port):
            assert process.poll() is None, (home / "web.log").read_text()
            assert time.monotonic() < end, (home / "web.log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    try:
        return get(port, "/healthz")[0] == 200
    except OSError:
        return False


def get(port: int, path: str) -> tuple[int, str, str]:
    """Return (status, media type, body) of a page."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("GET", path)
        response: HTTPResponse = connection.getresponse()
        media_type = response.headers.get_content_type()
        return response.status, media_type, response.read().decode()


def test_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("affetti-")} == set(PACKAGES)
    held = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held |= {
        f"recommender/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "templates").rglob("*.*")
    }
    assert {name for name in names if not name.startswith("affetti-")} == held
    assert any(name.endswith(".safetensors") for name in names)
    assert "mer/py.typed" in names


def test_installed_code_is_that_of_the_wheel(installed: Path, home: Path) -> None:
    code = (
        "import mer.checkpoint as c, recommender.settings as s;"
        "print(s.PROJECT_DIR, s.VAR_DIR, c.packaged_version(), sep='\\n')"
    )
    project, var, version = run(installed / "python", "-c", code, cwd=home).splitlines()
    assert project.startswith(str(installed.parent))
    assert var == str(home / "var"), "nothing is written beside the code"
    assert version.startswith("affetti-")


def test_home_page_has_its_style(port: int) -> None:
    status, _, page = get(port, "/")
    assert status == 200
    address = re.search(r'href="(/static/recommender/affetti\.\w+\.css)"', page)
    assert address, "its name has the hash of its content"
    status, media_type, style = get(port, address[1])
    assert (status, media_type) == (200, "text/css")
    assert style == (ROOT / "recommender/web/static/recommender/affetti.css").read_text()


def test_admin_has_its_style(port: int) -> None:
    assert get(port, "/static/admin/css/base.css")[0] == 200


def test_command_line_and_web_share_a_database(installed: Path, home: Path, port: int) -> None:
    assert "[X] 0001_initial" in run(installed / "affetti", "showmigrations", cwd=home)
    assert get(port, "/songs")[0] == 200
