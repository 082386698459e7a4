"""The response to an exception, on pages, audio and the API alike."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import (
    BadRequest,
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.db.backends.signals import connection_created
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.test import Client
from rest_framework import exceptions

from catalog.corrections import emotion_correct
from catalog.errors import (
    CatalogError,
    JobStateError,
    PathError,
    TagWritingError,
    TransientError,
    VersionError,
)
from catalog.models import Song
from mer.errors import (
    CheckpointCorruptError,
    CheckpointError,
    EncoderMissingError,
    InputError,
    PackageMissingError,
    ShapeError,
)
from recommender import error_answers
from recommender.errors import (
    AccountError,
    AccountErrorCode,
    CursorInvalidError,
    DiskShortError,
    FilePieceError,
    FileRefusedError,
    IdempotencyError,
    IdempotencyErrorCode,
    IndexBusyError,
    IndexCorruptError,
    IndexMissingError,
    IndexUnreadableError,
    IndexVersionError,
    MediaBusyError,
    PlaylistErrorCode,
    PlaylistRequestError,
    PreconditionFailedError,
    QueryTooLongError,
    RecommenderError,
    SongUnplayableError,
    TranscodingOffError,
)
from tests.factories import SongFactory, UserFactory, token_secret
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.db.backends.base.base import BaseDatabaseWrapper
    from pytest_django.fixtures import SettingsWrapper


pytestmark = pytest.mark.django_db


def integrity_error(cause: Exception, **facts: object) -> IntegrityError:
    error = IntegrityError(str(cause))
    for name, value in facts.items():
        setattr(cause, name, value)
    error.__cause__ = cause
    return error


EXPECTED: list[tuple[Exception, int, str]] = [
    (Http404(), 404, "NOT_FOUND"),
    (PermissionDenied(), 403, "PERMISSION_DENIED"),
    (BadRequest(), 400, "BAD_REQUEST"),
    (MultiPartParserError(), 400, "BAD_REQUEST"),
    (SuspiciousOperation(), 400, "BAD_REQUEST"),
    (RequestDataTooBig(), 413, "REQUEST_TOO_LARGE"),
    (QueryTooLongError(9), 414, "REQUEST_TOO_LARGE"),
    (exceptions.ValidationError({"name": ["no"]}), 400, "REQUEST_INVALID"),
    (exceptions.ParseError(), 400, "PARSE_FAILED"),
    (exceptions.NotAuthenticated(), 401, "NOT_AUTHENTICATED"),
    (exceptions.AuthenticationFailed(), 401, "AUTHENTICATION_FAILED"),
    (exceptions.PermissionDenied(), 403, "PERMISSION_DENIED"),
    (exceptions.NotFound(), 404, "NOT_FOUND"),
    (exceptions.MethodNotAllowed("PUT"), 405, "METHOD_NOT_ALLOWED"),
    (exceptions.NotAcceptable(), 406, "NOT_ACCEPTABLE"),
    (exceptions.UnsupportedMediaType("text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    (exceptions.Throttled(7), 429, "THROTTLED"),
    (PathError("/x is not there"), 400, "PATH_INVALID"),
    (ValidationError({"username": "taken"}), 400, "REQUEST_INVALID"),
    *(
        (integrity_error(sqlite3.IntegrityError(), sqlite_errorcode=code), 409, "CONFLICT")
        for code in (787, 1555, 2067)
    ),
    (integrity_error(psycopg.errors.UniqueViolation()), 409, "CONFLICT"),
    (ObjectDoesNotExist("deleted meanwhile"), 409, "CONFLICT"),
    (integrity_error(psycopg.errors.ForeignKeyViolation()), 409, "CONFLICT"),
    (OperationalError("connection refused"), 503, "UNAVAILABLE"),
    (InterfaceError("connection already closed"), 503, "UNAVAILABLE"),
    (CheckpointError("gone"), 503, "UNAVAILABLE"),
    (EncoderMissingError("gone"), 503, "UNAVAILABLE"),
    (PackageMissingError("gone"), 503, "UNAVAILABLE"),
    (MediaBusyError("busy"), 503, "UNAVAILABLE"),
    (FileRefusedError("no history"), 400, "FILE_INVALID"),
    (CursorInvalidError("damaged"), 400, "CURSOR_INVALID"),
    (PreconditionFailedError("it has changed"), 412, "PRECONDITION_FAILED"),
    (FilePieceError("not the next piece", 4), 409, "CONFLICT"),
    (SongUnplayableError("damaged"), 409, "SONG_UNPLAYABLE"),
    (JobStateError("a job that is done cannot pause"), 409, "JOB_STATE_INVALID"),
    (TagWritingError("its files may not be written"), 409, "TAGS_NOT_WRITABLE"),
    (TranscodingOffError("no ffmpeg"), 409, "TRANSCODING_OFF"),
    (IndexBusyError("busy"), 503, "UNAVAILABLE"),
    (IndexCorruptError("bytes"), 503, "UNAVAILABLE"),
    (IndexMissingError("gone"), 503, "UNAVAILABLE"),
    (IndexUnreadableError("busy"), 503, "UNAVAILABLE"),
    (DiskShortError("full"), 503, "UNAVAILABLE"),
    (IndexVersionError("old"), 503, "UNAVAILABLE"),
    (IndexUnreadableError("too many open files"), 503, "UNAVAILABLE"),
    (DiskShortError("full"), 503, "UNAVAILABLE"),
    (TransientError("away"), 503, "UNAVAILABLE"),
]
PLAYLISTS = [
    (PlaylistErrorCode.REQUEST_INVALID, 400),
    (PlaylistErrorCode.SONG_NOT_FOUND, 404),
    (PlaylistErrorCode.CATALOG_EMPTY, 409),
    (PlaylistErrorCode.NO_SONG_MATCHES, 409),
    (PlaylistErrorCode.SONG_NOT_ANALYSED, 409),
    (PlaylistErrorCode.HISTORY_EMPTY, 409),
    (PlaylistErrorCode.WORDS_NOT_UNDERSTOOD, 400),
    (PlaylistErrorCode.WORDS_UNAVAILABLE, 409),
]
EXPECTED += [(PlaylistRequestError(code, "words"), status, code) for code, status in PLAYLISTS]
ACCOUNTS = [
    (AccountErrorCode.REQUEST_INVALID, 400),
    (AccountErrorCode.PERMISSION_DENIED, 403),
    (AccountErrorCode.LAST_ADMIN, 409),
    (AccountErrorCode.LINK_INVALID, 404),
]
EXPECTED += [(AccountError(code, "words"), status, code) for code, status in ACCOUNTS]
VERSIONS = [("VERSION_UNKNOWN", 404), ("VERSION_EMPTY", 409), ("VERSION_NO_FORMER", 409)]
EXPECTED += [(VersionError(code, "words"), status, code) for code, status in VERSIONS]
KEYED = [
    (IdempotencyErrorCode.KEY_REUSED, 422),
    (IdempotencyErrorCode.IN_FLIGHT, 409),
    (IdempotencyErrorCode.REFUSED, 400),
]
EXPECTED += [(IdempotencyError(code, "words"), status, code) for code, status in KEYED]
BUGS: list[Exception] = [
    ShapeError("(3,) is not (4,)"),
    InputError("0 songs"),
    CatalogError("what"),
    RecommenderError("what"),
    ProgrammingError("column does not exist"),
    IntegrityError("not unique"),
    integrity_error(sqlite3.IntegrityError("NOT NULL"), sqlite_errorcode=1299),
    integrity_error(psycopg.errors.NotNullViolation("missing")),
    integrity_error(psycopg.errors.CheckViolation("below 0")),
    KeyError("name"),
    exceptions.APIException(),
]


def name(value: object) -> str | None:
    return type(value).__name__ if isinstance(value, Exception) else None


@pytest.fixture
def quiet() -> Client:
    """A client that shows what a browser would be shown."""
    return Client(raise_request_exception=False)


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the code behind a page, an audio file and an API address raise."""

    def prepare(error: Exception) -> None:
        def fail(*_args: object, **_kwargs: object) -> None:
            raise error

        monkeypatch.setattr("recommender.song_map.song_map", fail)
        monkeypatch.setattr("recommender.selectors.songs_are_analysed", fail)
        monkeypatch.setattr("recommender.web.views.media.audio_response", fail)

    return prepare


