"""Kinds of values of request fields: what a value may be, and how it is read and described.

Unusual values mean the same in JSON, in addresses and in commands:

- JSON has one type of number, so 5.0 is the whole number 5; true and "5" are not numbers;
- text is stripped;
- addresses and commands hold words: there "5" is 5.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from django.utils.translation import gettext

from catalog.keys import key_find, key_name
from mer.affect import AffectPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

Schema = dict[str, Any]
"""A piece of an OpenAPI 3.0 schema."""

_LARGEST_ID: Final = 2**63 - 1
_SHOWN: Final = 80
"""Error messages repeat at most this many characters of a value."""
_TRUE: Final = frozenset({"1", "on", "true", "yes"})
_FALSE: Final = frozenset({"0", "off", "false", "no"})

T_co = TypeVar("T_co", covariant=True)


class FieldError(ValueError):
    """A value that a field does not take.

    `problem` continues a sentence that begins with the field's name. `part` names the part of the
    value that is wrong, such as the valence of a point.
    """

    def __init__(self, problem: str, part: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.part = part


class Kind(ABC, Generic[T_co]):
    """A type of value with its limits."""

    is_list: ClassVar[bool] = False
    """Whether addresses repeat the name, and commands take several words."""
    parts: ClassVar[Mapping[str, str]] = {}
    """Names and meanings of parts that have an input each in addresses and commands."""
    metavar: ClassVar[str] = ""
    """Stands for the value in a command's help."""

    @abstractmethod
    def check(self, value: object) -> T_co:
        """Return the canonical form of a JSON or Python value; raise `FieldError` if invalid."""

    @abstractmethod
    def parse(self, words: Sequence[str]) -> object:
        """Return the JSON value of words that are not empty; raise `FieldError` if invalid."""

    @abstractmethod
    def schema(self) -> Schema:
        """Return the OpenAPI schema of the JSON that `check` takes."""

    @abstractmethod
    def limits(self) -> str:
        """Return type and limits in words, for the docs."""

    def plain(self, value: Any) -> object:
        """Return the JSON of a checked value."""
        return value

    def words(self, value: Any) -> list[str]:
        """Return words that `parse` reads as a checked value."""
        return [str(value)]


