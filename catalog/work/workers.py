"""Names of workers, ``host|pid|node``, by which a dead worker is recognised."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def worker_name(node: str) -> str:
    """Return the name under which this process holds work; `node` is its Celery node name."""
    return f"{socket.gethostname()}|{os.getpid()}|{node}"[:200]


def workers_gone(names: Iterable[str], *, restarted_node: str = "") -> list[str]:
    """Return the `names` that ran on this host and are dead.

    All names with the node `restarted_node` count as dead: the node has just restarted, perhaps
    with the same process id as before (in a container the id is always 1).
    """
    gone = []
    for name in names:
        host, _, rest = name.partition("|")
        pid, _, node = rest.partition("|")
        if host == socket.gethostname() and (node == restarted_node or not _is_alive(int(pid))):
            gone.append(name)
    return gone


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
