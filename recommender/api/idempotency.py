"""`Idempotency-Key` of POST requests: sent again, they are answered again, and do nothing again."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.http.request import RawPostDataException
from django.utils.translation import gettext
from rest_framework import serializers

from recommender.errors import IdempotencyError, IdempotencyErrorCode
from recommender.replays import Answer, keyed_begin, keyed_end, keyed_forget

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from rest_framework.request import Request

logger = logging.getLogger(__name__)

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
_MOST_CHARACTERS: Final = 200
_KEPT_HEADERS: Final = ("Content-Type", "Location")
_WRITES: Final = ("INSERT", "UPDATE", "DELETE")


class Replayed:
    """A view that takes a key with POST; not where the answer holds a secret (`keeps_answers`)."""

    keeps_answers = True
    takes_keys = True
    """False where a POST only reads: a key means nothing there."""
    _keyed: UUID | None = None
    _has_effect = False

    def replay_prepare(self, request: Request) -> None:
        """Begin a request that has a key, or have the view answer as it did before.

        The last thing before the view does its work: what is refused before it needs no key.
        """
        key = request.headers.get(HEADER)
        if key is None or request.method != "POST" or not self.takes_keys:
            return
        self._secret_check()
        if not request.user.is_authenticated:
            return
        _key_check(key)
        content = (
            *(request.path, request.META.get("QUERY_STRING", ""), request.content_type or ""),
            request.headers.get("If-Match", ""),
        )
        try:
            body = request._request.body
        except RawPostDataException:
            return  # a form, whose fields were read already: no view takes one
        begun = keyed_begin(user=request.user, key=key, content=content, body=body)
        view: Any = self
        if isinstance(begun, Answer):
            answered = HttpResponse(begun.body, status=begun.status, headers=dict(begun.headers))
            answered[REPLAYED] = "true"
            view.post = lambda *_args, **_kwargs: answered  # what the framework calls next
        else:
            self._keyed = begun
            view.post = self._watched(view.post)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Store an answer that means an effect, once it is written (a hook of the framework)."""
        final = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        if self._keyed is None:
            return final
        keyed, self._keyed = self._keyed, None
        if final.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and self._has_effect:
            return final  # nobody knows how much was done: the key stays in flight
        if final.status_code >= HTTPStatus.BAD_REQUEST:
            _tried(keyed_forget, keyed)
        elif hasattr(final, "add_post_render_callback"):
            final.add_post_render_callback(lambda written: _tried(keyed_end, keyed, _of(written)))
        else:
            _tried(keyed_end, keyed, _of(final))
        return final

    def _watched(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return work that notes whether it changed the database for good."""

        def note() -> None:
            self._has_effect = True

        def watch(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            done = execute(sql, *rest)
            if sql.lstrip()[:6].upper() in _WRITES:
                transaction.on_commit(note)  # what is rolled back is no effect
            return done

        def watched(*args: Any, **kwargs: Any) -> Any:
            with connection.execute_wrapper(watch):
                return work(*args, **kwargs)

        return watched

    def _secret_check(self) -> None:
        if not self.keeps_answers:
            raise IdempotencyError(
                IdempotencyErrorCode.REFUSED,
                gettext(
                    "This answer may hold a secret, which is never stored: send the request "
                    "without Idempotency-Key."
                ),
            )


def _key_check(key: str) -> None:
    if not (0 < len(key) <= _MOST_CHARACTERS and key.isascii() and key.isprintable()):
        problem = gettext("Give 1 to %(most)s printable characters of ASCII.")
        raise serializers.ValidationError({HEADER: [problem % {"most": _MOST_CHARACTERS}]})


def _of(response: HttpResponse) -> Answer:
    headers = {name: response[name] for name in _KEPT_HEADERS if response.has_header(name)}
    return Answer(response.status_code, headers, response.content)


def _tried(store: Any, *what: Any) -> None:
    """Store what came of a request; the request itself has been done, whatever becomes of that."""
    try:
        store(*what)
    except DatabaseError:
        logger.exception("The answer to a request with a key is not stored")
