"""The one address of all calls."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import Throttled

from recommender.error_answers import ErrorCode, error_answer, error_log
from recommender.subsonic import browsing, files, listed, lists, marks, searching, similar, system
from recommender.subsonic.answers import Code, SubsonicError, answered, format_read
from recommender.subsonic.caller import caller_of
from recommender.subsonic.calls import CALLS, Ask
from recommender.subsonic.parameters import BODY_LIMIT, Parameters
from recommender.throttles import address, limit, refusal_count, request_limit, throttled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from recommender.subsonic.caller import Caller

_MODULES: Final = (system, browsing, listed, searching, files, lists, marks, similar)
"""They register their calls when they are imported."""
_KEYLESS: Final = "getOpenSubsonicExtensions"
"""The one call that needs no key."""
_METHODS: Final = ("GET", "HEAD", "POST")
_CODES: Final = {
    ErrorCode.NOT_FOUND: Code.NOT_FOUND,
    ErrorCode.SONG_NOT_FOUND: Code.NOT_FOUND,
    ErrorCode.CONFLICT: Code.NOT_FOUND,
    ErrorCode.PERMISSION_DENIED: Code.NOT_ALLOWED,
}


@csrf_exempt  # no cookie counts here: a key comes with every call
@login_not_required  # of pages; `caller_of` asks for the key
@throttled("")  # counted below, by the account, or by the address if the account is not known
def rest(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer a call. A failed one is answered with status 200 and a code, as clients expect."""
    if request.method == "OPTIONS":
        answer: HttpResponseBase = HttpResponse(status=HTTPStatus.NO_CONTENT)
        answer["Access-Control-Allow-Methods"] = ", ".join(_METHODS)
        answer["Access-Control-Allow-Headers"] = "*"
    elif request.method not in _METHODS:
        answer = HttpResponseNotAllowed(_METHODS)
    else:
        answer = _answer(request, name.removesuffix(".view"))
    # Players in browsers come from other addresses. Their cookies count for nothing here.
    answer["Access-Control-Allow-Origin"] = "*"
    return answer


rest.body_limit = BODY_LIMIT  # type: ignore[attr-defined]


def _answer(request: HttpRequest, name: str) -> HttpResponseBase:
    written, callback, status = "xml", "", HTTPStatus.OK
    try:
        with _refusals_counted(request):
            parameters = Parameters.of(request)
            callback = parameters.text("callback", "")
            written = _format_of(parameters, callback)
            caller = None if name == _KEYLESS else caller_of(request, parameters)
        payload = _called(request, name, parameters, caller)
        if not isinstance(payload, dict):
            return payload
    except SubsonicError as error:
        payload = {"error": {"code": int(error.code), "message": error.message}}
    except Exception as error:  # the table of errors knows them all
        told = error_answer(error)
        error_log(request, error, told)
        code = _CODES.get(told.code, Code.GENERIC)
        payload = {"error": {"code": int(code), "message": told.message}}
        # A bug of ours is one for proxies and monitors, too.
        status = HTTPStatus.INTERNAL_SERVER_ERROR if told.is_bug else HTTPStatus.OK
    return answered(payload, written=written, callback=callback, status=status)


@contextmanager
def _refusals_counted(request: HttpRequest) -> Iterator[None]:
    """Count a call by its address if it is refused before its account is known."""
    try:
        yield
    except (SubsonicError, Throttled):
        refusal_count(request)
        raise


def _format_of(parameters: Parameters, callback: str) -> str:
    try:
        return format_read(parameters.text("f", ""), callback)
    except ValueError:
        raise SubsonicError(
            Code.GENERIC,
            gettext("f must be xml, json, or jsonp with a name of a function in callback."),
        ) from None


def _called(
    request: HttpRequest, name: str, parameters: Parameters, caller: Caller | None
) -> dict[str, Any] | HttpResponseBase:
    if caller is None:
        request_limit(request, None)
        return system.extensions()
    found = CALLS.get(name)
    if found is not None and found.throttle:
        limit(found.throttle, address(request), request)
    else:
        request_limit(request, caller.user)
    if found is None:
        raise SubsonicError(
            Code.NOT_FOUND, gettext("Affetti has no call %(name)s.") % {"name": name[:60]}
        )
    caller.check(found.scope)
    return found.function(Ask(request, parameters, caller))
