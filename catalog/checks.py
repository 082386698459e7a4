"""Django system checks: they report at start what would make Affetti fail later."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from catalog.analysis import model_version
from catalog.stores.addresses import PROTOCOLS, addresses_check
from catalog.stores.copies import foreign_names
from mer.errors import CheckpointError


@register()
def check_roots(**_: Any) -> list[CheckMessage]:
    """Warn of catalogue roots that cannot be read; those inside VAR_DIR are created on use."""
    return [
        Warning(
            f"Catalogue root {root} cannot be read.",
            hint="Create it, or correct AFFETTI_CATALOG_ROOTS.",
            id="catalog.W001",
        )
        for root in settings.AFFETTI_CATALOG_ROOTS
        if not root.is_relative_to(settings.VAR_DIR) and not os.access(root, os.R_OK | os.X_OK)
    ]


@register()
def check_stores(**_: Any) -> list[CheckMessage]:
    """Refuse stores that cannot be ones, and options that belong to none."""
    wrong: list[CheckMessage] = [
        Error(
            f"{_without_user(address)[:200]} is no address of a store.",
            hint="Write stores of AFFETTI_STORES as s3://bucket/folder. The protocols are "
            f"{', '.join(sorted(PROTOCOLS))}. Write users and passwords in AFFETTI_STORE_OPTIONS.",
            id="catalog.E004",
        )
        for address in addresses_check(settings.AFFETTI_STORES)
    ]
    options = settings.AFFETTI_STORE_OPTIONS
    is_good = isinstance(options, dict) and all(isinstance(one, dict) for one in options.values())
    if not is_good or not set(options) <= set(settings.AFFETTI_STORES):
        wrong.append(
            Error(
                "AFFETTI_STORE_OPTIONS is no JSON object of objects, by addresses of stores.",
                hint='Write it as {"s3://bucket/folder": {"endpoint_url": "https://…"}}, with the '
                "addresses of AFFETTI_STORES.",
                id="catalog.E005",
            )
        )
    return wrong


def _without_user(address: str) -> str:
    return re.sub(r"//[^/]*@", "//…@", address)


@register()
def check_store_folder(**_: Any) -> list[CheckMessage]:
    """Refuse a folder of copies that holds other files, or folders of the settings."""
    if not settings.AFFETTI_STORES:
        return []
    top = settings.AFFETTI_STORE_DIR
    others = [
        settings.VAR_DIR,
        settings.AFFETTI_UPLOAD_DIR,
        settings.AFFETTI_MEDIA_DIR,
        settings.AFFETTI_IMPORT_DIR,
        *settings.AFFETTI_CATALOG_ROOTS,
    ]
    inside = [str(other) for other in others if Path(other).resolve().is_relative_to(top)]
    try:
        foreign = inside or foreign_names(top)
    except OSError as error:
        foreign = [str(error.strerror)]
    if not foreign:
        return []
    return [
        Error(
            f"{top} is no folder for copies of a store: {foreign[0][:200]}.",
            hint="Name an empty folder by AFFETTI_STORE_DIR. What is in it may be deleted.",
            id="catalog.E006",
        )
    ]


@register()
def check_checkpoint(**_: Any) -> list[CheckMessage]:
    """Warn if the configured model cannot be found."""
    try:
        model_version()
    except CheckpointError as error:
        return [Warning(str(error), hint="Correct AFFETTI_CHECKPOINT.", id="catalog.W002")]
    return []


@register()
def check_var_folder(**_: Any) -> list[CheckMessage]:
    """Refuse to start if VAR_DIR cannot be written."""
    if os.access(settings.VAR_DIR, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"{settings.VAR_DIR} cannot be written.",
            hint="Change its owner or rights, or name another folder by AFFETTI_VAR_DIR.",
            id="catalog.E001",
        )
    ]


@register()
def check_time_limits(**_: Any) -> list[CheckMessage]:
    """Refuse limits under which a running task would be delivered to a second worker."""
    messages: list[CheckMessage] = []
    soft, hard = settings.CELERY_TASK_SOFT_TIME_LIMIT, settings.CELERY_TASK_TIME_LIMIT
    visibility = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("visibility_timeout")
    if soft >= hard:
        messages.append(
            Error(
                f"The soft time limit of tasks ({soft} s) is not below the hard one ({hard} s).",
                hint="Lower AFFETTI_TASK_SOFT_TIME_LIMIT_SECONDS.",
                id="catalog.E002",
            )
        )
    if visibility is not None and visibility <= hard:
        messages.append(
            Error(
                f"Redis' visibility timeout ({visibility} s) is not above the time limit of tasks "
                f"({hard} s): a long task would run twice at once.",
                hint="Lower AFFETTI_TASK_TIME_LIMIT_SECONDS.",
                id="catalog.E003",
            )
        )
    return messages
