"""What a listener can ask for: a target, how songs are chosen, and constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mer.affect import AffectPoint
from recommender.errors import PlaylistErrorCode, PlaylistRequestError
from recommender.playlists.constraints import CONSTRAINTS
from recommender.playlists.contrasts import CONTRASTS
from recommender.playlists.fields import Field, Group, Values
from recommender.playlists.journeys import SHAPES
from recommender.playlists.kinds import (
    Choice,
    FieldError,
    Flag,
    LastPoint,
    Number,
    Point,
    Text,
    WholeNumber,
)
from recommender.playlists.scoring import MATCH_FLOOR
from recommender.playlists.target_kinds import (
    Box,
    Names,
    Region,
    SeedSongs,
    Stop,
    Stops,
    Weights,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Self

MAX_COUNT: Final = 200
MAX_SEED: Final = 2**53 - 1
"""Every JSON reader represents whole numbers up to this one exactly."""
MAX_TEXT_LENGTH: Final = 2_000
MAX_MINUTES: Final = 1_440
WEIGHTED: Final = (
    *("moods", "point", "box", "text", "song_ids", "artists", "albums", "history", "contrast"),
)
"""The fields that `weights` takes; the other targets are a journey and details of these."""


class PlaylistRequest(Values):
    """A checked request with at least one target; several targets are blended.

    The attributes below and the fields of the constraints are its fields; `value` gives any of
    them by name. The same request with the same seed and the same catalogue gives the same list.

    Raises `PlaylistRequestError` with code REQUEST_INVALID and the field's name in `details`.
    """

    __slots__ = ()

    moods = Field[tuple[tuple[str, float], ...]](
        Names(10, "mood"),
        (),
        "Names of moods, with or without a weight; any other name is read as words",
        word="mood",
        group=Group.TARGET,
    )
    point = Field[AffectPoint | None](Point(), None, "A point of the plane", group=Group.TARGET)
    radius = Field[float](
        Number(0, 1),
        0.0,
        "Songs at most so far from the point match fully",
        group=Group.TARGET,
        needs="point",
    )
    box = Field[Region | None](Box(), None, "A rectangle of the plane", group=Group.TARGET)
    text = Field[str](
        Text(MAX_TEXT_LENGTH),
        "",
        "Words: moods, what is refused, genres, years, artists, lengths, a situation, lyrics",
        group=Group.TARGET,
    )
    last_target = Field[AffectPoint | None](
        LastPoint(),
        None,
        "The target before, which words such as calmer move; without one it is the middle",
        group=Group.TARGET,
        needs="text",
    )
    song_ids = Field[tuple[tuple[int, float], ...]](
        SeedSongs(50),
        (),
        "Songs to resemble, or not to resemble; they are not in the list",
        word="like",
        group=Group.TARGET,
    )
    artists = Field[tuple[tuple[str, float], ...]](
        Names(10, "artist"),
        (),
        "Artists to resemble; with a weight below 0 their songs are left out",
        word="artist",
        group=Group.TARGET,
    )
    albums = Field[tuple[tuple[str, float], ...]](
        Names(10, "album"),
        (),
        "Albums to resemble; with a weight below 0 their songs are left out",
        word="album",
        group=Group.TARGET,
    )
    history = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "What the listener has heard",
        metavar="USERNAME",
        group=Group.TARGET,
    )
    history_half_life = Field[float](
        Number(0, 3650, is_low_excluded=True),
        30.0,
        "Days in which the weight of what was heard halves",
        group=Group.TARGET,
        needs="history",
    )
    history_session = Field[bool](
        Flag(),
        False,  # noqa: FBT003
        "Only what was heard in the latest session, without a pause of 30 minutes",
        group=Group.TARGET,
        needs="history",
    )
    history_hour = Field[int | None](
        WholeNumber(0, 23),
        None,
        "Only what was heard at about this hour of the day, in the server's time zone",
        group=Group.TARGET,
        needs="history",
    )
    contrast = Field[str](
        Choice(CONTRASTS),
        "",
        "Songs whose sound and words disagree",
        label=_("Sound against words"),
        group=Group.TARGET,
        is_tuning=True,
    )
    words_weight = Field[float | None](
        Number(0, 1),
        None,
        "Judge songs by their sound alone (0), by their words alone (1), or between the two",
        label=_("What counts: 0 the sound alone, 1 the words alone"),
        group=Group.TARGET,
        is_tuning=True,
    )
    journey = Field[tuple[Stop, ...]](
        Stops(8),
        (),
        "Stops of a journey in order; a single stop is reached from what was heard last",
        group=Group.TARGET,
    )
    journey_shape = Field[str](
        Choice(SHAPES),
        "linear",
        "How a journey goes from stop to stop",
        group=Group.TARGET,
        needs="journey",
    )
    weights = Field[tuple[tuple[str, float], ...]](
        Weights(WEIGHTED),
        (),
        "Weights of whole fields; a field with a weight below 0 is refused",
        word="weight",
        group=Group.TARGET,
    )
    count = Field[int](
        WholeNumber(1, MAX_COUNT), 20, "Number of songs", label=_("Songs"), is_tuning=True
    )
    minutes = Field[int | None](
        WholeNumber(1, MAX_MINUTES),
        None,
        "Length of the list in place of the number of songs",
        label=_("Or minutes"),
        is_tuning=True,
    )
    diversity = Field[float](
        Number(0, 1),
        0.3,
        "0 best matches, 1 most different songs among good matches",
        label=_("Variety: best matches to most different songs"),
        is_tuning=True,
    )
    seed = Field[int | None](
        WholeNumber(0, MAX_SEED),
        None,
        "The same seed, request and catalogue give the same list; random if absent",
    )
    min_match = Field[float](
        Number(0, 1),
        MATCH_FLOOR,
        "The list ends where songs match less than this; 0 fills it with weaker matches",
        label=_("Weakest match"),
    )
    artist_spacing = Field[int](
        WholeNumber(0, MAX_COUNT),
        3,
        "At least this many songs by others between two songs by one artist",
        label=_("Songs between two by one artist"),
        is_tuning=True,
    )
    smooth = Field[float](
        Number(0, 1),
        0.0,
        "How much the order avoids steps of tempo and key; a journey keeps its own order",
        label=_("Even tempo and key from song to song"),
        is_tuning=True,
    )
    max_per_artist = Field[int](
        WholeNumber(1, MAX_COUNT), 3, "At most this many songs by one artist"
    )

    max_per_album = Field[int](
        WholeNumber(1, MAX_COUNT), MAX_COUNT, "At most this many songs of one album"
    )
    relax = Field[bool](
        Flag(),
        True,  # noqa: FBT003
        "If less than half the songs are left, relax some constraints, and say which",
    )

    def __init__(self, /, **given: object) -> None:
        for name in given:
            if name not in FIELDS:
                _reject(
                    name,
                    gettext("is not a field; these are: %(names)s")
                    % {"names": ", ".join(sorted(FIELDS))},
                )
        super().__init__({name: _checked(FIELDS[name], given.get(name)) for name in FIELDS})
        self._check_targets()
        _check_constraints(self)

    def _check_targets(self) -> None:
        targets = [FIELDS[name] for name in TARGETS]
        if all(field.of(self) == field.default for field in targets):
            first, *others = (field.name for field in targets)
            _reject(
                first,
                gettext("is empty, and so are %(others)s; give one of them")
                % {"others": ", ".join(others)},
            )
        for field in FIELDS.values():
            if field.needs and field.of(self) != field.default:
                needed = FIELDS[field.needs]
                if needed.of(self) == needed.default and not (
                    field.needs == "history" and any(stop.history for stop in self.journey)
                ):
                    _reject(field.name, gettext("needs %(needs)s") % {"needs": field.needs})
        for name, _weight in self.weights:
            if FIELDS[name].of(self) == FIELDS[name].default:
                _reject(
                    "weights", gettext("has a weight of %(name)s, which is empty") % {"name": name}
                )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlaylistRequest) and self._values == other._values

    def __hash__(self) -> int:
        return hash(tuple(self._values.values()))

    def __repr__(self) -> str:
        return f"PlaylistRequest.from_json({self.to_json()!r})"

    def replace(self, /, **changes: object) -> PlaylistRequest:
        """Return the request with some fields changed."""
        return PlaylistRequest(**{**self._values, **changes})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON that `from_json` turns into an equal request; defaults are left out."""
        return {
            name: field.kind.plain(field.of(self))
            for name, field in FIELDS.items()
            if field.of(self) != field.default
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Return the request that plain JSON describes; the error names the invalid field."""
        if not isinstance(data, Mapping):
            _reject("request", gettext("must be a JSON object"))
        return cls(**{str(name): value for name, value in data.items()})

    @classmethod
    def from_words(cls, given: Mapping[str, Sequence[str]]) -> Self:
        """Return the request that an address or a command describes; unknown names are ignored.

        `given` holds the words of each input, such as ``{"mood": ["calm", "sad:0.5"]}``.
        """
        read: dict[str, object] = {}
        for name, field in FIELDS.items():
            try:
                read[name] = field.read(given)
            except FieldError as error:
                _reject(_path(name, error), error.problem)
        return cls(**read)


TARGETS: Final = (*WEIGHTED, "journey")
"""The fields of which a request needs one."""
FIELDS: Final[Mapping[str, Field[Any]]] = {
    field.name: field
    for field in (
        *(own for own in vars(PlaylistRequest).values() if isinstance(own, Field)),
        *(own for constraint in CONSTRAINTS for own in constraint.fields()),
    )
}
"""Every field of a request by name: targets, choice, constraints."""


def constraint_values(given: Mapping[str, object]) -> Values:
    """Return checked values of constraints without a target; other fields have their defaults.

    Raises `PlaylistRequestError` as `PlaylistRequest` does.
    """
    values = Values({name: _checked(FIELDS[name], given.get(name)) for name in FIELDS})
    _check_constraints(values)
    return values


def _check_constraints(values: Values) -> None:
    for constraint in CONSTRAINTS:
        try:
            constraint.check(values)
        except FieldError as error:
            _reject(error.part or constraint.fields()[0].name, error.problem)


def _checked(field: Field[Any], value: object) -> object:
    try:
        return field.check(value)
    except FieldError as error:
        _reject(_path(field.name, error), error.problem)


def _path(name: str, error: FieldError) -> str:
    return f"{name}.{error.part}" if error.part else name


def _reject(field: str, problem: str) -> NoReturn:
    raise PlaylistRequestError(
        PlaylistErrorCode.REQUEST_INVALID,
        f"{field} {problem}.",
        {"field": field},
    )
