"""What the generated OpenAPI schema does not contain by itself.

An operation that comes later gets its headers and error responses from here: those that its method,
body, address, login and scope lead to. A view adds another one by naming its status among the
`responses` of `extend_schema`, with a description and no serializer.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import SAFE_METHODS

from recommender.api.base import StrictQuery
from recommender.api.examples import examples_add
from recommender.api.idempotency import HEADER as IDEMPOTENCY_KEY
from recommender.error_answers import ErrorCode, error_codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ERROR: Final = {
    "type": "object",
    "description": "Every error, on every path, has this shape.",
    "properties": {
        "code": {"type": "string", "enum": [str(code) for code in ErrorCode]},
        "message": {"type": "string", "description": "For people."},
        "details": {
            "type": "object",
            "additionalProperties": True,
            "description": "For programs; of a REQUEST_INVALID, what is wrong with which field.",
        },
    },
    "required": ["code", "message", "details"],
}
_EXAMPLES: Final[Mapping[int, tuple[ErrorCode, str, dict[str, Any]]]] = {
    HTTPStatus.BAD_REQUEST: (
        ErrorCode.REQUEST_INVALID,
        "`count`: This is not between 1 and 200.",
        {"count": ["This is not between 1 and 200."]},
    ),
    HTTPStatus.UNAUTHORIZED: (
        ErrorCode.AUTHENTICATION_FAILED,
        "The token is not valid. Log in again.",
        {},
    ),
    HTTPStatus.FORBIDDEN: (
        ErrorCode.PERMISSION_DENIED,
        "The token needs the scope playlists; it has read.",
        {},
    ),
    HTTPStatus.NOT_FOUND: (
        ErrorCode.NOT_FOUND,
        "There is nothing at this address that you may see.",
        {},
    ),
    HTTPStatus.NOT_ACCEPTABLE: (
        ErrorCode.NOT_ACCEPTABLE,
        "Could not satisfy the request Accept header.",
        {},
    ),
    HTTPStatus.CONFLICT: (
        ErrorCode.CONFLICT,
        "Another request has made, changed or deleted what this one needs. Try again.",
        {},
    ),
    HTTPStatus.PRECONDITION_FAILED: (
        ErrorCode.PRECONDITION_FAILED,
        "This has changed since you read it. Read it again, then change it.",
        {},
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        ErrorCode.REQUEST_TOO_LARGE,
        "The body is larger than 65536 bytes.",
        {},
    ),
    HTTPStatus.REQUEST_URI_TOO_LONG: (
        ErrorCode.REQUEST_TOO_LARGE,
        "The query is longer than 28000 bytes.",
        {},
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        'Unsupported media type "text/plain" in request.',
        {},
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        ErrorCode.IDEMPOTENCY_KEY_REUSED,
        "This Idempotency-Key was sent with another request. Use another key.",
        {},
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (
        ErrorCode.THROTTLED,
        "Too many requests came from here. Try again in 7 seconds.",
        {},
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        ErrorCode.UNAVAILABLE,
        "The database cannot be used now. Try again later. The reason is in the server's log.",
        {"cause": "DATABASE"},
    ),
}
"""An answer of each status, with a code that the status has."""
_SERVER: Final = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
_OF_SERVER: Final = "5XX"
_IF_MATCH: Final = "If-Match"
_IF_NONE_MATCH: Final = "If-None-Match"
_HEADERS: Final[Mapping[str, dict[str, Any]]] = {
    IDEMPOTENCY_KEY: {
        "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"},
        "description": "Of your choice: the same request with the same key is done once.",
    },
    _IF_MATCH: {
        "schema": {"type": "string"},
        "description": "The ETag of what you have read: it is changed only if it is still so.",
    },
    _IF_NONE_MATCH: {
        "schema": {"type": "string"},
        "description": "The ETag that you have: if nothing has changed, the answer is 304.",
    },
}
_STATUSES: Final = {
    _IF_MATCH: HTTPStatus.PRECONDITION_FAILED,
    IDEMPOTENCY_KEY: HTTPStatus.UNPROCESSABLE_ENTITY,
}


class ClientSchema(AutoSchema):
    """Describes an operation by what its view says for clients, and not by the view's docstring."""

    def get_description(self) -> str:  # type: ignore[override]  # as in drf-spectacular
        """Return what is said where `extend_schema` gives no description."""
        return ""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Add error responses and examples to an operation (a hook of drf-spectacular)."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        responses = operation["responses"]
        headers = list(self._headers(responses))
        if headers:
            parameters = [{"in": "header", "name": name, **_HEADERS[name]} for name in headers]
            operation["parameters"] = [*operation.get("parameters", ()), *parameters]
        if _IF_NONE_MATCH in headers:
            responses["304"] = {"description": "Nothing has changed."}
        for status, response in responses.items():
            if status.isdecimal() and int(status) >= HTTPStatus.BAD_REQUEST:
                response["content"] = _content(int(status))
        for status in _error_statuses(self.view, self.method, operation):
            responses.setdefault(str(status.value), _reference(status))
        responses[_OF_SERVER] = {"$ref": f"#/components/responses/Error{_OF_SERVER}"}
        operation["responses"] = dict(sorted(responses.items()))
        examples_add(operation)
        return operation

    def _headers(self, responses: Mapping[str, Any]) -> Iterator[str]:
        """Yield the names of the headers that `Conditional` and `Replayed` read."""
        view = self.view
        if not isinstance(view, StrictQuery) or not view.keeps_answers:
            return
        if self.method in SAFE_METHODS:
            if "application/json" in responses.get("200", {}).get("content", {}):
                yield _IF_NONE_MATCH
            return
        if self.method == "POST" and view.takes_keys:
            yield IDEMPOTENCY_KEY
        if "{id}" in self.path and any(hasattr(view, name) for name in view.tag_readers):
            yield _IF_MATCH


