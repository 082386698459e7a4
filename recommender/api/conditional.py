"""Tags of answers: a client reads again, or changes, only what it has seen.

Every answer to GET has a weak tag, made of its content. Weak, because a compressed answer has the
tag of the plain one. `If-Match` compares tags alike, although the standard wants strong ones there:
a client holds no other.
"""

from __future__ import annotations

import copy
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.http import HttpResponseNotModified
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import gettext
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import clone_request

from recommender.errors import PreconditionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from rest_framework.request import Request
    from rest_framework.response import Response

_VARY: Final = ("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie")
_COPIED: Final = ("ETag", "Cache-Control", "Vary", "Content-Language")
"""Headers of an answer that its 304 has, too."""


class Conditional:
    """A view whose answers have tags; `keeps_answers` is false where nobody may keep them."""

    keeps_answers = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Let nobody else change the thing between the check of its tag and the change."""
        answer: Callable[..., Any] = super().dispatch  # type: ignore[misc]
        if "If-Match" not in request.headers or request.method in SAFE_METHODS:
            return answer(request, *args, **kwargs)
        with transaction.atomic():
            response = answer(request, *args, **kwargs)
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                transaction.set_rollback(True)
            return response

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Give an answer to GET its tag, once it is written (a hook of the framework)."""
        final = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        is_read = request.method in ("GET", "HEAD") and final.status_code == HTTPStatus.OK
        if is_read and self.keeps_answers and hasattr(final, "add_post_render_callback"):
            final.add_post_render_callback(lambda written: _tagged(request, written))
        return final

    def precondition_check(self, request: Request) -> None:
        """Raise PreconditionFailedError unless the client has seen what it changes."""
        given = request.headers.get("If-Match")
        if given is None or request.method in SAFE_METHODS:
            return
        current = self._current_tag(request)
        # Clients send what they hold: with or without the mark of a weak tag.
        held = {tag.removeprefix("W/") for tag in parse_etags(given)}
        if current is None:
            raise PreconditionFailedError(
                gettext("This address has no ETag; send the request without If-Match.")
            )
        if current.removeprefix("W/") not in held and held != {"*"}:
            raise PreconditionFailedError(
                gettext("This has changed since you read it. Read it again, then change it.")
            )

    def _current_tag(self, request: Request) -> str | None:
        """Return the tag of the thing that an address is about; None if nobody can read it."""
        view: Any = self
        if not self.keeps_answers or "pk" not in view.kwargs:
            return None
        if hasattr(view, "retrieve"):
            thing = view.get_object()
            type(thing)._default_manager.select_for_update().filter(pk=thing.pk).first()
        read = getattr(view, "retrieve", None) or getattr(view, "get", None)
        if read is None:
            return None
        # As if it were read now: by another view of the same kind, which asks with GET.
        reading = copy.copy(view)
        reading.request = clone_request(request, "GET")
        reading.action = "retrieve"
        response: Response = getattr(reading, read.__name__)(reading.request, **view.kwargs)
        return _tag(JSONRenderer().render(response.data))


def _tagged(request: Any, response: HttpResponse) -> HttpResponse | None:
    """Give a written answer its tag; return what is sent in its place to a client that has it."""
    if not response.has_header("ETag"):
        response["ETag"] = _tag(response.content)
    if not response.has_header("Cache-Control"):
        response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, _VARY)
    held = parse_etags(request.headers.get("If-None-Match", ""))
    tag = response["ETag"].removeprefix("W/")
    if held != ["*"] and tag not in {one.removeprefix("W/") for one in held}:
        return None
    unchanged = HttpResponseNotModified()
    for name in _COPIED:
        if response.has_header(name):
            unchanged[name] = response[name]
    return unchanged


def _tag(content: bytes) -> str:
    return f'W/"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
