"""What changed between two OpenAPI schemas, and which of it breaks programs that use the older one.

A request that fitted the older schema must still fit; an answer must still be one of those that
the older schema promised, but for fields that are new. A new value of an enumeration in an answer
breaks nothing here: clients have to take values that they do not know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Schema = Mapping[str, Any]

_METHODS: Final = ("get", "put", "post", "patch", "delete", "head", "options")
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT: Final = 2**53
"""Larger whole numbers are not exact in JSON as many languages read it."""
_SAME: Final = ("format", "pattern", "multipleOf")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; `where` names the operation and the place in it."""

    where: str
    what: str
    is_breaking: bool = True

    def __str__(self) -> str:
        return f"{'breaks' if self.is_breaking else 'adds'}: {self.where}: {self.what}"


def schema_changes(older: Schema, newer: Schema) -> list[Change]:
    """Return the changes from one OpenAPI document to the next; the breaking ones come first."""
    before, after = _operations(older), _operations(newer)
    found = [Change(name, "the operation is gone") for name in before if name not in after]
    found += [
        Change(name, "a new operation", is_breaking=False) for name in after if name not in before
    ]
    request, response = (
        _Side(older, newer, is_request=is_request, where="", met=set())
        for is_request in (True, False)
    )
    for name in sorted(before.keys() & after.keys()):
        found += _Comparison(request, response, name).changes(before[name], after[name])
    return sorted(
        set(found), key=lambda change: (not change.is_breaking, change.where, change.what)
    )


def is_version_raised(
    was: str, now: str, changes: Sequence[Change], *, is_release: bool = False
) -> bool:
    """Return whether the version of the API says what its changes do to clients.

    What breaks them raises the first number. What adds to the API raises the second one, which is
    asked for at a release alone: additions until then share a number.
    """
    old, new = ([int(part) for part in version.split(".")] for version in (was, now))
    if any(change.is_breaking for change in changes):
        return new[0] > old[0]
    return new[:2] > old[:2] if changes and is_release else new >= old


def _operations(document: Schema) -> dict[str, Schema]:
    return {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    }


@dataclass(frozen=True, slots=True)
class _Side:
    """The direction of data, and which document it has to be taken by."""

    older: Schema
    newer: Schema
    is_request: bool
    where: str
    met: set[str]
    """Names of the schemas that were compared in this direction."""

    def at(self, name: str) -> _Side:
        return replace(self, where=f"{self.where}{name}")


class _Comparison:
    def __init__(self, request: _Side, response: _Side, name: str) -> None:
        self._name = name
        self._request = request.at(f"{name}: request")
        self._response = response.at(f"{name}: response")

    def changes(self, before: Schema, after: Schema) -> Iterator[Change]:
        if before.get("operationId") != after.get("operationId"):
            yield Change(self._name, f"its id was {before.get('operationId')}")
        if _is_open(before) and not _is_open(after):
            yield Change(self._name, "it needs a login now")
        yield from self._parameters(before, after)
        yield from self._body(before.get("requestBody"), after.get("requestBody"))
        yield from self._responses(before["responses"], after["responses"])

    def _parameters(self, before: Schema, after: Schema) -> Iterator[Change]:
        old, new = _parameters(before), _parameters(after)
        for key in old.keys() - new.keys():
            yield Change(self._name, f"the parameter {key[1]} is gone")
        for key, parameter in new.items():
            was_required = key in old and old[key].get("required", False)
            if parameter.get("required", False) and not was_required:
                yield Change(self._name, f"the parameter {key[1]} is required")
            elif key not in old:
                yield Change(self._name, f"a new parameter {key[1]}", is_breaking=False)
        for key in old.keys() & new.keys():
            side = replace(self._request, where=f"{self._name}: {key[1]}")
            yield from _compared(side, old[key]["schema"], new[key]["schema"])

    def _body(self, before: Schema | None, after: Schema | None) -> Iterator[Change]:
        if before is None or after is None:
            if after is not None and after.get("required", False):
                yield Change(self._name, "it needs a body")
            if before is not None:
                yield Change(self._name, "it takes no body any more")
            return
        if after.get("required", False) and not before.get("required", False):
            yield Change(self._name, "its body is required")
        yield from _of_media(self._request, before["content"], after["content"])

    def _responses(self, before: Schema, after: Schema) -> Iterator[Change]:
        for status, response in before.items():
            is_success = str(status).startswith(("2", "3"))
            if status not in after:
                if is_success:
                    yield Change(self._name, f"it does not answer {status} any more")
                continue
            old = _resolved(self._response.older, response).get("content", {})
            new = _resolved(self._response.newer, after[status]).get("content", {})
            yield from _of_media(self._response.at(f" {status}"), old, new)


def _parameters(operation: Schema) -> dict[tuple[str, str], Schema]:
    return {(one["in"], one["name"]): one for one in operation.get("parameters", ())}


def _is_open(operation: Schema) -> bool:
    """Whether an operation may be called without a login."""
    return {} in operation.get("security", [{}])


def _of_media(side: _Side, before: Schema, after: Schema) -> Iterator[Change]:
    for media, content in before.items():
        if media not in after:
            yield Change(side.where, f"the type {media} is gone")
        else:
            yield from _compared(side, content.get("schema", {}), after[media].get("schema", {}))


