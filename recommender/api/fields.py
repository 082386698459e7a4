"""Serializers and schema of the fields of a playlist request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from recommender.api.base import StrictSerializer
from recommender.playlists.kinds import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drf_spectacular.openapi import AutoSchema

    from recommender.playlists.fields import Field
    from recommender.playlists.kinds import Kind


class RequestField(serializers.Field[Any, Any, Any, Any]):
    """A value that a field of a request takes, in its one form."""

    def __init__(self, *, kind: Kind[object], **kwargs: Any) -> None:
        self.kind = kind
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        try:
            return self.kind.check(data)
        except FieldError as error:
            problem = gettext("This %(problem)s.") % {"problem": error.problem}
            raise serializers.ValidationError(
                {error.part: [problem]} if error.part else [problem]
            ) from error


class _RequestFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """The schema of a field is its kind's; objects are components with a name."""

    target_class = RequestField

    def get_name(self) -> str | None:
        kind = self.target.kind
        return f"{type(kind).__name__}Input" if kind.schema()["type"] == "object" else None

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = self.target.kind.schema()
        if "enum" in schema and self.target.allow_null:
            return {**schema, "enum": [*schema["enum"], None]}
        return schema


def request_field(kind: Kind[object], words: str) -> RequestField:
    """Return a field that is not required; null is its default."""
    return RequestField(kind=kind, required=False, allow_null=True, help_text=f"{words}.")


def serializer_of(fields: Mapping[str, Field[Any]]) -> type[StrictSerializer]:
    """Return a serializer of the fields of a request."""
    members = {field.name: request_field(field.kind, field.help) for field in fields.values()}
    return type("RequestInput", (StrictSerializer,), members)
