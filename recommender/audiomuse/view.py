"""Who calls, and how answers and errors are written."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, ParseError
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.accounts import token_find
from recommender.audiomuse.calls import Ask
from recommender.audiomuse.parameters import SERVER_ID, Parameters
from recommender.auth import scope_check
from recommender.error_answers import ErrorCode, error_answer, error_log
from recommender.models import Scope
from recommender.throttles import address, limit, request_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import User
    from rest_framework.request import Request

    from recommender.audiomuse.calls import Call
    from recommender.models import Token

_SCHEMES = (b"bearer", b"token")
_NOT_FOUND = frozenset({ErrorCode.SONG_NOT_ANALYSED, ErrorCode.HISTORY_EMPTY})
"""What AudioMuse-AI answers with 404: plugins then try another song."""


class AudioMuseView(APIView):
    """Answers the calls of one address; a session is no token."""

    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = []
    schema = None
    login_required = False  # on a private site a token is asked for by the view itself
    http_method_names = ["get", "head", "post"]
    calls: ClassVar[Mapping[str, Call]] = {}

    def get(self, request: Request, **keys: Any) -> Response:
        """Answer the call of a GET."""
        return self._answered(request, keys)

    def post(self, request: Request, **keys: Any) -> Response:
        """Answer the call of a POST."""
        return self._answered(request, keys)

    def _answered(self, request: Request, keys: dict[str, Any]) -> Response:
        method = "get" if request.method == "HEAD" else str(request.method).lower()
        found = self.calls[method]  # `http_method_names` has no others
        token = _token(request)
        user = _user(token, found.scope)
        if found.throttle:
            limit(found.throttle, str(user.pk) if token else address(request), request)
        texts = {name: str(value) for name, value in keys.items()}
        parameters = Parameters.of(request)
        _server_check(parameters)
        answer = found.function(Ask(request, user, parameters, texts))
        return answer if isinstance(answer, Response) else Response(answer)

    def handle_exception(self, exc: Exception) -> Response:
        """Return the status of our errors with the one field that clients read."""
        told = error_answer(exc)
        if told.is_bug:
            # The table logs it and tells error reporters.
            self.get_exception_handler()(exc, self.get_exception_handler_context())
        else:
            error_log(self.request._request, exc, told)
        status = HTTPStatus.NOT_FOUND if told.code in _NOT_FOUND else told.status
        body = {"error": told.message, "error_code": told.code}
        response = Response(body, status)
        for name, value in told.headers.items():
            response[name] = value
        if status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = "Bearer"
        return response


def _server_check(parameters: Parameters) -> None:
    """Raise ParseError if a client wants the ids of a server that is not this one."""
    server = parameters.text("server")
    if server and server.casefold() != SERVER_ID:
        raise ParseError(gettext("Unknown server “%(name)s”.") % {"name": server[:60]})


def _token(request: Request) -> Token | None:
    """Return the token of a request, which counts against the rate of its owner."""
    words = get_authorization_header(request).split()
    if not words:
        request_limit(request, None)
        return None
    is_known = len(words) == 2 and words[0].lower() in _SCHEMES
    token = token_find(words[1]) if is_known else None
    request_limit(request, token.user if token else None)
    if token is None:
        raise AuthenticationFailed(
            gettext("The token is not valid. Make one on your account page.")
        )
    return token


def _user(token: Token | None, scope: Scope | None) -> User | AnonymousUser:
    """Return who calls; raises unless a call that needs `scope` may be made."""
    if token is None:
        if scope is None or (scope == Scope.READ and settings.AFFETTI_PUBLIC):
            return AnonymousUser()
        raise NotAuthenticated(
            gettext("Send a token of your account page as: Authorization: Bearer <token>")
        )
    if scope is not None:
        scope_check(token, scope)
    return token.user
