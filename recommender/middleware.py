"""What every address gets: limits on the request, a policy, an answer to what its view raises."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.middleware.gzip import GZipMiddleware
from django.middleware.locale import LocaleMiddleware
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import Throttled

from recommender.error_answers import error_answer, error_log
from recommender.errors import BodyTooLargeError, QueryTooLongError
from recommender.throttles import (
    address,
    is_counted,
    limit,
    mark_counted,
    rate_headers,
    request_limit,
)
from recommender.web.views.errors import error_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import AnonymousUser, User
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

_POLICY: Final = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_CONTENT_SECURITY_POLICY: Final = "; ".join(f"{name} {who}" for name, who in _POLICY.items())
_WITH_WORDS: Final = (
    "text/html",
    "application/json",
    "application/manifest+json",
)
_UNUSED: Final = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
_PERMISSIONS_POLICY: Final = ", ".join(f"{name}=()" for name in _UNUSED)


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let pages load only Affetti's own files, run no inline script or style, and use no device.

    The attribute `style_nonce` of a response allows the inline styles that carry it.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
        if nonce := getattr(response, "style_nonce", ""):
            response["Content-Security-Policy"] += f"; style-src 'self' 'nonce-{nonce}'"
        response["Permissions-Policy"] = _PERMISSIONS_POLICY
        return response

    return middleware


class LanguageMiddleware(LocaleMiddleware):
    """Activates the language that was chosen on a page, else the one that the client prefers."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Say that words depend on the choice; pictures and sound do not."""
        answer: HttpResponseBase = super().process_response(request, response)
        if answer.get("Content-Type", "").startswith(_WITH_WORDS):
            patch_vary_headers(answer, ("Cookie",))
        return answer


def personal_answers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let no cache keep an answer to somebody who is logged in or sends a token.

    Files, such as a song's, say for themselves what a cache may do.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_personal = (
            "HTTP_AUTHORIZATION" in request.META or settings.SESSION_COOKIE_NAME in request.COOKIES
        )
        if is_personal and not response.streaming and not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-store"
        return response

    return middleware


class CompressionMiddleware(GZipMiddleware):
    """Compresses pages and JSON that were read; no audio, and no answer to a form.

    The length of a compressed answer tells a listener on the line whether a guess is in it, if it
    can make the browser ask and puts the guess in (BREACH). Secrets are told in answers to POST and
    by views with the attribute `tells_secrets`. Cookies are not sent with requests of other sites
    (SameSite), each token of a form is masked anew, and Django adds up to `max_random_bytes` to
    each answer.
    """

    _TYPES = (
        "text/html",
        "text/javascript",
        "application/javascript",
        "application/json",
        "application/yaml",
    )

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Return the response, compressed if that is safe and worth it."""
        kind = response.get("Content-Type", "").partition(";")[0]
        view = getattr(request.resolver_match, "func", None)
        is_safe = request.method == "GET" and not getattr(view, "tells_secrets", False)
        if not is_safe or response.streaming or kind not in self._TYPES:
            return response
        return super().process_response(request, response)


MAX_QUERY_BYTES: Final = 28_000
"""The longest text of a playlist request, of characters that take twelve bytes each, and more."""
MAX_BODY_BYTES: Final = 64 * 1024
"""Of an address that sets no `body_limit` on its view."""


class RequestLimitMiddleware:
    """Refuses a query or body that is larger than its address takes, before it is read.

    The attribute `body_limit` of a view, or of its class, replaces `MAX_BODY_BYTES`. The admin's
    pages take what DATA_UPLOAD_MAX_MEMORY_SIZE allows, for lyrics. A server hands in the length
    of every body, a chunked one's too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if len(request.META.get("QUERY_STRING", "")) > MAX_QUERY_BYTES:
            raise QueryTooLongError(MAX_QUERY_BYTES)
        return self._get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> None:
        """Raise BodyTooLargeError if the body is larger than the view takes."""
        limit = min(_body_limit(request, view_func), settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        length = request.META.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and int(length) > limit:
            raise BodyTooLargeError(limit)


def _body_limit(request: HttpRequest, view_func: Callable[..., HttpResponseBase]) -> int:
    if request.resolver_match and request.resolver_match.app_name == "admin":
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    view = getattr(view_func, "cls", view_func)
    return getattr(view, "body_limit", MAX_BODY_BYTES)


class ThrottleMiddleware:
    """Counts every request but those for static files and `throttled("")`, by user or address.

    Pages are counted before their views run; the API's views count their own. What comes to no view
    or leaves it before it was counted is counted afterwards: unknown addresses, refused forms,
    tokens that are not valid. `recommender.throttles.throttled` gives a view another scope, or
    none. Views that need no login are counted by address, because they must not need the database.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._counted(request)
        if not response.get("Content-Type", "").startswith("text/html"):
            for name, value in rate_headers(request).items():
                response[name] = value
        return response

    def _counted(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if is_counted(request):
            return response
        try:
            # A failure may be the database's, which need not be asked once more.
            is_sound = response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
            request_limit(request, _user(request) if is_sound else None)
        except Throttled as error:
            response.close()
            return error_response(request, error_answer(error))
        return response

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponse | None:
        """Answer 429 if it is one request too many."""
        scope = getattr(view_func, "throttle", "pages")
        if hasattr(view_func, "cls"):
            return None
        mark_counted(request)
        if not scope:
            return None
        try:
            if scope != "pages":
                limit(scope, address(request), request)
            else:
                may_ask_user = getattr(view_func, "login_required", True)
                request_limit(request, request.user if may_ask_user else None)
        except Throttled as error:
            return error_response(request, error_answer(error))
        return None


def _user(request: HttpRequest) -> User | AnonymousUser | None:
    """Return the user of a request; None if it cannot be told."""
    # Middleware that comes before the session's may have answered.
    user = getattr(request, "user", None)
    try:
        return user if user is not None and user.is_authenticated else None
    except (DatabaseError, InterfaceError):
        return None


_DJANGOS: Final = (
    Http404,
    PermissionDenied,
    BadRequest,
    SuspiciousOperation,
    MultiPartParserError,
)


class ErrorMiddleware:
    """Answers the exceptions of pages by the table of `recommender.errors`.

    Django logs its own exceptions and bugs, and answers them through `error_view`. The API's views
    answer theirs in `recommender.api.errors`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the answer to what a view raised; None leaves it to Django."""
        answer = error_answer(exception)
        if answer.is_bug or isinstance(exception, _DJANGOS):
            return None
        error_log(request, exception, answer)
        return error_response(request, answer)
