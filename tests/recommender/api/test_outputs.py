"""Outputs that read plain fields themselves show what the framework would."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework import serializers

from recommender.api.base import PlainOutput

FIELDS: dict[str, Any] = {
    "number": lambda: serializers.IntegerField(allow_null=True),
    "share": serializers.FloatField,
    "count": serializers.IntegerField,
    "text": serializers.CharField,
    "renamed": lambda: serializers.CharField(source="text"),
    "deep": lambda: serializers.FloatField(source="inner.share"),
    "absent": lambda: serializers.FloatField(required=False),
    "filled": lambda: serializers.IntegerField(default=7),
    "choice": lambda: serializers.ChoiceField(choices=["a", "b"]),
    "texts": lambda: serializers.ListField(child=serializers.CharField()),
    "moment": lambda: serializers.DateTimeField(allow_null=True),
    "secret": lambda: serializers.CharField(write_only=True),
}


def shown(base: type[serializers.Serializer[Any]], names: list[str], instance: object) -> Any:
    made = type("Output", (base,), {name: FIELDS[name]() for name in names})
    inner = type("Inner", (base,), {"share": FIELDS["share"]()})
    outer = type("Outer", (made,), {"inner": inner(), "inners": inner(many=True)})
    return outer(instance).data


@pytest.mark.parametrize("is_mapping", [True, False])
@pytest.mark.parametrize("number", [3, True, "4", None])
def test_plain_fields_are_shown_as_the_framework_shows_them(
    is_mapping: bool,
    number: object,
) -> None:
    def held(**values: object) -> Any:
        return values if is_mapping else SimpleNamespace(**values)

    inner = held(share=2)
    instance = held(
        number=number,
        share=0.25,
        count="12",
        text=5,
        choice="b",
        texts=("x", 1),
        moment=None,
        inner=inner,
        inners=[inner, held(share="0.5")],
    )
    names = list(FIELDS)
    wanted = shown(serializers.Serializer, names, instance)
    assert shown(PlainOutput, names, instance) == wanted
    assert "absent" not in wanted
    assert "secret" not in wanted


def test_a_missing_value_is_an_error() -> None:
    for base in (PlainOutput, serializers.Serializer):
        with pytest.raises((KeyError, AttributeError)):
            shown(base, ["share"], {"inner": {"share": 1}, "inners": []})