@dataclass(frozen=True)
class WholeNumber(Kind[int]):
    """A whole number from `low` to `high`."""

    low: int
    high: int
    metavar: ClassVar[str] = "N"

    def check(self, value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise FieldError(
                gettext("must be a whole number, not %(value)s") % {"value": shown(value)}
            )
        if not self.low <= value <= self.high:
            raise FieldError(
                gettext("must be from %(low)s to %(high)s, not %(value)s")
                % {"low": self.low, "high": self.high, "value": shown(value)}
            )
        return value

    def parse(self, words: Sequence[str]) -> object:
        whole, _, rest = words[-1].strip().partition(".")
        try:
            if rest.strip("0"):
                raise ValueError(rest)
            return int(whole)
        except ValueError as error:
            raise FieldError(
                gettext("must be a whole number, not %(value)s") % {"value": shown(words[-1])}
            ) from error

    def schema(self) -> Schema:
        plain: Schema = {"type": "integer", "maximum": self.high, "minimum": self.low}
        return plain | ({"format": "int64"} if self.high >= 2**31 else {})

    def limits(self) -> str:
        return f"whole number, {self.low} to {self.high}"


@dataclass(frozen=True)
class Number(Kind[float]):
    """A number from `low` to `high`; `is_low_excluded` excludes `low` itself."""

    low: float
    high: float
    is_low_excluded: bool = False
    metavar: ClassVar[str] = "NUMBER"

    def check(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise FieldError(gettext("must be a number, not %(value)s") % {"value": shown(value)})
        is_inside = self.low <= value <= self.high and math.isfinite(value)
        if not is_inside or (self.is_low_excluded and value == self.low):
            problem = (
                gettext("must be above %(low)g and at most %(high)g, not %(value)s")
                if self.is_low_excluded
                else gettext("must be from %(low)g to %(high)g, not %(value)s")
            )
            given = {"low": self.low, "high": self.high, "value": shown(value)}
            raise FieldError(problem % given)
        return float(value)

    def parse(self, words: Sequence[str]) -> object:
        try:
            return float(words[-1])
        except ValueError as error:
            raise FieldError(
                gettext("must be a number, not %(value)s") % {"value": shown(words[-1])}
            ) from error

    def schema(self) -> Schema:
        plain: Schema = {
            "type": "number",
            "format": "double",
            "maximum": self.high,
            "minimum": self.low,
        }
        return plain | ({"exclusiveMinimum": True} if self.is_low_excluded else {})

    def limits(self) -> str:
        return f"number, {'above ' if self.is_low_excluded else ''}{self._range()}"

    def _range(self) -> str:
        return f"{self.low:g} {'and at most' if self.is_low_excluded else 'to'} {self.high:g}"


@dataclass(frozen=True)
class Text(Kind[str]):
    """Text of at most `longest` characters, stripped."""

    longest: int
    metavar: ClassVar[str] = "TEXT"

    def check(self, value: object) -> str:
        if not isinstance(value, str):
            raise FieldError(gettext("must be text, not %(value)s") % {"value": shown(value)})
        text = value.strip()
        if len(text) > self.longest:
            raise FieldError(
                gettext("has %(count)s characters; the limit is %(longest)s")
                % {"count": len(text), "longest": self.longest}
            )
        if "\x00" in text:
            raise FieldError(gettext("contains a NUL character; leave it out"))
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise FieldError(
                gettext("contains a lone surrogate, which is no character; leave it out")
            )
        return text

    def parse(self, words: Sequence[str]) -> object:
        return words[-1]

    def schema(self) -> Schema:
        return {"type": "string", "maxLength": self.longest}

    def limits(self) -> str:
        return f"text, at most {self.longest} characters"


@dataclass(frozen=True)
class MusicalKey(Text):
    """Keys by their names or places on the Camelot wheel, with commas between; empty for none."""

    longest: int = 400
    metavar: ClassVar[str] = "KEY"

    def check(self, value: object) -> str:
        text = super().check(value)
        if not text:
            return ""
        return ", ".join(dict.fromkeys(key_name(_key(one)) for one in text.split(",")))

    def limits(self) -> str:
        return "keys such as `A minor` or `8A`, with commas between"


def _key(text: str) -> int:
    code = key_find(text.strip())
    if code is None:
        raise FieldError(
            gettext("is no key: %(value)s; give one such as A minor, F# major or 8A")
            % {"value": shown(text)}
        )
    return code


@dataclass(frozen=True)
class Flag(Kind[bool]):
    """True or false."""

    def check(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise FieldError(
                gettext("must be true or false, not %(value)s") % {"value": shown(value)}
            )
        return value

    def parse(self, words: Sequence[str]) -> object:
        word = words[-1].strip().casefold()
        if word not in _TRUE | _FALSE:
            raise FieldError(
                gettext("must be true or false, not %(value)s") % {"value": shown(words[-1])}
            )
        return word in _TRUE

    def words(self, value: Any) -> list[str]:
        return [str(value).lower()]

    def schema(self) -> Schema:
        return {"type": "boolean"}

    def limits(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Ids(Kind[tuple[int, ...]]):
    """A list of at most `most` ids of songs."""

    most: int
    is_list: ClassVar[bool] = True
    metavar: ClassVar[str] = "ID"
    _one: ClassVar[WholeNumber] = WholeNumber(1, _LARGEST_ID)

    def check(self, value: object) -> tuple[int, ...]:
        listed = listed_of(value)
        if len(listed) > self.most:
            raise FieldError(
                gettext("has %(count)s songs; the limit is %(most)s")
                % {"count": len(listed), "most": self.most}
            )
        try:
            return tuple([self._one.check(song_id) for song_id in listed])
        except FieldError as error:
            raise FieldError(
                gettext("has an id that %(problem)s") % {"problem": error.problem}
            ) from error

    def parse(self, words: Sequence[str]) -> object:
        try:
            return [self._one.parse([word]) for word in words]
        except FieldError as error:
            raise FieldError(
                gettext("has an id that %(problem)s") % {"problem": error.problem}
            ) from error

    def plain(self, value: Any) -> object:
        return list(value)

    def words(self, value: Any) -> list[str]:
        return [str(song_id) for song_id in value]

    def schema(self) -> Schema:
        return {"type": "array", "items": self._one.schema(), "maxItems": self.most}

    def limits(self) -> str:
        return f"list of at most {self.most} ids"


@dataclass(frozen=True)
class Choice(Kind[str]):
    """One of a few names; `options` holds what each means. "" among them stands for none."""

    options: Mapping[str, str]
    metavar: ClassVar[str] = "NAME"

    def check(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.options:
            raise FieldError(
                gettext("must be one of %(names)s, not %(value)s")
                % {"names": ", ".join(self._names()), "value": shown(value)}
            )
        return value

    def parse(self, words: Sequence[str]) -> object:
        return words[-1].strip()

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.options)}

    def limits(self) -> str:
        return ", ".join(f"`{name}`" for name in self._names())

    def _names(self) -> list[str]:
        return [name for name in self.options if name]

    def __hash__(self) -> int:
        return hash(tuple(self.options))


@dataclass(frozen=True)
class Point(Kind[AffectPoint]):
    """A point of the valence-arousal plane."""

    parts: ClassVar[Mapping[str, str]] = {
        "valence": "0 unpleasant to 1 pleasant",
        "arousal": "0 calm to 1 lively",
    }
    metavar: ClassVar[str] = "NUMBER"
    axis: ClassVar[Number] = Number(0, 1)

    def check(self, value: object) -> AffectPoint:
        if isinstance(value, AffectPoint):
            return value
        if not isinstance(value, Mapping) or set(value) != set(self.parts):
            raise FieldError(
                gettext("must be an object with valence and arousal, each from 0 to 1")
            )
        return AffectPoint(**{name: self._part(self.axis.check, name, value) for name in value})

    def parse(self, words: Sequence[str]) -> object:
        given = dict(zip(self.parts, words, strict=True))
        if not all(given.values()):
            raise FieldError(gettext("needs valence and arousal together, each from 0 to 1"))
        return {name: self._part(self._parse_axis, name, given) for name in given}

    def _parse_axis(self, word: str) -> object:
        return self.axis.parse([word])

    @staticmethod
    def _part(read: Any, name: str, value: Mapping[str, object]) -> Any:
        try:
            return read(value[name])
        except FieldError as error:
            raise FieldError(error.problem, part=name) from error

    def plain(self, value: Any) -> object:
        return {name: getattr(value, name) for name in self.parts}

    def words(self, value: Any) -> list[str]:
        return [str(getattr(value, name)) for name in self.parts]

    def schema(self) -> Schema:
        return {
            "type": "object",
            "description": "A point of the plane; 0.5 is neutral.",
            "properties": {name: self.axis.schema() for name in self.parts},
            "required": sorted(self.parts),
        }

    def limits(self) -> str:
        return '`{"valence", "arousal"}`, each a number, 0 to 1'


@dataclass(frozen=True)
class LastPoint(Point):
    """A point with inputs of its own beside those of `Point`; as JSON the two are alike."""

    parts: ClassVar[Mapping[str, str]] = {
        "last_valence": "Valence of the target before, which words such as calmer move",
        "last_arousal": "Arousal of the target before",
    }

    def check(self, value: object) -> AffectPoint:
        return Point().check(value)

    def parse(self, words: Sequence[str]) -> object:
        return Point().parse(words)

    def plain(self, value: Any) -> object:
        return Point().plain(value)

    def words(self, value: Any) -> list[str]:
        return Point().words(value)

    def schema(self) -> Schema:
        return Point().schema()


def listed_of(value: object) -> Sequence[object]:
    """Return a list or tuple as it is; raise `FieldError` for anything else."""
    if not isinstance(value, (list, tuple)):
        raise FieldError(gettext("must be a list, not %(value)s") % {"value": shown(value)})
    return value


def shown(value: object) -> str:
    """Return a value as error messages repeat it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
