"""A Celery application that counts its statements: ``celery -A benchmarks.counted``.

Every process writes its statements and how often it made each, as JSON, to a file in the folder
``AFFETTI_BENCH_STATEMENTS``, named by its process number, about once a second.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db.backends.signals import connection_created

from recommender.celery import app

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["app"]

_lock = threading.Lock()
_counted: Counter[str] = Counter()
_written_at = 0.0
_HEAD = 120
_folder = os.environ.get("AFFETTI_BENCH_STATEMENTS", "")


def _execute(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
    global _written_at
    with _lock:
        _counted[_head(sql)] += 1
        if time.monotonic() > _written_at + 1.0:
            _written_at = time.monotonic()
            (Path(_folder) / str(os.getpid())).write_text(json.dumps(_counted))
    return execute(sql, *arguments)


def _head(sql: str) -> str:
    """Return the statement without its columns, or the begin of it."""
    if "SAVEPOINT" in sql:
        return sql.partition(' "')[0]
    table = sql.partition(" FROM ")
    where = table[2].partition(" WHERE ")
    return f"{table[0][:30]} … {where[0][:50]} … {where[2][:90]}" if table[1] else sql[:_HEAD]


def _connected(connection: Any, **_: Any) -> None:
    if _execute not in connection.execute_wrappers:  # it is told of every reconnection
        connection.execute_wrappers.append(_execute)


if _folder:
    connection_created.connect(_connected)
