"""The part of ListenBrainz's API by which players tell what was heard.

Addresses and answers are those of https://listenbrainz.readthedocs.io/en/latest/users/api/core.html,
so that a player only needs another address of the server. The token is one of ours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.urls import path
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, ParseError
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender import listening
from recommender.api.errors import exception_handler
from recommender.auth import request_token, scope_check
from recommender.error_answers import error_answer
from recommender.models import Scope
from recommender.throttles import request_limit

if TYPE_CHECKING:
    from rest_framework.request import Request

    from recommender.models import Token


class _ListenBrainzView(APIView):
    """Answers errors as ListenBrainz does; a session is no token."""

    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = []
    schema = None
    login_required = False  # on a private site a token is asked for by the view itself

    def handle_exception(self, exc: Exception) -> Response:
        """Return the status of our errors with ListenBrainz's two fields."""
        answer = error_answer(exc)
        exception_handler(exc, self.get_exception_handler_context())
        response = Response({"code": int(answer.status), "error": answer.message}, answer.status)
        for name, value in answer.headers.items():
            response[name] = value
        return response


class SubmitView(_ListenBrainzView):
    http_method_names = ["post"]
    body_limit = 1024**2

    def post(self, request: Request) -> Response:
        """Take one listen, many, or what is playing now."""
        token = _token(request)
        if token is None:
            raise NotAuthenticated("You need to provide an Authorization header.")
        scope_check(token, Scope.LISTEN)
        listening.listens_submit(user=token.user, submission=_json(request))
        return Response({"status": "ok"})


class ValidateView(_ListenBrainzView):
    http_method_names = ["get", "head"]

    def get(self, request: Request) -> Response:
        """Say whose a token is, and whether it may submit."""
        try:
            token = _token(request)
        except AuthenticationFailed:
            return Response({"code": 200, "message": "Token invalid.", "valid": False})
        if token is None:
            raise ParseError("You need to provide an Authorization token.")
        if not token.allows(Scope.LISTEN):
            return Response({"code": 200, "message": "Token invalid.", "valid": False})
        valid = {"code": 200, "message": "Token valid.", "valid": True}
        return Response({**valid, "user_name": token.user.get_username()})


def _token(request: Request) -> Token | None:
    """Return the token of a request, which counts against the rate of its owner."""
    try:
        token = request_token(request)
    except AuthenticationFailed:
        request_limit(request, None)
        raise
    request_limit(request, token.user if token else None)
    return token


def _json(request: Request) -> Any:
    # Players name another type of content, or none.
    try:
        return json.loads(request._request.body)
    except (ValueError, RecursionError):
        raise ParseError("Cannot parse JSON document.") from None


urlpatterns = [
    path("1/submit-listens", SubmitView.as_view(), name="submit-listens"),
    path("1/validate-token", ValidateView.as_view(), name="validate-token"),
]
