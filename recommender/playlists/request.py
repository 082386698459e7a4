"""What a listener can ask for: one checked value, to and from JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from mer.affect import AffectPoint
from recommender.errors import PlaylistErrorCode, PlaylistRequestError

if TYPE_CHECKING:
    from typing import NoReturn, Self

MAX_COUNT: Final = 200
MAX_MOODS: Final = 10
MAX_SEED_SONGS: Final = 50
MAX_EXCLUDED: Final = 10_000
MAX_TEXT_LENGTH: Final = 2_000
MAX_SEED: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""


def _reject(field: str, problem: str) -> NoReturn:
    raise PlaylistRequestError(
        PlaylistErrorCode.REQUEST_INVALID, f"{field} {problem}", {"field": field}
    )


@dataclass(frozen=True)
class PlaylistRequest:
    """A checked request: at least one of `moods`, `point`, `text`, `song_ids` and `history`.

    Several of them are blended into one target. `diversity` 0 is the best matches, 1 the most
    different songs among good ones. Two songs of one artist have at least `artist_spacing` others
    between them; songs without an artist count as by different ones. `exclude_heard_days` leaves
    out what the listener has heard in that many days. The same request with the same `seed` and
    the same catalogue gives the same list; without a seed one is drawn and returned.

    Raises `PlaylistRequestError` with code REQUEST_INVALID and the field's name in `details`.
    """

    moods: tuple[tuple[str, float], ...] = ()
    point: AffectPoint | None = None
    text: str = ""
    song_ids: tuple[int, ...] = ()
    history: bool = False
    count: int = 20
    diversity: float = 0.3
    seed: int | None = None
    artist_spacing: int = 3
    max_per_artist: int = 3
    genre: str = ""
    year_from: int | None = None
    year_to: int | None = None
    exclude_song_ids: tuple[int, ...] = ()
    exclude_heard_days: int = 0

    def __post_init__(self) -> None:
        self._check_target()
        _check_whole("count", self.count, 1, MAX_COUNT)
        _check_number("diversity", self.diversity, 0.0, 1.0)
        if self.seed is not None:
            _check_whole("seed", self.seed, 0, MAX_SEED)
        _check_whole("artist_spacing", self.artist_spacing, 0, MAX_COUNT)
        _check_whole("max_per_artist", self.max_per_artist, 1, MAX_COUNT)
        _check_text("genre", self.genre, 200)
        for name in ("year_from", "year_to"):
            year = getattr(self, name)
            if year is not None:
                _check_whole(name, year, 0, 9999)
        if None not in (self.year_from, self.year_to) and self.year_from > self.year_to:  # type: ignore[operator]
            _reject("year_from", f"is {self.year_from}, after year_to, {self.year_to}")
        _check_ids("exclude_song_ids", self.exclude_song_ids, MAX_EXCLUDED)
        _check_whole("exclude_heard_days", self.exclude_heard_days, 0, 3650)

    def _check_target(self) -> None:
        if len(self.moods) > MAX_MOODS:
            _reject("moods", f"names {len(self.moods)} moods; {MAX_MOODS} is the most")
        for name, weight in self.moods:
            _check_text("moods", name, 100)
            if not name.strip():
                _reject("moods", "has a mood without a name")
            _check_number("moods", weight, 0.0, 100.0)
            if weight == 0:
                _reject("moods", f"gives {name!r} no weight; use a number above 0")
        if self.point is not None and not isinstance(self.point, AffectPoint):
            _reject("point", "must be an object with valence and arousal")
        _check_text("text", self.text, MAX_TEXT_LENGTH)
        _check_ids("song_ids", self.song_ids, MAX_SEED_SONGS)
        if not isinstance(self.history, bool):
            _reject("history", f"must be true or false, not {self.history!r}")
        if not (self.moods or self.point or self.text.strip() or self.song_ids or self.history):
            _reject("moods", "is empty, and so are point, text, song_ids and history; give one")

    def to_json(self) -> dict[str, object]:
        """Return plain JSON that `from_json` turns into an equal request; defaults are left out."""
        plain: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value == field.default and type(value) is type(field.default):
                continue
            if field.name == "moods":
                value = [{"name": name, "weight": weight} for name, weight in value]
            elif isinstance(value, AffectPoint):
                value = {"valence": value.valence, "arousal": value.arousal}
            elif isinstance(value, tuple):
                value = list(value)
            plain[field.name] = value
        return plain

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Return the request that plain JSON describes, or say which field is wrong.

        `moods` is a list of names or of ``{"name", "weight"}`` objects; `point` is
        ``{"valence", "arousal"}``. A null stands for the default.
        """
        if not isinstance(data, Mapping):
            _reject("request", "must be a JSON object")
        known = {field.name for field in fields(cls)}
        for name in data:
            if name not in known:
                _reject(str(name), f"is not a field; these are: {', '.join(sorted(known))}")
        given = {name: value for name, value in data.items() if value is not None}
        if "moods" in given:
            given["moods"] = _moods_from_json(given["moods"])
        if "point" in given:
            given["point"] = _point_from_json(given["point"])
        for name in ("song_ids", "exclude_song_ids"):
            if name in given:
                given[name] = tuple(_list_from_json(name, given[name]))
        return cls(**given)


