"""What the generated OpenAPI schema does not contain by itself."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema

from recommender.error_answers import ErrorCode

_ERROR = {
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
_ERROR_RESPONSE = {
    "description": "An error.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


class ClientSchema(AutoSchema):
    """Describes an operation by what its view says for clients, and not by the view's docstring."""

    def get_description(self) -> str:  # type: ignore[override]  # as in drf-spectacular
        """Return what is said where `extend_schema` gives no description."""
        return ""


def document_errors(result: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
    """Add the error shape to every operation (a drf-spectacular hook)."""
    result["components"].setdefault("schemas", {})["Error"] = _ERROR
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = _ERROR_RESPONSE
    return result
