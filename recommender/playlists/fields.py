"""Fields of a playlist request, each declared once.

Everything that states, checks or documents a field is made from its declaration: the service, the
API, the page, the command and the tables in the docs. Null and empty text stand for the
default. An empty word in an address or a command counts as absent.
`recommender.playlists.kinds` has the types of values.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from django_stubs_ext import StrOrPromise

    from recommender.playlists.kinds import Kind

T = TypeVar("T")


class Group(enum.StrEnum):
    """The purpose of a field in a request."""

    TARGET = "target"
    """Describes the emotion of the songs; at least one target is needed."""
    CHOICE = "choice"
    """Sets how songs are chosen and ordered."""
    CONSTRAINT = "constraint"
    """Limits which songs may be in the list."""


class Values:
    """Checked values of fields; they never change."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = dict(values)

    def value(self, name: str) -> Any:
        """Return the value of a field by the field's name."""
        return self._values[name]


@dataclass(eq=False)
class Field(Generic[T]):
    """One field of a request, declared as an attribute of a class.

    On an instance of `Values` whose class declares the field, the attribute is the value. On any
    other instance, use `of`.
    """

    kind: Kind[T]
    default: T
    help: str
    """One line, without a full stop, for the API, the command and the docs."""
    label: StrOrPromise = ""
    """Label of the input on the page; if empty, it is made from the name."""
    word: str = ""
    """Name in addresses and, with dashes, of the command's option; the name if empty."""
    metavar: str = ""
    """Stands for the value in the command's help; the kind's if empty."""
    group: Group = Group.CHOICE
    is_tuning: bool = False
    """The page of a playlist has an input for it."""
    needs: str = ""
    """The field that it details, if it means nothing without it."""
    is_in_address: bool = True
    """The page writes the field into addresses; it reads the field from addresses always."""
    name: str = field(init=False, default="")

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.word = self.word or name
        self.metavar = self.metavar or self.kind.metavar
        self.label = self.label or name.replace("_", " ").capitalize()

    @overload
    def __get__(self, instance: Values, owner: type) -> T: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Self: ...
    def __get__(self, instance: object, owner: type) -> T | Self:
        return self.of(instance) if isinstance(instance, Values) else self

    def of(self, values: Values) -> T:
        """Return the value of this field among checked values."""
        value: T = values.value(self.name)
        return value

    def check(self, value: object) -> T:
        """Return the canonical form of a value, the default for null; raise `FieldError`."""
        return self.default if value is None else self.kind.check(value)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of its inputs in addresses and commands: one, or one for each part."""
        return tuple(self.kind.parts) or (self.word,)

    def read(self, given: Mapping[str, Sequence[str]]) -> object:
        """Return the JSON value of the words, which are given by the names of `inputs`.

        None if there are no words, or empty ones only. Raises `FieldError`.
        """
        words = {
            name: [word for word in given.get(name, ()) if word.strip()] for name in self.inputs
        }
        if not any(words.values()):
            return None
        if self.kind.parts:
            return self.kind.parse([word[-1] if word else "" for word in words.values()])
        return self.kind.parse(words[self.word])

    def words(self, values: Values) -> dict[str, list[str]]:
        """Return the words that `read` takes, by input; none for the default."""
        value = self.of(values)
        if value == self.default:
            return {}
        words = self.kind.words(value)
        if self.kind.parts:
            return {name: [word] for name, word in zip(self.inputs, words, strict=True)}
        return {self.word: words}
