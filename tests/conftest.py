"""What every test stands on: its own folders, and a broker that lives and dies with the process."""

from __future__ import annotations

import gc
import logging
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from celery import current_app
from django.conf import settings as django_settings
from hypothesis import settings as hypothesis_settings

from catalog import analysis
from catalog.tagwriting import holding
from catalog.work import messages
from recommender import first_run, throttles
from tests.factories import LibraryFactory, SongEmotionFactory, SongFactory, UserFactory
from tests.fakes import FakePipeline
from tests.integration.stack import Migrated

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper


# pytest runs a process per core, so torch, BLAS and every child process get one thread each.
# Set before torch is imported, and inherited by the workers of pytest-xdist.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The time of one example says more about the load of the machine than about the code.
hypothesis_settings.register_profile("affetti", deadline=None)
hypothesis_settings.load_profile("affetti")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of whole installations first: they last longest, so no core waits for them."""
    items.sort(key=lambda item: item.get_closest_marker("integration") is None)


def pytest_collection_finish() -> None:
    """Keep what the imports made out of every later collection.

    A full collection over torch and its friends takes 0.2 s, and each training run ends with one.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With AFFETTI_REQUIRE_SERVICES=1, fail every skipped test of a service or a browser."""
    report = yield
    needs_service = any(item.get_closest_marker(name) for name in ("integration", "e2e"))
    if report.skipped and needs_service and os.environ.get("AFFETTI_REQUIRE_SERVICES") == "1":
        report.outcome = "failed"
        report.longrepr = f"AFFETTI_REQUIRE_SERVICES=1, but skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hash passwords once instead of a million times; accounts of tests keep no secret."""
    with pytest.MonkeyPatch.context() as patch:
        hasher = "django.contrib.auth.hashers.MD5PasswordHasher"
        patch.setattr(django_settings, "PASSWORD_HASHERS", [hasher])
        yield


@pytest.fixture(scope="session", autouse=True)
def plain_static_names() -> Iterator[None]:
    """Serve static files under their own names, whatever this checkout has collected."""
    with pytest.MonkeyPatch.context() as patch:
        plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        patch.setitem(django_settings.STORAGES, "staticfiles", plain)
        yield


@pytest.fixture(scope="session", autouse=True)
def memory_broker() -> None:
    """Messages sent by tests are kept in memory; no worker ever sees them."""
    current_app.conf.update(broker_url="memory://", broker_transport_options={})


@pytest.fixture(scope="session", autouse=True)
def own_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the locks on runs of tags apart: all processes have a database of the same name."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("locks")
        patch.setattr(holding, "settings", SimpleNamespace(VAR_DIR=folder))
        yield


@pytest.fixture(scope="session")
def migrated() -> Iterator[Migrated]:
    """Migrated databases, for the tests of whole installations to copy."""
    databases = Migrated()
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Return the address of a server that speaks the protocol of S3."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  # two seconds

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def music_dir(tmp_path: Path) -> Path:
    """Return an empty folder, the one catalogue root of the test."""
    path = tmp_path / "music"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def same_data_in_any_order() -> None:
    """The factories' values do not depend on the tests that ran before."""
    for factory in (UserFactory, LibraryFactory, SongFactory, SongEmotionFactory):
        factory.reset_sequence(0, force=True)


@pytest.fixture(autouse=True)
def own_folders(settings: SettingsWrapper, tmp_path: Path) -> None:
    """Nothing of a test is written to, or read from, the developer's own folders."""
    settings.AFFETTI_CATALOG_ROOTS = [tmp_path / "music"]
    settings.AFFETTI_STORES = []
    settings.AFFETTI_STORE_DIR = tmp_path / "stores"
    settings.AFFETTI_UPLOAD_DIR = tmp_path / "uploads"
    settings.AFFETTI_UPLOAD_MEMORY_DIR = tmp_path / "upload_memory"
    settings.AFFETTI_IMPORT_DIR = tmp_path / "imports"
    settings.AFFETTI_INDEX_DIR = tmp_path / "indexes"
    settings.AFFETTI_CHECKPOINTS_DIR = tmp_path / "checkpoints"
    settings.AFFETTI_MEDIA_DIR = tmp_path / "media"


@pytest.fixture(autouse=True)
def no_admin_is_remembered() -> None:
    """No test takes the admin of another for one of its own."""
    first_run.setup_forget()


@pytest.fixture(autouse=True)
def broker_is_present() -> None:
    """No test inherits a pause in sending from another."""
    messages.broker.forget()


@pytest.fixture(autouse=True)
def own_throttles(monkeypatch: pytest.MonkeyPatch) -> throttles.Store:
    """Every test counts its own requests."""
    store = throttles.SQLiteStore(":memory:")
    monkeypatch.setattr(throttles, "store", lambda: store)
    return store


@pytest.fixture
def fake_pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    """Put a fake in the place of the model that the catalogue analyses songs with."""
    fake = FakePipeline()
    monkeypatch.setattr(analysis, "pipeline", lambda: fake)
    monkeypatch.setattr(analysis, "model_version", lambda: fake.model_version)
    return fake