def _compared(side: _Side, before: Schema, after: Schema) -> Iterator[Change]:
    old, new = _Shape(side.older, before), _Shape(side.newer, after)
    # Whatever fits `narrow` has to fit `wide`.
    wide, narrow = (new, old) if side.is_request else (old, new)
    if narrow.is_nullable and not wide.is_nullable:
        what = "it may not be null any more" if side.is_request else "it may be null now"
        yield Change(side.where, what)
    if old.name and old.name == new.name:
        # Its changes are told once, and not for each operation that has it.
        if old.name in side.met:
            return
        side.met.add(old.name)
        direction = "a request" if side.is_request else "an answer"
        side = replace(side, where=f"{old.name} as {direction}")
    yield from _types(side, wide, narrow)
    yield from _values(side, wide, narrow)
    yield from _limits(side, wide, narrow)
    yield from _fields(side, old, new)
    for key, name in (("items", "[]"), ("additionalProperties", "{}")):
        one, other = old.plain.get(key), new.plain.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _compared(side.at(name), one, other)
    if len(old.choices) == len(new.choices):
        for one, other in zip(old.choices, new.choices, strict=True):
            yield from _compared(side, one, other)
    else:
        yield Change(side.where, f"it was one of {len(old.choices)} shapes")


class _Shape:
    """A schema with its references followed, null taken out, and a lone alternative unwrapped."""

    def __init__(self, document: Schema, schema: Schema) -> None:
        self.is_nullable = False
        self.choices: list[Schema] = []
        self.name = _name(schema)
        plain = dict(_resolved(document, schema))
        while inner := _alternatives(plain):
            parts = [part for part in inner if part.get("type") != "null"]
            self.is_nullable |= len(parts) < len(inner)
            if len(parts) != 1:
                self.choices = parts
                break
            self.name = self.name or _name(parts[0])
            plain = dict(_resolved(document, parts[0]))
        kinds = plain.get("type", [])
        self.kinds = {kinds} if isinstance(kinds, str) else set(kinds)
        self.is_nullable |= "null" in self.kinds or bool(plain.get("nullable"))
        self.kinds -= {"null"}
        self.plain = plain

    @property
    def values(self) -> set[Any] | None:
        enum = self.plain.get("enum", [self.plain["const"]] if "const" in self.plain else None)
        return None if enum is None else {value for value in enum if value is not None}


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _alternatives(schema: Schema) -> list[Schema]:
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            return list(schema[key])
    return []


def _resolved(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = document
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _types(side: _Side, wide: _Shape, narrow: _Shape) -> Iterator[Change]:
    taken = wide.kinds | ({"integer"} if "number" in wide.kinds else set())
    if wide.kinds and (not narrow.kinds or not narrow.kinds <= taken):
        old, new = (narrow, wide) if side.is_request else (wide, narrow)
        yield Change(side.where, f"its type was {_named(old.kinds)} and is {_named(new.kinds)}")


def _values(side: _Side, wide: _Shape, narrow: _Shape) -> Iterator[Change]:
    if wide.values is None:
        return
    if narrow.values is None:
        yield Change(side.where, "its values are limited" if side.is_request else "any value now")
        return
    for value in narrow.values - wide.values:
        what = f"the value {value} is {'gone' if side.is_request else 'new'}"
        yield Change(side.where, what, is_breaking=side.is_request)


def _limits(side: _Side, wide: _Shape, narrow: _Shape) -> Iterator[Change]:
    for key in (*_LOWER, *_UPPER, *_SAME):
        limit, given = wide.plain.get(key), narrow.plain.get(key)
        if limit is None or limit == given or _is_of_any_number(key, limit):
            continue
        is_looser = given is not None and (
            (key in _LOWER and given > limit) or (key in _UPPER and given < limit)
        )
        if not is_looser:
            old, new = (given, limit) if side.is_request else (limit, given)
            yield Change(side.where, f"its {key} was {old} and is {new}")


def _is_of_any_number(key: str, limit: Any) -> bool:
    """Whether every number that programs exchange keeps to a limit."""
    if key == "format":
        return limit in ("int64", "double")
    return key in ("minimum", "maximum") and abs(limit) >= _EXACT


def _fields(side: _Side, old: _Shape, new: _Shape) -> Iterator[Change]:
    before, after = old.plain.get("properties", {}), new.plain.get("properties", {})
    was, now = _required(old), _required(new)
    for name in before.keys() - after.keys():
        yield Change(side.where, f"the field {name} is gone")
    for name in now - was if side.is_request else (was - now) & after.keys():
        what = "is required" if side.is_request else "may be absent"
        yield Change(side.where, f"the field {name} {what}")
    for name in after.keys() - before.keys() - (now if side.is_request else set()):
        yield Change(side.where, f"a new field {name}", is_breaking=False)
    for name in before.keys() & after.keys():
        yield from _compared(side.at(f".{name}"), before[name], after[name])


def _required(shape: _Shape) -> set[str]:
    return set(shape.plain.get("required", ()))


def _named(kinds: Iterable[str]) -> str:
    return " or ".join(sorted(kinds)) or "anything"
