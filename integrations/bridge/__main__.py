"""`python -m integrations.bridge`: read the songs of both servers, and pass calls on."""

from __future__ import annotations

import argparse
import os
import sys

import httpx

from integrations.bridge.server import Bridge, server_of
from integrations.bridge.sources import SOURCES


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m integrations.bridge",
        description="Translate ids between a media server and Affetti. BRIDGE_SECRET is the "
        "password, or the API key, of the media server, and AFFETTI_TOKEN a token of Affetti.",
    )
    parser.add_argument("kind", choices=SOURCES, help="what the media server speaks")
    parser.add_argument("server", help="address of the media server")
    parser.add_argument("--user", default="", help="of the media server")
    parser.add_argument("--affetti", default="http://127.0.0.1:8000", help="address of Affetti")
    parser.add_argument("--host", default="127.0.0.1", help="where the bridge listens")
    parser.add_argument("--port", type=int, default=8001)
    chosen = parser.parse_args()
    secret, token = (os.environ.get(name, "") for name in ("BRIDGE_SECRET", "AFFETTI_TOKEN"))
    source = SOURCES[chosen.kind](chosen.server.rstrip("/"), chosen.user, secret)
    bridge = Bridge(source, chosen.affetti, token)
    try:
        ids = bridge.read()
    except (httpx.HTTPError, ValueError) as error:
        parser.exit(1, f"The songs cannot be read: {told_of(error)}\n")
    told = f"{len(ids.songs)} songs are known to both, {ids.unmatched} to the media server alone"
    sys.stdout.write(f"{told}\n")
    sys.stdout.flush()
    with server_of(bridge, chosen.host, chosen.port) as server:
        server.serve_forever()


def told_of(error: Exception) -> str:
    """Return what went wrong, without the address that was asked: it has the user's keys."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.request.url.host} answers with status {error.response.status_code}"
    if isinstance(error, httpx.RequestError):
        return f"{error.request.url.host} does not answer ({type(error).__name__})"
    return str(error)


if __name__ == "__main__":
    main()
