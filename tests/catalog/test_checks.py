from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.checks import run_checks

from catalog import checks
from mer.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper


@pytest.fixture(autouse=True)
def good_installation(music_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "model_version", lambda: "affetti-00000000")


def found() -> set[str]:
    return {
        message.id or "" for message in run_checks() if (message.id or "").startswith("catalog.")
    }


def test_a_good_installation_has_nothing_to_say() -> None:
    assert found() == set()


def test_an_unreadable_root_is_said(settings: SettingsWrapper, tmp_path: Path) -> None:
    settings.AFFETTI_CATALOG_ROOTS = [tmp_path / "absent"]
    assert found() == {"catalog.W001"}


def test_the_demo_folder_may_be_made_later(settings: SettingsWrapper) -> None:
    settings.AFFETTI_CATALOG_ROOTS = [settings.VAR_DIR / "made-later"]
    assert found() == set()


def test_a_missing_checkpoint_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise CheckpointError("none")

    monkeypatch.setattr(checks, "model_version", refuse)
    assert found() == {"catalog.W002"}


def test_a_folder_that_cannot_be_written_is_an_error(
    settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.VAR_DIR = tmp_path / "absent"
    assert found() == {"catalog.E001"}


@pytest.mark.parametrize(
    ("soft", "hard", "visibility", "expected"),
    [
        (10, 20, 40, set()),
        (20, 20, 40, {"catalog.E002"}),
        (10, 20, 20, {"catalog.E003"}),
        (10, 20, None, set()),
    ],
)
def test_limits_that_would_run_a_task_twice_are_errors(
    settings: SettingsWrapper, soft: int, hard: int, visibility: int | None, expected: set[str]
) -> None:
    settings.CELERY_TASK_SOFT_TIME_LIMIT = soft
    settings.CELERY_TASK_TIME_LIMIT = hard
    options = {} if visibility is None else {"visibility_timeout": visibility}
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = options
    assert found() == expected


def test_stores_that_cannot_be_ones_and_options_of_none_are_refused(
    settings: SettingsWrapper,
) -> None:
    settings.AFFETTI_STORES = ["s3://bucket/music"]
    settings.AFFETTI_STORE_OPTIONS = {"s3://bucket/music": {"anon": True}}
    assert checks.check_stores() == []
    for options in ([], {"s3://bucket/music": "key"}, {"s3://other": {}}, "x"):
        settings.AFFETTI_STORE_OPTIONS = options
        assert [message.id for message in checks.check_stores()] == ["catalog.E005"]
    settings.AFFETTI_STORE_OPTIONS = {}
    settings.AFFETTI_STORES = ["bucket", "file:///etc", "s3://a/../b"]
    assert [message.id for message in checks.check_stores()] == ["catalog.E004"] * 3


def test_a_folder_of_copies_holds_nothing_else(settings: SettingsWrapper, tmp_path: Path) -> None:
    settings.AFFETTI_STORES = ["s3://bucket/music"]
    settings.AFFETTI_STORE_DIR = top = tmp_path / "copies"
    assert found() == set()
    (top / "s3").mkdir(parents=True)
    assert found() == set()
    (top / "thesis.odt").touch()
    assert found() == {"catalog.E006"}
    (top / "thesis.odt").unlink()
    for name in ("AFFETTI_UPLOAD_DIR", "AFFETTI_MEDIA_DIR", "AFFETTI_IMPORT_DIR"):
        before = getattr(settings, name)
        for inside in (top, top / "s3" / "x"):
            setattr(settings, name, inside)
            assert found() == {"catalog.E006"}
        setattr(settings, name, before)
    settings.AFFETTI_CATALOG_ROOTS = [*settings.AFFETTI_CATALOG_ROOTS, top]
    assert found() == {"catalog.E006"}


def test_no_check_shows_a_password(settings: SettingsWrapper) -> None:
    settings.AFFETTI_STORES = ["ftp://me:SECRET@host/music"]
    (message,) = [one for one in run_checks() if one.id == "catalog.E004"]
    assert "SECRET" not in f"{message.msg} {message.hint}"
