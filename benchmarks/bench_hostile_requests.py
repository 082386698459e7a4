"""Time and memory of refusing huge request bodies.

    python -m benchmarks.bench_hostile_requests [--items 100000]

It asks a temporary embedded database in this process. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import tempfile
import time
import tracemalloc
from typing import TYPE_CHECKING

import django
from django.core.management import call_command

if TYPE_CHECKING:
    from django.test import Client

URL = "/api/v1/playlists/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    items = parser.parse_args().items
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFFETTI_VAR_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "recommender.settings"
        django.setup()
        call_command("migrate", verbosity=0)
        logging.disable()  # a warning a refusal
        measure(items)


def measure(items: int) -> None:
    # Django's test client can be imported only now.
    from django.test import Client  # noqa: PLC0415

    client = Client(SERVER_NAME="127.0.0.1")
    refuse(client, "{}")  # what the first request loads counts for none
    before_mb = peak_mb()
    bodies = {
        f"{items} moods": {"moods": ["calm"] * items},
        f"{items} unknown keys": {f"key{number}": 1 for number in range(items)},
        "5000 moods": {"moods": ["calm"] * 5_000},
        "2000 unknown keys": {f"key{number}": 1 for number in range(2_000)},
    }
    print(f"{'body':<22}{'bytes':>10}{'status':>8}{'answer bytes':>14}{'CPU ms':>9}{'peak MB':>9}")
    for name, body in bodies.items():
        print(f"{name:<22}{refuse(client, json.dumps(body))}")
    print(f"peak of the process: {before_mb:.0f} MB before, {peak_mb():.0f} MB after")


def refuse(client: Client, body: str) -> str:
    """Send a body twice, for its time and for its memory, and return the row of a table."""
    start = time.process_time()
    response = client.post(URL, body, content_type="application/json")
    milliseconds = 1000 * (time.process_time() - start)
    tracemalloc.start()
    client.post(URL, body, content_type="application/json")
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    size = len(response.content)
    return f"{len(body):>10}{response.status_code:>8}{size:>14}{milliseconds:>9.1f}{peak:>9.1f}"


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
