"""Kinds of values of target fields: what a list should be like, and how much each part counts.

A weight is a number from -100 to 100, but not 0. What has a weight below 0 is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommender.playlists.kinds import (
    FieldError,
    Flag,
    Kind,
    Number,
    Point,
    Schema,
    Text,
    WholeNumber,
    listed_of,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mer.affect import AffectPoint

_LARGEST_ID: Final = 2**63 - 1
_TOO_MANY: Final = {
    "mood": _("has %(count)s moods; the limit is %(most)s"),
    "artist": _("has %(count)s artists; the limit is %(most)s"),
    "album": _("has %(count)s albums; the limit is %(most)s"),
}
_NAMELESS: Final = {
    "mood": _("has a mood without a name"),
    "artist": _("has an artist without a name"),
    "album": _("has an album without a name"),
}
_NAME: Final = Text(100)


@dataclass(frozen=True)
class Weight(Number):
    """A number from -100 to 100, but not 0."""

    low: float = -100.0
    high: float = 100.0

    def check(self, value: object) -> float:
        if super().check(value) == 0:
            raise FieldError(gettext("must not be 0; leave it out instead"))
        return float(value)  # type: ignore[arg-type]  # `Number` has checked it

    def limits(self) -> str:
        return f"{super().limits()}, not 0"


WEIGHT: Final = Weight()
_WEIGHT_SCHEMA: Final[Schema] = WEIGHT.schema() | {"nullable": True, "default": 1}


@dataclass(frozen=True)
class Names(Kind[tuple[tuple[str, float], ...]]):
    """A list of at most `most` names, each with its weight; `noun` says of what."""

    most: int
    noun: str
    is_list: ClassVar[bool] = True
    metavar: ClassVar[str] = "NAME[:WEIGHT]"

    def check(self, value: object) -> tuple[tuple[str, float], ...]:
        listed = listed_of(value)
        if len(listed) > self.most:
            raise FieldError(_TOO_MANY[self.noun] % {"count": len(listed), "most": self.most})
        return tuple([self._named(one) for one in listed])

    def _named(self, one: object) -> tuple[str, float]:
        if isinstance(one, str):
            one = {"name": one}
        elif isinstance(one, tuple) and len(one) == 2:
            one = {"name": one[0], "weight": one[1]}
        if not isinstance(one, Mapping) or not {"name"} <= set(one) <= {"name", "weight"}:
            raise FieldError(
                gettext("must hold names or {name, weight} objects, not %(one)s")
                % {"one": shown(one)}
            )
        try:
            name = _NAME.check(one["name"])
        except FieldError as error:
            raise FieldError(
                gettext("has a name that %(problem)s") % {"problem": error.problem}
            ) from error
        if not name:
            raise FieldError(str(_NAMELESS[self.noun]))
        return name, _weight_of(one.get("weight"), name)

    def parse(self, words: Sequence[str]) -> object:
        return [_named_word(word) for word in words]

    def plain(self, value: Any) -> object:
        return [{"name": name, "weight": weight} for name, weight in value]

    def words(self, value: Any) -> list[str]:
        return [
            name if weight == 1 and ":" not in name else f"{name}:{weight}"
            for name, weight in value
        ]

    def schema(self) -> Schema:
        named = {
            "type": "object",
            "properties": {"name": _NAME.schema(), "weight": _WEIGHT_SCHEMA},
            "required": ["name"],
            "additionalProperties": False,
        }
        items = {"oneOf": [_NAME.schema(), named]}
        return {"type": "array", "items": items, "maxItems": self.most}

    def limits(self) -> str:
        return f'list of at most {self.most} names or `{{"name", "weight"}}`'


@dataclass(frozen=True)
class SeedSongs(Kind[tuple[tuple[int, float], ...]]):
    """A list of at most `most` ids of songs, each with its weight."""

    most: int
    is_list: ClassVar[bool] = True
    metavar: ClassVar[str] = "ID[:WEIGHT]"
    _id: ClassVar[WholeNumber] = WholeNumber(1, _LARGEST_ID)

    def check(self, value: object) -> tuple[tuple[int, float], ...]:
        listed = listed_of(value)
        if len(listed) > self.most:
            raise FieldError(
                gettext("has %(count)s songs; the limit is %(most)s")
                % {"count": len(listed), "most": self.most}
            )
        return tuple([self._seed(one) for one in listed])

    def _seed(self, one: object) -> tuple[int, float]:
        if isinstance(one, tuple) and len(one) == 2:
            one = {"id": one[0], "weight": one[1]}
        elif not isinstance(one, Mapping):
            one = {"id": one}
        if not {"id"} <= set(one) <= {"id", "weight"}:
            raise FieldError(
                gettext("must hold ids or {id, weight} objects, not %(one)s") % {"one": shown(one)}
            )
        try:
            song_id = self._id.check(one["id"])
        except FieldError as error:
            raise FieldError(
                gettext("has an id that %(problem)s") % {"problem": error.problem}
            ) from error
        return song_id, _weight_of(one.get("weight"), f"song {song_id}")

    def parse(self, words: Sequence[str]) -> object:
        return [self._from_word(word) for word in words]

    def _from_word(self, word: str) -> object:
        song_id, _, weight = word.partition(":")
        try:
            seed = {"id": self._id.parse([song_id])}
        except FieldError as error:
            raise FieldError(
                gettext("has an id that %(problem)s") % {"problem": error.problem}
            ) from error
        return seed | ({"weight": _number(weight, word)} if weight else {})

    def plain(self, value: Any) -> object:
        return [
            song_id if weight == 1 else {"id": song_id, "weight": weight}
            for song_id, weight in value
        ]

    def words(self, value: Any) -> list[str]:
        return [str(song_id) if weight == 1 else f"{song_id}:{weight}" for song_id, weight in value]

    def schema(self) -> Schema:
        seed = {
            "type": "object",
            "properties": {"id": self._id.schema(), "weight": _WEIGHT_SCHEMA},
            "required": ["id"],
            "additionalProperties": False,
        }
        items = {"oneOf": [self._id.schema(), seed]}
        return {"type": "array", "items": items, "maxItems": self.most}

    def limits(self) -> str:
        return f'list of at most {self.most} ids or `{{"id", "weight"}}`'


@dataclass(frozen=True)
class Weights(Kind[tuple[tuple[str, float], ...]]):
    """The weights of some of the fields `names`."""

    names: tuple[str, ...]
    is_list: ClassVar[bool] = True
    metavar: ClassVar[str] = "FIELD:WEIGHT"

    def check(self, value: object) -> tuple[tuple[str, float], ...]:
        if isinstance(value, tuple):
            value = dict(value)
        if not isinstance(value, Mapping):
            raise FieldError(
                gettext("must be an object of fields and weights, not %(value)s")
                % {"value": shown(value)}
            )
        for name in value:
            if name not in self.names:
                raise FieldError(
                    gettext("has %(name)s; these have a weight: %(names)s")
                    % {"name": shown(name), "names": ", ".join(self.names)}
                )
        weights = {name: _weight_of(weight, name) for name, weight in value.items()}
        return tuple(sorted((name, weight) for name, weight in weights.items() if weight != 1))

    def parse(self, words: Sequence[str]) -> object:
        parsed = (_named_word(word) for word in words)
        return {one["name"]: one.get("weight") for one in parsed}

    def plain(self, value: Any) -> object:
        return dict(value)

    def words(self, value: Any) -> list[str]:
        return [f"{name}:{weight}" for name, weight in value]

    def schema(self) -> Schema:
        return {
            "type": "object",
            "description": "Weights of target fields; 1 where absent. Below 0: refused.",
            "properties": dict.fromkeys(self.names, _WEIGHT_SCHEMA),
            "additionalProperties": False,
        }

    def limits(self) -> str:
        return "object of field names and weights"


@dataclass(frozen=True)
class Region:
    """A rectangle of the plane, each bound in [0, 1]."""

    valence: tuple[float, float] = (0.0, 1.0)
    arousal: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Box(Kind[Region]):
    """A rectangle of the plane; a bound that is absent is that of the plane."""

    parts: ClassVar[Mapping[str, str]] = {
        "valence_from": "left side of a rectangle of the plane, 0 to 1",
        "valence_to": "right side of a rectangle of the plane, 0 to 1",
        "arousal_from": "lower side of a rectangle of the plane, 0 to 1",
        "arousal_to": "upper side of a rectangle of the plane, 0 to 1",
    }
    metavar: ClassVar[str] = "NUMBER"
    axis: ClassVar[Number] = Number(0, 1)

    def check(self, value: object) -> Region:
        if isinstance(value, Region):
            value = {"valence": value.valence, "arousal": value.arousal}
        axes = {"valence", "arousal"}
        if not isinstance(value, Mapping) or not set(value) or not set(value) <= axes:
            raise FieldError(
                gettext("must be an object with valence, arousal or both, each [from, to]")
            )
        return Region(**{name: self._bounds(bounds, name) for name, bounds in value.items()})

    def _bounds(self, value: object, name: str) -> tuple[float, float]:
        try:
            listed = listed_of(value)
            if len(listed) != 2:
                raise FieldError(gettext("must be [from, to]"))
            low, high = (self.axis.check(bound) for bound in listed)
            if low > high:
                raise FieldError(
                    gettext("begins at %(low)g, after its end, %(high)g")
                    % {"low": low, "high": high}
                )
        except FieldError as error:
            raise FieldError(error.problem, part=name) from error
        return low, high

    def parse(self, words: Sequence[str]) -> object:
        given = dict(zip(self.parts, words, strict=True))

        def bound(name: str, side: str, default: float) -> object:
            word = given[f"{name}_{side}"]
            try:
                return self.axis.parse([word]) if word else default
            except FieldError as error:
                raise FieldError(error.problem, part=name) from error

        return {
            name: [bound(name, "from", 0.0), bound(name, "to", 1.0)]
            for name in ("valence", "arousal")
        }

    def plain(self, value: Any) -> object:
        return {"valence": list(value.valence), "arousal": list(value.arousal)}

    def words(self, value: Any) -> list[str]:
        return [str(bound) for bound in (*value.valence, *value.arousal)]

    def schema(self) -> Schema:
        bounds = {"type": "array", "items": self.axis.schema(), "minItems": 2, "maxItems": 2}
        return {
            "type": "object",
            "description": "A rectangle of the plane; each axis as [from, to].",
            "properties": {"valence": bounds, "arousal": bounds},
            "additionalProperties": False,
        }

    def limits(self) -> str:
        return '`{"valence": [from, to], "arousal": [from, to]}`, each 0 to 1'


@dataclass(frozen=True)
class Stop:
    """A place that a journey passes: exactly one of its parts is set."""

    mood: str = ""
    point: AffectPoint | None = None
    song_id: int = 0
    history: bool = False


@dataclass(frozen=True)
class Stops(Kind[tuple[Stop, ...]]):
    """Two to `most` stops of a journey, or one, to which it goes from where the listener is.

    As a word a stop is a mood or other words, ``0.3/0.8``, ``song:12``, or ``now``.
    """

    most: int
    is_list: ClassVar[bool] = True
    metavar: ClassVar[str] = "STOP"
    _kinds: ClassVar[Mapping[str, Kind[Any]]] = {
        "mood": _NAME,
        "point": Point(),
        "song_id": WholeNumber(1, _LARGEST_ID),
        "history": Flag(),
    }

    def check(self, value: object) -> tuple[Stop, ...]:
        listed = listed_of(value)
        if len(listed) > self.most:
            raise FieldError(
                gettext("has %(count)s stops; the limit is %(most)s")
                % {"count": len(listed), "most": self.most}
            )
        stops = tuple([self._stop(one) for one in listed])
        if len(stops) == 1:
            stops = (Stop(history=True), *stops)
        return stops

    def _stop(self, one: object) -> Stop:
        if isinstance(one, Stop):
            return one
        if isinstance(one, str):
            one = _stop_of_word(one)
        if not isinstance(one, Mapping) or len(one) != 1 or not set(one) <= set(self._kinds):
            raise FieldError(
                gettext(
                    "must hold moods, or objects with one of mood, point, song_id and "
                    "history, not %(one)s"
                )
                % {"one": shown(one)}
            )
        checked = self._checked(*next(iter(one.items())))
        if isinstance(word := checked.get("mood"), str):
            # {"mood": "now"} means the same as "now", as it does in an address.
            checked = self._checked(*next(iter(_stop_of_word(word).items())))
        return Stop(**checked)

    def _checked(self, name: str, value: object) -> dict[str, Any]:
        try:
            checked = self._kinds[name].check(value)
        except FieldError as error:
            raise FieldError(
                gettext("has a %(name)s that %(problem)s")
                % {"name": name, "problem": error.problem}
            ) from error
        if not checked:
            raise FieldError(gettext("has an empty %(name)s") % {"name": name})
        return {name: checked}

    def parse(self, words: Sequence[str]) -> object:
        return list(words)

    def plain(self, value: Any) -> object:
        return [
            {"mood": stop.mood}
            if stop.mood
            else {"point": Point().plain(stop.point)}
            if stop.point is not None
            else {"song_id": stop.song_id}
            if stop.song_id
            else {"history": True}
            for stop in value
        ]

    def words(self, value: Any) -> list[str]:
        return [_word_of_stop(stop) for stop in value]

    def schema(self) -> Schema:
        kinds = [
            {
                "type": "object",
                "properties": {name: kind.schema()},
                "required": [name],
                "additionalProperties": False,
            }
            for name, kind in self._kinds.items()
        ]
        items = {"oneOf": [_NAME.schema(), *kinds]}
        return {"type": "array", "items": items, "maxItems": self.most}

    def limits(self) -> str:
        return (
            f"list of at most {self.most} moods or words, `valence/arousal`, `song:ID`, `now`, "
            "or objects with one of `mood`, `point`, `song_id`, `history`"
        )


def _stop_of_word(word: str) -> Mapping[str, object]:
    word = word.strip()
    if word.casefold() == "now":
        return {"history": True}
    kind, _, rest = word.partition(":")
    if kind == "song" and rest.isdecimal():
        return {"song_id": int(rest)}
    valence, slash, arousal = word.partition("/")
    try:
        if slash:
            return {"point": {"valence": float(valence), "arousal": float(arousal)}}
    except ValueError:
        pass
    return {"mood": word}


def _word_of_stop(stop: Stop) -> str:
    if stop.mood:
        return stop.mood
    if stop.point is not None:
        return f"{stop.point.valence}/{stop.point.arousal}"
    return f"song:{stop.song_id}" if stop.song_id else "now"


def _weight_of(value: object, name: str) -> float:
    try:
        return 1.0 if value is None else WEIGHT.check(value)
    except FieldError as error:
        raise FieldError(
            gettext("has a weight of %(name)r that %(problem)s")
            % {"name": name, "problem": error.problem}
        ) from error


def _named_word(word: str) -> dict[str, Any]:
    name, _, weight = word.rpartition(":")
    return {"name": name, "weight": _number(weight, word)} if name else {"name": word}


def _number(weight: str, word: str) -> float:
    try:
        return float(weight)
    except ValueError as error:
        raise FieldError(
            gettext("has %(word)s, in which %(weight)s is no weight; write calm:0.5")
            % {"word": shown(word), "weight": shown(weight)}
        ) from error
