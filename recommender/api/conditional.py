"""Tags of answers: a client reads again, or changes, only what it has seen.

Every answer to GET has a weak tag, made of its content. Weak, because a compressed answer has the
tag of the plain one. `If-Match` compares tags alike, although the standard wants strong ones there:
a client holds no other.
"""

from __future__ import annotations

import copy
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

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
    from django.http import HttpResponse
    from rest_framework.request import Request
    from rest_framework.response import Response

_VARY: Final = ("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie")
_COPIED: Final = ("ETag", "Cache-Control", "Vary", "Content-Language")
"""Headers of an answer that its 304 has, too."""


class Conditional:
    """A view whose answers have tags; `keeps_answers` is false where nobody may keep them."""

    keeps_answers = True
    tag_readers: ClassVar[tuple[str, ...]] = ("retrieve", "get")
    """Methods of which the first that is there answers as GET of the thing does."""
    long_actions: ClassVar[tuple[str, ...]] = ()
    """Actions that take long. Their check locks nothing; they may check again when they change."""

    def precondition_prepare(self, request: Request) -> None:
        """Have the view check, in the transaction of its work, that the client has seen the thing.

        Raises PreconditionFailedError at once where an address has no tag.
        """
        if not _is_conditional(request):
            return
        if self._tag_reader() is None:
            raise PreconditionFailedError(
                gettext("This address has no ETag; send the request without If-Match.")
            )
        view: Any = self
        name = str(request.method).lower()
        work = getattr(view, name)

        def checked(request: Request, *args: Any, **kwargs: Any) -> Any:
            if getattr(view, "action", None) in self.long_actions:
                self.precondition_check(request, lock=False)
                return work(request, *args, **kwargs)
            # Nobody else changes the thing between the check of its tag and the change.
            with transaction.atomic():
                self.precondition_check(request)
                response = work(request, *args, **kwargs)
                if response.status_code >= HTTPStatus.BAD_REQUEST:
                    transaction.set_rollback(True)
                return response

        setattr(view, name, checked)  # what the framework calls next

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Give an answer to GET its tag, once it is written (a hook of the framework)."""
        final = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        is_read = request.method in ("GET", "HEAD") and final.status_code == HTTPStatus.OK
        if is_read and self.keeps_answers and hasattr(final, "add_post_render_callback"):
            final.add_post_render_callback(lambda written: _tagged(request, written))
        return final

    def precondition_check(self, request: Request, *, lock: bool = True) -> None:
        """Raise PreconditionFailedError unless the client has seen what it changes.

        With `lock`, in a transaction, nobody else changes it until the transaction ends.
        """
        reader = self._tag_reader()
        if not _is_conditional(request) or reader is None:
            return
        if lock:
            self.tag_lock()
        # Clients send what they hold: with or without the mark of a weak tag.
        held = {tag.removeprefix("W/") for tag in parse_etags(request.headers["If-Match"])}
        if self._current_tag(request, reader).removeprefix("W/") not in held and held != {"*"}:
            raise PreconditionFailedError(
                gettext("This has changed since you read it. Read it again, then change it.")
            )

    def tag_lock(self) -> None:
        """Lock what the tag is about, until the transaction ends."""
        view: Any = self
        if hasattr(view, "retrieve"):
            thing = view.get_object()
            type(thing)._default_manager.select_for_update().filter(pk=thing.pk).first()

    def _tag_reader(self) -> str | None:
        """Return the name of the method that reads the thing; None where there is no tag."""
        view: Any = self
        if not self.keeps_answers or "pk" not in view.kwargs:
            return None
        return next((name for name in self.tag_readers if hasattr(view, name)), None)

    def _current_tag(self, request: Request, reader: str) -> str:
        """Return the tag of the thing that an address is about."""
        view: Any = self
        # As if it were read now: by another view of the same kind, which asks with GET.
        reading = copy.copy(view)
        reading.request = clone_request(request, "GET")
        reading.action = "retrieve"
        response: Response = getattr(reading, reader)(reading.request, **view.kwargs)
        return _tag(JSONRenderer().render(response.data))


def _is_conditional(request: Request) -> bool:
    return "If-Match" in request.headers and request.method not in SAFE_METHODS


def _tagged(request: Any, response: HttpResponse) -> HttpResponse | None:
    """Give a written answer its tag; return what is sent in its place to a client that has it."""
    if not response.has_header("ETag"):
        response["ETag"] = _tag(_plain(response))
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


def _plain(response: Any) -> bytes:
    """Return the content of an answer, without the indents that its client asked for."""
    if response.accepted_media_type == JSONRenderer.media_type:
        return bytes(response.content)
    is_json = isinstance(response.accepted_renderer, JSONRenderer)
    return JSONRenderer().render(response.data) if is_json else bytes(response.content)


def _tag(content: bytes) -> str:
    return f'W/"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