def mood_from_text(text: str) -> tuple[str, float]:
    """Read ``calm`` or ``calm:0.5``, as commands and addresses write a mood and its weight."""
    name, _, weight = text.rpartition(":")
    if not name:
        return text.strip(), 1.0
    try:
        return name.strip(), float(weight)
    except ValueError:
        _reject("moods", f"has {text!r}, in which {weight!r} is no weight; write calm:0.5")


def mood_to_text(name: str, weight: float) -> str:
    """Write what `mood_from_text` reads."""
    return name if weight == 1 and ":" not in name else f"{name}:{weight}"


def _check_whole(field: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        _reject(field, f"must be a whole number, not {value!r}")
    if not low <= value <= high:
        _reject(field, f"must be from {low} to {high}, not {value}")


def _check_number(field: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _reject(field, f"must be a number, not {value!r}")
    if not (math.isfinite(value) and low <= value <= high):
        _reject(field, f"must be from {low:g} to {high:g}, not {value}")


def _check_text(field: str, value: object, longest: int) -> None:
    if not isinstance(value, str):
        _reject(field, f"must be text, not {value!r}")
    if len(value) > longest:
        _reject(field, f"has {len(value)} characters; {longest} is the most")
    if "\x00" in value:
        _reject(field, "holds a NUL, which no text does; leave it out")


def _check_ids(field: str, ids: tuple[int, ...], most: int) -> None:
    if len(ids) > most:
        _reject(field, f"has {len(ids)} songs; {most} is the most")
    for song_id in ids:
        _check_whole(field, song_id, 1, 2**63 - 1)


def _list_from_json(field: str, value: object) -> list[object]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        _reject(field, f"must be a list, not {value!r}")
    return list(value)


def _moods_from_json(value: object) -> tuple[tuple[str, float], ...]:
    moods = []
    for mood in _list_from_json("moods", value):
        if isinstance(mood, str):
            moods.append((mood, 1.0))
        elif isinstance(mood, Mapping) and {"name"} <= set(mood) <= {"name", "weight"}:
            moods.append((mood["name"], mood.get("weight", 1.0)))
        else:
            _reject("moods", f"must hold names or {{name, weight}} objects, not {mood!r}")
    return tuple(moods)


def _point_from_json(value: object) -> AffectPoint:
    if not isinstance(value, Mapping) or set(value) != {"valence", "arousal"}:
        _reject("point", "must be an object with valence and arousal, each from 0 to 1")
    for axis in ("valence", "arousal"):
        try:
            _check_number(axis, value[axis], 0.0, 1.0)
        except PlaylistRequestError as error:
            _reject(f"point.{axis}", error.message.removeprefix(f"{axis} "))
    return AffectPoint(float(value["valence"]), float(value["arousal"]))
