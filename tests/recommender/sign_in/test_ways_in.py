"""Single sign-on, codes and passkeys: off unless set, refused when half set, working when on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from recommender.ways_in import SignIn
from tests.places import ROOT
from tests.recommender.test_site_settings import PRINT, python

if TYPE_CHECKING:
    from django.test import Client

PROVIDER = {
    "AFFETTI_OIDC_SERVER": "https://id.example.org/",
    "AFFETTI_OIDC_CLIENT_ID": "affetti",
    "AFFETTI_OIDC_SECRET": "word",
}
OWN: dict[str, Any] = {
    "server": "https://id.example.org",
    "client_id": "affetti",
    "secret": "word",
}
SHOWN = "(lambda w: (w.server, w.name, w.may_sign_up, w.has_second_factor))(s.AFFETTI_SIGN_IN)"


def test_all_is_off_by_default(client: Client) -> None:
    assert SignIn(may_sign_up=settings.AFFETTI_SIGNUP) == settings.AFFETTI_SIGN_IN
    assert not settings.AFFETTI_SIGN_IN.is_on
    assert not any(name.startswith("allauth") for name in settings.INSTALLED_APPS)
    assert client.get("/accounts/2fa/").status_code == 404


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (PROVIDER, ("https://id.example.org", "id.example.org", True, False)),
        (
            {**PROVIDER, "AFFETTI_OIDC_SIGNUP": "false", "AFFETTI_OIDC_NAME": "Our club"},
            ("https://id.example.org", "Our club", False, False),
        ),
        (
            {"AFFETTI_SECOND_FACTOR": "true", "AFFETTI_SIGNUP": "false"},
            ("", "", False, True),
        ),
    ],
    ids=["provider", "named", "second-factor"],
)
def test_the_environment_is_read(
    tmp_path: Path, changes: dict[str, str], expected: tuple[object, ...]
) -> None:
    done = python(tmp_path, "-c", PRINT.format(SHOWN), **changes)
    assert done.stdout.strip().splitlines()[-1] == str(expected), done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"server": "id.example.org"}, "with https://"),
        ({"server": "file:///etc"}, "with https://"),
        ({"server": "http://id.example.org"}, "with https://"),
        ({"server": "http://127.0.0.1.example.org"}, "with https://"),
        ({"secret": ""}, "AFFETTI_OIDC_SECRET"),
        ({"client_id": ""}, "AFFETTI_OIDC_CLIENT_ID"),
    ],
    ids=["no-scheme", "file", "http", "nearly-here", "no-secret", "no-client"],
)
def test_half_of_it_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(words)):
        SignIn(**{**OWN, **changes}).checked()


@pytest.mark.parametrize(
    "host", ["localhost:9", "127.0.0.1", "[::1]:8080", "id.localhost", "127.3.2.1"]
)
def test_a_provider_of_this_host_needs_no_https(host: str) -> None:
    pytest.importorskip("allauth", reason="the extra `accounts` is not installed")
    assert SignIn(**{**OWN, "server": f"http://{host}"}).checked().is_on


def test_all_processes_share_what_is_counted(tmp_path: Path) -> None:
    assert SignIn().caches("redis://cache", tmp_path) == {}
    redis = SignIn(**OWN).caches("redis://cache", tmp_path)["CACHES"]["default"]
    assert (redis["BACKEND"].rsplit(".")[-1], redis["LOCATION"]) == ("RedisCache", "redis://cache")
    files = SignIn(has_second_factor=True).caches("", tmp_path)["CACHES"]["default"]
    assert files["LOCATION"] == str(tmp_path)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=re.escape("'.[accounts]'")):
        SignIn(has_second_factor=True).checked()
    assert not SignIn().checked().is_on


def test_with_all_ways_in_on(tmp_path: Path) -> None:
    """The tests of `turned_on.py`, in a process whose settings have everything on."""
    pytest.importorskip("allauth.mfa", reason="the extra `accounts` is not installed")
    # Without Redis: the tests empty the cache, and that would empty the Redis of all the others.
    kept = ("PATH", "HOME", "DATABASE_URL", "AFFETTI_SECRET_KEY", "PYTHONPATH")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--create-db"]
    done = subprocess.run(
        [*command, str(Path(__file__).with_name("turned_on.py"))],
        cwd=ROOT,
        env={
            **{name: os.environ[name] for name in kept if name in os.environ},
            **PROVIDER,
            "AFFETTI_OIDC_SERVER": "http://127.0.0.1:9",  # the tests start one of their own
            "AFFETTI_OIDC_SIGNUP": "true",
            "AFFETTI_SECOND_FACTOR": "true",
            "AFFETTI_VAR_DIR": str(tmp_path / "var"),
            # A database of its own: the tests around it hold theirs.
            "PYTEST_XDIST_WORKER": f"{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}on",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
