"""What the log says, and the ids in it."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.http import HttpResponse
from structlog.contextvars import bound_contextvars, clear_contextvars, get_contextvars

from recommender.logs import (
    HEADER,
    LineFormatter,
    json_formatter,
    request_log_middleware,
    requests_logger,
)
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest
    from django.test import Client, RequestFactory
    from pytest_django.fixtures import SettingsWrapper


@pytest.fixture(autouse=True)
def _no_context() -> Iterator[None]:
    clear_contextvars()
    yield
    clear_contextvars()


def record(text: str = "%s is gone", *args: object, **more: object) -> logging.LogRecord:
    return logging.getLogger("catalog.x").makeRecord(
        "catalog.x", logging.WARNING, "x.py", 1, text, args or ("größe",), None, extra=more
    )


def test_a_line_ends_with_the_ids() -> None:
    assert LineFormatter().format(record()).endswith("WARNING catalog.x größe is gone")
    with bound_contextvars(request_id="r1", job_id="j1"):
        line = LineFormatter().format(record())
    assert line.endswith("größe is gone [job_id=j1 request_id=r1]")


def test_a_traceback_comes_after_the_ids() -> None:
    made = record()
    try:
        raise ValueError("no")
    except ValueError:
        made.exc_info = sys.exc_info()
    with bound_contextvars(task_id="t1"):
        lines = LineFormatter().format(made).splitlines()
    assert lines[0].endswith("[task_id=t1]")
    assert lines[-1] == "ValueError: no"


def test_json_is_an_object_a_line() -> None:
    made = record("two\nlines %s", "x", route="song", status=200)
    try:
        raise ValueError("no")
    except ValueError:
        made.exc_info = sys.exc_info()
    with bound_contextvars(job_id="j1"):
        line = json_formatter().format(made)
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert "ValueError: no" in found.pop("exception")
    assert found == {
        "event": "two\nlines x",
        "level": "warning",
        "logger": "catalog.x",
        "job_id": "j1",
        "route": "song",
        "status": 200,
    }


def test_an_answer_names_its_request(client: Client, settings: SettingsWrapper) -> None:
    first, second = (client.get("/healthz")[HEADER] for _ in range(2))
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert first != second
    assert get_contextvars() == {}
    given = client.get("/healthz", headers={HEADER: "from-a-stranger"})
    assert given[HEADER] != "from-a-stranger"
    settings.PROXY_COUNT = 1
    assert client.get("/healthz", headers={HEADER: "of.the-proxy_1"})[HEADER] == "of.the-proxy_1"
    for hostile in ("", "a b", "x" * 65, "ü", "a\tb"):
        assert client.get("/healthz", headers={HEADER: hostile})[HEADER] != hostile


@pytest.mark.django_db
def test_requests_are_logged_by_route_where_that_is_wanted(
    client: Client, settings: SettingsWrapper, caplog: pytest.LogCaptureFixture
) -> None:
    def logged() -> list[logging.LogRecord]:
        return [made for made in caplog.records if made.name == requests_logger.name]

    with caplog.at_level("INFO", logger=requests_logger.name):
        client.get("/songs?q=secret")
        assert not logged()
        settings.AFFETTI_LOG_REQUESTS = True
        client.get("/songs?q=secret")
        client.get("/shared/secret")
    found = [made.getMessage().rsplit(" ", 2)[0] for made in logged()]
    assert found == ["GET songs 200", "GET shared-playlist 404"]


@pytest.mark.django_db
def test_what_a_view_logs_has_the_id(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: SettingsWrapper
) -> None:
    seen: list[str] = []

    def broken(*_: object, **__: object) -> None:
        seen.append(str(get_contextvars()["request_id"]))
        raise RuntimeError("a bug")

    monkeypatch.setattr("recommender.health.readiness", broken)
    client.raise_request_exception = False
    answer = client.get("/readyz")
    assert answer.status_code == 500
    assert seen == [answer[HEADER]]


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "recommender.settings", **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_process_logs_as_the_setting_says() -> None:
    code = "import django, logging; django.setup(); logging.getLogger('x').warning('hello')"
    assert run(code).stderr.strip().endswith("WARNING x hello")
    assert json.loads(run(code, AFFETTI_LOG_FORMAT="json").stderr)["event"] == "hello"
    refused = run(code, AFFETTI_LOG_FORMAT="xml")
    assert "AFFETTI_LOG_FORMAT is 'xml'; set it to line or json" in refused.stderr


def test_a_worker_logs_as_the_web_process_does() -> None:
    code = (
        "from recommender.celery import app; import logging;"
        "app.log.setup(loglevel='WARNING', redirect_stdouts=False);"
        "log = logging.getLogger('catalog.x'); log.info('not this'); log.warning('this')"
    )
    lines = run("import django; django.setup();" + code, AFFETTI_LOG_FORMAT="json").stderr
    assert [json.loads(line)["event"] for line in lines.splitlines()] == ["this"]


@pytest.mark.django_db
def test_an_answer_that_was_closed_early_has_its_id(rf: RequestFactory) -> None:
    def closing(_: HttpRequest) -> HttpResponse:
        response = HttpResponse()
        response.close()  # as where too many requests take the place of an answer
        return response

    assert request_log_middleware(closing)(rf.get("/"))[HEADER]
