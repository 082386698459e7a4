"""The API of a running Affetti, as the tools ask it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_SECONDS: Final = 60.0
"""The first words that a server rates take it some seconds."""
_MOST_BYTES: Final = 8 * 1024**2


class RemoteError(Exception):
    """A request that failed, as a sentence for whoever asked."""


class Remote:
    """Asks the API below an address; the token may be empty on a public site."""

    def __init__(
        self, address: str, token: str, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._address = address.rstrip("/")
        headers = {"Accept": "application/json", "Accept-Language": "en"}
        if token:
            headers["Authorization"] = f"Token {token}"
        self._client = httpx.Client(
            base_url=f"{self._address}/api/v1/",
            headers=headers,
            timeout=_SECONDS,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a GET; RemoteError if it fails."""
        return self._asked("GET", path, params=dict(query or {}))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the answer to a POST; RemoteError if it fails."""
        return self._asked("POST", path, json=dict(body))

    def _asked(self, method: str, path: str, **sent: Any) -> Any:
        try:
            with self._client.stream(method, path, **sent) as response:
                body = _read(response)
        except httpx.HTTPError as error:
            raise RemoteError(
                f"Affetti does not answer at {self._address}: {error or type(error).__name__}."
            ) from error
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise RemoteError(
                f"No Affetti answers at {self._address}: status {response.status_code}."
            ) from error
        if response.is_success:
            return answer
        message = answer.get("message") if isinstance(answer, dict) else None
        raise RemoteError(str(message or f"Affetti answered {response.status_code}."))


def _read(response: httpx.Response) -> bytes:
    """Return the body; RemoteError as soon as it is too large."""
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > _MOST_BYTES:
            raise RemoteError("The answer is too large.")
    return bytes(body)