def check_json(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert set(body) == {"code", "message", "details"}
    assert body["code"] == code
    assert body["message"]
    return body


def check_page(response: Any, status: int) -> str:
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith("text/html")
    page: str = response.content.decode()
    assert f'<p class="faint number error-status">{status}</p>' in page
    return page


def check_away(response: Any, path: str) -> None:
    if path.startswith("/api/"):
        check_json(response, 503, "UNAVAILABLE")
    else:
        check_page(response, 503)
    assert response["Retry-After"] == "10", path


def test_a_song_that_is_deleted_meanwhile_is_no_bug() -> None:
    with pytest.raises(Song.DoesNotExist) as caught:
        emotion_correct(song_id=0, valence=0.5, arousal=0.5, by=UserFactory())
    answer = error_answers.error_answer(caught.value)
    assert (answer.status, answer.code) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({"name": ["Too long."]}, "`name`: Too long."),
        ({"non_field_errors": ["Name a seed."]}, "Name a seed."),
        ({"__all__": ["One.", "Two."]}, "One. Two."),
        ({"a": ["x", "y"]}, "This is not valid: `a`. The details say why."),
        (
            {"a": ["x"], "b": {"c": ["y"]}, "non_field_errors": ["z"]},
            "These are not valid: `a`, `b`. The details say why.",
        ),
    ],
)
def test_what_is_not_valid_is_named(detail: dict[str, Any], words: str) -> None:
    assert error_answers.error_answer(exceptions.ValidationError(detail)).message == words


