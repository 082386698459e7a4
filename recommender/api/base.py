"""What the resources of the API share."""

from __future__ import annotations

import math
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, cast

from django.utils.translation import gettext
from django_filters import CharFilter
from rest_framework import serializers
from rest_framework.fields import SkipField
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny

from recommender.access import IsListener
from recommender.api.conditional import Conditional
from recommender.api.idempotency import Replayed
from recommender.terms import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from django.contrib.auth.models import User
    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer

LISTENERS: Final = [AllowAny, IsListener]
"""Permissions of what every listener may read; `AllowAny` makes the login optional in the schema.

`IsListener` alone decides.
"""


class StrictQuery(Conditional, Replayed):
    """A view whose unknown query parameters are errors, so misspelt names are reported.

    Known are those of the view's filters and pages, in lists, and the fields of what
    `query_inputs` has for an action. Answers to GET have tags, and POST takes an `Idempotency-Key`.
    """

    paged_actions: ClassVar[tuple[str, ...]] = ()
    """Actions beside `list` that answer with a page."""
    query_inputs: ClassVar[Mapping[str, type[serializers.Serializer[Any]]]] = {}
    query_names: ClassVar[Mapping[str, Iterable[str]]] = {}
    """More names, by action."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse unknown parameters of those who may use the view (a hook of the framework)."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        if not hasattr(self, str(request.method).lower()):
            return  # the framework answers 405
        self._query_check(request)
        self.precondition_prepare(request)
        # Last: what was done before is answered before any check.
        self.replay_prepare(request)

    def _query_check(self, request: Request) -> None:
        known = self._query_names()
        unknown = (
            gettext("This is not a query parameter; these are: %(names)s.")
            if known
            else gettext("This is not a query parameter; there are none here.")
        ) % {"names": ", ".join(known)}
        problems = {}
        for name, values in request.query_params.lists():
            if name not in known:
                problems[name] = [unknown]
            elif len(values) > 1:
                problems[name] = [gettext("Give it once.")]
            elif self._is_no_text(name) and "" in values[0].split(","):
                problems[name] = [gettext("Give a value, or leave it out.")]
        if problems:
            raise serializers.ValidationError(problems)

    def _is_no_text(self, name: str) -> bool:
        """Return whether a parameter is a number or one of some values: an empty one is wrong."""
        filters = getattr(self, "filterset_class", None)
        one = filters.base_filters.get(name) if filters else None
        return one is not None and not isinstance(one, CharFilter)

    def _query_names(self) -> list[str]:
        view: Any = self
        action = str(getattr(view, "action", ""))
        names = list(self.query_inputs[action]().fields) if action in self.query_inputs else []
        names += self.query_names.get(action, ())
        if action not in ("list", *self.paged_actions):
            return names
        filters = getattr(view, "filterset_class", None) if action == "list" else None
        names += list(filters.base_filters) if filters else []
        pages = view.paginator
        return names + (pages.names if pages else [])


class BytesParser(BaseParser):
    """Bodies that are files."""

    media_type = "application/octet-stream"

    def parse(  # type: ignore[override]  # the body is no form
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body as it is."""
        return stream.read()


_PLAIN_TYPES: Final[Mapping[type, type[int | float | str]]] = {
    serializers.CharField: str,
    serializers.IntegerField: int,
    serializers.FloatField: float,
}
_JSON_TYPES: Final[Mapping[type, tuple[type, ...]]] = {
    serializers.CharField: (str,),
    serializers.ChoiceField: (str,),
    serializers.DateTimeField: (str,),
    serializers.IntegerField: (int,),
    serializers.FloatField: (int, float),
    serializers.BooleanField: (bool,),
}
"""What a value of a field is in JSON; the framework also takes `"1"` and `true` for 1."""


class StrictSerializer(serializers.Serializer[Any]):
    """An input that takes only what its schema says.

    Unknown fields are errors, so misspelt names are reported, and so are values of
    another type than the field's.
    """

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            problem = gettext("This is not a field; these are: %(names)s.")
            known = {"names": ", ".join(self.fields)}
            raise serializers.ValidationError({name: [problem % known] for name in unknown})
        if isinstance(data, dict):
            problems = {
                name: [gettext("This is not of the right type, or is no finite number.")]
                for name, value in data.items()
                if not _is_of_its_type(self.fields[name], value)
            }
            if problems:
                raise serializers.ValidationError(problems)
        return super().to_internal_value(data)


class ToldField(serializers.CharField):
    """A sentence that is stored in English and answered in the language of the request."""

    def __init__(self, *, told: Callable[[str], str] = told, **kwargs: Any) -> None:
        self._told = told
        super().__init__(**kwargs)

    def to_representation(self, value: str) -> str:
        return self._told(value)


# Without a docstring, which would be the description of outputs in the schema. Numbers and texts
# are read straight from what is shown: the framework takes ten times as long for each.
class PlainOutput(serializers.Serializer[Any]):
    def to_representation(self, instance: Any) -> dict[str, Any]:
        is_mapping = isinstance(instance, dict)
        shown: dict[str, Any] = {}
        for field, plain in self._plain_fields:
            name, source = str(field.field_name), str(field.source)
            if plain is None:
                try:
                    value = field.get_attribute(instance)
                except SkipField:
                    continue
                shown[name] = None if value is None else field.to_representation(value)
            else:
                value = instance[source] if is_mapping else getattr(instance, source)
                shown[name] = None if value is None else plain(value)
        return shown

    @cached_property
    def _plain_fields(
        self,
    ) -> list[tuple[serializers.Field[Any, Any, Any, Any], type[int | float | str] | None]]:
        """The fields, with the type of those that need no more than their value."""
        return [
            (field, _PLAIN_TYPES.get(type(field)) if _is_simple(field) else None)
            for field in self._readable_fields
        ]


def _is_simple(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    # What may be absent has a default, is null or is left out, which the framework sees to.
    return field.required and not field.allow_null and len(field.source_attrs) == 1


def _is_of_its_type(field: serializers.Field[Any, Any, Any, Any], value: object) -> bool:
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return all(_is_of_its_type(field.child, one) for one in value)
    types = next((_JSON_TYPES[cls] for cls in type(field).__mro__ if cls in _JSON_TYPES), None)
    if value is None or types is None:
        return True
    if isinstance(value, bool) != (types == (bool,)) or not isinstance(value, types):
        return False
    return not isinstance(value, float) or math.isfinite(value)


def unit_field(**kwargs: Any) -> serializers.FloatField:
    """Return a field for a number from 0 to 1."""
    return serializers.FloatField(min_value=0, max_value=1, **kwargs)


def valid_data(serializer: BaseSerializer[Any]) -> dict[str, Any]:
    """Return what a serializer read; ValidationError if its input is not valid."""
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def account(request: Request) -> User:
    """Return the user of a request whose view requires a login."""
    return cast("User", request.user)
