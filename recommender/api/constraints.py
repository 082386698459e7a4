"""The constraints of playlists as parameters of other requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from recommender.playlists.constraints import CONSTRAINTS
from recommender.playlists.kinds import FieldError, Text
from recommender.playlists.request import constraint_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recommender.playlists.fields import Field, Values

CONSTRAINT_FIELDS: Final[Mapping[str, Field[Any]]] = {
    field.name: field
    for constraint in CONSTRAINTS
    for field in constraint.fields()
    if field.name != "include_unplayable"
}
"""But for the songs without audio, which lists of songs have and playlists do not."""


def constraint_parameters(*without: str) -> list[OpenApiParameter]:
    """Return the parameters of a query, for the schema; lists have commas between their items."""
    return [
        OpenApiParameter(
            field.name,
            field.kind.schema(),
            description=f"{field.help}.",
            explode=False if field.kind.is_list else None,
            style="form" if field.kind.is_list else None,
        )
        for field in CONSTRAINT_FIELDS.values()
        if field.name not in without
    ]


def constraints_read(query: Mapping[str, str], *without: str) -> Values:
    """Return the constraints that the parameters of a query set; other parameters are ignored.

    Raises `ValidationError`, or `PlaylistRequestError` if constraints contradict each other.
    """
    problems: dict[str, list[str]] = {}
    given: dict[str, object] = {"include_unplayable": True}
    for name, field in CONSTRAINT_FIELDS.items():
        if name not in query or name in without:
            continue
        if not query[name].strip() and not isinstance(field.kind, Text):
            problems[name] = [gettext("Give a value, or leave it out.")]
            continue
        try:
            given[name] = field.kind.check(_json(field, query[name]))
        except FieldError as error:
            problems[name] = [gettext("This %(problem)s.") % {"problem": error.problem}]
    if problems:
        raise serializers.ValidationError(problems)
    return constraint_values(given)


def _json(field: Field[Any], word: str) -> object:
    """Return a parameter as the JSON that it stands for; one that is none stays a word."""
    if isinstance(field.kind, Text):
        return word
    try:
        return json.loads(f"[{word}]" if field.kind.is_list else word)
    except ValueError:
        return word