def test_every_row_is_expected_here() -> None:
    by_code = {PlaylistRequestError, AccountError, VersionError, IdempotencyError}
    covered = {type(error) for error, _, _ in EXPECTED} - by_code
    assert {code for code, _ in VERSIONS} == set(error_answers._VERSIONS)
    assert covered == set(error_answers._TABLE)
    assert {code for code, _ in PLAYLISTS} == set(PlaylistErrorCode)
    assert {code for code, _ in ACCOUNTS} == set(AccountErrorCode)
    assert {code for code, _ in KEYED} == set(IdempotencyErrorCode)
    assert {code for _, _, code in EXPECTED} | {"INTERNAL_ERROR"} == set(error_answers.ErrorCode)


@pytest.mark.parametrize(("error", "status", "code"), EXPECTED, ids=name)
def test_api_and_page_answer_by_the_table(
    quiet: Client, raising: Any, error: Exception, status: int, code: str
) -> None:
    raising(error)
    answer = quiet.get("/api/v1/songs/map/")
    check_json(answer, status, code)
    response = quiet.get("/")
    check_page(response, status)
    assert response.get("Retry-After") == answer.get("Retry-After")
    assert (status in {503, 429}) == ("Retry-After" in response)


@pytest.mark.parametrize(
    "error", [error for error, status, _ in EXPECTED if status == 503], ids=name
)
def test_audio_that_is_not_available(
    quiet: Client, raising: Any, wav_song: Song, error: Exception
) -> None:
    raising(error)
    check_away(quiet.get(f"/songs/{wav_song.pk}/audio"), "audio")


@pytest.mark.parametrize("error", BUGS, ids=name)
@pytest.mark.parametrize("path", ["/", "/songs/{}/audio", "/api/v1/songs/map/"])
def test_a_bug_is_logged_with_its_traceback(
    quiet: Client,
    raising: Any,
    wav_song: Song,
    caplog: pytest.LogCaptureFixture,
    path: str,
    error: Exception,
) -> None:
    raising(error)
    response = quiet.get(path.format(wav_song.pk))
    if path.startswith("/api/"):
        check_json(response, 500, "INTERNAL_ERROR")
    else:
        check_page(response, 500)
    assert "Retry-After" not in response
    assert str(error) not in response.content.decode()
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert error in logged


def test_a_bug_reaches_error_reporters(raising: Any) -> None:
    raising(ShapeError("(3,) is not (4,)"))
    for path in ("/", "/api/v1/songs/map/"):
        with pytest.raises(ShapeError):
            Client().get(path)


def test_the_cause_is_named_for_programs(quiet: Client, raising: Any) -> None:
    for error, cause in [
        (CheckpointCorruptError("bytes"), "CHECKPOINT_CORRUPT"),
        (OperationalError("refused"), "DATABASE"),
    ]:
        raising(error)
        assert quiet.get("/api/v1/songs/map/").json()["details"] == {"cause": cause}