def _error_statuses(view: Any, method: str, operation: Mapping[str, Any]) -> Iterator[HTTPStatus]:
    """Yield the statuses of errors that any operation of such a shape may end with."""
    parameters = operation.get("parameters", ())
    places = {one["in"] for one in parameters}
    yield HTTPStatus.BAD_REQUEST
    yield HTTPStatus.NOT_ACCEPTABLE
    yield HTTPStatus.TOO_MANY_REQUESTS
    if view.get_authenticators():
        yield HTTPStatus.UNAUTHORIZED
    if getattr(view, "scope", None) is not None:
        yield HTTPStatus.FORBIDDEN
    if "path" in places or "page" in {one["name"] for one in parameters}:
        yield HTTPStatus.NOT_FOUND
    if "query" in places:
        yield HTTPStatus.REQUEST_URI_TOO_LONG
    if method not in ("GET", "HEAD"):
        yield HTTPStatus.CONFLICT
    for name, status in _STATUSES.items():
        if name in {one["name"] for one in parameters}:
            yield status
    if "requestBody" in operation:
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def _reference(status: HTTPStatus) -> dict[str, str]:
    return {"$ref": f"#/components/responses/Error{status.value}"}


def _content(status: int) -> dict[str, Any]:
    example = {}
    if status in _EXAMPLES:
        code, message, details = _EXAMPLES[status]
        example = {"example": {"code": str(code), "message": message, "details": details}}
    schema = {"$ref": "#/components/schemas/Error"}
    return {"application/json": {"schema": schema, **example}}


def _described(*statuses: int) -> str:
    codes = dict.fromkeys(code for status in statuses for code in error_codes(status))
    return f"An error. Codes: {', '.join(f'`{code}`' for code in codes)}."


def document_errors(result: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
    """Add what the error responses of the operations refer to (a drf-spectacular hook)."""
    components = result["components"]
    components.setdefault("schemas", {})["Error"] = _ERROR
    responses = components.setdefault("responses", {})
    for status in sorted(set(_EXAMPLES) - set(_SERVER)):
        shape = {"description": _described(status), "content": _content(status)}
        responses[f"Error{int(status)}"] = shape
    responses[f"Error{_OF_SERVER}"] = {
        "description": _described(*_SERVER),
        "content": _content(HTTPStatus.SERVICE_UNAVAILABLE),
    }
    return result


def null_as_type(result: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
    """Write `nullable`, which OpenAPI 3.1 does not know, as a type (a hook of drf-spectacular)."""
    _null_as_type(result)
    return result


def _null_as_type(part: Any) -> None:
    if isinstance(part, list):
        for one in part:
            _null_as_type(one)
    elif isinstance(part, dict):
        if part.get("nullable") is True and isinstance(part.get("type"), str):
            part["type"] = [part["type"], "null"]
            del part["nullable"]
        for one in part.values():
            _null_as_type(one)