def test_a_wrong_statement_is_a_bug_on_every_database(
    quiet: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def query() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM no_such_table")

    monkeypatch.setattr("recommender.selectors.songs_are_analysed", query)
    check_page(quiet.get("/"), 500)


@contextlib.contextmanager
def database_refused() -> Iterator[None]:
    """Make every query fail, those of sessions and logins among them."""

    def refuse(*_args: object) -> None:
        raise OperationalError("connection to server failed: Connection refused")

    def refuse_too(connection: BaseDatabaseWrapper, **_: object) -> None:
        connection.execute_wrappers.append(refuse)

    # The probes have threads, and so connections, of their own.
    connection_created.connect(refuse_too)
    try:
        with connection.execute_wrapper(refuse):
            yield
    finally:
        connection_created.disconnect(refuse_too)


def test_a_locked_sqlite_database_is_no_bug(tmp_path: Path) -> None:
    path = tmp_path / "locked.sqlite3"
    with (
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder,
        contextlib.closing(sqlite3.connect(path, timeout=0)) as other,
    ):
        holder.execute("CREATE TABLE songs (id)")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked") as locked:
            other.execute("SELECT id FROM songs")
    error = OperationalError("database is locked")
    error.__cause__ = locked.value
    assert error_answers.error_answer(error).status == 503


class TestNoDatabase:
    PUBLIC = ("/", "/songs", "/songs/1", "/songs/1/audio", "/api/v1/songs/", "/api/v1/songs/map/")
    ASKS_WHO_IT_IS = (
        *("/playlist?mood=calm&seed=1", "/playlist.m3u8?mood=calm&seed=1", "/nothing"),
        *("/playlists", "/history", "/manage/add", "/login", "/signup", "/admin/"),
        *("/api/v1/songs/1/", "/api/v1/jobs/", "/api/v1/listens/", "/api/v1/moods/"),
    )

    @pytest.fixture
    def session(self, quiet: Client, user: User) -> Client:
        quiet.force_login(user)
        return quiet

    @pytest.mark.parametrize("path", PUBLIC)
    def test_nobody_is_logged_in(self, quiet: Client, path: str) -> None:
        with database_refused():
            check_away(quiet.get(path), path)

    @pytest.mark.parametrize("path", PUBLIC + ASKS_WHO_IT_IS)
    def test_a_session(self, session: Client, path: str) -> None:
        with database_refused():
            check_away(session.get(path), path)

    @pytest.mark.parametrize("path", PUBLIC)
    def test_private(self, session: Client, settings: SettingsWrapper, path: str) -> None:
        settings.AFFETTI_PUBLIC = False
        with database_refused():
            check_away(session.get(path), path)

    @pytest.mark.parametrize("path", ["/songs/1/audio", "/api/v1/moods/"])
    def test_a_token(self, quiet: Client, user: User, settings: SettingsWrapper, path: str) -> None:
        settings.AFFETTI_PUBLIC = False
        token = token_secret(user)
        with database_refused():
            check_away(quiet.get(path, headers={"Authorization": f"Token {token}"}), path)

    @pytest.mark.parametrize("path", ["/login", "/signup", "/api/v1/auth/login/"])
    def test_logging_in(self, quiet: Client, path: str) -> None:
        words = {"username": "ada", "password": "pass-word-1"}
        form = {**words, "password1": "pass-word-1", "password2": "pass-word-1"}
        with database_refused():
            if path.startswith("/api/"):
                response = quiet.post(path, words, "application/json")
            else:
                response = quiet.post(path, form)
        check_away(response, path)

    def test_a_middleware_that_saves_the_session(
        self, session: Client, settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_args: object, **_kwargs: object) -> None:
            raise OperationalError("database is locked")

        settings.SESSION_SAVE_EVERY_REQUEST = True
        monkeypatch.setattr(SessionStore, "save", fail)
        for path in ("/songs", "/api/v1/moods/"):
            check_away(session.get(path), path)

    def test_a_template(self, quiet: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_song: Song) -> str:
            raise OperationalError("too many clients already")

        SongFactory(status="pending")
        monkeypatch.setattr(Song, "get_status_display", fail)
        check_away(quiet.get("/songs"), "/songs")

    def test_probes_answer(self, session: Client, user: User, settings: SettingsWrapper) -> None:
        settings.AFFETTI_PUBLIC = False
        token = token_secret(user)
        for headers in ({}, {"Authorization": f"Token {token}"}):
            with database_refused():
                assert session.get("/healthz", headers=headers).json() == {"status": "ok"}
                ready = session.get("/readyz", headers=headers)
            assert ready.status_code == 503
            assert not ready.json()["checks"]["database"]["ok"]
            assert not ready.json()["checks"]["index"]["ok"]


def test_no_server_behind_the_database_url(tmp_path: Path) -> None:
    script = """
import django
django.setup()
from django.test import Client
paths = ["/", "/songs/1/audio", "/api/v1/songs/", "/healthz"]
client = Client(raise_request_exception=False, headers={"host": "localhost"})
client.cookies["sessionid"] = "a" * 32
for path in paths:
    response = client.get(path)
    print(path, response.status_code, response.get("Retry-After"), response["Content-Type"])
"""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "recommender.settings",
        "DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/nowhere",
        "AFFETTI_SECRET_KEY": "for this test",
        "AFFETTI_VAR_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "/ 503 10 text/html; charset=utf-8",
        "/songs/1/audio 503 10 text/html; charset=utf-8",
        "/api/v1/songs/ 503 10 application/json",
        "/healthz 200 None application/json",
    ], done.stderr
